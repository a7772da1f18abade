/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of tasks, and what events say about them. Events keep struct task_last true, so that
 * a list asks nobody.
 */

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "api/containerd/events.pb-c.h"
#include "events.h"
#include "rpc/pb.h"
#include "task-private.h"

/* ---- table ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const struct task *x = a, *y = b;
	int r = strcmp(x->ns, y->ns);

	return r ? r : strcmp(x->id, y->id);
}

struct task *task_find(struct tasks *ts, const char *ns, const char *id)
{
	struct task key = { .ns = (char *)ns, .id = (char *)id };
	struct task *const *found = tfind(&key, &ts->tree, compare);

	return found ? *found : NULL;
}

struct task *task_ref(struct task *t)
{
	t->n_refs++;
	return t;
}

struct task *task_unref(struct task *t)
{
	if (!t || --t->n_refs > 0)
		return NULL;
	dv_assert(!t->is_in_table && !t->client && !t->log && !t->going);
	while (t->procs) {
		struct task_proc *p = t->procs;

		t->procs = p->next;
		free(p->exec_id);
		free(p);
	}
	for (int i = 0; i < 3; i++)
		free(t->stdio[i]);
	free(t->address);
	free(t->shim_binary);
	free(t->bundle);
	free(t->id);
	free(t->ns);
	free(t);
	return NULL;
}

static bool is_unsettled(enum task_phase phase)
{
	return phase == TASK_CREATING || phase == TASK_ENDING;
}

static void tell_settled(void *arg)
{
	struct tasks *ts = arg;
	void (*fn)(void *arg) = ts->settled;

	ts->settled = NULL;
	if (fn)
		fn(ts->settled_arg);
}

static void check_settled(struct tasks *ts)
{
	if (ts->settled && ts->n_unsettled == 0)
		io_work_post(ts->d->fast, tell_settled, ts);
}

void tasks_when_settled(struct tasks *ts, void (*fn)(void *arg), void *arg)
{
	ts->settled = fn;
	ts->settled_arg = arg;
	check_settled(ts);
}

struct dv_err *task_add(struct tasks *ts, const char *ns, const char *id, enum task_phase phase,
			struct task **ret)
{
	struct task *t;

	if (task_find(ts, ns, id))
		return dv_err_new(DV_EXISTS, "task %s: already exists", id);
	t = dv_new(struct task);
	t->ts = ts;
	t->ns = dv_strdup(ns);
	t->id = dv_strdup(id);
	t->phase = phase;
	t->bundle = dv_printf("%s/%s/%s", ts->dir, ns, id);
	t->n_refs = 2;
	t->is_in_table = true;
	dv_assert(tsearch(t, &ts->tree, compare));
	ts->n_tasks++;
	ts->n_unsettled += is_unsettled(phase);
	if (phase == TASK_LOADING)
		ts->n_loading++;
	*ret = t;
	return NULL;
}

void task_phase_set(struct task *t, enum task_phase phase)
{
	bool was_loading = t->phase == TASK_LOADING && !t->is_mute;

	task_load_stop(t);
	if (phase == TASK_ENDING)
		task_going_stop(t);
	t->is_mute = false;
	t->ts->n_unsettled -= is_unsettled(t->phase);
	t->phase = phase;
	t->ts->n_unsettled += is_unsettled(phase);
	if (phase == TASK_LIVE)
		task_watch(t);
	check_settled(t->ts);
	tasks_wake(t->ts);
	if (was_loading && phase != TASK_LOADING) {
		t->ts->n_loading--;
		tasks_load_check(t->ts);
	}
}

void task_remove(struct task *t)
{
	if (!t->is_in_table)
		return;
	tdelete(t, &t->ts->tree, compare);
	t->is_in_table = false;
	t->ts->n_tasks--;
	t->ts->n_unsettled -= is_unsettled(t->phase);
	check_settled(t->ts);
	tasks_wake(t->ts);
	task_unref(t);
}

struct shim_at task_shim(const struct task *t)
{
	return (struct shim_at){ t->ts->d, t->ns, t->id, t->bundle, t->shim_binary };
}

struct each {
	void (*fn)(void *arg, struct task *t);
	void *arg;
};

static void visit(const void *node, VISIT which, void *closure)
{
	struct task *t = *(struct task *const *)node;
	struct each *each = closure;

	if (which == postorder || which == leaf)
		each->fn(each->arg, t);
}

void tasks_each(struct tasks *ts, void (*fn)(void *arg, struct task *t), void *arg)
{
	struct each each = { fn, arg };

	twalk_r(ts->tree, visit, &each);
}

struct group {
	const struct task *of;
	bool has_other;
};

static void compare_shims(void *arg, struct task *t)
{
	struct group *g = arg;

	if (t != g->of && t->phase != TASK_ENDING && t->address &&
	    dv_streq(t->address, g->of->address))
		g->has_other = true;
}

bool task_is_grouped(const struct task *t)
{
	struct group g = { .of = t };

	if (t->address)
		tasks_each(t->ts, compare_shims, &g);
	return g.has_other;
}

/* ---- who waits ---------------------------------------------------------------------------------- */

void tasks_sleeper_add(struct tasks_sleeper **list, struct tasks_sleeper *s)
{
	s->next = *list;
	if (s->next)
		s->next->prev = &s->next;
	s->prev = list;
	*list = s;
}

void tasks_sleep(struct tasks *ts, struct tasks_sleeper *s)
{
	tasks_sleeper_add(&ts->sleepers, s);
}

void tasks_sleep_end(struct tasks_sleeper *s)
{
	if (!s->prev)
		return;
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->prev = NULL;
}

/* Who goes to sleep again meanwhile is not asked before the next change. */
static void wake_all(void *arg)
{
	struct tasks *ts = arg;
	struct tasks_sleeper *list = ts->sleepers;

	ts->is_waking = false;
	ts->sleepers = NULL;
	if (list)
		list->prev = &list;
	while (list) {
		struct tasks_sleeper *s = list;

		tasks_sleep_end(s);
		s->fn(s->arg);
	}
}

void tasks_wake(struct tasks *ts)
{
	if (!ts->sleepers || ts->is_waking)
		return;
	ts->is_waking = true;
	io_work_post(ts->d->fast, wake_all, ts);
}

/* ---- events ----------------------------------------------------------------------------------- */

static const ProtobufCMessage *
decode(const struct event *event, const ProtobufCMessageDescriptor *type, struct dv_arena *arena)
{
	ProtobufCMessage *msg = NULL;

	if (!pb_any_is(event->type_url, type))
		return NULL;
	dv_err_free(pb_unpack(type, event->payload, event->n_payload, arena, 0, &msg));
	return msg;
}

#define EVENT(event, Type, type, arena) \
	((const Containerd__Events__##Type *)decode( \
		(event), &containerd__events__##type##__descriptor, (arena)))

static void set_status(struct tasks *ts, const char *ns, const char *id,
		       Containerd__V1__Types__Status status)
{
	struct task *t = task_find(ts, ns, id);

	if (t && t->phase == TASK_LIVE && t->last.status != CONTAINERD__V1__TYPES__STATUS__STOPPED)
		t->last.status = status;
}

static void on_exit_event(struct tasks *ts, const char *ns, const Containerd__Events__TaskExit *ev)
{
	Containerd__Task__V2__WaitResponse r = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	struct task *t = task_find(ts, ns, ev->container_id);

	/* It may be about a task of this name that was before; what happens early, Wait tells. */
	if (!t || !dv_streq(ev->id, ev->container_id) || ev->pid != t->last.pid)
		return;
	r.exit_status = ev->exit_status;
	r.exited_at = ev->exited_at;
	task_exited(t, &r);
}

static void on_start_event(struct tasks *ts, const struct event *event,
			   const Containerd__Events__TaskStart *ev)
{
	struct task *t = task_find(ts, event->ns, ev->container_id);

	if (t && t->phase == TASK_LIVE && ev->pid == t->last.pid)
		task_started(t, &event->at);
}

static void on_oom_event(struct tasks *ts, const char *ns, const Containerd__Events__TaskOOM *ev)
{
	struct task *t = task_find(ts, ns, ev->container_id);

	if (!t || t->phase != TASK_LIVE || t->mark.is_oom)
		return;
	t->mark.is_oom = true;
	task_mark(t);
}

static void on_event(void *arg, struct event *event)
{
	struct tasks *ts = arg;
	const Containerd__Events__TaskStart *start;
	const Containerd__Events__TaskExit *end;
	const Containerd__Events__TaskOOM *oom;
	const Containerd__Events__TaskPaused *paused;
	const Containerd__Events__TaskResumed *resumed;
	struct dv_arena arena;

	dv_arena_init(&arena);
	if ((end = EVENT(event, TaskExit, task_exit, &arena)))
		on_exit_event(ts, event->ns, end);
	else if ((start = EVENT(event, TaskStart, task_start, &arena)))
		on_start_event(ts, event, start);
	else if ((oom = EVENT(event, TaskOOM, task_oom, &arena)))
		on_oom_event(ts, event->ns, oom);
	else if ((paused = EVENT(event, TaskPaused, task_paused, &arena)))
		set_status(ts, event->ns, paused->container_id,
			   CONTAINERD__V1__TYPES__STATUS__PAUSED);
	else if ((resumed = EVENT(event, TaskResumed, task_resumed, &arena)))
		set_status(ts, event->ns, resumed->container_id,
			   CONTAINERD__V1__TYPES__STATUS__RUNNING);
	dv_arena_fini(&arena);
}

/* ---- the whole ---------------------------------------------------------------------------------- */

struct dv_err *tasks_new(struct daemon *d, struct tasks **ret)
{
	struct tasks *ts = dv_new(struct tasks);

	ts->d = d;
	ts->dir = dv_printf("%s/%s", d->config->state, TASKS_DIR);
	(void)uv_timer_init(d->loop, &ts->load_timer);
	ts->listener = events_listen(d->events, NULL, on_event, ts);
	tasks_load(ts);
	*ret = ts;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct tasks *ts = dv_container_of((uv_timer_t *)(void *)handle, struct tasks, load_timer);

	free(ts->dir);
	free(ts);
}

struct tasks *tasks_free(struct tasks *ts)
{
	if (!ts)
		return NULL;
	ts->is_freed = true;
	tasks_load_end(ts);
	dv_assert(!ts->sleepers); /* their calls were cancelled */
	while (ts->tree) {
		struct task *t = task_ref(*(struct task **)ts->tree);

		task_phase_set(t, TASK_ENDING); /* quietly: its shim goes on */
		task_waiters_fail(t, DV_UNAVAILABLE, "the daemon is being stopped");
		task_remove(t);
		t->client = ttrpc_client_free(t->client);
		t->log = shim_log_close(t->log);
		task_unref(t);
	}
	ts->listener = events_unlisten(ts->listener);
	uv_close((uv_handle_t *)&ts->load_timer, on_closed);
	return NULL;
}

static void dump(void *arg, struct task *t)
{
	static const char *const names[] = { "creating", "loading", "live", "ending" };
	const struct dv_log *log = arg;

	dv_log(log, DV_INFO, "task %s/%s: %s, status %d, pid %u, %u calls", t->ns, t->id,
	       names[t->phase], (int)t->last.status, t->last.pid, t->n_busy);
}

void tasks_dump(struct tasks *ts)
{
	tasks_each(ts, dump, (void *)ts->d->log);
}

size_t tasks_count(const struct tasks *ts)
{
	return ts->n_tasks;
}
