/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks.Delete and DeleteProcess. Once the shim has deleted a task its end comes, also without the
 * client that wanted it. A task whose end comes already, since davitd manages it, is waited for.
 */

#include <stdlib.h>

#include "api/containerd/tasks.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "rpc/pb.h"
#include "tasks-private.h"

typedef Containerd__Task__V2__DeleteResponse ShimDeleted;
typedef Containerd__Services__Tasks__V1__DeleteResponse DeleteResponse;

static DeleteResponse *deleted(struct tasks_op *op, const ShimDeleted *r)
{
	DeleteResponse *reply = dv_arena_new(op->c.arena, DeleteResponse);
	struct timespec at;

	containerd__services__tasks__v1__delete_response__init(reply);
	reply->pid = r->pid;
	reply->exit_status = r->exit_status;
	if (r->exited_at && pb_timestamp_to(r->exited_at->seconds, r->exited_at->nanos, &at))
		reply->exited_at = convert_time_out(&at, op->c.arena);
	return reply;
}

/* ---- Delete --------------------------------------------------------------------------------------- */

struct deleting {
	struct tasks_op *op; /* NULL: the client has gone */
	struct task *t; /* with a reference */
	struct dv_err *e;
	DeleteResponse *reply; /* in the op's arena */
};

static void deleting_cancelled(void *arg)
{
	struct deleting *del = arg;
	struct tasks_op *op = dv_steal(&del->op);

	tasks_op_fail(op, dv_err_new(DV_CANCELLED, "delete task %s: the client has gone", op->id));
}

static void deleting_end(void *arg)
{
	struct deleting *del = arg;

	if (!del->op)
		dv_err_free(del->e);
	else if (del->e)
		tasks_op_fail(del->op, del->e);
	else
		tasks_op_reply(del->op, &del->reply->base);
	task_unref(del->t);
	free(del);
}

/* ---- one whose end davitd has begun ---- */

static void reply_when_gone(struct tasks_op *op)
{
	DeleteResponse reply = CONTAINERD__SERVICES__TASKS__V1__DELETE_RESPONSE__INIT;
	const struct task *t = op->t;

	if (t->is_in_table) {
		tasks_op_sleep(op, reply_when_gone);
		return;
	}
	reply.pid = t->last.pid;
	reply.exit_status = t->last.exit_status;
	reply.exited_at = convert_time_out(&t->last.exited_at, op->c.arena);
	tasks_op_reply(op, &reply.base);
}

static bool goes_by_itself(const struct task *t)
{
	return t->is_managed && t->last.exited_at.tv_sec && (t->going || t->phase == TASK_ENDING);
}

/* ---- */

static void on_deleted(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	struct deleting *del = arg;
	struct task *t = del->t;

	if (del->op && goes_by_itself(t) && take_e && dv_err_code(take_e) == DV_NOT_FOUND) {
		dv_err_free(take_e);
		grpc_call_on_cancel(del->op->c.grpc, NULL, NULL);
		reply_when_gone(dv_steal(&del->op));
		deleting_end(del);
		return;
	}
	del->e = take_e;
	/* The shim does not know it (any more): what is left of it goes all the same. */
	if ((take_e && dv_err_code(take_e) != DV_NOT_FOUND) || t->phase != TASK_LIVE) {
		if (!take_e)
			del->e = dv_err_new(DV_NOT_FOUND, "task %s: has been deleted", t->id);
		deleting_end(del);
		return;
	}
	if (!take_e && del->op)
		del->reply = deleted(del->op, (const ShimDeleted *)msg);
	task_end(t, &(struct task_end){
			    .needs_delete = take_e != NULL, .done = deleting_end, .arg = del });
}

TASKS_METHOD(DeleteTaskRequest, delete_task, .takes_ending = true)
{
	Containerd__Task__V2__DeleteRequest req = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	struct task_call call = { .method = "Delete",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__delete_response__descriptor,
				  .timeout_ns = tasks_op_timeout(op, 0) };
	struct deleting *del;

	if (goes_by_itself(op->t)) {
		reply_when_gone(op);
		return;
	}
	if (op->t->phase != TASK_LIVE) {
		tasks_op_fail(op, tasks_not_found(op->id));
		return;
	}
	del = dv_new(struct deleting);
	del->op = op;
	del->t = task_ref(op->t);
	req.id = op->t->id;
	grpc_call_on_cancel(op->c.grpc, deleting_cancelled, del);
	task_call(op->t, &call, on_deleted, del);
}

void tasks_delete(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	delete_task(call, req, arg);
}

/* ---- DeleteProcess -------------------------------------------------------------------------------- */

static const ProtobufCMessage *deleted_process(struct tasks_op *op, const ProtobufCMessage *msg)
{
	DeleteResponse *reply = deleted(op, (const ShimDeleted *)msg);

	reply->id =
		((const Containerd__Services__Tasks__V1__DeleteProcessRequest *)op->req)->exec_id;
	return &reply->base;
}

TASKS_METHOD(DeleteProcessRequest, delete_process)
{
	const Containerd__Services__Tasks__V1__DeleteProcessRequest *from =
		(const Containerd__Services__Tasks__V1__DeleteProcessRequest *)op->req;
	Containerd__Task__V2__DeleteRequest req = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	struct task_call call = { .method = "Delete",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__delete_response__descriptor };

	if (!*from->exec_id) {
		tasks_op_fail(op, dv_err_new(DV_INVALID, "delete process of task %s: no exec id",
					     op->t->id));
		return;
	}
	req.id = op->t->id;
	req.exec_id = from->exec_id;
	tasks_op_pass(op, &call, deleted_process);
}

void tasks_delete_process(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	delete_process(call, req, arg);
}
