/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.task.v2.Task, which is containerd.task.v3.Task as well. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/containerd/runc-options.pb-c.h"
#include "api/containerd/task.pb-c.h"
#include "sandbox.h"
#include "service-private.h"

typedef Containerd__Task__V2__StateResponse state_response;

enum { SIGNAL_MAX = 64 };

/* ---- common ------------------------------------------------------------------------------------- */

static struct dv_err *lookup(const struct shim_service *s, const char *id, const char *exec_id,
			     struct task_proc **ret)
{
	return task_lookup(s->tasks, id, exec_id, ret);
}

/* Go's zero time when there was no exit yet. */
static Google__Protobuf__Timestamp *exited_at(struct ttrpc_call *call, const struct task_info *info)
{
	static Google__Protobuf__Timestamp never = {
		.base = PROTOBUF_C_MESSAGE_INIT(&google__protobuf__timestamp__descriptor),
		.seconds = -62135596800,
	};
	Google__Protobuf__Timestamp *pb =
		shim_service_timestamp(ttrpc_call_arena(call), &info->exited_at);

	return pb ? pb : &never;
}

/* Ends a call whose answer is empty. */
static void reply_empty(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	(void)info;
	if (take_e)
		ttrpc_fail(arg, take_e);
	else
		ttrpc_reply(arg, NULL);
}

/* Finds the process and submits; @done ends the call. */
static void submit(struct shim_service *s, struct ttrpc_call *call, const char *id,
		   const char *exec_id, struct task_request request, task_done_fn done)
{
	struct task_proc *proc;
	struct dv_err *e = lookup(s, id, exec_id, &proc);

	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	request.deadline = ttrpc_call_deadline(call);
	task_submit(proc, &request, done, call);
}

/* ---- state ---------------------------------------------------------------------------------------- */

static Containerd__V1__Types__Status status_of(const struct task_info *info)
{
	static const Containerd__V1__Types__Status table[TASK_STATE__N] = {
		[TASK_CREATED] = CONTAINERD__V1__TYPES__STATUS__CREATED,
		[TASK_RUNNING] = CONTAINERD__V1__TYPES__STATUS__RUNNING,
		[TASK_PAUSED] = CONTAINERD__V1__TYPES__STATUS__PAUSED,
		[TASK_STOPPED] = CONTAINERD__V1__TYPES__STATUS__STOPPED,
	};

	if (info->is_pausing && info->state == TASK_RUNNING)
		return CONTAINERD__V1__TYPES__STATUS__PAUSING;
	return table[info->state];
}

static void on_state(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__StateRequest *req = (const void *)msg;
	state_response resp = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	struct task_proc *proc;
	struct task_info info;
	struct dv_err *e = lookup(arg, req->id, req->exec_id, &proc);

	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	task_info(proc, &info);
	/* The id is that of the process: what containerd's shim answers, and clients compare. */
	resp.id = (char *)(*info.exec_id ? info.exec_id : info.id);
	resp.exec_id = (char *)info.exec_id;
	resp.bundle = (char *)info.bundle;
	resp.pid = (uint32_t)info.pid;
	resp.status = status_of(&info);
	resp.stdin = (char *)info.stdio.in;
	resp.stdout = (char *)info.stdio.out;
	resp.stderr = (char *)info.stdio.err;
	resp.terminal = info.stdio.is_terminal;
	resp.exit_status = info.exit_status;
	resp.exited_at = exited_at(call, &info);
	ttrpc_reply(call, &resp.base);
}

/* ---- create and start ------------------------------------------------------------------------------- */

static void created(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	Containerd__Task__V2__CreateTaskResponse resp =
		CONTAINERD__TASK__V2__CREATE_TASK_RESPONSE__INIT;

	if (take_e) {
		ttrpc_fail(arg, take_e);
		return;
	}
	resp.pid = (uint32_t)info->pid;
	ttrpc_reply(arg, &resp.base);
}

static void on_create(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__CreateTaskRequest *req = (const void *)msg;
	DV_CLEANUP(shim_options_freep) struct shim_options *options = NULL;
	struct shim_service *s = arg;
	struct dv_err *e = NULL;

	if (sandbox_is_stopped(s->sandbox))
		e = dv_err_new(DV_PRECONDITION, "its sandbox was stopped");
	if (!e)
		e = shim_options_from_any(req->options, s->opts.env->log, &options);
	if (e) {
		ttrpc_fail(call, dv_err_wrap(e, "container %s", req->id));
		return;
	}
	task_create(s->tasks,
		    &(struct task_create){
			    .id = req->id,
			    .bundle = req->bundle,
			    .stdio = { .in = req->stdin,
				       .out = req->stdout,
				       .err = req->stderr,
				       .is_terminal = req->terminal },
			    .mounts = shim_service_mounts(ttrpc_call_arena(call), req->rootfs,
							  req->n_rootfs),
			    .n_mounts = req->n_rootfs,
			    .options = options,
			    .is_restore = *req->checkpoint != '\0',
			    .deadline = ttrpc_call_deadline(call),
		    },
		    created, call);
}

static void started(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	Containerd__Task__V2__StartResponse resp = CONTAINERD__TASK__V2__START_RESPONSE__INIT;

	if (take_e) {
		ttrpc_fail(arg, take_e);
		return;
	}
	resp.pid = (uint32_t)info->pid;
	ttrpc_reply(arg, &resp.base);
}

static void on_start(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__StartRequest *req = (const void *)msg;

	submit(arg, call, req->id, req->exec_id, (struct task_request){ .op = TASK_START },
	       started);
}

static void on_exec(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__ExecProcessRequest *req = (const void *)msg;
	struct task_proc *init;
	struct dv_err *e = lookup(arg, req->id, "", &init);

	if (!e && !req->spec)
		e = dv_err_new(DV_INVALID, "container %s: exec without a process specification",
			       req->id);
	if (!e)
		e = task_exec(init, &(struct task_exec){
					    .exec_id = req->exec_id,
					    .stdio = { .in = req->stdin,
						       .out = req->stdout,
						       .err = req->stderr,
						       .is_terminal = req->terminal },
					    .process = (const char *)req->spec->value.data,
					    .n_process = req->spec->value.len,
				    });
	reply_empty(call, e, NULL);
}

/* ---- the end ------------------------------------------------------------------------------------------ */

static void deleted(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	Containerd__Task__V2__DeleteResponse resp = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	struct ttrpc_call *call = arg;

	if (take_e) {
		ttrpc_fail(call, take_e);
		return;
	}
	resp.pid = (uint32_t)info->pid;
	resp.exit_status = info->exit_status;
	resp.exited_at = exited_at(call, info);
	ttrpc_reply(call, &resp.base);
}

static void on_delete(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__DeleteRequest *req = (const void *)msg;

	submit(arg, call, req->id, req->exec_id, (struct task_request){ .op = TASK_DELETE },
	       deleted);
}

static void on_kill(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__KillRequest *req = (const void *)msg;

	if (req->signal > SIGNAL_MAX) {
		ttrpc_fail(call, dv_err_new(DV_INVALID, "container %s: no signal has number %u",
					    req->id, req->signal));
		return;
	}
	submit(arg, call, req->id, req->exec_id,
	       (struct task_request){
		       .op = TASK_KILL, .signo = (int)req->signal, .is_all = req->all },
	       reply_empty);
}

static void exited(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	Containerd__Task__V2__WaitResponse resp = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	struct ttrpc_call *call = arg;

	ttrpc_call_on_cancel(call, NULL, NULL);
	if (take_e) {
		ttrpc_fail(call, take_e);
		return;
	}
	resp.exit_status = info->exit_status;
	resp.exited_at = exited_at(call, info);
	ttrpc_reply(call, &resp.base);
}

/* A wait that nobody waits for any more; it holds its call, which ends with it. */
struct waiting {
	struct ttrpc_call *call;
	struct task_wait *wait;
};

static void wait_cancelled(void *arg)
{
	struct waiting *w = arg;

	task_wait_cancel(w->wait);
	ttrpc_fail(w->call, dv_err_new(DV_CANCELLED, "nobody waits any more"));
}

static void on_wait(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__WaitRequest *req = (const void *)msg;
	struct task_proc *proc;
	struct task_info info;
	struct waiting *w;
	struct dv_err *e = lookup(arg, req->id, req->exec_id, &proc);

	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	task_info(proc, &info);
	if (info.state == TASK_STOPPED) {
		exited(call, NULL, &info);
		return;
	}
	w = dv_arena_new(ttrpc_call_arena(call), struct waiting);
	w->call = call;
	w->wait = task_wait(proc, exited, call);
	ttrpc_call_on_cancel(call, wait_cancelled, w);
}

/* ---- the container as a whole ---------------------------------------------------------------------------- */

static void on_pause(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__PauseRequest *req = (const void *)msg;

	submit(arg, call, req->id, "", (struct task_request){ .op = TASK_PAUSE }, reply_empty);
}

static void on_resume(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__ResumeRequest *req = (const void *)msg;

	submit(arg, call, req->id, "", (struct task_request){ .op = TASK_RESUME }, reply_empty);
}

static void on_checkpoint(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__CheckpointTaskRequest *req = (const void *)msg;

	submit(arg, call, req->id, "", (struct task_request){ .op = TASK_CHECKPOINT }, reply_empty);
}

static void on_update(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__UpdateTaskRequest *req = (const void *)msg;

	if (!req->resources) {
		ttrpc_fail(call, dv_err_new(DV_INVALID, "container %s: update without resources",
					    req->id));
		return;
	}
	submit(arg, call, req->id, "",
	       (struct task_request){ .op = TASK_UPDATE,
				      .resources = (const char *)req->resources->value.data,
				      .n_resources = req->resources->value.len },
	       reply_empty);
}

/* ProcessDetails for those that were exec'ed. */
static Google__Protobuf__Any *details(struct dv_arena *arena, const char *exec_id)
{
	Containerd__Runc__V1__ProcessDetails msg = CONTAINERD__RUNC__V1__PROCESS_DETAILS__INIT;
	Google__Protobuf__Any *any;

	if (!exec_id)
		return NULL;
	any = dv_arena_new(arena, Google__Protobuf__Any);
	google__protobuf__any__init(any);
	msg.exec_id = (char *)exec_id;
	any->type_url = (char *)pb_any_url(&msg.base);
	any->value = pb_pack_arena(&msg.base, arena);
	return any;
}

static void on_pids(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__PidsRequest *req = (const void *)msg;
	Containerd__Task__V2__PidsResponse resp = CONTAINERD__TASK__V2__PIDS_RESPONSE__INIT;
	struct dv_arena *arena = ttrpc_call_arena(call);
	Containerd__V1__Types__ProcessInfo *infos;
	struct task_pid *pids = NULL;
	struct task_proc *init;
	size_t n = 0;
	struct dv_err *e = lookup(arg, req->id, "", &init);

	if (!e)
		e = task_pids(init, arena, &pids, &n);
	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	infos = dv_arena_new_n(arena, Containerd__V1__Types__ProcessInfo, n + 1);
	resp.processes = dv_arena_new_n(arena, Containerd__V1__Types__ProcessInfo *, n + 1);
	resp.n_processes = n;
	for (size_t i = 0; i < n; i++) {
		containerd__v1__types__process_info__init(&infos[i]);
		infos[i].pid = (uint32_t)pids[i].pid;
		infos[i].info = details(arena, pids[i].exec_id);
		resp.processes[i] = &infos[i];
	}
	ttrpc_reply(call, &resp.base);
}

static void on_stats(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__StatsRequest *req = (const void *)msg;
	Containerd__Task__V2__StatsResponse resp = CONTAINERD__TASK__V2__STATS_RESPONSE__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct shim_service *s = arg;
	struct task_proc *init;
	struct task_info info;
	struct dv_err *e = lookup(s, req->id, "", &init);

	if (!e)
		e = task_check(init, TASK_STATS);
	if (!e) {
		task_info(init, &info);
		e = shim_service_stats(info.pid, s->opts.env->log, ttrpc_call_arena(call), &any);
	}
	if (e) {
		ttrpc_fail(call, e);
		return;
	}
	resp.stats = &any;
	ttrpc_reply(call, &resp.base);
}

/* ---- streams ------------------------------------------------------------------------------------------------ */

static void on_resize_pty(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__ResizePtyRequest *req = (const void *)msg;

	if (req->width > UINT16_MAX || req->height > UINT16_MAX) {
		ttrpc_fail(call, dv_err_new(DV_INVALID, "container %s: no terminal is %u x %u",
					    req->id, req->width, req->height));
		return;
	}
	submit(arg, call, req->id, req->exec_id,
	       (struct task_request){ .op = TASK_RESIZE,
				      .width = (uint16_t)req->width,
				      .height = (uint16_t)req->height },
	       reply_empty);
}

static void on_close_io(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__CloseIORequest *req = (const void *)msg;

	if (!req->stdin) {
		ttrpc_reply(call, NULL);
		return;
	}
	submit(arg, call, req->id, req->exec_id, (struct task_request){ .op = TASK_CLOSE_IO },
	       reply_empty);
}

/* ---- the shim -------------------------------------------------------------------------------------------------- */

/* Answers for containers that are not there, too: the daemon asks whether we live. */
static void on_connect(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Task__V2__ConnectRequest *req = (const void *)msg;
	Containerd__Task__V2__ConnectResponse resp = CONTAINERD__TASK__V2__CONNECT_RESPONSE__INIT;
	struct task_proc *init;
	struct task_info info = { 0 };
	struct dv_err *e = lookup(arg, req->id, "", &init);

	if (!e)
		task_info(init, &info);
	dv_err_free(e);
	resp.shim_pid = (uint32_t)getpid();
	resp.task_pid = (uint32_t)info.pid;
	ttrpc_reply(call, &resp.base);
}

static void on_shutdown(struct ttrpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	(void)msg; /* `now` makes no difference: containers are not left alone */
	shim_service_shutdown(arg, call);
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

#define ROW(name, request, fn) \
	{ \
		name, &containerd__task__v2__##request##__descriptor, fn, false, false \
	}

static const struct ttrpc_method methods[] = {
	ROW("State", state_request, on_state),
	ROW("Create", create_task_request, on_create),
	ROW("Start", start_request, on_start),
	ROW("Delete", delete_request, on_delete),
	ROW("Pids", pids_request, on_pids),
	ROW("Pause", pause_request, on_pause),
	ROW("Resume", resume_request, on_resume),
	ROW("Checkpoint", checkpoint_task_request, on_checkpoint),
	ROW("Kill", kill_request, on_kill),
	ROW("Exec", exec_process_request, on_exec),
	ROW("ResizePty", resize_pty_request, on_resize_pty),
	ROW("CloseIO", close_iorequest, on_close_io),
	ROW("Update", update_task_request, on_update),
	ROW("Wait", wait_request, on_wait),
	ROW("Stats", stats_request, on_stats),
	ROW("Connect", connect_request, on_connect),
	ROW("Shutdown", shutdown_request, on_shutdown),
};

const struct ttrpc_service shim_service_task_v2 = { "containerd.task.v2.Task", methods,
						    DV_ARRAY_SIZE(methods) };
const struct ttrpc_service shim_service_task_v3 = { "containerd.task.v3.Task", methods,
						    DV_ARRAY_SIZE(methods) };
