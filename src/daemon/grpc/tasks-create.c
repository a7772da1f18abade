/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks.Create:
 *
 *	loop	waits, if there may be a task of that name: until an earlier daemon's were looked
 *		for, until the end of one that is going
 *	worker	the container's record, the shim's program, the bundle; managed.h
 *	loop	`start` of the shim, unless the container's sandbox has one, or the client names it
 *	worker	bootstrap.json: from here on a daemon that is started anew finds the shim
 *	loop	Create of the shim
 *
 * When the client goes, or its deadline or ours has passed, the task is undone: the shim goes, killed if
 * need be, and so does what it has made. A client that tries again finds either no task, or one that
 * is complete. But a shim with other containers is not killed for one that it is slow with: then
 * the answer is waited for.
 */

#include <signal.h>
#include <stdlib.h>

#include "api/containerd/tasks.pb-c.h"
#include "base/fault.h"
#include "base/str.h"
#include "convert.h"
#include "sandboxes.h"
#include "tasks-private.h"

typedef Containerd__Services__Tasks__V1__CreateTaskRequest CreateRequest;
typedef Containerd__Task__V2__CreateTaskResponse ShimCreated;

/* In the call's arena: each piece of work has it for itself. */
struct creating {
	struct daemon_call c;
	const CreateRequest *req;
	struct task *t;
	struct dv_err *e;
	struct tasks_sleeper sleeper;
	bool is_undoing;
	struct tasks_prepared prepared;
};

/* ---- the workers' part ------------------------------------------------------------------------- */

static void prepare_run(void *arg)
{
	struct creating *cr = arg;

	cr->e = tasks_prepare(&cr->c, cr->req, &cr->prepared);
}

static void save_run(void *arg)
{
	struct creating *cr = arg;
	const struct task *t = cr->t;
	struct bundle_info info = { .address = t->address,
				    .version = t->version,
				    .is_foreign = t->has_foreign_shim };

	cr->e = bundle_save(t->bundle, &info);
}

/* ---- the end ------------------------------------------------------------------------------------- */

static void fail(struct creating *cr)
{
	struct task *t = dv_steal(&cr->t);

	grpc_call_on_cancel(cr->c.grpc, NULL, NULL);
	grpc_fail(cr->c.grpc, dv_err_wrap(cr->e, "create task %s", t->id));
	task_unref(t);
}

static void undone(void *arg)
{
	fail(arg);
}

static void undo(struct creating *cr, struct dv_err *take_e)
{
	if (cr->is_undoing) { /* an answer that comes too late */
		dv_err_free(take_e);
		return;
	}
	cr->is_undoing = true;
	cr->e = take_e;
	task_end(cr->t,
		 &(struct task_end){
			 .needs_delete = true, .is_undone = true, .done = undone, .arg = cr });
}

static struct dv_err *client_has_gone(void)
{
	return dv_err_new(DV_CANCELLED, "the client has gone");
}

static void on_undo_deleted(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	(void)reply;
	dv_err_free(take_e);
	undo(arg, client_has_gone());
}

/* The container is there, and nobody wants it. */
static void undo_created(struct creating *cr)
{
	Containerd__Task__V2__DeleteRequest req = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	struct task_call call = { .method = "Delete",
				  .msg = &req.base,
				  .timeout_ns = cr->t->ts->d->config->shim_cleanup_ns };

	req.id = cr->t->id;
	task_call(cr->t, &call, on_undo_deleted, cr);
}

/* ---- the loop's part ------------------------------------------------------------------------------ */

static void create(struct creating *cr);

static void on_created(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	Containerd__Services__Tasks__V1__CreateTaskResponse reply =
		CONTAINERD__SERVICES__TASKS__V1__CREATE_TASK_RESPONSE__INIT;
	struct creating *cr = arg;
	struct task *t = cr->t;

	DV_FAULT("task.create.created");
	if (cr->is_undoing) {
		undo(cr, take_e);
		return;
	}
	if (take_e && dv_err_code(take_e) == DV_UNIMPLEMENTED && t->version > 2) {
		dv_err_free(take_e);
		t->version = 2; /* a sandbox's shim may be older than it was said to be */
		create(cr);
		return;
	}
	if (take_e) {
		undo(cr, take_e);
		return;
	}
	if (grpc_call_is_cancelled(cr->c.grpc)) {
		undo_created(cr);
		return;
	}
	t->last.pid = ((const ShimCreated *)msg)->pid;
	t->last.status = CONTAINERD__V1__TYPES__STATUS__CREATED;
	t->stdio[0] = dv_strdup(cr->req->stdin);
	t->stdio[1] = dv_strdup(cr->req->stdout);
	t->stdio[2] = dv_strdup(cr->req->stderr);
	t->is_terminal = cr->req->terminal;
	task_phase_set(t, TASK_LIVE);
	reply.container_id = t->id;
	reply.pid = t->last.pid;
	grpc_call_on_cancel(cr->c.grpc, NULL, NULL);
	grpc_reply(cr->c.grpc, &reply.base);
	task_unref(t);
}

static void create(struct creating *cr)
{
	Containerd__Task__V2__CreateTaskRequest req =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	struct task_call call = { .method = "Create",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__create_task_response__descriptor,
				  .timeout_ns = cr->c.d->config->shim_create_ns };
	const CreateRequest *from = cr->req;

	req.id = cr->t->id;
	req.bundle = cr->t->bundle;
	req.n_rootfs = from->n_rootfs;
	req.rootfs = from->rootfs;
	req.terminal = from->terminal;
	req.stdin = from->stdin;
	req.stdout = from->stdout;
	req.stderr = from->stderr;
	req.options = cr->prepared.any ? convert_any_out(cr->prepared.any, cr->c.arena) : NULL;
	task_call(cr->t, &call, on_created, cr);
}

static void save_done(void *arg)
{
	struct creating *cr = arg;

	DV_FAULT("task.create.address-saved");
	if (!cr->e && grpc_call_is_cancelled(cr->c.grpc))
		cr->e = client_has_gone();
	if (cr->e) {
		undo(cr, cr->e);
		return;
	}
	task_connect(cr->t);
	create(cr);
}

static void found_shim(struct creating *cr, const char *address, unsigned version)
{
	cr->t->address = dv_strdup(address);
	cr->t->version = version;
	io_work_submit(cr->c.d->fast, save_run, save_done, cr);
}

static void on_started(void *arg, struct dv_err *take_e, const struct shim_answer *answer)
{
	struct creating *cr = arg;

	DV_FAULT("task.create.shim-started");
	if (take_e)
		undo(cr, take_e);
	else
		found_shim(cr, answer->address, answer->version);
}

/* "ttrpc+unix:///path", of a sandbox's shim. */
static struct dv_err *join_address(struct creating *cr)
{
	const char *address = cr->req->task_api_address;

	if (dv_starts_with(address, "ttrpc+"))
		address += strlen("ttrpc+");
	if (!dv_starts_with(address, "unix://"))
		return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: the task API at %s",
				  cr->req->task_api_address);
	found_shim(cr, address + strlen("unix://"), cr->req->task_api_version == 3 ? 3 : 2);
	return NULL;
}

/* A sandbox of ours; or a pause container, which is a task with the sandbox's name. */
static struct dv_err *join_sandbox(struct creating *cr)
{
	const struct task *pause = task_find(cr->t->ts, cr->c.ns, cr->prepared.sandbox);
	struct sandbox_endpoint at;
	struct dv_err *e;

	e = sandboxes_endpoint(cr->c.d->sandboxes, cr->c.ns, cr->prepared.sandbox, &at);
	if (e && pause && pause->phase == TASK_LIVE) {
		e = dv_err_free(e);
		at = (struct sandbox_endpoint){ .address = pause->address,
						.version = pause->version };
	}
	if (!e)
		found_shim(cr, at.address, at.version);
	return e;
}

static void prepare_done(void *arg)
{
	struct creating *cr = arg;
	struct task *t = cr->t;
	struct shim_at at;
	struct dv_err *e;

	t->shim_binary = dv_steal(&cr->prepared.shim_binary);
	t->is_managed = cr->prepared.is_managed;
	if (cr->e) {
		task_phase_set(t, TASK_ENDING);
		task_remove(t);
		fail(cr);
		return;
	}
	at = task_shim(t);
	t->log = shim_log_open(&at);
	t->has_foreign_shim = *cr->req->task_api_address || *cr->prepared.sandbox;
	if (grpc_call_is_cancelled(cr->c.grpc))
		e = client_has_gone();
	else if (*cr->req->task_api_address)
		e = join_address(cr);
	else if (*cr->prepared.sandbox)
		e = join_sandbox(cr);
	else
		e = shim_start(&at, &(struct shim_start){ cr->prepared.options.data,
							  cr->prepared.options.len, on_started, cr,
							  &t->starting });
	if (e)
		undo(cr, e);
}

static void on_cancel(void *arg)
{
	struct creating *cr = arg;
	struct task *t = cr->t;

	if (t->starting)
		(void)io_child_kill(t->starting, SIGKILL); /* its end is waited for */
	else if (t->client && !t->has_foreign_shim && !task_is_grouped(t))
		undo(cr, client_has_gone());
	/* Otherwise it is seen at the next step. */
}

/* ---- before it begins ----------------------------------------------------------------------------- */

static void begin(void *arg);

static void sleep_cancelled(void *arg)
{
	struct creating *cr = arg;

	tasks_sleep_end(&cr->sleeper);
	grpc_fail(cr->c.grpc, client_has_gone());
}

/* May there be a task of that name soon, or none any more? */
static bool must_wait(struct tasks *ts, const struct task *t)
{
	if (!t)
		return !ts->is_scanned;
	return t->phase == TASK_ENDING || t->going || (t->phase == TASK_LOADING && !t->is_mute);
}

static void begin(void *arg)
{
	struct creating *cr = arg;
	struct tasks *ts = cr->c.d->tasks;
	struct dv_err *e;

	grpc_call_on_cancel(cr->c.grpc, NULL, NULL);
	if (grpc_call_is_cancelled(cr->c.grpc)) {
		grpc_fail(cr->c.grpc, client_has_gone());
		return;
	}
	if (must_wait(ts, task_find(ts, cr->c.ns, cr->req->container_id))) {
		cr->sleeper.fn = begin;
		cr->sleeper.arg = cr;
		grpc_call_on_cancel(cr->c.grpc, sleep_cancelled, cr);
		tasks_sleep(ts, &cr->sleeper);
		return;
	}
	e = task_add(ts, cr->c.ns, cr->req->container_id, TASK_CREATING, &cr->t);
	if (e) {
		grpc_fail(cr->c.grpc, e);
		return;
	}
	grpc_call_on_cancel(cr->c.grpc, on_cancel, cr);
	io_work_submit(cr->c.d->fast, prepare_run, prepare_done, cr);
}

void tasks_create(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const CreateRequest *req = (const CreateRequest *)msg;
	struct creating *cr = dv_arena_new(grpc_call_arena(call), struct creating);
	struct daemon *d = arg;
	struct dv_err *e;

	cr->req = req;
	cr->prepared.tasks_dir = d->tasks->dir;
	e = daemon_call_begin(call, d, true, &cr->c);
	if (!e)
		e = meta_id_check("container id", req->container_id);
	if (!e && req->checkpoint && *req->checkpoint->digest)
		e = dv_err_new(DV_UNIMPLEMENTED, "not supported yet: restoring a checkpoint");
	if (e)
		grpc_fail(call, e);
	else
		begin(cr);
}
