/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd.services.tasks.v1. Most methods are the shim's, with other types around the same
 * fields: they are handed on, and what the answer says about the task is kept.
 */

#include "api/containerd/tasks.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "rpc/pb.h"
#include "services.h"
#include "tasks-private.h"

#define TYPE(name)	 Containerd__Services__Tasks__V1__##name
#define DESCRIPTOR(name) containerd__services__tasks__v1__##name##__descriptor

static void set_status(struct task *t, Containerd__V1__Types__Status status)
{
	/* The end may have been told before the answer came. */
	if (t->last.status != CONTAINERD__V1__TYPES__STATUS__STOPPED)
		t->last.status = status;
}

#define METHOD(Type, name) TASKS_METHOD(Type, name)

/* ---- Start ----------------------------------------------------------------------------------------- */

static const ProtobufCMessage *started(struct tasks_op *op, const ProtobufCMessage *msg)
{
	TYPE(StartResponse) *reply = dv_arena_new(op->c.arena, TYPE(StartResponse));

	containerd__services__tasks__v1__start_response__init(reply);
	reply->pid = ((const Containerd__Task__V2__StartResponse *)msg)->pid;
	if (!*((const TYPE(StartRequest) *)op->req)->exec_id) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		op->t->last.pid = reply->pid;
		task_started(op->t, &now);
	}
	return &reply->base;
}

METHOD(StartRequest, start)
{
	const TYPE(StartRequest) *from = (const TYPE(StartRequest) *)op->req;
	Containerd__Task__V2__StartRequest req = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	struct task_call call = { .method = "Start",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__start_response__descriptor };

	req.id = op->t->id;
	req.exec_id = from->exec_id;
	tasks_op_pass(op, &call, started);
}

/* ---- what has an empty answer ----------------------------------------------------------------------- */

METHOD(KillRequest, kill_task)
{
	const TYPE(KillRequest) *from = (const TYPE(KillRequest) *)op->req;
	Containerd__Task__V2__KillRequest req = CONTAINERD__TASK__V2__KILL_REQUEST__INIT;

	req.id = op->t->id;
	req.exec_id = from->exec_id;
	req.signal = from->signal;
	req.all = from->all;
	tasks_op_pass(op, &(struct task_call){ .method = "Kill", .msg = &req.base }, NULL);
}

METHOD(ExecProcessRequest, exec)
{
	const TYPE(ExecProcessRequest) *from = (const TYPE(ExecProcessRequest) *)op->req;
	Containerd__Task__V2__ExecProcessRequest req =
		CONTAINERD__TASK__V2__EXEC_PROCESS_REQUEST__INIT;
	struct dv_err *e;

	if (!*from->exec_id)
		e = dv_err_new(DV_INVALID, "exec in task %s: exec id cannot be empty", op->t->id);
	else
		e = meta_id_check("exec id", from->exec_id);
	if (e) {
		tasks_op_fail(op, e);
		return;
	}
	req.id = op->t->id;
	req.exec_id = from->exec_id;
	req.terminal = from->terminal;
	req.stdin = from->stdin;
	req.stdout = from->stdout;
	req.stderr = from->stderr;
	req.spec = from->spec;
	tasks_op_pass(op, &(struct task_call){ .method = "Exec", .msg = &req.base }, NULL);
}

METHOD(ResizePtyRequest, resize_pty)
{
	const TYPE(ResizePtyRequest) *from = (const TYPE(ResizePtyRequest) *)op->req;
	Containerd__Task__V2__ResizePtyRequest req = CONTAINERD__TASK__V2__RESIZE_PTY_REQUEST__INIT;

	req.id = op->t->id;
	req.exec_id = from->exec_id;
	req.width = from->width;
	req.height = from->height;
	tasks_op_pass(op, &(struct task_call){ .method = "ResizePty", .msg = &req.base }, NULL);
}

METHOD(CloseIORequest, close_io)
{
	const TYPE(CloseIORequest) *from = (const TYPE(CloseIORequest) *)op->req;
	Containerd__Task__V2__CloseIORequest req = CONTAINERD__TASK__V2__CLOSE_IOREQUEST__INIT;

	req.id = op->t->id;
	req.exec_id = from->exec_id;
	req.stdin = from->stdin;
	tasks_op_pass(op, &(struct task_call){ .method = "CloseIO", .msg = &req.base }, NULL);
}

static const ProtobufCMessage *paused(struct tasks_op *op, const ProtobufCMessage *msg)
{
	(void)msg;
	set_status(op->t, CONTAINERD__V1__TYPES__STATUS__PAUSED);
	return NULL;
}

METHOD(PauseTaskRequest, pause_task)
{
	Containerd__Task__V2__PauseRequest req = CONTAINERD__TASK__V2__PAUSE_REQUEST__INIT;

	req.id = op->t->id;
	tasks_op_pass(op, &(struct task_call){ .method = "Pause", .msg = &req.base }, paused);
}

static const ProtobufCMessage *resumed(struct tasks_op *op, const ProtobufCMessage *msg)
{
	(void)msg;
	set_status(op->t, CONTAINERD__V1__TYPES__STATUS__RUNNING);
	return NULL;
}

METHOD(ResumeTaskRequest, resume_task)
{
	Containerd__Task__V2__ResumeRequest req = CONTAINERD__TASK__V2__RESUME_REQUEST__INIT;

	req.id = op->t->id;
	tasks_op_pass(op, &(struct task_call){ .method = "Resume", .msg = &req.base }, resumed);
}

METHOD(UpdateTaskRequest, update)
{
	const TYPE(UpdateTaskRequest) *from = (const TYPE(UpdateTaskRequest) *)op->req;
	Containerd__Task__V2__UpdateTaskRequest req =
		CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;

	req.id = op->t->id;
	req.resources = from->resources;
	/* The entries of both are the same but for their types' names. */
	req.annotations = (void *)from->annotations;
	req.n_annotations = from->n_annotations;
	tasks_op_pass(op, &(struct task_call){ .method = "Update", .msg = &req.base }, NULL);
}

METHOD(CheckpointTaskRequest, checkpoint)
{
	tasks_op_fail(op, dv_err_new(DV_UNIMPLEMENTED, "not supported yet: checkpoints (task %s)",
				     op->t->id));
}

/* ---- ListPids ---------------------------------------------------------------------------------------- */

static const ProtobufCMessage *listed(struct tasks_op *op, const ProtobufCMessage *msg)
{
	const Containerd__Task__V2__PidsResponse *r =
		(const Containerd__Task__V2__PidsResponse *)msg;
	TYPE(ListPidsResponse) *reply = dv_arena_new(op->c.arena, TYPE(ListPidsResponse));

	containerd__services__tasks__v1__list_pids_response__init(reply);
	reply->processes = r->processes;
	reply->n_processes = r->n_processes;
	return &reply->base;
}

METHOD(ListPidsRequest, list_pids)
{
	Containerd__Task__V2__PidsRequest req = CONTAINERD__TASK__V2__PIDS_REQUEST__INIT;
	struct task_call call = { .method = "Pids",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__pids_response__descriptor };

	req.id = op->t->id;
	tasks_op_pass(op, &call, listed);
}

static const struct grpc_method methods[] = {
	{ "Create", &DESCRIPTOR(create_task_request), tasks_create },
	{ "Start", &DESCRIPTOR(start_request), start },
	{ "Delete", &DESCRIPTOR(delete_task_request), tasks_delete },
	{ "DeleteProcess", &DESCRIPTOR(delete_process_request), tasks_delete_process },
	{ "Get", &DESCRIPTOR(get_request), tasks_get, .is_read_only = true },
	{ "List", &DESCRIPTOR(list_tasks_request), tasks_list, .is_read_only = true },
	{ "Kill", &DESCRIPTOR(kill_request), kill_task },
	{ "Exec", &DESCRIPTOR(exec_process_request), exec },
	{ "ResizePty", &DESCRIPTOR(resize_pty_request), resize_pty },
	{ "CloseIO", &DESCRIPTOR(close_iorequest), close_io },
	{ "Pause", &DESCRIPTOR(pause_task_request), pause_task },
	{ "Resume", &DESCRIPTOR(resume_task_request), resume_task },
	{ "ListPids", &DESCRIPTOR(list_pids_request), list_pids, .is_read_only = true },
	{ "Checkpoint", &DESCRIPTOR(checkpoint_task_request), checkpoint },
	{ "Update", &DESCRIPTOR(update_task_request), update },
	{ "Metrics", &DESCRIPTOR(metrics_request), tasks_metrics, .is_read_only = true },
	{ "Wait", &DESCRIPTOR(wait_request), tasks_wait, .is_read_only = true },
};

const struct grpc_service daemon_tasks_service = {
	.name = "containerd.services.tasks.v1.Tasks",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
