/* SPDX-License-Identifier: Apache-2.0 */
/* The connection, and calls with one answer. See client/client.h. */

#include "client/client.h"

#include <string.h>

#include "base/str.h"
#include "client-private.h"
#include "rpc/pb.h"

/* ---- The connection ---- */

struct dv_err *client_new(const struct client_opts *opts, struct client **ret)
{
	struct client *c = dv_new(struct client);
	int r = uv_loop_init(&c->loop);

	if (r < 0) {
		free(c);
		return dv_err_sys(r, "make an event loop");
	}
	c->address = dv_strdup(opts->address ? opts->address : CLIENT_ADDRESS_DEFAULT);
	c->ns = dv_strdup(opts->ns ? opts->ns : "default");
	c->grpc =
		grpc_client_new(&(struct grpc_client_opts){ .loop = &c->loop, .path = c->address });
	*ret = c;
	return NULL;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	grpc_client_free(c->grpc);
	for (int i = 0; i < 3; i++) /* what was closed has its last callbacks */
		(void)uv_run(&c->loop, UV_RUN_NOWAIT);
	free(c->address);
	free(c->ns);
	if (uv_loop_close(&c->loop) == 0)
		free(c); /* else a handle of the caller's is open, and the loop must stay */
	return NULL;
}

uv_loop_t *client_loop(struct client *c)
{
	return &c->loop;
}

const char *client_address(const struct client *c)
{
	return c->address;
}

const char *client_namespace(const struct client *c)
{
	return c->ns;
}

void client_turn(struct client *c)
{
	dv_assert(!c->is_turning); /* libuv's loops cannot be run from their callbacks */
	c->is_turning = true;
	(void)uv_run(&c->loop, UV_RUN_ONCE);
	c->is_turning = false;
}

/* ---- Requests ---- */

const ProtobufCMessageDescriptor *client_request_reply(const struct client_request *r)
{
	const ProtobufCMethodDescriptor *m =
		protobuf_c_service_descriptor_get_method_by_name(r->service, r->method);

	dv_assert(m && (!r->msg || r->msg->descriptor == m->input));
	return m->output;
}

struct grpc_request client_request_grpc(const struct client *c, const struct client_request *r,
					struct grpc_metadata metadata[CLIENT_METADATA_MAX])
{
	size_t n = 0;

	metadata[n++] = (struct grpc_metadata){ "containerd-namespace", r->ns ? r->ns : c->ns };
	if (r->lease)
		metadata[n++] = (struct grpc_metadata){ "containerd-lease", r->lease };
	return (struct grpc_request){
		.service = r->service->name,
		.method = r->method,
		.msg = r->msg,
		.reply = client_request_reply(r),
		.timeout_ns = r->timeout_ns,
		.metadata = metadata,
		.n_metadata = n,
	};
}

/* ---- Calls with one answer ---- */

struct client_pending {
	struct client *client;
	struct grpc_stream *call; /* while it is in flight */
	const ProtobufCMessageDescriptor *type;
	struct dv_strbuf reply; /* as bytes: the message is gone after the callback */
	struct dv_err *e;
	void (*done)(void *arg);
	void *arg;
};

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct client_pending *p = arg;

	p->call = NULL;
	p->e = take_e;
	if (reply)
		pb_pack(reply, &p->reply);
	if (p->done)
		p->done(p->arg);
}

struct client_pending *client_start(struct client *c, const struct client_request *r,
				    void (*done)(void *arg), void *arg)
{
	struct client_pending *p = dv_new(struct client_pending);
	struct grpc_metadata metadata[CLIENT_METADATA_MAX];
	struct grpc_request request = client_request_grpc(c, r, metadata);

	*p = (struct client_pending){ .client = c,
				      .type = request.reply,
				      .reply = DV_STRBUF_INIT,
				      .done = done,
				      .arg = arg };
	p->call = grpc_client_call(c->grpc, &request, on_result, p);
	return p;
}

bool client_pending_is_done(const struct client_pending *p)
{
	return !p->call;
}

struct dv_err *client_pending_finish(struct client_pending *take, struct dv_arena *arena,
				     void *ret_reply)
{
	DV_CLEANUP(client_pending_freep) struct client_pending *p = take;
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	while (p->call)
		client_turn(p->client);
	if (p->e)
		return dv_steal(&p->e);
	if (!ret_reply)
		return NULL;
	e = pb_unpack(p->type, p->reply.data, p->reply.len, arena, 4 * GRPC_MESSAGE_MAX, &msg);
	if (!e)
		*(ProtobufCMessage **)ret_reply = msg;
	return e;
}

struct client_pending *client_pending_free(struct client_pending *p)
{
	if (!p)
		return NULL;
	p->done = NULL;
	if (p->call)
		grpc_stream_cancel(p->call);
	while (p->call)
		client_turn(p->client);
	dv_err_free(p->e);
	dv_strbuf_fini(&p->reply);
	free(p);
	return NULL;
}

struct dv_err *client_call(struct client *c, const struct client_request *r, struct dv_arena *arena,
			   void *ret_reply)
{
	return client_pending_finish(client_start(c, r, NULL, NULL), arena, ret_reply);
}
