/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call for a task, from the client to the shim and back. What waits for the shim is kept apart from
 * the call, so that a client that goes takes its call with it, and only a few bytes wait on.
 */

#include <stdlib.h>

#include "base/str.h"
#include "tasks-private.h"

/* A call to the shim. */
struct tasks_passed {
	struct tasks_op *op; /* NULL: its client has gone */
	tasks_convert_fn convert;
};

void tasks_op_fail(struct tasks_op *op, struct dv_err *take_e)
{
	struct task *t = dv_steal(&op->t);

	grpc_call_on_cancel(op->c.grpc, NULL, NULL);
	grpc_fail(op->c.grpc, take_e);
	task_unref(t);
}

void tasks_op_reply(struct tasks_op *op, const ProtobufCMessage *msg)
{
	struct task *t = dv_steal(&op->t);

	grpc_call_on_cancel(op->c.grpc, NULL, NULL);
	grpc_reply(op->c.grpc, msg);
	task_unref(t);
}

uint64_t tasks_op_timeout(const struct tasks_op *op, uint64_t max)
{
	uint64_t deadline = grpc_call_deadline(op->c.grpc), now = uv_hrtime(), left;

	if (deadline == 0)
		return max;
	left = deadline > now ? deadline - now : 1;
	return max ? DV_MIN(left, max) : left;
}

static struct dv_err *client_has_gone(const struct tasks_op *op)
{
	return dv_err_new(DV_CANCELLED, "task %s: the client has gone", op->id);
}

/* ---- sleeping ----------------------------------------------------------------------------------- */

static void sleep_cancelled(void *arg)
{
	struct tasks_op *op = arg;

	tasks_sleep_end(&op->sleeper);
	tasks_op_fail(op, client_has_gone(op));
}

static void sleep_over(void *arg)
{
	struct tasks_op *op = arg;

	grpc_call_on_cancel(op->c.grpc, NULL, NULL);
	op->awake(op);
}

void tasks_op_sleep(struct tasks_op *op, void (*awake)(struct tasks_op *op))
{
	if (grpc_call_is_cancelled(op->c.grpc)) {
		tasks_op_fail(op, client_has_gone(op));
		return;
	}
	op->awake = awake;
	op->sleeper.fn = sleep_over;
	op->sleeper.arg = op;
	grpc_call_on_cancel(op->c.grpc, sleep_cancelled, op);
	tasks_sleep(op->c.d->tasks, &op->sleeper);
}

/* ---- finding the task --------------------------------------------------------------------------- */

struct dv_err *tasks_not_found(const char *id)
{
	return dv_err_new(DV_NOT_FOUND, "no running task found: task %s not found", id);
}

static bool is_for(const struct tasks_op *op, const struct task *t)
{
	return t->phase == TASK_LIVE || (t->phase == TASK_ENDING && op->method->takes_ending);
}

static void op_find(struct tasks_op *op)
{
	struct tasks *ts = op->c.d->tasks;
	struct task *t = task_find(ts, op->c.ns, op->id);

	if (t ? t->phase == TASK_LOADING && !t->is_mute : !ts->is_scanned) {
		tasks_op_sleep(op, op_find);
	} else if (t && t->phase == TASK_LOADING) {
		tasks_op_fail(op, dv_err_new(DV_UNAVAILABLE,
					     "task %s: its shim does not answer; it is asked "
					     "again, and cleaned up after when it is gone",
					     op->id));
	} else if (t && is_for(op, t)) {
		op->t = task_ref(t);
		op->method->go(op);
	} else if (!t && op->method->missing) {
		op->method->missing(op);
	} else {
		tasks_op_fail(op, tasks_not_found(op->id));
	}
}

void tasks_op_begin(struct grpc_call *call, struct daemon *d, const ProtobufCMessage *req,
		    const char *id, const struct tasks_method *method)
{
	struct tasks_op *op = dv_arena_new(grpc_call_arena(call), struct tasks_op);
	struct dv_err *e = daemon_call_begin(call, d, true, &op->c);

	if (e) {
		grpc_fail(call, e);
		return;
	}
	op->req = req;
	op->id = id;
	op->method = method;
	op_find(op);
}

/* ---- handing on --------------------------------------------------------------------------------- */

static void pass_cancelled(void *arg)
{
	struct tasks_op *op = arg;

	op->passed->op = NULL;
	tasks_op_fail(op, client_has_gone(op));
}

static void pass_answer(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct tasks_passed *passed = arg;
	struct tasks_op *op = passed->op;

	if (!op)
		dv_err_free(take_e);
	else if (take_e)
		tasks_op_fail(op, take_e);
	else
		tasks_op_reply(op, passed->convert ? passed->convert(op, reply) : NULL);
	free(passed);
}

void tasks_op_pass(struct tasks_op *op, const struct task_call *call, tasks_convert_fn convert)
{
	struct tasks_passed *passed = dv_new(struct tasks_passed);
	struct task_call c = *call;

	*passed = (struct tasks_passed){ op, convert };
	op->passed = passed;
	c.timeout_ns = tasks_op_timeout(op, 0);
	grpc_call_on_cancel(op->c.grpc, pass_cancelled, op);
	task_call(op->t, &c, pass_answer, passed);
}
