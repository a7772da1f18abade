/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the shim's Sandbox service. */

#include <stdlib.h>

#include "sandbox-private.h"

struct call {
	struct sandbox *s;
	ttrpc_result_fn fn;
	void *arg;
};

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct call call = *(struct call *)arg;

	free(arg);
	call.fn(call.arg, take_e, reply);
	sandbox_unref(call.s);
}

static void no_shim(void *arg)
{
	struct call *call = arg;

	on_result(call, dv_err_new(DV_UNAVAILABLE, "sandbox %s: its shim is gone", call->s->id),
		  NULL);
}

void sandbox_call(struct sandbox *s, const struct sandbox_call *c, ttrpc_result_fn fn, void *arg)
{
	struct ttrpc_metadata ns = { "containerd-namespace-ttrpc", s->ns };
	struct ttrpc_request r = {
		.service = "containerd.runtime.sandbox.v1.Sandbox",
		.method = c->method,
		.msg = c->msg,
		.reply = c->reply,
		.timeout_ns = c->timeout_ns,
		.metadata = &ns,
		.n_metadata = 1,
	};
	struct call *call = dv_new(struct call);

	*call = (struct call){ sandbox_ref(s), fn, arg };
	if (s->client)
		ttrpc_client_call(s->client, &r, on_result, call);
	else
		io_work_post(s->ss->d->fast, no_shim, call);
}

static void on_loss(void *arg)
{
	struct sandbox *s = arg;

	/* Else whoever is at it finds out by the answer. */
	if (s->state == SANDBOX_CREATED || s->state == SANDBOX_READY || s->state == SANDBOX_STOPPED)
		sandbox_lost(s);
}

void sandbox_connect(struct sandbox *s)
{
	s->client = ttrpc_client_new(s->ss->d->loop, s->address);
	ttrpc_client_on_loss(s->client, on_loss, s);
}

void sandbox_disconnect(struct sandbox *s)
{
	s->log = shim_log_close(s->log);
	s->client = ttrpc_client_free(s->client);
}
