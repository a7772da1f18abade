/* SPDX-License-Identifier: Apache-2.0 */
/* Calls with many messages. See client/client.h. */

#include "base/str.h"
#include "client-private.h"
#include "rpc/pb.h"

struct client_stream {
	struct client *client;
	struct grpc_stream *call; /* while it is in flight */
	const ProtobufCMessageDescriptor *type;
	struct dv_strbuf bytes; /* of a message that nobody has taken yet, if has_msg */
	bool has_msg;
	bool is_taken; /* a message was handed out: the next may come */
	bool is_ended; /* nothing more to send */
	struct dv_arena arena; /* of the message that was handed out */
	struct dv_err *e;
	void (*fn)(void *arg, const ProtobufCMessage *msg);
	void *arg;
};

/* The message is copied: gRPC's own goes with its connection, and the loop runs before it is used. */
static void on_data(void *arg, const ProtobufCMessage *msg)
{
	struct client_stream *st = arg;

	if (st->fn) {
		st->fn(st->arg, msg);
		if (st->call)
			grpc_stream_next(st->call);
		return;
	}
	dv_strbuf_clear(&st->bytes);
	pb_pack(msg, &st->bytes);
	st->has_msg = true;
}

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct client_stream *st = arg;

	(void)reply;
	st->call = NULL;
	st->e = take_e;
	if (st->fn)
		st->fn(st->arg, NULL);
}

struct client_stream *client_stream_open(struct client *c, const struct client_request *r,
					 bool is_client_stream)
{
	struct client_stream *st = dv_new(struct client_stream);
	struct grpc_metadata metadata[CLIENT_METADATA_MAX];
	struct grpc_request request = client_request_grpc(c, r, metadata);
	struct grpc_stream_opts opts = { .request = request,
					 .is_client_stream = is_client_stream,
					 .is_server_stream = true,
					 .data = on_data,
					 .result = on_result,
					 .arg = st };

	*st = (struct client_stream){ .client = c,
				      .type = request.reply,
				      .bytes = DV_STRBUF_INIT,
				      .is_ended = !is_client_stream };
	dv_arena_init(&st->arena);
	st->call = grpc_client_stream(c->grpc, &opts);
	return st;
}

struct dv_err *client_stream_send(struct client_stream *st, const ProtobufCMessage *msg)
{
	dv_assert(!st->is_ended);
	while (st->call && !grpc_stream_is_writable(st->call))
		client_turn(st->client);
	if (!st->call)
		return dv_err_new(DV_CANCELLED, "the call is over");
	return grpc_stream_send(st->call, msg);
}

void client_stream_end(struct client_stream *st)
{
	dv_assert(!st->is_ended);
	st->is_ended = true;
	if (st->call)
		grpc_stream_end(st->call);
}

struct dv_err *client_stream_receive(struct client_stream *st, void *ret_msg)
{
	ProtobufCMessage *msg = NULL;
	struct dv_err *e = NULL;

	dv_arena_fini(&st->arena);
	if (st->is_taken && st->call)
		grpc_stream_next(st->call);
	st->is_taken = false;
	while (st->call && !st->has_msg)
		client_turn(st->client);
	if (st->has_msg) {
		st->has_msg = false;
		st->is_taken = true;
		e = pb_unpack(st->type, st->bytes.data, st->bytes.len, &st->arena,
			      4 * GRPC_MESSAGE_MAX, &msg);
	} else if (st->e) {
		return dv_steal(&st->e);
	}
	if (!e && ret_msg)
		*(ProtobufCMessage **)ret_msg = msg;
	return e;
}

void client_stream_on_message(struct client_stream *st,
			      void (*fn)(void *arg, const ProtobufCMessage *msg), void *arg)
{
	st->fn = fn;
	st->arg = arg;
}

struct client_stream *client_stream_close(struct client_stream *st)
{
	if (!st)
		return NULL;
	st->fn = NULL;
	if (st->call)
		grpc_stream_cancel(st->call);
	while (st->call)
		client_turn(st->client);
	dv_err_free(st->e);
	dv_arena_fini(&st->arena);
	dv_strbuf_fini(&st->bytes);
	free(st);
	return NULL;
}
