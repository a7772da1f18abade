/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the ends of processes. However many clients wait for a process, and however often
 * they give up and come again, the shim is asked once.
 */

#include <stdlib.h>
#include <string.h>

#include "rpc/pb.h"
#include "task-private.h"

typedef Containerd__Task__V2__WaitResponse WaitResponse;

/* A Wait in flight; the process may be forgotten meanwhile. */
struct asked {
	struct task *t;
	char *exec_id;
};

static struct task_proc **find(struct task *t, const char *exec_id)
{
	struct task_proc **at = &t->procs;

	while (*at && !dv_streq((*at)->exec_id, exec_id))
		at = &(*at)->next;
	return at;
}

static struct task_proc *proc_get(struct task *t, const char *exec_id)
{
	struct task_proc **at = find(t, exec_id);

	if (!*at) {
		*at = dv_new(struct task_proc);
		(*at)->exec_id = dv_strdup(exec_id);
	}
	return *at;
}

static void proc_forget(struct task *t, const char *exec_id)
{
	struct task_proc **at = find(t, exec_id), *p = *at;

	if (!p || p->waiters || p->is_asked)
		return;
	*at = p->next;
	free(p->exec_id);
	free(p);
}

void task_unwait(struct task_waiter *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->prev = NULL;
}

/* Each waiter is told, once. What they do may change the list. */
static void tell(struct task *t, const char *exec_id, const struct dv_err *e, const WaitResponse *r)
{
	struct task_proc *p = *find(t, exec_id);

	while (p && p->waiters) {
		struct task_waiter *w = p->waiters;

		task_unwait(w);
		w->done(w->arg, e ? dv_err_new(dv_err_code(e), "%s", dv_err_message(e)) : NULL, r);
		p = *find(t, exec_id);
	}
	proc_forget(t, exec_id);
}

static void remember(struct task *t, const WaitResponse *r)
{
	t->last.status = CONTAINERD__V1__TYPES__STATUS__STOPPED;
	t->last.exit_status = r->exit_status;
	if (!r->exited_at ||
	    !pb_timestamp_to(r->exited_at->seconds, r->exited_at->nanos, &t->last.exited_at))
		clock_gettime(CLOCK_REALTIME, &t->last.exited_at);
}

void task_started(struct task *t, const struct timespec *at)
{
	if (t->last.status != CONTAINERD__V1__TYPES__STATUS__STOPPED)
		t->last.status = CONTAINERD__V1__TYPES__STATUS__RUNNING;
	if (t->mark.started.tv_sec)
		return;
	t->mark.started = *at;
	task_mark(t);
}

void task_exited(struct task *t, const WaitResponse *r)
{
	if (t->last.exited_at.tv_sec == 0)
		remember(t, r);
	tell(t, "", NULL, r);
	task_going_begin(t);
}

static void on_answer(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	struct asked *asked = arg;
	struct task *t = asked->t;
	struct task_proc *p = *find(t, asked->exec_id);

	if (p)
		p->is_asked = false;
	/* A shim that is lost: what becomes of the waiters is decided at the task's end. */
	if (!e && !*asked->exec_id)
		task_exited(t, (const WaitResponse *)reply);
	else if (!e || dv_err_code(e) != DV_UNAVAILABLE || !t->is_in_table)
		tell(t, asked->exec_id, e, (const WaitResponse *)reply);
	free(asked->exec_id);
	free(asked);
	task_unref(t);
}

static void ask(struct task *t, struct task_proc *p)
{
	Containerd__Task__V2__WaitRequest req = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	struct task_call call = { .method = "Wait",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__wait_response__descriptor,
				  .is_long = true };
	struct asked *asked = dv_new(struct asked);

	asked->t = task_ref(t);
	asked->exec_id = dv_strdup(p->exec_id);
	req.id = t->id;
	req.exec_id = p->exec_id;
	p->is_asked = true;
	task_call(t, &call, on_answer, asked);
}

void task_wait(struct task *t, const char *exec_id, struct task_waiter *w)
{
	struct task_proc *p = proc_get(t, exec_id);

	w->next = p->waiters;
	if (w->next)
		w->next->prev = &w->next;
	w->prev = &p->waiters;
	p->waiters = w;
	if (!p->is_asked && t->client)
		ask(t, p);
}

void task_waiters_fail(struct task *t, enum dv_code code, const char *why)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = dv_err_new(code, "%s", why);
	struct task_proc *p;

	for (;;) {
		for (p = t->procs; p && !p->waiters; p = p->next)
			;
		if (!p)
			return;
		tell(t, p->exec_id, e, NULL);
	}
}

void task_watch(struct task *t)
{
	struct task_proc *p = proc_get(t, "");

	if (!p->is_asked && t->client)
		ask(t, p);
}
