/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a stream to a handler.
 *
 *	begin --headers--> accepted --message, end--> running (grpc-call.c)
 *	             |        |  client's stream: at once    ^
 *	             v        v
 *	          rejected: answered, waits for the stream's end
 *
 * Memory is counted before it is taken: the call itself and what its headers say, then the message
 * as it comes (grpc-flow.c), then what it takes once it is decoded.
 */

#include "base/str.h"
#include "grpc-server-private.h"
#include "pb-private.h"
#include "wire-private.h"

/* What a call takes before anything is known of it: itself, and the first block of its arena. */
enum { CALL_COST = sizeof(struct grpc_call) + 1024 };

static void reject(struct grpc_call *call, struct dv_err *take_e)
{
	grpc_call_answer(call, dv_err_code(take_e), dv_err_message(take_e));
	dv_err_free(take_e);
}

/* ---- Headers ---- */

static bool is_metadata(struct grpc_text name, struct grpc_text value)
{
	if (name.n > 5 && memcmp(name.s, "grpc-", 5) == 0)
		return false;
	return wire_is_text((const uint8_t *)value.s, value.n);
}

static void add_value(struct grpc_call *call, struct grpc_text name, struct grpc_text value)
{
	struct grpc_pair *p;

	if (!grpc_call_charge(call, sizeof(*p) + name.n + value.n + 2)) {
		call->is_short = true;
		return;
	}
	p = dv_arena_new(&call->arena, struct grpc_pair);
	p->key = dv_arena_strndup(&call->arena, name.s, name.n);
	p->value = memcpy(dv_arena_alloc(&call->arena, value.n + 1), value.s, value.n);
	p->n_value = value.n;
	*call->last_pair = p;
	call->last_pair = &p->next;
}

/* Several values may come as one, with commas between them. */
static void add_binary(struct grpc_call *call, struct grpc_text name, struct grpc_text value)
{
	const char *end = value.s + value.n;

	for (const char *at = value.s; at <= end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct grpc_text part = { at, (size_t)((comma ? comma : end) - at) };
		DV_CLEANUP(dv_freep) uint8_t *bytes = grpc_base64_decode(part, &part.n);

		if (!bytes) {
			call->is_metadata_bad = true;
			return;
		}
		part.s = (const char *)bytes;
		add_value(call, name, part);
		at += (size_t)((comma ? comma : end) - at) + 1;
	}
}

static void add_metadata(struct grpc_call *call, struct grpc_text name, struct grpc_text value)
{
	if (!is_metadata(name, value))
		return;
	if (grpc_is_binary_key(name))
		add_binary(call, name, value);
	else
		add_value(call, name, value);
}

static void set_encoding(struct grpc_call *call, struct grpc_text value)
{
	call->flow.is_gzip = grpc_text_is(value, "gzip");
	if (!call->flow.is_gzip && !grpc_text_is(value, "identity"))
		call->is_encoding_bad = true;
}

static void got_header(struct grpc_flow *f, struct grpc_text name, struct grpc_text value)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);

	if (call->has_headers || call->is_too_long)
		return;
	call->n_headers += name.n + value.n + 32; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
	if (call->n_headers > call->conn->server->limits.max_headers) {
		call->is_too_long = true;
		return;
	}
	if (grpc_text_is(name, ":path"))
		call->path = dv_arena_strndup(&call->arena, value.s, value.n);
	else if (grpc_text_is(name, ":method"))
		call->is_post = grpc_text_is(value, "POST");
	else if (grpc_text_is(name, "content-type"))
		call->is_grpc = grpc_is_content_type(value);
	else if (grpc_text_is(name, "grpc-encoding"))
		set_encoding(call, value);
	else if (grpc_text_is(name, "grpc-timeout"))
		call->is_timeout_bad = !grpc_timeout_parse(value, &call->timeout);
	else if (name.n && name.s[0] != ':' && !grpc_text_is(name, "te"))
		add_metadata(call, name, value);
}

static const struct grpc_method *find_in(const struct grpc_service *service, const char *name)
{
	for (size_t i = 0; i < service->n_methods; i++) {
		if (dv_streq(service->methods[i].name, name))
			return &service->methods[i];
	}
	return NULL;
}

/* "/service/Method". The texts are those of Go's server. */
static struct dv_err *find_method(struct grpc_call *call)
{
	const struct grpc_server *s = call->conn->server;
	const char *path = call->path ? call->path : "";
	const char *name = path[0] == '/' ? path + 1 : path;
	const char *slash = strrchr(name, '/');
	size_t n = slash ? (size_t)(slash - name) : 0;

	if (!slash)
		return dv_err_new(DV_UNIMPLEMENTED, "malformed method name: \"%.256s\"", path);
	for (size_t i = 0; i < s->n_entries; i++) {
		if (s->entries[i].n_name != n || memcmp(s->entries[i].service->name, name, n) != 0)
			continue;
		call->entry = &s->entries[i];
		call->method = find_in(call->entry->service, slash + 1);
		if (call->method)
			return NULL;
		return dv_err_new(DV_UNIMPLEMENTED, "unknown method %.256s for service %s",
				  slash + 1, call->entry->service->name);
	}
	return dv_err_new(DV_UNIMPLEMENTED, "unknown service %.*s", (int)DV_MIN(n, (size_t)256),
			  name);
}

static struct dv_err *accept_call(struct grpc_call *call)
{
	struct dv_err *e;

	if (call->is_short)
		return dv_err_new(DV_EXHAUSTED, "too many requests at a time");
	if (call->conn->server->is_closing)
		return dv_err_new(DV_UNAVAILABLE, "the server is shutting down");
	e = find_method(call);
	if (e)
		return e;
	if (call->conn->is_read_only && !call->method->is_read_only)
		return dv_err_new(DV_PERMISSION, "%s/%s: not possible through a read-only socket",
				  call->entry->service->name, call->method->name);
	if (call->is_timeout_bad)
		return dv_err_new(DV_INVALID, "malformed grpc-timeout");
	if (call->is_metadata_bad)
		return dv_err_new(DV_INTERNAL, "malformed binary metadata");
	if (call->is_encoding_bad)
		return dv_err_new(DV_UNIMPLEMENTED,
				  "grpc: Decompressor is not installed for the grpc-encoding; "
				  "there are gzip and identity");
	return NULL;
}

/* ---- Time ---- */

static void alarm_rang(struct grpc_alarm *a)
{
	struct grpc_call *call = dv_container_of(a, struct grpc_call, alarm);

	if (call->deadline && call->deadline <= uv_hrtime())
		grpc_call_abort(call, DV_DEADLINE, "context deadline exceeded");
	else if (!call->is_running)
		grpc_call_abort(call, DV_DEADLINE, "the request did not come in time");
}

static void set_deadline(struct grpc_call *call)
{
	if (!call->timeout)
		return;
	if (__builtin_add_overflow(call->begin, call->timeout, &call->deadline))
		call->deadline = 0; /* in 500 years */
	else
		grpc_alarm_set(&call->conn->server->hub, &call->alarm, call->deadline);
}

/* ---- The request ---- */

static void dispatch(struct grpc_call *call)
{
	struct grpc_server_conn *conn = call->conn;

	call->next = conn->calls;
	call->prev = &conn->calls;
	if (call->next)
		call->next->prev = &call->next;
	conn->calls = call;
	call->is_running = true;
	conn->server->stats.calls++;
	conn->server->stats.calls_total++;
	grpc_alarm_set(&conn->server->hub, &call->alarm, call->deadline);
	call->method->fn(call, call->request, call->entry->arg); /* it may be over behind this */
}

static void got_headers(struct grpc_flow *f, bool is_end)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);
	struct grpc_server *s = call->conn->server;
	struct dv_err *e;

	(void)is_end;
	if (call->has_headers) /* trailers: clients of gRPC have none */
		return;
	call->has_headers = true;
	if (call->is_too_long)
		grpc_call_http_error(call, "431");
	else if (!call->is_post)
		grpc_call_http_error(call, "405");
	else if (!call->is_grpc)
		grpc_call_http_error(call, "415");
	if (call->is_answered)
		return;
	e = accept_call(call);
	if (e) {
		reject(call, e);
		return;
	}
	set_deadline(call);
	if (call->method->is_client_stream) {
		dispatch(call);
		return;
	}
	grpc_alarm_by(&s->hub, &call->alarm, call->begin + s->limits.stall_ns);
	grpc_flow_want(f);
}

/* The message in @arena, paid for in *charged. */
static struct dv_err *unpack(struct grpc_call *call, const uint8_t *p, size_t n,
			     struct dv_arena *arena, size_t *charged, ProtobufCMessage **ret)
{
	size_t left = grpc_budget_left(&call->conn->h2.input), used = 0;
	struct dv_err *e;

	e = pb_unpack_counted(call->method->request, p, n, arena,
			      DV_MIN(left, 2 * call->flow.max_message + 4096), &used, ret);
	if (e)
		return e;
	if (!grpc_budget_take(&call->conn->h2.input, used))
		return dv_err_new(DV_EXHAUSTED, "too many requests at a time");
	*charged += used;
	return NULL;
}

static void got_stream_message(struct grpc_call *call, const uint8_t *p, size_t n)
{
	ProtobufCMessage *msg;
	struct dv_err *e;

	if (!call->data)
		return;
	e = unpack(call, p, n, &call->message_arena, &call->message_charged, &msg);
	if (!e) {
		call->data(call->data_arg, msg);
		return;
	}
	grpc_call_abort(call, dv_err_code(e), dv_err_message(e));
	dv_err_free(e);
}

static void got_message(struct grpc_flow *f, const uint8_t *p, size_t n)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	if (call->is_running) {
		got_stream_message(call, p, n);
		return;
	}
	if (call->is_answered)
		return;
	if (call->request)
		e = dv_err_new(DV_INTERNAL, "%s: more than one message", call->method->name);
	else
		e = unpack(call, p, n, &call->arena, &call->charged, &msg);
	if (e) {
		reject(call, e);
		return;
	}
	call->request = msg;
	grpc_flow_want(f); /* the end, that is */
}

static void got_end(struct grpc_flow *f)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);

	if (call->is_running && call->data)
		call->data(call->data_arg, NULL);
	else if (!call->is_running && !call->is_answered && call->request)
		dispatch(call);
	else if (!call->is_running && !call->is_answered)
		grpc_call_answer(call, DV_INTERNAL, "the request has no message");
}

static void got_nonsense(struct grpc_flow *f, struct dv_err *take_e)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);

	grpc_call_abort(call, dv_err_code(take_e), dv_err_message(take_e));
	dv_err_free(take_e);
}

static void writable(struct grpc_flow *f)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);

	if (call->writable && call->is_running && !call->is_answered)
		call->writable(call->writable_arg);
}

static void closed(struct grpc_flow *f, uint32_t error_code)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);

	(void)error_code;
	if (call->is_answered)
		call->conn->n_leaving--;
	grpc_flow_fini(f, 0);
	if (call->is_running)
		grpc_call_cancel(call);
	else
		grpc_call_free(call);
}

static const struct grpc_flow_ops call_ops = {
	.header = got_header,
	.headers = got_headers,
	.message = got_message,
	.end = got_end,
	.broken = got_nonsense,
	.trailers = grpc_call_trailers,
	.writable = writable,
	.closed = closed,
};

bool grpc_call_begin(struct grpc_h2 *h, int32_t id)
{
	struct grpc_server_conn *conn = dv_container_of(h, struct grpc_server_conn, h2);
	struct grpc_server *s = conn->server;
	struct grpc_call *call;

	/* nghttp2 counts streams; one that was reset is none, though its handler may be at work. */
	if (conn->n_calls >= 2 * s->limits.max_streams || !grpc_budget_take(&h->input, CALL_COST)) {
		s->stats.refused_total++;
		return false;
	}
	call = dv_new(struct grpc_call);
	call->conn = conn;
	conn->n_calls++;
	call->charged = CALL_COST;
	call->begin = uv_hrtime();
	call->alarm.fn = alarm_rang;
	call->last_pair = &call->metadata;
	dv_arena_init(&call->arena);
	dv_arena_init(&call->message_arena);
	grpc_flow_init(&call->flow, &s->hub, &call_ops);
	call->flow.max_message = s->limits.max_message;
	call->flow.in_budget = &h->input;
	call->flow.out_budget = &h->output;
	grpc_flow_attach(&call->flow, h, id);
	return true;
}
