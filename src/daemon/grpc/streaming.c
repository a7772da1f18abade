/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd.services.streaming.v1: the wire's side of streams.c, on the loop. The first message
 * names the stream and is answered with an empty one; then messages go both ways until the daemon's
 * other side closes the stream or the client leaves.
 */

#include "api/containerd/streaming.pb-c.h"
#include "api/containerd/transfer-types.pb-c.h"
#include "api/google/protobuf/any.pb-c.h"
#include "api/google/protobuf/empty.pb-c.h"
#include "rpc/pb.h"
#include "service.h"
#include "services.h"
#include "streams-private.h"

typedef Google__Protobuf__Any any_msg;
typedef Containerd__Services__Streaming__V1__StreamInit init_msg;
typedef Containerd__Types__Transfer__Data data_msg;
typedef Containerd__Types__Transfer__WindowUpdate window_msg;

enum { ID_MAX = 256 };

struct session {
	struct daemon *d;
	struct grpc_call *call;
	struct stream *st; /* NULL: not named yet */
};

/* ---- Out ---- */

static void send_any(struct grpc_call *call, const char *type_url, const void *value, size_t n)
{
	any_msg any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)type_url;
	any.value = (ProtobufCBinaryData){ .len = n, .data = (uint8_t *)value };
	/* Whoever waits for the answer hears of a client that has gone by its cancelling. */
	dv_err_free(grpc_send(call, &any.base));
}

static void send_message(struct grpc_call *call, const ProtobufCMessage *msg)
{
	ProtobufCBinaryData b;
	struct dv_arena arena;

	dv_arena_init(&arena);
	b = pb_pack_arena(msg, &arena);
	send_any(call, pb_any_url(msg), b.data, b.len);
	dv_arena_fini(&arena);
}

static void send_chunk(struct grpc_call *call, struct stream_chunk *c)
{
	data_msg data = CONTAINERD__TYPES__TRANSFER__DATA__INIT;

	if (c->type_url) {
		send_any(call, c->type_url, c->data, c->n);
		return;
	}
	data.data = (ProtobufCBinaryData){ .len = c->n, .data = c->data };
	send_message(call, &data.base);
}

void stream_pump(struct stream *st)
{
	struct grpc_call *call = st->call;
	bool is_closing = false;

	while (grpc_call_is_writable(call)) {
		window_msg window = CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;
		DV_CLEANUP(dv_freep)
		struct stream_chunk *c = stream_output(st, &window.update, &is_closing);

		if (window.update)
			send_message(call, &window.base);
		if (!c)
			break;
		send_chunk(call, c);
	}
	if (is_closing) {
		stream_detach(st);
		grpc_reply(call, NULL);
	} else if (stream_resume_input(st)) {
		grpc_call_next(call);
	}
}

/* ---- In ---- */

static struct dv_err *unpack(const any_msg *any, const ProtobufCMessageDescriptor *type,
			     struct dv_arena *arena, ProtobufCMessage **ret)
{
	return pb_unpack(type, any->value.data, any->value.len, arena, 0, ret);
}

static struct dv_err *name_stream(struct session *s, const any_msg *any)
{
	struct daemon_call c;
	ProtobufCMessage *msg;
	const init_msg *init;
	bool has_ns = grpc_call_metadata(s->call, "containerd-namespace");
	struct dv_err *e;

	if (!pb_any_is(any->type_url,
		       &containerd__services__streaming__v1__stream_init__descriptor))
		return dv_err_new(DV_INVALID, "the first message of a stream is a StreamInit");
	e = unpack(any, &containerd__services__streaming__v1__stream_init__descriptor,
		   grpc_call_arena(s->call), &msg);
	if (e)
		return e;
	init = (const init_msg *)msg;
	if (!init->id[0] || strlen(init->id) > ID_MAX)
		return dv_err_new(DV_INVALID, "stream id: 1 to %d bytes", ID_MAX);
	e = daemon_call_begin(s->call, s->d, has_ns, &c); /* clients may have no namespace */
	if (e)
		return e;
	s->st = stream_new(s->d, s->call, has_ns ? c.ns : "", init->id);
	return stream_register(s->d->streams, s->st);
}

static struct dv_err *got_any(struct session *s, const any_msg *any, bool *ret_is_more)
{
	const ProtobufCMessageDescriptor *data = &containerd__types__transfer__data__descriptor;
	const ProtobufCMessageDescriptor *window =
		&containerd__types__transfer__window_update__descriptor;
	struct dv_err *e = NULL;
	struct dv_arena arena;
	ProtobufCMessage *msg;

	dv_arena_init(&arena);
	*ret_is_more = true;
	if (pb_any_is(any->type_url, data)) {
		e = unpack(any, data, &arena, &msg);
		if (!e)
			*ret_is_more = stream_input(s->st, NULL, ((data_msg *)msg)->data.data,
						    ((data_msg *)msg)->data.len, true);
	} else if (pb_any_is(any->type_url, window)) {
		e = unpack(any, window, &arena, &msg);
		if (!e)
			stream_add_credit(s->st, ((window_msg *)msg)->update);
	} else {
		*ret_is_more =
			stream_input(s->st, any->type_url, any->value.data, any->value.len, false);
	}
	dv_arena_fini(&arena);
	return e;
}

static void fail(struct session *s, struct dv_err *take_e)
{
	if (s->st)
		stream_detach(s->st);
	grpc_fail(s->call, take_e);
}

static void got_message(void *arg, const ProtobufCMessage *msg)
{
	Google__Protobuf__Empty ack = GOOGLE__PROTOBUF__EMPTY__INIT;
	const any_msg *any = (const void *)msg;
	struct session *s = arg;
	bool is_more = true;
	struct dv_err *e;

	if (!any && s->st) {
		stream_input_end(s->st);
		return;
	}
	if (!any) {
		fail(s, dv_err_new(DV_INVALID, "the stream ended before it had a name"));
		return;
	}
	if (!s->st) {
		e = name_stream(s, any);
		if (!e)
			send_message(s->call, &ack.base);
	} else {
		e = got_any(s, any, &is_more);
	}
	if (e)
		fail(s, e);
	else if (is_more)
		grpc_call_next(s->call);
}

static void got_cancelled(void *arg)
{
	fail(arg, dv_err_new(DV_CANCELLED, "the client has gone"));
}

static void got_writable(void *arg)
{
	struct session *s = arg;

	if (s->st)
		stream_pump(s->st);
}

static void stream(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct session *s = dv_arena_new(grpc_call_arena(call), struct session);

	(void)req;
	*s = (struct session){ .d = arg, .call = call };
	grpc_call_on_cancel(call, got_cancelled, s);
	grpc_call_on_writable(call, got_writable, s);
	grpc_call_on_data(call, got_message, s);
}

static const struct grpc_method methods[] = {
	{ .name = "Stream",
	  .request = &google__protobuf__any__descriptor,
	  .fn = stream,
	  .is_client_stream = true,
	  .is_server_stream = true },
};

const struct grpc_service daemon_streaming_service = {
	.name = "containerd.services.streaming.v1.Streaming",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
