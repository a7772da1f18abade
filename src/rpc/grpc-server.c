/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: listening, connections, their limits, and its end. Calls begin in grpc-request.c.
 *
 * A connection is cut off when it does not say hello in time, leaves a header block half sent,
 * takes nothing of the answers that wait for it, or does not answer a PING after a long silence.
 */

#include <errno.h>

#include "base/str.h"
#include "grpc-server-private.h"
#include "sys/file.h"
#include "sys/sock.h"

#define SECOND UINT64_C(1000000000)

#define PING_ANSWER (20 * SECOND)

static const struct grpc_limits default_limits = {
	.max_connections = 1024,
	.max_streams = 4096,
	.max_headers = 64 << 10,
	.max_message = GRPC_MESSAGE_MAX,
	.max_input = (size_t)64 << 20,
	.max_memory = (size_t)512 << 20,
	.handshake_ns = 20 * SECOND,
	.stall_ns = 60 * SECOND,
	.keepalive_ns = 7200 * SECOND,
};

static void check_end(struct grpc_server *s);

/* ---- A connection's times ---- */

struct patience {
	uint64_t now, due; /* due: the next time to look */
	const char *why; /* it is over */
};

static void until(struct patience *p, uint64_t end, const char *why)
{
	if (end <= p->now)
		p->why = why;
	else
		p->due = DV_MIN(p->due, end);
}

static void keep_alive(struct grpc_server_conn *conn, struct patience *p)
{
	struct grpc_h2 *h = &conn->h2;
	uint64_t quiet = h->last_input + conn->server->limits.keepalive_ns;

	if (conn->ping_at && h->last_input >= conn->ping_at)
		conn->ping_at = 0;
	if (!conn->ping_at && quiet <= p->now) {
		conn->ping_at = p->now;
		nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
		grpc_h2_touch(h);
	}
	if (conn->ping_at)
		until(p, conn->ping_at + DV_MIN(PING_ANSWER, conn->server->limits.keepalive_ns),
		      "no answer to a ping");
	else
		until(p, quiet, "");
}

static void look_after(struct grpc_alarm *a)
{
	struct grpc_server_conn *conn = dv_container_of(a, struct grpc_server_conn, alarm);
	const struct grpc_limits *limits = &conn->server->limits;
	struct patience p = { .now = uv_hrtime(), .due = UINT64_MAX };
	struct grpc_h2 *h = &conn->h2;

	if (grpc_h2_is_dead(h))
		return;
	if (!h->is_ready)
		until(&p, conn->since + limits->handshake_ns, "the peer does not say hello");
	if (h->headers_since)
		until(&p, h->headers_since + limits->handshake_ns, "headers are half sent");
	if (h->rest || conn->n_leaving)
		until(&p, h->progress + limits->stall_ns, "the peer stalls");
	keep_alive(conn, &p);
	if (p.why)
		grpc_h2_kill(h, p.why, 0);
	else
		grpc_alarm_set(h->hub, a, p.due);
}

static void conn_changed(struct grpc_h2 *h)
{
	struct grpc_server_conn *conn = dv_container_of(h, struct grpc_server_conn, h2);
	const struct grpc_limits *limits = &conn->server->limits;

	if (h->rest || conn->n_leaving)
		grpc_alarm_by(h->hub, &conn->alarm, h->progress + limits->stall_ns);
	if (h->headers_since)
		grpc_alarm_by(h->hub, &conn->alarm, h->headers_since + limits->handshake_ns);
}

/* ---- Connections ---- */

void grpc_server_conn_unref(struct grpc_server_conn *conn)
{
	struct grpc_server *s = conn->server;

	if (conn->n_calls || !conn->is_closed)
		return;
	if (s) {
		*conn->prev = conn->next;
		if (conn->next)
			conn->next->prev = conn->prev;
	}
	free(conn);
}

static void conn_closed(struct grpc_h2 *h)
{
	struct grpc_server_conn *conn = dv_container_of(h, struct grpc_server_conn, h2);
	struct grpc_server *s = conn->server;

	dv_log(s->log, DV_DEBUG, "grpc: connection ended: %s%s%s", h->why, h->error ? ": " : "",
	       h->error ? dv_errno_text(-h->error) : "");
	grpc_alarm_set(&s->hub, &conn->alarm, 0);
	s->n_conns--;
	conn->is_closed = true;
	grpc_server_conn_unref(conn);
	check_end(s);
}

static const struct grpc_h2_ops conn_ops = { .begin = grpc_call_begin,
					     .changed = conn_changed,
					     .closed = conn_closed };

/* SETTINGS without any, and GOAWAY, ENHANCE_YOUR_CALM: somebody who knows HTTP/2 understands. */
static void turn_away(int fd)
{
	static const uint8_t bye[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7,
				       0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11 };

	(void)!sys_send(fd, bye, sizeof(bye), 0);
}

static struct dv_err *adopt(struct grpc_listener *l, int *fd)
{
	struct grpc_server *s = l->server;
	struct grpc_server_conn *conn;
	int r;

	if (s->n_conns >= s->limits.max_connections) {
		s->stats.refused_total++;
		turn_away(*fd);
		return dv_err_new(DV_EXHAUSTED, "more than %zu connections",
				  s->limits.max_connections);
	}
	conn = dv_new(struct grpc_server_conn);
	conn->server = s;
	conn->since = uv_hrtime();
	conn->is_read_only = l->is_read_only;
	if (sys_peer_pid(*fd, &conn->pid) < 0)
		conn->pid = 0;
	conn->alarm.fn = look_after;
	conn->h2.hub = &s->hub;
	conn->h2.ops = &conn_ops;
	conn->h2.is_server = true;
	conn->h2.input = (struct grpc_budget){ .max = s->limits.max_input, .parent = &s->memory };
	conn->h2.output = (struct grpc_budget){ .max = s->limits.max_input, .parent = &s->memory };
	r = grpc_h2_open(&conn->h2, *fd, (uint32_t)s->limits.max_streams,
			 (uint32_t)s->limits.max_headers);
	if (r < 0) {
		free(conn);
		return dv_err_new(DV_UNAVAILABLE, "watch connection: %s", uv_strerror(r));
	}
	dv_steal_fd(fd);
	conn->next = s->conns;
	conn->prev = &s->conns;
	if (conn->next)
		conn->next->prev = &conn->next;
	s->conns = conn;
	s->n_conns++;
	s->stats.connections_total++;
	grpc_alarm_set(&s->hub, &conn->alarm,
		       conn->since + DV_MIN(s->limits.handshake_ns, s->limits.keepalive_ns));
	return NULL;
}

/* ---- Listening ---- */

static void listener_ready(uv_poll_t *poll, int status, int events)
{
	struct grpc_listener *l = dv_container_of(poll, struct grpc_listener, poll);
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;

	(void)events;
	fd = status < 0 ? status : sys_accept(l->fd);
	if (fd == -EAGAIN)
		return;
	if (fd < 0) {
		/* Out of descriptors: the connection keeps waiting, and so shall we. */
		dv_log(l->server->log, DV_DEBUG, "grpc: accept: %s", dv_errno_text(-fd));
		uv_poll_stop(&l->poll);
		grpc_alarm_set(&l->server->hub, &l->again, uv_hrtime() + SECOND / 10);
		return;
	}
	e = adopt(l, &fd);
	if (e)
		dv_log(l->server->log, DV_DEBUG, "grpc: connection refused: %s", dv_err_message(e));
	dv_err_free(e);
}

static void listen_again(struct grpc_alarm *a)
{
	struct grpc_listener *l = dv_container_of(a, struct grpc_listener, again);

	uv_poll_start(&l->poll, UV_READABLE, listener_ready);
}

struct dv_err *grpc_server_listen(struct grpc_server *s, const struct grpc_listen_opts *opts)
{
	DV_CLEANUP(sys_closep) int fd = opts->take_fd;
	struct grpc_listener *l;
	int r;

	r = sys_set_nonblock(fd, true);
	if (r < 0)
		return dv_err_sys(r, "grpc: listen on descriptor %d", fd);
	l = dv_new(struct grpc_listener);
	r = uv_poll_init(s->hub.loop, &l->poll, fd);
	if (r < 0) {
		free(l);
		return dv_err_new(DV_INTERNAL, "grpc: watch descriptor %d: %s", fd, uv_strerror(r));
	}
	s->hub.n_handles++;
	l->fd = dv_steal_fd(&fd);
	l->server = s;
	l->again.fn = listen_again;
	l->is_read_only = opts->is_read_only;
	l->next = s->listeners;
	s->listeners = l;
	listen_again(&l->again);
	return NULL;
}

static void listener_closed(uv_handle_t *handle)
{
	struct grpc_listener *l = dv_container_of((uv_poll_t *)handle, struct grpc_listener, poll);
	struct grpc_hub *hub = &l->server->hub;

	free(l);
	grpc_hub_unref(hub);
}

static void stop_listening(struct grpc_server *s)
{
	while (s->listeners) {
		struct grpc_listener *l = s->listeners;

		s->listeners = l->next;
		grpc_alarm_set(&s->hub, &l->again, 0);
		uv_poll_stop(&l->poll);
		l->fd = sys_close(l->fd);
		uv_close((uv_handle_t *)&l->poll, listener_closed);
	}
}

/* ---- The end ---- */

static void hub_closed(struct grpc_hub *hub)
{
	struct grpc_server *s = dv_container_of(hub, struct grpc_server, hub);
	void (*done)(void *) = s->closed;
	void *arg = s->closed_arg;

	/* What handlers still hold stays with them. */
	for (struct grpc_server_conn *conn = s->conns; conn; conn = conn->next) {
		conn->server = NULL;
		conn->h2.input.parent = conn->h2.output.parent = NULL;
	}
	grpc_health_free(s->health);
	free(s->entries);
	free(s);
	if (done)
		done(arg);
}

static void check_end(struct grpc_server *s)
{
	if (s->is_closing && !s->n_conns && !uv_is_closing((uv_handle_t *)&s->hub.timer))
		grpc_hub_close(&s->hub);
}

static void cancel_calls(struct grpc_server_conn *conn)
{
	conn->cursor = conn->calls;
	while (conn->cursor) {
		struct grpc_call *call = conn->cursor;

		conn->cursor = call->next;
		grpc_call_abort(call, DV_UNAVAILABLE, "the server is shutting down");
	}
}

/* First the calls are cancelled; a second later the connections are cut off. */
static void close_alarm_rang(struct grpc_alarm *a)
{
	struct grpc_server *s = dv_container_of(a, struct grpc_server, close_alarm);
	struct grpc_server_conn *conn, *next;

	if (!s->is_cut)
		grpc_alarm_set(&s->hub, a, uv_hrtime() + SECOND);
	for (conn = s->conns; conn; conn = next) {
		conn->n_calls++; /* so that it stays */
		if (!s->is_cut)
			cancel_calls(conn);
		else if (!conn->is_closed)
			grpc_h2_kill(&conn->h2, "server closed", 0);
		next = conn->next;
		conn->n_calls--;
		grpc_server_conn_unref(conn);
	}
	s->is_cut = true;
}

void grpc_server_close(struct grpc_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg)
{
	dv_assert(!s->is_closing);
	s->is_closing = true;
	s->closed = done;
	s->closed_arg = arg;
	stop_listening(s);
	grpc_health_set(s->health, false);
	for (struct grpc_server_conn *conn = s->conns; conn; conn = conn->next) {
		struct grpc_h2 *h = &conn->h2;

		if (grpc_h2_is_dead(h))
			continue;
		nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
				      nghttp2_session_get_last_proc_stream_id(h->session),
				      NGHTTP2_NO_ERROR, NULL, 0);
		grpc_h2_touch(h);
	}
	grpc_alarm_set(&s->hub, &s->close_alarm, uv_hrtime() + grace_ns);
	check_end(s);
}

/* ---- Life ---- */

static void set_limits(struct grpc_limits *l)
{
	const struct grpc_limits *d = &default_limits;

	l->max_connections = l->max_connections ? l->max_connections : d->max_connections;
	l->max_streams = l->max_streams ? l->max_streams : d->max_streams;
	l->max_headers = l->max_headers ? l->max_headers : d->max_headers;
	l->max_message = l->max_message ? l->max_message : d->max_message;
	l->max_input = l->max_input ? l->max_input : d->max_input;
	l->max_memory = l->max_memory ? l->max_memory : d->max_memory;
	l->handshake_ns = l->handshake_ns ? l->handshake_ns : d->handshake_ns;
	l->stall_ns = l->stall_ns ? l->stall_ns : d->stall_ns;
	l->keepalive_ns = l->keepalive_ns ? l->keepalive_ns : d->keepalive_ns;
}

struct dv_err *grpc_server_new(const struct grpc_server_opts *opts, struct grpc_server **ret)
{
	struct grpc_server *s = dv_new(struct grpc_server);

	s->log = opts->log;
	s->limits = opts->limits;
	set_limits(&s->limits);
	s->memory.max = s->limits.max_memory;
	s->close_alarm.fn = close_alarm_rang;
	grpc_hub_init(&s->hub, opts->loop, hub_closed);
	s->health = grpc_health_new(s);
	*ret = s;
	return NULL;
}

void grpc_server_add(struct grpc_server *s, const struct grpc_service *service, void *arg)
{
	s->entries = dv_realloc_n(s->entries, s->n_entries + 1, sizeof(*s->entries));
	s->entries[s->n_entries++] = (struct grpc_entry){ .service = service,
							  .arg = arg,
							  .n_name = strlen(service->name) };
}

void grpc_server_set_serving(struct grpc_server *s, bool is_serving)
{
	grpc_health_set(s->health, is_serving);
}

void grpc_server_stats(const struct grpc_server *s, struct grpc_server_stats *ret)
{
	*ret = s->stats;
	ret->connections = s->n_conns;
	ret->memory = s->memory.used;
}

void grpc_server_observe(struct grpc_server *s, grpc_observe_fn fn, void *arg)
{
	s->observe = fn;
	s->observe_arg = arg;
}
