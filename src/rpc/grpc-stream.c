/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of a client.
 *
 *	waiting --connected--> submitted --END_STREAM, all messages taken--> result --> gone
 *	   |                       |                                          ^
 *	   |   reset, lost, deadline, cancelled, nonsense                     |
 *	   +-----------------------+--- is_over: the hub's task --------------+
 *
 * A stream's result may come long after its HTTP/2 stream has ended: when its owner has taken the
 * messages before.
 */

#include <stdio.h>

#include "base/str.h"
#include "grpc-client-private.h"
#include "pb-private.h"

enum { HEADERS_MAX = 64 << 10 };

/* ---- The result ---- */

static void stream_remove(struct grpc_stream *st)
{
	*st->prev = st->next;
	if (st->next)
		st->next->prev = st->prev;
	else
		st->client->last = st->prev;
}

void grpc_stream_finish(struct grpc_stream *st, struct dv_err *take_e)
{
	struct grpc_client *c = st->client;
	struct dv_arena arena = st->arena; /* the reply is in it */
	grpc_result_fn result = st->result;
	ProtobufCMessage *reply = take_e ? NULL : st->reply;
	DV_CLEANUP(dv_freep) uint8_t *details = st->status_details;
	void *arg = st->arg;

	stream_remove(st);
	grpc_flow_fini(&st->flow, NGHTTP2_CANCEL);
	grpc_alarm_set(&c->hub, &st->alarm, 0);
	grpc_task_cancel(&c->hub, &st->finish);
	grpc_budget_give(&c->input, st->charged);
	dv_err_free(st->failure);
	dv_arena_fini(&st->message_arena);
	free(st->text);
	if (details && take_e)
		st->details(arg, details, st->n_status_details);
	free(st);
	if (result)
		result(arg, take_e, reply);
	else
		dv_err_free(take_e);
	dv_arena_fini(&arena);
}

static void finish_task(struct grpc_task *t)
{
	struct grpc_stream *st = dv_container_of(t, struct grpc_stream, finish);

	grpc_stream_finish(st, dv_steal(&st->failure));
}

void grpc_stream_fail(struct grpc_stream *st, struct dv_err *take_e)
{
	if (st->is_over) {
		dv_err_free(take_e);
		return;
	}
	st->is_over = true;
	st->failure = take_e;
	grpc_flow_detach(&st->flow, NGHTTP2_CANCEL);
	grpc_task_post(&st->client->hub, &st->finish);
}

/* What the peer said of the end; NULL: success. */
static struct dv_err *verdict(const struct grpc_stream *st)
{
	if (!st->has_status && st->http_status != 200)
		return dv_err_new(grpc_code_of_http(st->http_status),
				  "%s: %s: unexpected HTTP status %u", st->client->path, st->path,
				  st->http_status);
	if (!st->has_status)
		return dv_err_new(st->is_grpc ? DV_INTERNAL : DV_UNKNOWN,
				  "%s: %s: the answer has no status", st->client->path, st->path);
	if (st->status)
		return dv_err_new(st->status <= DV_UNAUTHENTICATED ? (enum dv_code)st->status
								   : DV_UNKNOWN,
				  "%s", st->text ? st->text : "");
	if (st->reply_type && !st->is_server_stream && !st->reply)
		return dv_err_new(DV_INTERNAL, "%s: %s: the answer has no message",
				  st->client->path, st->path);
	return NULL;
}

/* ---- What comes ---- */

static void got_header(struct grpc_flow *f, struct grpc_text name, struct grpc_text value)
{
	struct grpc_stream *st = dv_container_of(f, struct grpc_stream, flow);
	DV_CLEANUP(dv_freep) char *text = NULL;

	st->n_headers += name.n + value.n + 32;
	if (st->n_headers > HEADERS_MAX)
		return;
	if (grpc_text_is(name, ":status")) {
		text = dv_strndup(value.s, value.n);
		if (!dv_parse_u32(text, &st->http_status))
			st->http_status = 0;
	} else if (grpc_text_is(name, "content-type")) {
		st->is_grpc = grpc_is_content_type(value);
	} else if (grpc_text_is(name, "grpc-status")) {
		text = dv_strndup(value.s, value.n);
		st->has_status = true;
		if (!dv_parse_u32(text, &st->status))
			st->status = DV_UNKNOWN;
	} else if (grpc_text_is(name, "grpc-encoding")) {
		f->is_gzip = grpc_text_is(value, "gzip");
	} else if (grpc_text_is(name, "grpc-status-details-bin") && st->details) {
		free(st->status_details);
		st->status_details = grpc_base64_decode(value, &st->n_status_details);
	} else if (grpc_text_is(name, "grpc-message")) {
		free(st->text);
		st->text = grpc_message_decode(value);
	}
}

static void got_headers(struct grpc_flow *f, bool is_end)
{
	struct grpc_stream *st = dv_container_of(f, struct grpc_stream, flow);

	/* Not gRPC's: its body is of no use, and may be long. */
	if (!is_end && !st->is_grpc && st->http_status >= 200)
		grpc_stream_fail(st, verdict(st));
}

static struct dv_err *unpack(struct grpc_stream *st, const uint8_t *p, size_t n,
			     struct dv_arena *arena, ProtobufCMessage **ret)
{
	size_t left = grpc_budget_left(&st->client->input), used = 0;
	struct dv_err *e;

	e = pb_unpack_counted(st->reply_type, p, n, arena,
			      DV_MIN(left, 4 * st->client->max_message + 4096), &used, ret);
	if (e)
		return dv_err_wrap(e, "%s: %s", st->client->path, st->path);
	if (st->is_server_stream)
		return NULL; /* one at a time */
	grpc_budget_force(&st->client->input, used);
	st->charged += used;
	return NULL;
}

static void got_message(struct grpc_flow *f, const uint8_t *p, size_t n)
{
	struct grpc_stream *st = dv_container_of(f, struct grpc_stream, flow);
	ProtobufCMessage *msg = NULL;
	struct dv_err *e = NULL;

	if (st->is_over)
		return;
	if (st->reply_type && st->is_server_stream)
		e = unpack(st, p, n, &st->message_arena, &msg);
	else if (st->reply)
		e = dv_err_new(DV_INTERNAL, "%s: %s: more than one message", st->client->path,
			       st->path);
	else if (st->reply_type)
		e = unpack(st, p, n, &st->arena, &st->reply);
	if (e)
		grpc_stream_fail(st, e);
	else if (msg && st->data)
		st->data(st->arg, msg); /* the next one when it asks */
	else
		grpc_flow_want(f);
}

static void got_end(struct grpc_flow *f)
{
	struct grpc_stream *st = dv_container_of(f, struct grpc_stream, flow);

	if (!st->is_over)
		grpc_stream_finish(st, verdict(st));
}

static void got_nonsense(struct grpc_flow *f, struct dv_err *take_e)
{
	struct grpc_stream *st = dv_container_of(f, struct grpc_stream, flow);

	grpc_stream_fail(st, dv_err_wrap(take_e, "%s: %s", st->client->path, st->path));
}

static void writable(struct grpc_flow *f)
{
	struct grpc_stream *st = dv_container_of(f, struct grpc_stream, flow);

	if (st->writable && !st->is_over)
		st->writable(st->arg);
}

static void closed(struct grpc_flow *f, uint32_t error_code)
{
	struct grpc_stream *st = dv_container_of(f, struct grpc_stream, flow);
	const struct grpc_h2 *h = &st->conn->h2;
	const char *path = st->client->path;

	if (f->is_end ||
	    st->is_over) /* the result waits for messages to be taken, or for the task */
		return;
	if (error_code == GRPC_H2_LOST)
		grpc_stream_finish(st, dv_err_new(DV_UNAVAILABLE, "%s: connection lost: %s%s%s",
						  path, h->why, h->error ? ": " : "",
						  h->error ? dv_errno_text(-h->error) : ""));
	else
		grpc_stream_finish(st,
				   dv_err_new(grpc_code_of_h2(error_code), "%s: %s: reset: %s",
					      path, st->path, nghttp2_http2_strerror(error_code)));
}

static const struct grpc_flow_ops stream_ops = {
	.header = got_header,
	.headers = got_headers,
	.message = got_message,
	.end = got_end,
	.broken = got_nonsense,
	.writable = writable,
	.closed = closed,
};

/* ---- What goes ---- */

static nghttp2_nv pair(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)name,
			     .namelen = strlen(name),
			     .value = (uint8_t *)value,
			     .valuelen = strlen(value) };
}

static size_t add_timeout(const struct grpc_stream *st, nghttp2_nv *nv, char buf[12])
{
	uint64_t now = uv_hrtime();

	if (!st->deadline)
		return 0;
	grpc_timeout_format(st->deadline > now ? st->deadline - now : 1, buf);
	*nv = pair("grpc-timeout", buf);
	return 1;
}

void grpc_stream_submit(struct grpc_stream *st, struct grpc_client_conn *conn)
{
	nghttp2_data_provider provider = grpc_flow_provider(&st->flow);
	nghttp2_nv *nv = dv_arena_new_n(&st->arena, nghttp2_nv, st->n_metadata + 9);
	char timeout[12];
	int32_t id;
	size_t n = 0;

	nv[n++] = pair(":method", "POST");
	nv[n++] = pair(":scheme", "http");
	nv[n++] = pair(":path", st->path);
	nv[n++] = pair(":authority", "localhost");
	nv[n++] = pair("content-type", "application/grpc");
	nv[n++] = pair("te", "trailers");
	nv[n++] = pair("user-agent", "grpc-c-davit/1");
	nv[n++] = pair("grpc-accept-encoding", "identity,gzip");
	n += add_timeout(st, &nv[n], timeout);
	for (size_t i = 0; i < st->n_metadata; i++)
		nv[n++] = pair(st->metadata[i].key, st->metadata[i].value);
	id = nghttp2_submit_request(conn->h2.session, NULL, nv, n, &provider, &st->flow);
	st->is_submitted = true;
	if (id < 0) {
		if (id == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE && st->client->conn == conn)
			st->client->conn = NULL; /* used up; the next call makes a new one */
		grpc_stream_fail(st, dv_err_new(DV_UNAVAILABLE, "%s: %s: %s", st->client->path,
						st->path, nghttp2_strerror(id)));
		return;
	}
	st->conn = conn;
	grpc_flow_attach(&st->flow, &conn->h2, id);
	grpc_h2_touch(&conn->h2);
}

static void alarm_rang(struct grpc_alarm *a)
{
	struct grpc_stream *st = dv_container_of(a, struct grpc_stream, alarm);

	grpc_stream_finish(st, dv_err_new(DV_DEADLINE, "%s: %s: no answer in time",
					  st->client->path, st->path));
}

/* ---- Calls ---- */

static void copy_metadata(struct grpc_stream *st, const struct grpc_request *r)
{
	st->metadata = dv_arena_new_n(&st->arena, struct grpc_metadata, r->n_metadata);
	for (size_t i = 0; i < r->n_metadata; i++) {
		const struct grpc_metadata *from = &r->metadata[i];
		struct grpc_text key = { from->key, strlen(from->key) };
		DV_CLEANUP(dv_freep) char *text = NULL;

		if (grpc_is_binary_key(key))
			text = grpc_base64_encode(from->value, from->n_value);
		st->metadata[i] = (struct grpc_metadata){
			.key = dv_arena_strdup(&st->arena, from->key),
			.value = dv_arena_strdup(&st->arena, text ? text : from->value)
		};
	}
	st->n_metadata = r->n_metadata;
}

static struct grpc_stream *new_stream(struct grpc_client *c, const struct grpc_stream_opts *o)
{
	struct grpc_stream *st = dv_new(struct grpc_stream);
	const struct grpc_request *r = &o->request;
	uint64_t now = uv_hrtime();

	st->client = c;
	dv_arena_init(&st->arena);
	dv_arena_init(&st->message_arena);
	st->path = dv_arena_printf(&st->arena, "/%s/%s", r->service, r->method);
	copy_metadata(st, r);
	st->reply_type = r->reply;
	st->is_client_stream = o->is_client_stream;
	st->is_server_stream = o->is_server_stream;
	st->data = o->data;
	st->result = o->result;
	st->writable = o->writable;
	st->details = o->details;
	st->arg = o->arg;
	st->connect_by = now + c->connect_ns;
	st->finish.fn = finish_task;
	st->alarm.fn = alarm_rang;
	if (r->timeout_ns && !__builtin_add_overflow(now, r->timeout_ns, &st->deadline))
		grpc_alarm_set(&c->hub, &st->alarm, st->deadline);
	else
		st->deadline = 0;
	grpc_flow_init(&st->flow, &c->hub, &stream_ops);
	st->flow.max_message = c->max_message;
	st->flow.in_budget = &c->input;
	st->flow.out_budget = &c->output;
	st->prev = c->last;
	*c->last = st;
	c->last = &st->next;
	return st;
}

struct grpc_stream *grpc_client_stream(struct grpc_client *c, const struct grpc_stream_opts *o)
{
	struct grpc_stream *st;
	struct dv_err *e = NULL;

	dv_assert(!c->is_freed);
	st = new_stream(c, o);
	if (o->request.msg || !o->is_client_stream)
		e = grpc_flow_send(&st->flow, o->request.msg, !o->is_client_stream);
	if (e)
		grpc_stream_fail(st, dv_err_wrap(e, "%s: %s", c->path, st->path));
	grpc_flow_want(&st->flow);
	grpc_client_go(c, st);
	return st;
}

struct grpc_stream *grpc_client_call(struct grpc_client *c, const struct grpc_request *r,
				     grpc_result_fn fn, void *arg)
{
	struct grpc_stream_opts o = { .request = *r, .result = fn, .arg = arg };

	return grpc_client_stream(c, &o);
}

struct dv_err *grpc_stream_send(struct grpc_stream *st, const ProtobufCMessage *msg)
{
	struct dv_err *e;

	dv_assert(st->is_client_stream && !st->flow.is_out_end);
	if (st->is_over || (st->is_submitted && !st->flow.h2))
		return dv_err_new(DV_CANCELLED, "%s: %s: nobody is there any more",
				  st->client->path, st->path);
	e = grpc_flow_send(&st->flow, msg, false);
	return dv_err_wrap(e, "%s: %s", st->client->path, st->path);
}

bool grpc_stream_is_writable(const struct grpc_stream *st)
{
	return grpc_flow_is_writable(&st->flow);
}

void grpc_stream_next(struct grpc_stream *st)
{
	dv_arena_fini(&st->message_arena);
	grpc_flow_want(&st->flow);
}

void grpc_stream_end(struct grpc_stream *st)
{
	dv_assert(st->is_client_stream && !st->flow.is_out_end);
	grpc_flow_send_end(&st->flow, false);
}

void grpc_stream_cancel(struct grpc_stream *st)
{
	grpc_stream_fail(st,
			 dv_err_new(DV_CANCELLED, "%s: %s: cancelled", st->client->path, st->path));
}
