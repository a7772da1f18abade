/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that a server answers.
 *
 *	begin --> running --ttrpc_reply(), ttrpc_fail()--> gone
 *	             |                                       ^
 *	   deadline, connection lost, server closed          |
 *	             v                                       |
 *	         cancelled --------ttrpc_reply(), ttrpc_fail()
 *
 * Cancelled: the owner was told, and what it answers is dropped. Callbacks may end any call, so
 * whoever walks the list starts again after each of them.
 */

#include <string.h>

#include "pb-private.h"
#include "server-private.h"

static void call_free(struct ttrpc_call *call)
{
	struct ttrpc_server *s = call->server;

	if (s) {
		*call->prev = call->next;
		if (call->next)
			call->next->prev = call->prev;
		s->n_calls--;
		ttrpc_budget_give(&s->budget, call->charged);
	}
	if (call->conn)
		call->conn->n_calls--;
	dv_arena_fini(&call->arena);
	free(call);
}

static void cancel(struct ttrpc_call *call)
{
	void (*fn)(void *) = call->cancel;

	if (call->is_cancelled)
		return;
	call->is_cancelled = true;
	call->cancel = NULL;
	if (fn)
		fn(call->cancel_arg);
}

static void answer(struct ttrpc_call *call, struct ttrpc_chunk *take)
{
	if (call->conn && !call->is_answered)
		ttrpc_server_send(call->conn, take);
	else
		free(take);
	call->is_answered = true;
}

static void refuse(struct server_conn *conn, uint32_t stream, struct dv_err *take_e)
{
	ttrpc_server_send(conn,
			  ttrpc_status_chunk(stream, dv_err_code(take_e), dv_err_message(take_e)));
	dv_err_free(take_e);
}

/* ---- Begin ---- */

static bool slice_is(const struct ttrpc_slice *s, const char *text)
{
	return s->n == strlen(text) && (!s->n || memcmp(s->bytes, text, s->n) == 0);
}

/* The texts are those of Go's ttrpc: containerd tells an older shim by them. */
static struct dv_err *find_method(struct ttrpc_server *s, const struct ttrpc_request_msg *msg,
				  struct ttrpc_call *call, void **ret_arg)
{
	bool has_service = false;

	for (size_t i = 0; i < s->n_entries; i++) {
		const struct ttrpc_service *service = s->entries[i].service;

		if (!slice_is(&msg->service, service->name))
			continue;
		has_service = true;
		for (size_t j = 0; j < service->n_methods; j++) {
			if (!slice_is(&msg->method, service->methods[j].name))
				continue;
			call->service = service;
			call->method = &service->methods[j];
			*ret_arg = s->entries[i].arg;
			return NULL;
		}
	}
	if (has_service)
		return dv_err_new(DV_UNIMPLEMENTED, "method %.*s",
				  (int)DV_MIN(msg->method.n, (size_t)256), msg->method.bytes);
	return dv_err_new(DV_UNIMPLEMENTED, "service %.*s",
			  (int)DV_MIN(msg->service.n, (size_t)256), msg->service.bytes);
}

static size_t metadata_size(const struct ttrpc_request_msg *msg)
{
	size_t n = 0;

	for (const struct ttrpc_pair *p = msg->metadata; p; p = p->next)
		n += sizeof(*p) + strlen(p->key) + strlen(p->value) + 2;
	return n;
}

/* The request's message in the call's arena, paid for. */
static struct dv_err *unpack(struct ttrpc_server *s, struct ttrpc_call *call,
			     const struct ttrpc_request_msg *msg, ProtobufCMessage **ret)
{
	size_t left = s->budget.max - DV_MIN(s->budget.used, s->budget.max);
	size_t fixed = sizeof(*call) + metadata_size(msg), used = 0;
	struct dv_err *e;

	if (fixed >= left)
		return dv_err_new(DV_EXHAUSTED, "too many requests at a time");
	*ret = NULL;
	if (!call->method->is_client_stream) {
		e = pb_unpack_counted(call->method->request, msg->payload.bytes, msg->payload.n,
				      &call->arena, DV_MIN(left - fixed, PB_MEMORY_MAX), &used,
				      ret);
		if (e)
			return e;
	}
	call->charged = fixed + used;
	return ttrpc_budget_take(&s->budget, call->charged)
		       ? NULL
		       : dv_err_new(DV_EXHAUSTED, "too many requests at a time");
}

static void attach(struct server_conn *conn, struct ttrpc_call *call)
{
	struct ttrpc_server *s = conn->server;

	call->server = s;
	call->conn = conn;
	call->next = s->calls;
	call->prev = &s->calls;
	if (s->calls)
		s->calls->prev = &call->next;
	s->calls = call;
	s->n_calls++;
	conn->n_calls++;
}

static void set_deadline(struct ttrpc_call *call, int64_t timeout_ns)
{
	uint64_t now = uv_hrtime();

	if (timeout_ns == 0)
		return;
	call->deadline = now + (uint64_t)DV_MAX(timeout_ns, INT64_C(1));
	ttrpc_server_wake(call->server, call->deadline);
}

static struct ttrpc_call *find_call(struct server_conn *conn, uint32_t stream)
{
	struct ttrpc_call *call = conn->server->calls;

	while (call && (call->conn != conn || call->stream != stream))
		call = call->next;
	return call;
}

static struct dv_err *prepare(struct server_conn *conn, const struct ttrpc_frame *frame,
			      struct ttrpc_call *call, struct ttrpc_request_msg *msg,
			      ProtobufCMessage **ret_req, void **ret_arg)
{
	struct ttrpc_server *s = conn->server;
	struct dv_err *e;

	if (conn->n_calls >= s->limits.max_calls)
		return dv_err_new(DV_EXHAUSTED, "more than %zu calls at a time on one connection",
				  s->limits.max_calls);
	e = ttrpc_request_parse(frame->payload, frame->length, &call->arena, msg);
	if (e)
		return e;
	e = find_method(s, msg, call, ret_arg);
	if (e)
		return e;
	if (msg->timeout_ns < 0)
		return dv_err_new(DV_DEADLINE, "context deadline exceeded");
	return unpack(s, call, msg, ret_req);
}

/* A client's stream brings its messages by data frames; the request may carry the first one. */
static void begin_stream(struct server_conn *conn, const struct ttrpc_frame *frame,
			 const struct ttrpc_request_msg *msg)
{
	struct ttrpc_frame data = { .length = (uint32_t)msg->payload.n,
				    .stream = frame->stream,
				    .type = TTRPC_DATA,
				    .flags = frame->flags & TTRPC_REMOTE_CLOSED,
				    .payload = msg->payload.bytes };

	if (!msg->has_payload)
		data.flags |= TTRPC_NO_DATA;
	if (msg->has_payload || data.flags & TTRPC_REMOTE_CLOSED)
		ttrpc_call_data(conn, &data);
}

void ttrpc_call_begin(struct server_conn *conn, const struct ttrpc_frame *frame)
{
	struct ttrpc_call *call = dv_new(struct ttrpc_call);
	struct ttrpc_request_msg msg = { 0 };
	const struct ttrpc_method *method;
	ProtobufCMessage *req = NULL;
	void *arg = NULL;
	struct dv_err *e;

	dv_arena_init(&call->arena);
	call->stream = frame->stream;
	e = prepare(conn, frame, call, &msg, &req, &arg);
	if (e) {
		call_free(call);
		refuse(conn, frame->stream, e);
		return;
	}
	method = call->method;
	call->metadata = msg.metadata;
	attach(conn, call);
	set_deadline(call, msg.timeout_ns);
	method->fn(call, req, arg); /* the call may be over behind this */
	if (method->is_client_stream && !ttrpc_conn_is_dead(&conn->io))
		begin_stream(conn, frame, &msg);
}

/* ---- Streams ---- */

/* One message of the client's; false when it was none. */
static bool deliver(struct server_conn *conn, struct ttrpc_call *call,
		    const struct ttrpc_frame *frame)
{
	struct dv_arena arena;
	ProtobufCMessage *msg;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = pb_unpack(call->method->request, frame->payload, frame->length, &arena, 0, &msg);
	if (e)
		refuse(conn, frame->stream, dv_err_wrap(e, "data handling error"));
	else
		call->data(call->data_arg, msg);
	dv_arena_fini(&arena);
	return !e;
}

void ttrpc_call_data(struct server_conn *conn, const struct ttrpc_frame *frame)
{
	struct ttrpc_call *call = find_call(conn, frame->stream);

	if (!call || !call->method->is_client_stream || call->is_client_done) {
		refuse(conn, frame->stream, dv_err_new(DV_INVALID, "StreamID is no longer active"));
		return;
	}
	if (call->is_cancelled || !call->data)
		return;
	if (!(frame->flags & TTRPC_NO_DATA) &&
	    !(frame->flags & TTRPC_REMOTE_CLOSED && !frame->length) && !deliver(conn, call, frame))
		return;
	if (!(frame->flags & TTRPC_REMOTE_CLOSED))
		return;
	call = find_call(conn, frame->stream); /* the callback may have ended it */
	if (call && !call->is_client_done && call->data) {
		call->is_client_done = true;
		call->data(call->data_arg, NULL);
	}
}

struct dv_err *ttrpc_send(struct ttrpc_call *call, const ProtobufCMessage *msg)
{
	struct ttrpc_chunk *chunk;
	struct dv_err *e;

	dv_assert(call->method->is_server_stream);
	if (!call->conn || call->is_cancelled || ttrpc_conn_is_dead(&call->conn->io))
		return dv_err_new(DV_CANCELLED, "stream of %s: nobody is there any more",
				  call->method->name);
	e = ttrpc_data_chunk(call->stream, msg, &chunk);
	if (e)
		return e;
	if (!ttrpc_server_send(call->conn, chunk))
		return dv_err_new(DV_EXHAUSTED, "stream of %s: the peer does not read",
				  call->method->name);
	return NULL;
}

void ttrpc_call_on_data(struct ttrpc_call *call, ttrpc_data_fn fn, void *arg)
{
	dv_assert(call->method->is_client_stream);
	call->data = fn;
	call->data_arg = arg;
}

/* ---- End ---- */

void ttrpc_reply(struct ttrpc_call *take, const ProtobufCMessage *msg)
{
	struct ttrpc_chunk *chunk;
	struct dv_err *e = NULL;

	if (take->method->is_server_stream) {
		dv_assert(!msg);
		chunk = ttrpc_chunk_new(take->stream, TTRPC_DATA,
					TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA, 0);
	} else {
		e = ttrpc_response_chunk(take->stream, msg, &chunk);
	}
	if (e) {
		ttrpc_fail(take, e);
		return;
	}
	answer(take, chunk);
	call_free(take);
}

void ttrpc_fail(struct ttrpc_call *take, struct dv_err *take_e)
{
	answer(take, ttrpc_status_chunk(take->stream, dv_err_code(take_e), dv_err_message(take_e)));
	dv_err_free(take_e);
	call_free(take);
}

void ttrpc_calls_expire(struct ttrpc_server *s, uint64_t now, uint64_t *due)
{
	struct ttrpc_call *call = s->calls, *next;
	uint64_t first = 0;

	for (; call; call = next) {
		next = call->next;
		if (!call->deadline || call->is_cancelled)
			continue;
		if (call->deadline > now) {
			first = first ? DV_MIN(first, call->deadline) : call->deadline;
			continue;
		}
		answer(call,
		       ttrpc_status_chunk(call->stream, DV_DEADLINE, "context deadline exceeded"));
		cancel(call);
		next = s->calls; /* see the head */
		first = 0;
	}
	if (first)
		*due = *due ? DV_MIN(*due, first) : first;
}

void ttrpc_calls_lose(struct server_conn *conn)
{
	struct ttrpc_call *call = conn->server->calls, *next;

	for (; call; call = next) {
		next = call->next;
		if (call->conn != conn)
			continue;
		call->conn = NULL;
		conn->n_calls--;
		cancel(call);
		next = conn->server->calls;
	}
}

void ttrpc_calls_orphan(struct ttrpc_server *s)
{
	while (s->calls) {
		struct ttrpc_call *call = s->calls;

		s->calls = call->next;
		if (s->calls)
			s->calls->prev = &s->calls;
		s->n_calls--;
		ttrpc_budget_give(&s->budget, call->charged);
		call->server = NULL;
		if (call->conn)
			call->conn->n_calls--;
		call->conn = NULL;
		cancel(call);
	}
}

/* ---- Looking at it ---- */

struct dv_arena *ttrpc_call_arena(struct ttrpc_call *call)
{
	return &call->arena;
}

const char *ttrpc_call_service(const struct ttrpc_call *call)
{
	return call->service->name;
}

const char *ttrpc_call_method(const struct ttrpc_call *call)
{
	return call->method->name;
}

const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key)
{
	for (const struct ttrpc_pair *p = call->metadata; p; p = p->next) {
		if (dv_streq(p->key, key))
			return p->value;
	}
	return NULL;
}

uint64_t ttrpc_call_deadline(const struct ttrpc_call *call)
{
	return call->deadline;
}

void ttrpc_call_on_cancel(struct ttrpc_call *call, void (*fn)(void *arg), void *arg)
{
	call->cancel = fn;
	call->cancel_arg = arg;
}

bool ttrpc_call_is_cancelled(const struct ttrpc_call *call)
{
	return call->is_cancelled;
}
