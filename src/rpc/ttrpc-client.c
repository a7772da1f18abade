/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: a connection that is made when it is needed, and the calls on it.
 *
 *	waiting --connected, sent--> in flight --response, loss, deadline--> result --> gone
 *	   |                                                                   ^
 *	   +-- failed before it was sent: the timer hands out the error -------+
 *
 * A call that is not sent yet owns its frame; one in flight belongs to a connection. Results are
 * callbacks that may do anything to the client, freeing it included: its memory stays until libuv
 * has closed the handles, and whoever called one starts again at the list's head.
 */

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "conn-private.h"
#include "rpc/pb.h"
#include "sys/file.h"
#include "sys/sock.h"

#define MS UINT64_C(1000000)

/* A daemon that is busy takes nobody from its queue for a while. */
#define CONNECT_RETRY	(10 * MS)
#define CONNECT_TIMEOUT (10000 * MS)

struct client_conn {
	struct ttrpc_conn io;
	struct ttrpc_client *client;
	struct ttrpc_session session;
	uint32_t next_stream;
};

/* A call, with one message or with many. */
struct ttrpc_stream {
	struct ttrpc_client *client;
	struct ttrpc_stream *next, **prev;
	struct ttrpc_chunk *chunk; /* waiting */
	struct client_conn *conn; /* in flight */
	uint32_t id; /* in flight */
	struct dv_err *failure; /* to be handed out */
	char *method; /* for messages */
	const ProtobufCMessageDescriptor *reply;
	uint64_t deadline; /* 0: none */
	uint64_t connect_by;
	bool is_client_stream, is_server_stream, is_ended;
	ttrpc_data_fn data;
	ttrpc_result_fn result;
	void *arg;
};

struct ttrpc_client {
	uv_loop_t *loop;
	char *path;
	struct client_conn *conn; /* NULL: not connected */
	struct ttrpc_stream *streams, **last; /* in the order of their calls */
	struct ttrpc_budget budget;
	uv_timer_t timer;
	uint64_t due; /* 0: the timer does not run */
	size_t n_handles;
	bool is_freed;
	void (*lost)(void *arg);
	void *lost_arg;
};

enum { CLIENT_OUTPUT_MAX = 8 << 20, CLIENT_MEMORY_MAX = 32 << 20 };

static void timer_fired(uv_timer_t *timer);

static void wake(struct ttrpc_client *c, uint64_t due)
{
	uint64_t now = uv_hrtime();

	if (c->is_freed || (c->due && c->due <= due))
		return;
	c->due = due;
	uv_timer_start(&c->timer, timer_fired, due > now ? (due - now) / MS + 1 : 0, 0);
}

/* ---- Calls ---- */

static void append(struct ttrpc_client *c, struct ttrpc_stream *st)
{
	st->client = c;
	st->prev = c->last;
	*c->last = st;
	c->last = &st->next;
}

static void stream_remove(struct ttrpc_stream *st)
{
	*st->prev = st->next;
	if (st->next)
		st->next->prev = st->prev;
	else
		st->client->last = st->prev;
}

/* The end of a call. Callbacks follow: nothing of the caller's may be used without a check. */
static void finish(struct ttrpc_stream *st, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	ttrpc_result_fn result = st->result;
	void *arg = st->arg;

	stream_remove(st);
	free(st->chunk);
	dv_err_free(st->failure);
	free(st->method);
	free(st);
	if (result)
		result(arg, take_e, reply);
	else
		dv_err_free(take_e);
}

/* The call fails, later: its result must not come from within the function that began it. */
static void fail_later(struct ttrpc_stream *st, struct dv_err *take_e)
{
	free(st->chunk);
	st->chunk = NULL;
	st->conn = NULL;
	st->failure = take_e;
	wake(st->client, uv_hrtime());
}

static struct ttrpc_stream *find_stream(const struct client_conn *conn, uint32_t id)
{
	struct ttrpc_stream *st = conn->client->streams;

	while (st && (st->conn != conn || st->id != id))
		st = st->next;
	return st;
}

/* ---- The connection ---- */

static void client_release(struct ttrpc_client *c)
{
	if (--c->n_handles)
		return;
	free(c->path);
	free(c);
}

static void conn_closed(struct ttrpc_conn *io)
{
	struct client_conn *conn = dv_container_of(io, struct client_conn, io);
	struct ttrpc_client *c = conn->client;
	struct ttrpc_stream *st = c->streams, *next;

	if (c->conn == conn)
		c->conn = NULL;
	for (; st; st = next) {
		next = st->next;
		if (st->conn != conn)
			continue;
		finish(st,
		       dv_err_new(DV_UNAVAILABLE, "%s: ttrpc: closed: %s%s%s", c->path, io->why,
				  io->error ? ": " : "",
				  io->error ? dv_errno_text(-io->error) : ""),
		       NULL);
		next = c->streams;
	}
	ttrpc_session_fini(&conn->session);
	free(conn);
	if (c->lost && !c->is_freed)
		c->lost(c->lost_arg);
	client_release(c);
}

static void got_data(struct ttrpc_stream *st, const struct ttrpc_frame *frame)
{
	struct ttrpc_stream *found;
	struct client_conn *conn = st->conn;
	struct dv_err *e = NULL;
	struct dv_arena arena;
	ProtobufCMessage *msg;

	if (!st->is_server_stream) {
		finish(st,
		       dv_err_new(DV_INTERNAL, "%s: data from a method without a stream",
				  st->method),
		       NULL);
		return;
	}
	if (!(frame->flags & TTRPC_NO_DATA) && st->reply) {
		dv_arena_init(&arena);
		e = pb_unpack(st->reply, frame->payload, frame->length, &arena, 0, &msg);
		if (!e && st->data)
			st->data(st->arg, msg);
		dv_arena_fini(&arena);
	}
	found = find_stream(conn, frame->stream); /* the callback may have freed the client */
	if (found && (e || frame->flags & TTRPC_REMOTE_CLOSED))
		finish(found, e, NULL);
	else
		dv_err_free(e);
}

static void got_response(struct ttrpc_stream *st, const struct ttrpc_frame *frame)
{
	struct ttrpc_response_msg msg;
	ProtobufCMessage *reply = NULL;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = ttrpc_response_parse(frame->payload, frame->length, &msg);
	if (!e && msg.code)
		e = dv_err_new(msg.code <= DV_UNAUTHENTICATED ? (enum dv_code)msg.code : DV_UNKNOWN,
			       "%.*s", (int)DV_MIN(msg.message.n, (size_t)16 << 10),
			       msg.message.n ? (const char *)msg.message.bytes : "");
	else if (!e && st->reply)
		e = pb_unpack(st->reply, msg.payload.bytes, msg.payload.n, &arena, 0, &reply);
	finish(st, e, e ? NULL : reply);
	dv_arena_fini(&arena);
}

static void conn_input(struct ttrpc_conn *io, const uint8_t *p, size_t n)
{
	struct client_conn *conn = dv_container_of(io, struct client_conn, io);
	struct ttrpc_stream *st;
	struct ttrpc_event ev;

	while (!ttrpc_conn_is_dead(io)) {
		ttrpc_session_next(&conn->session, &p, &n, &ev);
		if (ev.kind == TTRPC_EVENT_MORE)
			return;
		st = find_stream(conn, ev.frame.stream);
		if (!st) /* its deadline has passed */
			continue;
		if (ev.kind == TTRPC_EVENT_RESPONSE)
			got_response(st, &ev.frame);
		else if (ev.kind == TTRPC_EVENT_DATA)
			got_data(st, &ev.frame);
		else
			finish(st, dv_err_new(ev.code, "%s", ev.text), NULL);
	}
}

static const struct ttrpc_conn_ops conn_ops = { .input = conn_input, .closed = conn_closed };

/* -EAGAIN: not now, but try again. */
static int try_connect(struct ttrpc_client *c)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct client_conn *conn;
	int r;

	fd = sys_unix_connect_nonblock(c->path);
	if (fd < 0)
		return fd;
	conn = dv_new(struct client_conn);
	conn->client = c;
	conn->session.is_client = true;
	conn->session.reader.budget = &c->budget;
	conn->next_stream = 1;
	conn->io.ops = &conn_ops;
	conn->io.budget = &c->budget;
	conn->io.max_queued = CLIENT_OUTPUT_MAX;
	r = ttrpc_conn_open(&conn->io, c->loop, fd);
	if (r < 0) {
		free(conn);
		return r;
	}
	dv_steal_fd(&fd);
	c->conn = conn;
	c->n_handles++;
	return 0;
}

/* 0: there is a connection. */
static int connect_client(struct ttrpc_client *c)
{
	if (c->conn && ttrpc_conn_check(&c->conn->io))
		return 0;
	c->conn = NULL; /* a dead one goes by itself */
	return try_connect(c);
}

static bool has_room(const struct ttrpc_conn *io, size_t n)
{
	return n <= io->max_queued - DV_MIN(io->n_queued, io->max_queued) &&
	       n <= io->budget->max - DV_MIN(io->budget->used, io->budget->max);
}

static void send_call(struct ttrpc_stream *st)
{
	struct client_conn *conn = st->client->conn;

	if (!has_room(&conn->io, st->chunk->n)) {
		fail_later(st, dv_err_new(DV_EXHAUSTED, "%s: %s: the peer does not read",
					  st->client->path, st->method));
		return;
	}
	st->conn = conn;
	st->id = conn->next_stream;
	conn->next_stream += 2;
	ttrpc_chunk_set_stream(st->chunk, st->id);
	/* When it dies of it, the call ends with the connection. */
	(void)!ttrpc_conn_send(&conn->io, dv_steal(&st->chunk));
	if (conn->next_stream < st->id) /* used up after two thousand million calls */
		ttrpc_conn_kill(&conn->io, "no stream is left", 0);
}

/* Sends a call that waits, or says why not. */
static void try_send(struct ttrpc_stream *st)
{
	struct ttrpc_client *c = st->client;
	uint64_t now = uv_hrtime();
	int r;

	r = connect_client(c);
	if (r == 0)
		send_call(st);
	else if (r == -EAGAIN && now < st->connect_by)
		wake(c, now + CONNECT_RETRY);
	else
		fail_later(st, dv_err_new(DV_UNAVAILABLE, "connect to %s: %s", c->path,
					  dv_errno_text(-r)));
}

/* ---- Time ---- */

/* Ends what has failed and what is too late. */
static void expire(struct ttrpc_client *c, uint64_t now)
{
	struct ttrpc_stream *st = c->streams, *next;
	struct dv_err *e;

	for (; st; st = next) {
		next = st->next;
		if (st->failure)
			e = dv_steal(&st->failure);
		else if (st->deadline && st->deadline <= now)
			e = dv_err_new(DV_DEADLINE, "%s: %s: no answer in time", c->path,
				       st->method);
		else
			continue;
		finish(st, e, NULL);
		next = c->streams;
	}
}

static void timer_fired(uv_timer_t *timer)
{
	struct ttrpc_client *c = dv_container_of(timer, struct ttrpc_client, timer);

	c->due = 0;
	expire(c, uv_hrtime());
	/* No callbacks from here on: what fails now is handed out next time. */
	for (struct ttrpc_stream *st = c->streams; st; st = st->next) {
		if (st->chunk)
			try_send(st);
		if (st->deadline)
			wake(c, st->deadline);
	}
}

/* ---- Life and calls ---- */

struct ttrpc_client *ttrpc_client_new(uv_loop_t *loop, const char *path)
{
	struct ttrpc_client *c = dv_new(struct ttrpc_client);

	c->loop = loop;
	c->path = dv_strdup(dv_starts_with(path, "unix://") ? path + strlen("unix://") : path);
	c->last = &c->streams;
	c->budget.max = CLIENT_MEMORY_MAX;
	uv_timer_init(loop, &c->timer);
	c->n_handles = 1;
	return c;
}

static void timer_closed(uv_handle_t *handle)
{
	client_release(dv_container_of((uv_timer_t *)handle, struct ttrpc_client, timer));
}

void ttrpc_client_on_loss(struct ttrpc_client *c, void (*fn)(void *arg), void *arg)
{
	c->lost = fn;
	c->lost_arg = arg;
}

struct ttrpc_client *ttrpc_client_free(struct ttrpc_client *c)
{
	if (!c || c->is_freed)
		return NULL;
	c->is_freed = true;
	while (c->streams)
		finish(c->streams,
		       dv_err_new(DV_CANCELLED, "%s: %s: the client was closed", c->path,
				  c->streams->method),
		       NULL);
	if (c->conn)
		ttrpc_conn_kill(&c->conn->io, "closed by us", 0);
	uv_close((uv_handle_t *)&c->timer, timer_closed);
	return NULL;
}

static struct ttrpc_stream *begin(struct ttrpc_client *c, const struct ttrpc_stream_opts *o,
				  uint8_t flags)
{
	struct ttrpc_stream *st = dv_new(struct ttrpc_stream);
	uint64_t now = uv_hrtime();
	struct ttrpc_request r = o->request;
	struct dv_err *e;

	dv_assert(!c->is_freed);
	r.timeout_ns = DV_MIN(r.timeout_ns, (uint64_t)INT64_MAX);
	st->method = dv_strdup(r.method);
	st->reply = r.reply;
	st->is_client_stream = o->is_client_stream;
	st->is_server_stream = o->is_server_stream;
	st->data = o->data;
	st->result = o->result;
	st->arg = o->arg;
	st->deadline = r.timeout_ns ? now + r.timeout_ns : 0;
	st->connect_by = now + CONNECT_TIMEOUT;
	append(c, st);
	e = ttrpc_request_chunk(&r, flags, &st->chunk);
	if (e) {
		fail_later(st, e);
		return st;
	}
	if (st->deadline)
		wake(c, st->deadline);
	try_send(st);
	return st;
}

void ttrpc_client_call(struct ttrpc_client *c, const struct ttrpc_request *r, ttrpc_result_fn fn,
		       void *arg)
{
	struct ttrpc_stream_opts o = { .request = *r, .result = fn, .arg = arg };

	begin(c, &o, 0);
}

struct ttrpc_stream *ttrpc_client_stream(struct ttrpc_client *c, const struct ttrpc_stream_opts *o)
{
	return begin(c, o, o->is_client_stream ? TTRPC_REMOTE_OPEN : TTRPC_REMOTE_CLOSED);
}

/* Frames of a stream that waits for its connection cannot wait, too: that is rare and bounded. */
static struct dv_err *send_frame(struct ttrpc_stream *st, struct ttrpc_chunk *take)
{
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *chunk = take;

	if (!st->conn || ttrpc_conn_is_dead(&st->conn->io))
		return dv_err_new(DV_CANCELLED, "%s: not connected", st->method);
	if (!has_room(&st->conn->io, chunk->n))
		return dv_err_new(DV_EXHAUSTED, "%s: the peer does not read", st->method);
	(void)!ttrpc_conn_send(&st->conn->io, dv_steal(&chunk));
	return NULL;
}

struct dv_err *ttrpc_stream_send(struct ttrpc_stream *st, const ProtobufCMessage *msg)
{
	struct ttrpc_chunk *chunk;
	struct dv_err *e;

	dv_assert(st->is_client_stream && !st->is_ended);
	e = ttrpc_data_chunk(st->id, msg, &chunk);
	return e ? e : send_frame(st, chunk);
}

void ttrpc_stream_end(struct ttrpc_stream *st)
{
	dv_assert(st->is_client_stream && !st->is_ended);
	st->is_ended = true;
	dv_err_free(send_frame(
		st, ttrpc_chunk_new(st->id, TTRPC_DATA, TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA, 0)));
}
