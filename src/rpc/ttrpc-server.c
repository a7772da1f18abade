/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: listening, connections, limits, time. Calls are in ttrpc-call.c.
 *
 * A connection is cut off when its peer leaves more answers unread than max_output, or none is
 * taken for stall_ns, or a frame stays half sent for that long. When all output together exceeds
 * max_memory, the connection with most of it goes.
 */

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "server-private.h"
#include "sys/file.h"
#include "sys/sock.h"

#define SECOND UINT64_C(1000000000)

static const struct ttrpc_limits default_limits = { .max_connections = 64,
						    .max_calls = 4096,
						    .max_output = (size_t)8 << 20,
						    .max_memory = (size_t)64 << 20,
						    .stall_ns = 30 * SECOND };

static void timer_fired(uv_timer_t *timer);
static void timer_closed(uv_handle_t *handle);

static void set_limit(size_t *limit, size_t preset)
{
	if (!*limit)
		*limit = preset;
}

void ttrpc_server_wake(struct ttrpc_server *s, uint64_t due)
{
	uint64_t now = uv_hrtime();

	if (s->due && s->due <= due)
		return;
	s->due = due;
	/* Rounded up: a timer that fires early has to be set again. */
	uv_timer_start(&s->timer, timer_fired, due > now ? (due - now) / 1000000 + 1 : 0, 0);
}

/* ---- Connections ---- */

static void handle_closed(struct ttrpc_server *s)
{
	s->n_handles--;
	if (s->n_handles == 1) /* the listener and all connections are closed */
		uv_close((uv_handle_t *)&s->timer, timer_closed);
	if (s->n_handles)
		return;
	if (s->closed)
		s->closed(s->closed_arg);
	free(s->entries);
	free(s);
}

static void conn_closed(struct ttrpc_conn *io)
{
	struct server_conn *conn = dv_container_of(io, struct server_conn, io);
	struct ttrpc_server *s = conn->server;

	dv_log(s->log, DV_DEBUG, "ttrpc: connection ended, %zu calls: %s%s%s", conn->n_calls,
	       io->why, io->error ? ": " : "", io->error ? dv_errno_text(-io->error) : "");
	ttrpc_calls_lose(conn);
	dv_assert(conn->n_calls == 0);
	*conn->prev = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	s->n_conns--;
	ttrpc_session_fini(&conn->session);
	free(conn);
	handle_closed(s);
}

static void conn_input(struct ttrpc_conn *io, const uint8_t *p, size_t n)
{
	struct server_conn *conn = dv_container_of(io, struct server_conn, io);
	struct ttrpc_server *s = conn->server;
	struct ttrpc_event ev;

	conn->last_input = uv_hrtime();
	while (!ttrpc_conn_is_dead(io) && !io->is_input_off) {
		ttrpc_session_next(&conn->session, &p, &n, &ev);
		if (ev.kind == TTRPC_EVENT_MORE)
			break;
		if (ev.kind == TTRPC_EVENT_REQUEST)
			ttrpc_call_begin(conn, &ev.frame);
		else if (ev.kind == TTRPC_EVENT_DATA)
			ttrpc_call_data(conn, &ev.frame);
		else
			ttrpc_server_send(conn,
					  ttrpc_status_chunk(ev.frame.stream, ev.code, ev.text));
	}
	if (ttrpc_reader_is_midway(&conn->session.reader) && s->listen_fd >= 0)
		ttrpc_server_wake(s, conn->last_input + s->limits.stall_ns);
}

static void conn_drained(struct ttrpc_conn *io)
{
	struct server_conn *conn = dv_container_of(io, struct server_conn, io);

	if (conn->server->listen_fd < 0)
		ttrpc_conn_kill(io, "server closed", 0);
}

/* At the cost of the worst readers. */
static void conn_make_room(struct ttrpc_conn *io, size_t n)
{
	struct ttrpc_server *s = dv_container_of(io, struct server_conn, io)->server;

	while (n > s->budget.max - DV_MIN(s->budget.used, s->budget.max)) {
		struct server_conn *worst = s->conns;

		for (struct server_conn *c = s->conns; c; c = c->next) {
			if (c->io.n_queued > worst->io.n_queued)
				worst = c;
		}
		if (!worst || !worst->io.n_queued)
			return;
		ttrpc_conn_kill(&worst->io, "the peer does not read, and memory is short", 0);
	}
}

static const struct ttrpc_conn_ops conn_ops = { .input = conn_input,
						.closed = conn_closed,
						.drained = conn_drained,
						.make_room = conn_make_room };

bool ttrpc_server_send(struct server_conn *conn, struct ttrpc_chunk *take)
{
	struct ttrpc_server *s = conn->server;

	if (!ttrpc_conn_send(&conn->io, take))
		return false;
	if (conn->io.first)
		ttrpc_server_wake(s, conn->io.progress + s->limits.stall_ns);
	return true;
}

/* ---- Listening ---- */

static struct dv_err *check_peer(const struct ttrpc_server *s, int fd)
{
	uid_t uid;
	int r;

	if (s->is_any_uid)
		return NULL;
	r = sys_peer_uid(fd, &uid);
	if (r < 0)
		return dv_err_sys(r, "peer's credentials");
	if (uid != s->uid)
		return dv_err_new(DV_PERMISSION, "peer's uid is %u", (unsigned)uid);
	return NULL;
}

static size_t living_conns(const struct ttrpc_server *s)
{
	size_t n = 0;

	for (const struct server_conn *c = s->conns; c; c = c->next)
		n += !ttrpc_conn_is_dead(&c->io);
	return n;
}

static struct dv_err *adopt(struct ttrpc_server *s, int *fd)
{
	struct server_conn *conn;
	struct dv_err *e;
	int r;

	e = check_peer(s, *fd);
	if (e)
		return e;
	/* None is thrown out for it: a daemon that loses a connection takes the shim for dead. */
	if (living_conns(s) >= s->limits.max_connections)
		return dv_err_new(DV_EXHAUSTED, "more than %zu connections",
				  s->limits.max_connections);
	conn = dv_new(struct server_conn);
	conn->server = s;
	conn->session.reader.budget = &s->budget;
	conn->last_input = uv_hrtime();
	conn->io.ops = &conn_ops;
	conn->io.budget = &s->budget;
	conn->io.max_queued = s->limits.max_output;
	r = ttrpc_conn_open(&conn->io, s->loop, *fd);
	if (r < 0) {
		free(conn);
		return dv_err_new(DV_UNAVAILABLE, "watch connection: %s", uv_strerror(r));
	}
	dv_steal_fd(fd);
	conn->next = s->conns;
	conn->prev = &s->conns;
	if (s->conns)
		s->conns->prev = &conn->next;
	s->conns = conn;
	s->n_conns++;
	s->n_handles++;
	return NULL;
}

static void listener_ready(uv_poll_t *poll, int status, int events)
{
	struct ttrpc_server *s = dv_container_of(poll, struct ttrpc_server, listener);
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;

	(void)events;
	fd = status < 0 ? status : sys_accept(s->listen_fd);
	if (fd == -EAGAIN)
		return;
	if (fd < 0) {
		/* Out of descriptors: the connection keeps waiting, and so shall we. */
		dv_log(s->log, DV_DEBUG, "ttrpc: accept: %s", dv_errno_text(-fd));
		uv_poll_stop(&s->listener);
		s->is_listening = false;
		ttrpc_server_wake(s, uv_hrtime() + SECOND / 10);
		return;
	}
	e = adopt(s, &fd);
	if (e)
		dv_log(s->log, DV_DEBUG, "ttrpc: connection refused: %s", dv_err_message(e));
	dv_err_free(e);
}

static void listen_again(struct ttrpc_server *s)
{
	if (s->is_listening || s->listen_fd < 0)
		return;
	s->is_listening = true;
	uv_poll_start(&s->listener, UV_READABLE, listener_ready);
}

/* ---- Time ---- */

/* When this connection is to be cut off if nothing happens; 0: never. */
static uint64_t patience(const struct ttrpc_server *s, const struct server_conn *conn)
{
	uint64_t since = 0;

	if (conn->io.first)
		since = conn->io.progress;
	else if (ttrpc_reader_is_midway(&conn->session.reader))
		since = conn->last_input;
	return since ? since + s->limits.stall_ns : 0;
}

static void cut_stalled(struct ttrpc_server *s, uint64_t now, uint64_t *due)
{
	for (struct server_conn *c = s->conns; c; c = c->next) {
		uint64_t end = ttrpc_conn_is_dead(&c->io) ? 0 : patience(s, c);

		if (s->close_by && end)
			end = DV_MIN(end, s->close_by);
		if (end && end <= now)
			ttrpc_conn_kill(&c->io, "the peer stalls", 0);
		else if (end)
			*due = *due ? DV_MIN(*due, end) : end;
	}
}

static void timer_fired(uv_timer_t *timer)
{
	struct ttrpc_server *s = dv_container_of(timer, struct ttrpc_server, timer);
	uint64_t now = uv_hrtime(), due = 0;

	s->due = 0;
	listen_again(s);
	ttrpc_calls_expire(s, now, &due);
	cut_stalled(s, now, &due);
	if (due && !uv_is_closing((uv_handle_t *)timer))
		ttrpc_server_wake(s, due);
}

/* ---- Life ---- */

struct dv_err *ttrpc_server_new(const struct ttrpc_server_opts *opts, struct ttrpc_server **ret)
{
	DV_CLEANUP(sys_closep) int fd = opts->listen_fd;
	struct ttrpc_server *s;
	int r;

	r = sys_set_nonblock(fd, true);
	if (r < 0)
		return dv_err_sys(r, "ttrpc: listen on descriptor %d", fd);
	s = dv_new(struct ttrpc_server);
	r = uv_poll_init(opts->loop, &s->listener, fd);
	if (r < 0) {
		free(s);
		return dv_err_new(DV_INTERNAL, "ttrpc: watch descriptor %d: %s", fd,
				  uv_strerror(r));
	}
	uv_timer_init(opts->loop, &s->timer);
	s->n_handles = 2;
	s->loop = opts->loop;
	s->listen_fd = dv_steal_fd(&fd);
	s->is_any_uid = opts->is_any_uid;
	s->uid = opts->uid;
	s->log = opts->log;
	s->limits = opts->limits;
	set_limit(&s->limits.max_connections, default_limits.max_connections);
	set_limit(&s->limits.max_calls, default_limits.max_calls);
	set_limit(&s->limits.max_output, default_limits.max_output);
	set_limit(&s->limits.max_memory, default_limits.max_memory);
	if (!s->limits.stall_ns)
		s->limits.stall_ns = default_limits.stall_ns;
	s->budget.max = s->limits.max_memory;
	listen_again(s);
	*ret = s;
	return NULL;
}

void ttrpc_server_add(struct ttrpc_server *s, const struct ttrpc_service *service, void *arg)
{
	s->entries = dv_realloc_n(s->entries, s->n_entries + 1, sizeof(*s->entries));
	s->entries[s->n_entries++] = (struct server_entry){ .service = service, .arg = arg };
}

static void listener_closed(uv_handle_t *handle)
{
	handle_closed(dv_container_of((uv_poll_t *)handle, struct ttrpc_server, listener));
}

static void timer_closed(uv_handle_t *handle)
{
	handle_closed(dv_container_of((uv_timer_t *)handle, struct ttrpc_server, timer));
}

void ttrpc_server_close(struct ttrpc_server *s, void (*closed)(void *arg), void *arg)
{
	struct server_conn *next;

	dv_assert(s->listen_fd >= 0);
	s->closed = closed;
	s->closed_arg = arg;
	uv_poll_stop(&s->listener);
	s->listen_fd = sys_close(s->listen_fd);
	uv_close((uv_handle_t *)&s->listener, listener_closed);
	ttrpc_calls_orphan(s);
	s->close_by = uv_hrtime() + SECOND;
	for (struct server_conn *c = s->conns; c; c = next) {
		next = c->next;
		ttrpc_conn_stop_input(&c->io);
		if (!c->io.first)
			ttrpc_conn_kill(&c->io, "server closed", 0);
	}
	ttrpc_server_wake(s, s->close_by);
}

size_t ttrpc_server_connections(const struct ttrpc_server *s)
{
	return living_conns(s);
}

size_t ttrpc_server_calls(const struct ttrpc_server *s)
{
	return s->n_calls;
}
