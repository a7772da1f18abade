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

/* ---- one task's call ------------------------------------------------------------------------------ */

void tasks_op_fail(struct tasks_op *op, struct dv_err *take_e)
{
	struct task *t = dv_steal(&op->t);

	grpc_fail(op->c.grpc, take_e);
	task_unref(t);
}

void tasks_op_reply(struct tasks_op *op, const ProtobufCMessage *msg)
{
	struct task *t = dv_steal(&op->t);

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

static void op_go(struct tasks_op *op)
{
	struct task *t = task_find(op->c.d->tasks, op->c.ns, op->id);

	if (t && t->phase == TASK_LOADING) {
		tasks_op_fail(op, dv_err_new(DV_UNAVAILABLE,
					     "task %s: its shim does not answer yet", op->id));
		return;
	}
	if (!t || t->phase != TASK_LIVE) {
		tasks_op_fail(op, dv_err_new(DV_NOT_FOUND,
					     "no running task found: task %s not found", op->id));
		return;
	}
	op->t = task_ref(t);
	op->go(op);
}

static void op_loaded(void *arg)
{
	op_go(arg);
}

static bool is_loading(struct tasks_op *op)
{
	struct tasks *ts = op->c.d->tasks;
	const struct task *t = task_find(ts, op->c.ns, op->id);

	return t ? t->phase == TASK_LOADING : !ts->is_scanned;
}

void tasks_op_begin(struct grpc_call *call, struct daemon *d, const ProtobufCMessage *req,
		    const char *id, void (*go)(struct tasks_op *op))
{
	struct tasks_op *op = dv_arena_new(grpc_call_arena(call), struct tasks_op);
	struct dv_err *e = daemon_call_begin(call, d, true, &op->c);

	if (e) {
		grpc_fail(call, e);
		return;
	}
	op->req = req;
	op->id = id;
	op->go = go;
	op->loaded.fn = op_loaded;
	op->loaded.arg = op;
	if (is_loading(op))
		tasks_when_loaded(d->tasks, &op->loaded);
	else
		op_go(op);
}

static void op_answer(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct tasks_op *op = arg;

	if (take_e)
		tasks_op_fail(op, take_e);
	else
		tasks_op_reply(op, op->convert ? op->convert(op, reply) : NULL);
}

void tasks_op_pass(struct tasks_op *op, const struct task_call *call,
		   const ProtobufCMessage *(*convert)(struct tasks_op *op,
						      const ProtobufCMessage *reply))
{
	struct task_call c = *call;

	op->convert = convert;
	c.timeout_ns = tasks_op_timeout(op, 0);
	task_call(op->t, &c, op_answer, op);
}

static void set_status(struct task *t, Containerd__V1__Types__Status status)
{
	/* The end may have been told before the answer came. */
	if (t->last.status != CONTAINERD__V1__TYPES__STATUS__STOPPED)
		t->last.status = status;
}

/*
 * METHOD(Start, start, StartRequest): the function of the table, which finds the task and calls
 * start_go() with `from`, the request.
 */
#define METHOD(Type, name) \
	static void name##_go(struct tasks_op *op); \
	static void name(struct grpc_call *call, const ProtobufCMessage *req, void *arg) \
	{ \
		tasks_op_begin(call, arg, req, ((const TYPE(Type) *)req)->container_id, \
			       name##_go); \
	} \
	static void name##_go(struct tasks_op *op)

/* ---- Start ----------------------------------------------------------------------------------------- */

static const ProtobufCMessage *started(struct tasks_op *op, const ProtobufCMessage *msg)
{
	TYPE(StartResponse) *reply = dv_arena_new(op->c.arena, TYPE(StartResponse));

	containerd__services__tasks__v1__start_response__init(reply);
	reply->pid = ((const Containerd__Task__V2__StartResponse *)msg)->pid;
	if (!*((const TYPE(StartRequest) *)op->req)->exec_id) {
		set_status(op->t, CONTAINERD__V1__TYPES__STATUS__RUNNING);
		op->t->last.pid = reply->pid;
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

/* ---- Delete ---------------------------------------------------------------------------------------- */

typedef Containerd__Task__V2__DeleteResponse ShimDeleted;

static const ProtobufCMessage *deleted(struct tasks_op *op, const ProtobufCMessage *msg)
{
	const ShimDeleted *r = (const ShimDeleted *)msg;
	TYPE(DeleteResponse) *reply = dv_arena_new(op->c.arena, TYPE(DeleteResponse));
	struct timespec at;

	containerd__services__tasks__v1__delete_response__init(reply);
	reply->pid = r->pid;
	reply->exit_status = r->exit_status;
	if (r->exited_at && pb_timestamp_to(r->exited_at->seconds, r->exited_at->nanos, &at))
		reply->exited_at = convert_time_out(&at, op->c.arena);
	return &reply->base;
}

struct deleting {
	struct tasks_op *op;
	struct dv_err *e;
	const ProtobufCMessage *reply;
};

static void task_ended(void *arg)
{
	struct deleting *del = arg;

	if (del->e)
		tasks_op_fail(del->op, del->e);
	else
		tasks_op_reply(del->op, del->reply);
}

static void on_task_deleted(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	struct deleting *del = arg;
	struct task *t = del->op->t;

	/* The shim does not know it (any more): what is left of it goes all the same. */
	if ((take_e && dv_err_code(take_e) != DV_NOT_FOUND) || t->phase != TASK_LIVE) {
		tasks_op_fail(del->op, take_e ? take_e
					      : dv_err_new(DV_NOT_FOUND,
							   "task %s: has been deleted", t->id));
		return;
	}
	del->e = take_e;
	if (!take_e)
		del->reply = deleted(del->op, msg);
	task_end(t, &(struct task_end){
			    .needs_delete = take_e != NULL, .done = task_ended, .arg = del });
}

METHOD(DeleteTaskRequest, delete_task)
{
	struct deleting *del = dv_arena_new(op->c.arena, struct deleting);
	Containerd__Task__V2__DeleteRequest req = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	struct task_call call = { .method = "Delete",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__delete_response__descriptor,
				  .timeout_ns = tasks_op_timeout(op, 0) };

	del->op = op;
	req.id = op->t->id;
	task_call(op->t, &call, on_task_deleted, del);
}

static const ProtobufCMessage *deleted_process(struct tasks_op *op, const ProtobufCMessage *msg)
{
	TYPE(DeleteResponse) *reply = (TYPE(DeleteResponse) *)deleted(op, msg);

	reply->id = ((const TYPE(DeleteProcessRequest) *)op->req)->exec_id;
	return &reply->base;
}

METHOD(DeleteProcessRequest, delete_process)
{
	const TYPE(DeleteProcessRequest) *from = (const TYPE(DeleteProcessRequest) *)op->req;
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

static void on_pids(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	const Containerd__Task__V2__PidsResponse *r =
		(const Containerd__Task__V2__PidsResponse *)msg;
	TYPE(ListPidsResponse) reply = CONTAINERD__SERVICES__TASKS__V1__LIST_PIDS_RESPONSE__INIT;
	struct tasks_op *op = arg;

	if (take_e) {
		tasks_op_fail(op, take_e);
		return;
	}
	reply.processes = r->processes;
	reply.n_processes = r->n_processes;
	tasks_op_reply(op, &reply.base);
}

METHOD(ListPidsRequest, list_pids)
{
	Containerd__Task__V2__PidsRequest req = CONTAINERD__TASK__V2__PIDS_REQUEST__INIT;
	struct task_call call = { .method = "Pids",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__pids_response__descriptor,
				  .timeout_ns = tasks_op_timeout(op, 0) };

	req.id = op->t->id;
	task_call(op->t, &call, on_pids, op);
}

static const struct grpc_method methods[] = {
	{ "Create", &DESCRIPTOR(create_task_request), tasks_create },
	{ "Start", &DESCRIPTOR(start_request), start },
	{ "Delete", &DESCRIPTOR(delete_task_request), delete_task },
	{ "DeleteProcess", &DESCRIPTOR(delete_process_request), delete_process },
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
