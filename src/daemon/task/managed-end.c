/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a managed container's task, from the exit of its init to task_end(), which does the rest.
 * The exit is on record first: whatever dies now, the status is known.
 *
 * Delete of the shim may take its time, since clients that are attached get the rest of the output.
 * So it has no limit, but the shim is asked for its state meanwhile; one that says nothing, twice,
 * has hung, and is killed: with its init gone there is nothing left to lose.
 */

#include <stdlib.h>

#include "base/fault.h"
#include "managed.h"
#include "task-private.h"

enum { SILENCES_MAX = 2, PAUSE_MS = 500, PAUSE_MAX_MS = 30000 };
#define NS_PER_MS UINT64_C(1000000)

struct task_going {
	struct task *t; /* with a reference */
	uv_timer_t timer;
	bool is_over; /* the timer is closed; what is still in flight finds that out */
	unsigned n_flights; /* calls and work that have it */
	bool is_asked; /* Delete is in flight */
	bool is_closed;
	unsigned n_silences;
	uint64_t pause_ms;
	struct managed_exit exit;
	struct dv_err *e;
};

static void ask_delete(struct task_going *g);

static void free_if_unused(struct task_going *g)
{
	if (!g->is_closed || g->n_flights > 0)
		return;
	task_unref(g->t);
	free(g);
}

static void on_closed(uv_handle_t *handle)
{
	struct task_going *g =
		dv_container_of((uv_timer_t *)(void *)handle, struct task_going, timer);

	g->is_closed = true;
	free_if_unused(g);
}

void task_going_stop(struct task *t)
{
	struct task_going *g = dv_steal(&t->going);

	if (!g)
		return;
	g->is_over = true;
	uv_close((uv_handle_t *)&g->timer, on_closed);
}

/* Of a callback: false: it is over, and @g may be gone. */
static bool land(struct task_going *g)
{
	g->n_flights--;
	if (!g->is_over)
		return true;
	free_if_unused(g);
	return false;
}

static void again(uv_timer_t *timer)
{
	ask_delete(dv_container_of(timer, struct task_going, timer));
}

static void ask_later(struct task_going *g)
{
	(void)uv_timer_start(&g->timer, again, g->pause_ms, 0);
	g->pause_ms = DV_MIN(g->pause_ms * 2, (uint64_t)PAUSE_MAX_MS);
}

/* ---- is it still there? ----------------------------------------------------------------------------- */

static void on_ping_due(uv_timer_t *timer);

static void ping_later(struct task_going *g)
{
	(void)uv_timer_start(&g->timer, on_ping_due,
			     g->t->ts->d->config->shim_cleanup_ns / NS_PER_MS, 0);
}

static void on_ping(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	struct task_going *g = arg;
	struct task *t = g->t;

	(void)reply;
	if (!land(g) || !g->is_asked)
		return;
	g->n_silences = e && dv_err_code(e) == DV_DEADLINE ? g->n_silences + 1 : 0;
	if (g->n_silences < SILENCES_MAX) {
		ping_later(g);
		return;
	}
	dv_log(t->ts->d->log, DV_WARN,
	       "task %s/%s: it has exited, and its shim does not answer: %s", t->ns, t->id,
	       dv_err_message(e));
	task_end(t, &(struct task_end){ .is_lost = true });
}

static void on_ping_due(uv_timer_t *timer)
{
	struct task_going *g = dv_container_of(timer, struct task_going, timer);
	Containerd__Task__V2__StateRequest req = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct task_call call = { .method = "State",
				  .msg = &req.base,
				  .timeout_ns = g->t->ts->d->config->shim_load_ns };

	req.id = g->t->id;
	g->n_flights++;
	task_call(g->t, &call, on_ping, g);
}

/* ---- Delete ----------------------------------------------------------------------------------------- */

static void on_deleted(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	enum dv_code code = e ? dv_err_code(e) : DV_UNKNOWN;
	struct task_going *g = arg;
	struct task *t = g->t;

	(void)reply;
	if (!land(g))
		return;
	DV_FAULT("managed.end.deleted");
	g->is_asked = false;
	uv_timer_stop(&g->timer);
	if (!e || code == DV_NOT_FOUND || code == DV_UNAVAILABLE) {
		task_end(t, &(struct task_end){ .needs_delete = code == DV_NOT_FOUND,
						.is_lost = code == DV_UNAVAILABLE });
		return;
	}
	dv_log(t->ts->d->log, DV_WARN, "task %s/%s: delete it, as it has exited: %s", t->ns, t->id,
	       dv_err_message(e));
	ask_later(g);
}

static void ask_delete(struct task_going *g)
{
	Containerd__Task__V2__DeleteRequest req = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	struct task_call call = { .method = "Delete",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__delete_response__descriptor };

	req.id = g->t->id;
	g->n_flights++;
	g->is_asked = true;
	g->n_silences = 0;
	ping_later(g);
	task_call(g->t, &call, on_deleted, g);
}

/* ---- the record ------------------------------------------------------------------------------------- */

static void record_run(void *arg)
{
	struct task_going *g = arg;

	g->e = managed_record(g->t->ts->d, g->t->ns, g->t->id, &g->exit);
}

static void record_done(void *arg)
{
	struct task_going *g = arg;
	struct task *t = g->t;

	DV_FAULT("managed.end.recorded");
	if (g->e) /* it is tried again at the end */
		dv_log(t->ts->d->log, DV_ERROR, "%s", dv_err_message(g->e));
	g->e = dv_err_free(g->e);
	if (land(g))
		ask_delete(g);
}

void task_exit_of(const struct task *t, struct managed_exit *ret)
{
	*ret = (struct managed_exit){ .status = t->last.exit_status,
				      .started = t->mark.started,
				      .finished = t->last.exited_at,
				      .is_oom = t->mark.is_oom };
}

void task_going_begin(struct task *t)
{
	struct task_going *g;

	if (!t->is_managed || t->going || t->phase != TASK_LIVE || t->last.exited_at.tv_sec == 0)
		return;
	g = t->going = dv_new(struct task_going);
	g->t = task_ref(t);
	g->pause_ms = PAUSE_MS;
	g->n_flights = 1;
	(void)uv_timer_init(t->ts->d->loop, &g->timer);
	task_exit_of(t, &g->exit);
	io_work_submit(t->ts->d->fast, record_run, record_done, g);
}

/* ---- the mark --------------------------------------------------------------------------------------- */

struct marking {
	struct task *t;
	struct managed_mark mark;
	struct dv_err *e;
};

static void mark_run(void *arg)
{
	struct marking *m = arg;
	const struct task *t = m->t;

	m->e = managed_mark_set(t->ts->d, t->ns, t->id, &m->mark);
}

static void mark_done(void *arg)
{
	struct marking *m = arg;

	if (m->e && m->t->phase == TASK_LIVE)
		dv_log(m->t->ts->d->log, DV_WARN, "task %s/%s: %s", m->t->ns, m->t->id,
		       dv_err_message(m->e));
	dv_err_free(m->e);
	m->t->is_marking = false;
	/* What has changed meanwhile. The end of the task removes it. */
	if (m->mark.started.tv_sec != m->t->mark.started.tv_sec ||
	    m->mark.is_oom != m->t->mark.is_oom)
		task_mark(m->t);
	task_unref(m->t);
	free(m);
}

void task_mark(struct task *t)
{
	struct marking *m;

	if (!t->is_managed || t->phase != TASK_LIVE || t->is_marking)
		return;
	t->is_marking = true;
	m = dv_new(struct marking);
	m->t = task_ref(t);
	m->mark = t->mark;
	io_work_submit(t->ts->d->fast, mark_run, mark_done, m);
}
