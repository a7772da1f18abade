/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a task, step by step; each of them may fail, and the next one follows:
 *
 *	Shutdown of the shim (if it can be asked)
 *	kill -9, if it does not go (and no other task is with it)
 *	`delete` of its program (if it may have left something)
 *	events for what nobody else will tell (if it was lost)
 *	the bundle is removed, by a worker; and before and after it what managed.h says
 *	the task leaves the table
 */

#include <stdlib.h>

#include "api/containerd/events.pb-c.h"
#include "base/fault.h"
#include "rpc/pb.h"
#include "socket.h"
#include "task-private.h"

typedef Containerd__Task__V2__DeleteResponse DeleteResponse;

enum {
	STATUS_KILLED = 137,
	PATIENCE_MS = 1000, /* for a shim that has said that it will go */
};

struct ending {
	struct task *t;
	struct task_end how;
	struct managed_exit exit; /* finished 0: nobody knows */
	struct dv_err *e, *managed_e; /* of the bundle's removal, of the rest */
	int patience_ms;
	bool is_hung; /* the shim */
	unsigned n_killed;
};

/*
 * The record, while there is the bundle, or at least the mark, from which a daemon that is started anew
 * would see that it is missing.
 */
static void remove_run(void *arg)
{
	struct ending *end = arg;
	const struct task *t = end->t;
	const struct managed_exit *exit = &end->exit;
	bool is_recorded = t->is_managed && !end->how.is_undone &&
			   (exit->finished.tv_sec || exit->started.tv_sec);
	struct daemon *d = t->ts->d;

	if (is_recorded)
		end->managed_e =
			managed_record(d, t->ns, t->id, exit->finished.tv_sec ? exit : NULL);
	/* containerd's shim leaves it when it is killed, and so does its `delete`. */
	if (end->how.is_lost && t->address)
		daemon_socket_remove_dead(t->address);
	end->e = bundle_remove(t->bundle);
	if (!t->is_managed || end->managed_e)
		return;
	managed_mark_remove(d, t->ns, t->id);
	DV_FAULT("managed.end.unmarked");
	if (is_recorded)
		end->managed_e = managed_remove(d, t->ns, t->id);
}

static void remove_done(void *arg)
{
	struct ending *end = arg;
	struct task *t = end->t;

	DV_FAULT("task.end.bundle-removed");
	if (end->e)
		dv_log(t->ts->d->log, DV_ERROR, "task %s/%s: %s", t->ns, t->id,
		       dv_err_message(end->e));
	if (end->managed_e)
		dv_log(t->ts->d->log, DV_ERROR, "task %s/%s: %s", t->ns, t->id,
		       dv_err_message(end->managed_e));
	dv_err_free(end->e);
	dv_err_free(end->managed_e);
	task_waiters_fail(t, DV_NOT_FOUND, "the task was deleted");
	task_remove(t);
	if (end->how.done)
		end->how.done(end->how.arg);
	task_unref(t);
	free(end);
}

static void step_bundle(struct ending *end)
{
	struct task *t = end->t;

	t->log = shim_log_close(t->log);
	t->client = ttrpc_client_free(t->client);
	task_exit_of(t, &end->exit);
	io_work_submit(t->ts->d->slow, remove_run, remove_done, end);
}

/* What the shim would have told. */
static void publish_end(struct task *t, const DeleteResponse *r)
{
	Containerd__Events__TaskExit ev = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Containerd__Events__TaskDelete deleted = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Containerd__Task__V2__WaitResponse wait = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	bool was_told = t->last.exited_at.tv_sec != 0;

	wait.exit_status = r ? r->exit_status : STATUS_KILLED;
	wait.exited_at = r ? r->exited_at : NULL;
	if (was_told)
		wait.exit_status = t->last.exit_status;
	task_exited(t, &wait);
	PB_TIMESTAMP_SET(&at, &t->last.exited_at);

	ev.container_id = ev.id = t->id;
	ev.pid = r && r->pid ? r->pid : t->last.pid;
	ev.exit_status = wait.exit_status;
	ev.exited_at = &at;
	if (!was_told)
		daemon_publish(t->ts->d, t->ns, "/tasks/exit", &ev.base);
	deleted.container_id = t->id;
	deleted.pid = ev.pid;
	deleted.exit_status = ev.exit_status;
	deleted.exited_at = &at;
	daemon_publish(t->ts->d, t->ns, "/tasks/delete", &deleted.base);
}

static void on_deleted(void *arg, struct dv_err *take_e, const DeleteResponse *r)
{
	struct ending *end = arg;
	struct task *t = end->t;

	DV_FAULT("task.end.shim-cleaned-up");
	if (take_e)
		dv_log(t->ts->d->log, DV_WARN, "task %s/%s: clean up after its shim: %s", t->ns,
		       t->id, dv_err_message(take_e));
	dv_err_free(take_e);
	if (end->how.is_lost)
		publish_end(t, r);
	step_bundle(end);
}

static void step_delete(struct ending *end)
{
	struct task *t = end->t;
	struct shim_at at = task_shim(t);

	if ((end->how.is_lost || end->how.needs_delete) && t->shim_binary)
		shim_delete(&at, on_deleted, end);
	else if (end->how.is_lost)
		on_deleted(end, NULL, NULL);
	else
		step_bundle(end);
}

static void kill_run(void *arg)
{
	struct ending *end = arg;

	end->n_killed = shim_kill(end->t->bundle, end->t->id, end->patience_ms);
}

static void kill_done(void *arg)
{
	struct ending *end = arg;
	struct task *t = end->t;

	if (end->n_killed)
		dv_log(t->ts->d->log, DV_WARN, "task %s/%s: its shim was killed", t->ns, t->id);
	step_delete(end);
}

static void step_kill(struct ending *end)
{
	struct task *t = end->t;
	bool is_odd = end->how.is_lost || end->how.needs_delete || end->is_hung;

	if (is_odd && !t->has_foreign_shim && !task_is_grouped(t))
		io_work_submit(t->ts->d->slow, kill_run, kill_done, end);
	else
		step_delete(end);
}

static void on_shut_down(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct ending *end = arg;
	struct task *t = end->t;

	(void)reply;
	DV_FAULT("task.end.shim-shut-down");
	/* One that ends at once may be gone before it has answered. */
	if (take_e && dv_err_code(take_e) != DV_UNAVAILABLE)
		dv_log(t->ts->d->log, DV_WARN, "task %s/%s: shut its shim down: %s", t->ns, t->id,
		       dv_err_message(take_e));
	end->is_hung = take_e && dv_err_code(take_e) == DV_DEADLINE;
	end->patience_ms = take_e ? 0 : PATIENCE_MS;
	dv_err_free(take_e);
	step_kill(end);
}

void task_end(struct task *t, const struct task_end *how)
{
	Containerd__Task__V2__ShutdownRequest req = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	struct task_call call = { .method = "Shutdown",
				  .msg = &req.base,
				  .timeout_ns = t->ts->d->config->shim_shutdown_ns };
	struct ending *end = dv_new(struct ending);

	dv_assert(t->phase != TASK_ENDING);
	end->t = task_ref(t);
	end->how = *how;
	task_phase_set(t, TASK_ENDING);
	req.id = t->id;
	if (t->client && !how->is_lost && !t->has_foreign_shim)
		task_call(t, &call, on_shut_down, end);
	else
		step_kill(end);
}
