/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the shim's Task service, which is the same in both versions but for its name. */

#include <stdlib.h>

#include "task-private.h"

static const char *const services[] = {
	[2] = "containerd.task.v2.Task",
	[3] = "containerd.task.v3.Task",
};

struct call {
	struct task *t;
	ttrpc_result_fn fn;
	void *arg;
	bool is_long;
};

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct call call = *(struct call *)arg;

	free(arg);
	call.t->n_busy -= !call.is_long;
	call.fn(call.arg, take_e, reply);
	task_unref(call.t);
}

void task_call(struct task *t, const struct task_call *c, ttrpc_result_fn fn, void *arg)
{
	struct ttrpc_metadata ns = { "containerd-namespace-ttrpc", t->ns };
	struct ttrpc_request r = {
		.service = services[t->version],
		.method = c->method,
		.msg = c->msg,
		.reply = c->reply,
		.timeout_ns = c->timeout_ns,
		.metadata = &ns,
		.n_metadata = 1,
	};
	struct call *call = dv_new(struct call);

	dv_assert(t->client && t->version < DV_ARRAY_SIZE(services));
	*call = (struct call){ task_ref(t), fn, arg, c->is_long };
	t->n_busy += !c->is_long;
	ttrpc_client_call(t->client, &r, on_result, call);
}

static void on_loss(void *arg)
{
	struct task *t = arg;

	if (t->phase != TASK_LIVE)
		return; /* whoever is at it finds out by the answer */
	dv_log(t->ts->d->log, DV_WARN, "task %s/%s: the connection to its shim is lost", t->ns,
	       t->id);
	task_end(t, &(struct task_end){ .is_lost = true });
}

void task_connect(struct task *t)
{
	t->client = ttrpc_client_new(t->ts->d->loop, t->address);
	ttrpc_client_on_loss(t->client, on_loss, t);
}
