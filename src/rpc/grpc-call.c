/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that a server answers.
 *
 *	running --grpc_reply(), grpc_fail()--> leaving --stream closed--> gone
 *	   |                                                               ^
 *	   |  deadline, stream reset, connection lost, server closed       |
 *	   v                                                               |
 *	cancelled ----------------grpc_reply(), grpc_fail()----------------+
 *
 * Cancelled: the owner was told, and what it says is dropped; the stream goes by itself. A call is
 * freed when neither a handler nor a stream has it. What the request took goes when the handler
 * ends the call, and not when the answer has left.
 */

#include <stdio.h>

#include "api/google/rpc/status.pb-c.h"
#include "base/str.h"
#include "grpc-server-private.h"
#include "rpc/pb.h"

/* ---- Memory ---- */

bool grpc_call_charge(struct grpc_call *call, size_t n)
{
	if (!grpc_budget_take(&call->conn->h2.input, n))
		return false;
	call->charged += n;
	return true;
}

static void drop_message(struct grpc_call *call)
{
	dv_arena_fini(&call->message_arena);
	grpc_budget_give(&call->conn->h2.input, call->message_charged);
	call->message_charged = 0;
}

static void drop_request(struct grpc_call *call)
{
	drop_message(call);
	dv_arena_fini(&call->arena);
	call->metadata = NULL;
	call->request = NULL;
	grpc_budget_give(&call->conn->h2.input,
			 call->charged - DV_MIN(call->charged, sizeof(*call)));
	call->charged = DV_MIN(call->charged, sizeof(*call));
}

void grpc_call_free(struct grpc_call *call)
{
	struct grpc_server_conn *conn = call->conn;

	if (conn->server)
		grpc_alarm_set(&conn->server->hub, &call->alarm, 0);
	drop_request(call);
	grpc_budget_give(&conn->h2.input, call->charged);
	free(call->text);
	free(call->details);
	free(call);
	conn->n_calls--;
	grpc_server_conn_unref(conn);
}

/* ---- Answers ---- */

/* Names and values that live longer than the frame's submission are copied by nghttp2. */
static nghttp2_nv pair(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)name,
			     .namelen = strlen(name),
			     .value = (uint8_t *)value,
			     .valuelen = strlen(value),
			     .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME };
}

static nghttp2_nv constant(const char *name, const char *value)
{
	nghttp2_nv nv = pair(name, value);

	nv.flags |= NGHTTP2_NV_FLAG_NO_COPY_VALUE;
	return nv;
}

/* @provider NULL: the headers are all of it. */
static void submit(struct grpc_call *call, const nghttp2_nv *nv, size_t n,
		   const nghttp2_data_provider *provider)
{
	struct grpc_h2 *h = call->flow.h2;

	call->is_responding = true;
	if (nghttp2_submit_response(h->session, call->flow.id, nv, n, provider) != 0)
		nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, call->flow.id,
					  NGHTTP2_INTERNAL_ERROR);
	grpc_h2_touch(h);
}

/* Can something still be said? */
static bool is_open(const struct grpc_call *call)
{
	return call->flow.h2 && !call->is_answered;
}

static void set_answered(struct grpc_call *call)
{
	call->is_answered = true;
	call->conn->n_leaving++;
}

static void respond(struct grpc_call *call)
{
	nghttp2_nv nv[] = { constant(":status", "200"),
			    constant("content-type", "application/grpc"),
			    constant("grpc-accept-encoding", "identity,gzip") };
	nghttp2_data_provider provider = grpc_flow_provider(&call->flow);

	if (!call->is_responding)
		submit(call, nv, DV_ARRAY_SIZE(nv), &provider);
}

void grpc_call_http_error(struct grpc_call *call, const char *status)
{
	nghttp2_nv nv[] = { constant(":status", status) };

	if (!is_open(call))
		return;
	set_answered(call);
	submit(call, nv, DV_ARRAY_SIZE(nv), NULL);
}

static const char *const digits[] = { "0", "1",	 "2",  "3",  "4",  "5",	 "6",  "7", "8",
				      "9", "10", "11", "12", "13", "14", "15", "16" };

static const char *code_text(enum dv_code code)
{
	return (size_t)code < DV_ARRAY_SIZE(digits) ? digits[code] : digits[DV_UNKNOWN];
}

/* An answer of headers alone. */
static void submit_status(struct grpc_call *call, enum dv_code code, const char *text)
{
	nghttp2_nv nv[6] = { constant(":status", "200"),
			     constant("content-type", "application/grpc"),
			     constant("grpc-status", code_text(code)) };
	size_t n = 3;

	if (text[0])
		nv[n++] = pair("grpc-message", text);
	if (call->details)
		nv[n++] = pair("grpc-status-details-bin", call->details);
	if (code == DV_UNIMPLEMENTED)
		nv[n++] = constant("grpc-accept-encoding", "identity,gzip");
	submit(call, nv, n, NULL);
}

/* From nghttp2, with the last byte of the last message. */
void grpc_call_trailers(struct grpc_flow *f)
{
	struct grpc_call *call = dv_container_of(f, struct grpc_call, flow);
	nghttp2_nv nv[3] = { constant("grpc-status", code_text(call->code)) };
	size_t n = 1;

	if (call->text)
		nv[n++] = pair("grpc-message", call->text);
	if (call->details)
		nv[n++] = pair("grpc-status-details-bin", call->details);
	nghttp2_submit_trailer(f->h2->session, f->id, nv, n);
}

void grpc_call_answer(struct grpc_call *call, enum dv_code code, const char *text)
{
	if (!is_open(call))
		return;
	set_answered(call);
	free(call->text);
	call->text = code ? grpc_message_encode(text) : NULL;
	call->code = code;
	if (!call->is_responding)
		submit_status(call, code, call->text ? call->text : "");
	else
		grpc_flow_send_end(&call->flow, false);
}

void grpc_call_cancel(struct grpc_call *call)
{
	void (*fn)(void *) = call->cancel;

	if (atomic_exchange(&call->is_cancelled, true))
		return;
	call->cancel = NULL;
	if (fn)
		fn(call->cancel_arg);
}

void grpc_call_abort(struct grpc_call *call, enum dv_code code, const char *text)
{
	bool was_open = is_open(call);

	grpc_call_answer(call, code, text);
	if (was_open && call->is_responding && call->flow.is_out_end)
		grpc_flow_send_end(&call->flow, true); /* what waits is of no use any more */
	if (call->is_running)
		grpc_call_cancel(call);
}

/* ---- The end ---- */

static void end(struct grpc_call *call, int code)
{
	struct grpc_server_conn *conn = call->conn;
	struct grpc_server *s = conn->server;

	dv_assert(call->is_running);
	if (s) {
		grpc_alarm_set(&s->hub, &call->alarm, 0);
		s->stats.calls--;
		if (s->observe)
			s->observe(s->observe_arg, call, code, uv_hrtime() - call->begin);
	}
	if (conn->cursor == call)
		conn->cursor = call->next;
	*call->prev = call->next;
	if (call->next)
		call->next->prev = call->prev;
	call->is_running = false;
	call->data = NULL;
	if (call->flow.h2)
		drop_request(call);
	else
		grpc_call_free(call);
}

/* What the peer was told, where that is not what the handler says. */
static int final_code(const struct grpc_call *call, int code)
{
	if (!atomic_load(&call->is_cancelled))
		return code;
	return call->is_answered && call->code ? (int)call->code : DV_CANCELLED;
}

void grpc_reply(struct grpc_call *take, const ProtobufCMessage *msg)
{
	struct dv_err *e = NULL;
	int code = 0;

	if (!is_open(take)) {
		end(take, final_code(take, 0));
		return;
	}
	if (take->method->is_server_stream) {
		dv_assert(!msg);
		grpc_call_answer(take, 0, NULL);
	} else {
		e = grpc_flow_send(&take->flow, msg, true);
		if (!e) {
			respond(take);
			set_answered(take);
		}
	}
	if (e) {
		code = (int)dv_err_code(e);
		grpc_call_answer(take, dv_err_code(e), dv_err_message(e));
	}
	dv_err_free(e);
	end(take, code);
}

/* Clients allow 8 KiB for all headers of an answer; a message may be half of them. */
enum { DETAILS_MAX = 2 << 10 };

void grpc_fail_details(struct grpc_call *take, struct dv_err *take_e,
		       Google__Protobuf__Any *const *details, size_t n_details)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;

	status.code = (int32_t)dv_err_code(take_e);
	status.message = (char *)dv_err_message(take_e);
	status.n_details = n_details;
	status.details = (Google__Protobuf__Any **)details;
	if (is_open(take) && protobuf_c_message_get_packed_size(&status.base) <= DETAILS_MAX) {
		pb_pack(&status.base, &b);
		free(take->details);
		take->details = grpc_base64_encode(b.data, b.len);
	}
	grpc_fail(take, take_e);
}

void grpc_fail(struct grpc_call *take, struct dv_err *take_e)
{
	int code = final_code(take, (int)dv_err_code(take_e));

	grpc_call_answer(take, dv_err_code(take_e), dv_err_message(take_e));
	dv_err_free(take_e);
	end(take, code);
}

/* ---- Streams ---- */

struct dv_err *grpc_send(struct grpc_call *call, const ProtobufCMessage *msg)
{
	struct dv_err *e;

	dv_assert(call->method->is_server_stream);
	if (!is_open(call) || grpc_h2_is_dead(call->flow.h2))
		return dv_err_new(DV_CANCELLED, "stream of %s: nobody is there any more",
				  call->method->name);
	e = grpc_flow_send(&call->flow, msg, false);
	if (e)
		return dv_err_wrap(e, "stream of %s", call->method->name);
	respond(call);
	return NULL;
}

bool grpc_call_is_writable(const struct grpc_call *call)
{
	return grpc_flow_is_writable(&call->flow);
}

void grpc_call_on_writable(struct grpc_call *call, void (*fn)(void *arg), void *arg)
{
	call->writable = fn;
	call->writable_arg = arg;
}

void grpc_call_on_data(struct grpc_call *call, grpc_data_fn fn, void *arg)
{
	dv_assert(call->method->is_client_stream);
	call->data = fn;
	call->data_arg = arg;
	grpc_flow_want(&call->flow);
}

void grpc_call_next(struct grpc_call *call)
{
	drop_message(call);
	grpc_flow_want(&call->flow);
}

/* ---- Looking at it ---- */

struct dv_arena *grpc_call_arena(struct grpc_call *call)
{
	return &call->arena;
}

const char *grpc_call_service(const struct grpc_call *call)
{
	return call->entry->service->name;
}

const char *grpc_call_method(const struct grpc_call *call)
{
	return call->method->name;
}

const char *grpc_call_message(const struct grpc_call *call)
{
	return call->text ? call->text : "";
}

const struct grpc_method *grpc_call_method_table(const struct grpc_call *call)
{
	return call->method;
}

const void *grpc_call_method_user(const struct grpc_call *call)
{
	return call->method->user;
}

pid_t grpc_call_peer_pid(const struct grpc_call *call)
{
	return call->conn->pid;
}

const char *grpc_call_metadata(const struct grpc_call *call, const char *key)
{
	for (const struct grpc_pair *p = call->metadata; p; p = p->next) {
		if (dv_streq(p->key, key))
			return p->value;
	}
	return NULL;
}

const void *grpc_call_metadata_bin(const struct grpc_call *call, const char *key, size_t *ret_n)
{
	dv_assert(grpc_is_binary_key((struct grpc_text){ key, strlen(key) }));
	for (const struct grpc_pair *p = call->metadata; p; p = p->next) {
		if (dv_streq(p->key, key)) {
			*ret_n = p->n_value;
			return p->value;
		}
	}
	return NULL;
}

uint64_t grpc_call_deadline(const struct grpc_call *call)
{
	return call->deadline;
}

void grpc_call_on_cancel(struct grpc_call *call, void (*fn)(void *arg), void *arg)
{
	call->cancel = fn;
	call->cancel_arg = arg;
}

bool grpc_call_is_cancelled(const struct grpc_call *call)
{
	return atomic_load(&call->is_cancelled);
}
