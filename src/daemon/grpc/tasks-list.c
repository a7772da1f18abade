/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks: Get, List, Metrics and Wait: what looks and does not change. */

#include "api/containerd/tasks.pb-c.h"
#include "base/str.h"
#include "codec/filter.h"
#include "convert.h"
#include "rpc/pb.h"
#include "tasks-private.h"

typedef Containerd__V1__Types__Process Process;
typedef Containerd__Task__V2__StateResponse StateResponse;
typedef Containerd__Task__V2__WaitResponse ShimWait;

#define STATE_NS (2 * TASK_NS_PER_S)

/* ---- Get ---------------------------------------------------------------------------------------- */

/* What is known without asking. */
static Process *cached(const struct task *t, struct dv_arena *arena)
{
	Process *p = dv_arena_new(arena, Process);

	containerd__v1__types__process__init(p);
	p->id = t->id;
	p->pid = t->last.pid;
	p->status = t->last.status;
	p->exit_status = t->last.exit_status;
	p->exited_at = convert_time_out(&t->last.exited_at, arena);
	p->terminal = t->is_terminal;
	p->stdin = t->stdio[0] ? t->stdio[0] : p->stdin;
	p->stdout = t->stdio[1] ? t->stdio[1] : p->stdout;
	p->stderr = t->stdio[2] ? t->stdio[2] : p->stderr;
	return p;
}

static void reply_process(struct tasks_op *op, Process *p)
{
	Containerd__Services__Tasks__V1__GetResponse reply =
		CONTAINERD__SERVICES__TASKS__V1__GET_RESPONSE__INIT;

	reply.process = p;
	tasks_op_reply(op, &reply.base);
}

static void on_state(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	const StateResponse *r = (const StateResponse *)msg;
	struct tasks_op *op = arg;
	Process p = CONTAINERD__V1__TYPES__PROCESS__INIT;
	const char *exec_id =
		((const Containerd__Services__Tasks__V1__GetRequest *)op->req)->exec_id;

	/* A shim that hangs: what it said last is better than nothing. */
	if (take_e && !*exec_id && dv_err_code(take_e) == DV_DEADLINE) {
		dv_err_free(take_e);
		reply_process(op, cached(op->t, op->c.arena));
		return;
	}
	if (take_e) {
		tasks_op_fail(op, take_e);
		return;
	}
	p.id = *r->exec_id ? r->exec_id : r->id;
	p.pid = r->pid;
	p.status = r->status;
	p.stdin = r->stdin;
	p.stdout = r->stdout;
	p.stderr = r->stderr;
	p.terminal = r->terminal;
	p.exit_status = r->exit_status;
	p.exited_at = r->exited_at;
	reply_process(op, &p);
}

TASKS_METHOD(GetRequest, get)
{
	const Containerd__Services__Tasks__V1__GetRequest *from =
		(const Containerd__Services__Tasks__V1__GetRequest *)op->req;
	Containerd__Task__V2__StateRequest req = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct task_call call = { .method = "State",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__state_response__descriptor,
				  .timeout_ns = tasks_op_timeout(op, STATE_NS) };

	req.id = op->t->id;
	req.exec_id = from->exec_id;
	task_call(op->t, &call, on_state, op);
}

void tasks_get(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	get(call, req, arg);
}

/* ---- List --------------------------------------------------------------------------------------- */

struct listing {
	struct daemon_call c;
	Process **items;
	size_t n_items;
	struct tasks_sleeper loaded;
};

static void list_one(void *arg, struct task *t)
{
	struct listing *l = arg;

	if (dv_streq(t->ns, l->c.ns) && (t->phase == TASK_LIVE || t->phase == TASK_LOADING))
		l->items[l->n_items++] = cached(t, l->c.arena);
}

static void list(void *arg)
{
	Containerd__Services__Tasks__V1__ListTasksResponse reply =
		CONTAINERD__SERVICES__TASKS__V1__LIST_TASKS_RESPONSE__INIT;
	struct listing *l = arg;
	struct tasks *ts = l->c.d->tasks;

	l->items = dv_arena_new_n(l->c.arena, Process *, tasks_count(ts));
	tasks_each(ts, list_one, l);
	reply.tasks = l->items;
	reply.n_tasks = l->n_items;
	grpc_reply(l->c.grpc, &reply.base);
}

void tasks_list(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct listing *l = dv_arena_new(grpc_call_arena(call), struct listing);
	struct daemon *d = arg;
	struct dv_err *e = daemon_call_begin(call, d, true, &l->c);

	(void)req;
	if (e) {
		grpc_fail(call, e);
		return;
	}
	l->loaded.fn = list;
	l->loaded.arg = l;
	tasks_when_loaded(d->tasks, &l->loaded);
}

/* ---- Metrics ------------------------------------------------------------------------------------ */

typedef Containerd__Types__Metric Metric;

struct measuring {
	struct daemon_call c;
	struct dv_filter *filter;
	struct measured *items;
	size_t n_items, n_left;
};

/* One task's; its answer is kept, encoded, until all are there. */
struct measured {
	struct measuring *m;
	char *id;
	struct timespec at;
	char *type_url; /* NULL: no answer */
	ProtobufCBinaryData value;
};

static const char *task_field(const void *object, const struct dv_filter_path *path)
{
	const struct task *t = object;

	if (path->n_parts != 1)
		return NULL;
	if (dv_streq(path->parts[0], "id"))
		return t->id;
	return dv_streq(path->parts[0], "namespace") ? t->ns : NULL;
}

static void reply_metrics(struct measuring *m)
{
	Containerd__Services__Tasks__V1__MetricsResponse reply =
		CONTAINERD__SERVICES__TASKS__V1__METRICS_RESPONSE__INIT;

	reply.metrics = dv_arena_new_n(m->c.arena, Metric *, m->n_items);
	for (size_t i = 0; i < m->n_items; i++) {
		const struct measured *item = &m->items[i];
		struct meta_any any = { item->type_url, item->value.data, item->value.len };
		Metric *metric;

		if (!item->type_url)
			continue;
		metric = dv_arena_new(m->c.arena, Metric);
		containerd__types__metric__init(metric);
		metric->id = item->id;
		metric->timestamp = convert_time_out(&item->at, m->c.arena);
		metric->data = convert_any_out(&any, m->c.arena);
		reply.metrics[reply.n_metrics++] = metric;
	}
	grpc_reply(m->c.grpc, &reply.base);
}

static void on_stats(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	const Containerd__Task__V2__StatsResponse *r =
		(const Containerd__Task__V2__StatsResponse *)msg;
	struct measured *item = arg;
	struct measuring *m = item->m;
	struct daemon *d = m->c.d;

	if (take_e) {
		dv_log(d->log, DV_WARN, "task %s/%s: metrics: %s", m->c.ns, item->id,
		       dv_err_message(take_e));
		dv_err_free(take_e);
	} else if (r->stats) {
		clock_gettime(CLOCK_REALTIME, &item->at);
		item->type_url = dv_arena_strdup(m->c.arena, r->stats->type_url);
		item->value.len = r->stats->value.len;
		item->value.data = dv_arena_alloc(m->c.arena, item->value.len + 1);
		memcpy(item->value.data, r->stats->value.data, item->value.len);
	}
	if (--m->n_left == 0)
		reply_metrics(m);
}

static void measure(void *arg, struct task *t)
{
	Containerd__Task__V2__StatsRequest req = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	struct task_call call = { .method = "Stats",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__stats_response__descriptor,
				  .timeout_ns = STATE_NS };
	struct measuring *m = arg;
	struct measured *item;

	if (t->phase != TASK_LIVE || !dv_streq(t->ns, m->c.ns) ||
	    (m->filter && !dv_filter_match(m->filter, task_field, t)))
		return;
	item = &m->items[m->n_items++];
	m->n_left++;
	item->m = m;
	item->id = dv_arena_strdup(m->c.arena, t->id);
	req.id = t->id;
	task_call(t, &call, on_stats, item);
}

void tasks_metrics(struct grpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Containerd__Services__Tasks__V1__MetricsRequest *req =
		(const Containerd__Services__Tasks__V1__MetricsRequest *)msg;
	struct measuring *m = dv_arena_new(grpc_call_arena(call), struct measuring);
	struct daemon *d = arg;
	struct dv_err *e;

	e = daemon_call_begin(call, d, true, &m->c);
	if (!e)
		e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &m->filter);
	if (e) {
		grpc_fail(call, e);
		return;
	}
	m->items = dv_arena_new_n(m->c.arena, struct measured, tasks_count(d->tasks) + 1);
	m->n_left = 1; /* answers never come from within, but there may be none at all */
	tasks_each(d->tasks, measure, m);
	m->filter = dv_filter_free(m->filter);
	if (--m->n_left == 0)
		reply_metrics(m);
}

/* ---- Wait --------------------------------------------------------------------------------------- */

struct waiting {
	struct tasks_op *op;
	struct task_waiter waiter;
};

static void wait_reply(struct tasks_op *op, uint32_t status, Google__Protobuf__Timestamp *at)
{
	Containerd__Services__Tasks__V1__WaitResponse reply =
		CONTAINERD__SERVICES__TASKS__V1__WAIT_RESPONSE__INIT;

	reply.exit_status = status;
	reply.exited_at = at;
	tasks_op_reply(op, &reply.base);
}

static void wait_done(void *arg, struct dv_err *take_e, const ShimWait *r)
{
	struct waiting *w = arg;

	grpc_call_on_cancel(w->op->c.grpc, NULL, NULL);
	if (take_e)
		tasks_op_fail(w->op, take_e);
	else
		wait_reply(w->op, r->exit_status, r->exited_at);
}

static void wait_cancelled(void *arg)
{
	struct waiting *w = arg;

	task_unwait(&w->waiter);
	tasks_op_fail(w->op, dv_err_new(DV_CANCELLED, "the client has gone"));
}

/* Of a managed container that has ended: from its record. */
struct looking {
	struct tasks_op *op;
	struct managed_exit exit;
	struct dv_err *e;
};

static void look_run(void *arg)
{
	struct looking *l = arg;

	l->e = managed_lookup(l->op->c.d, l->op->c.ns, l->op->id, &l->exit);
}

static void look_done(void *arg)
{
	struct looking *l = arg;

	if (l->e && dv_err_code(l->e) == DV_NOT_FOUND) {
		dv_err_free(l->e);
		l->e = tasks_not_found(l->op->id);
	}
	if (l->e)
		tasks_op_fail(l->op, l->e);
	else
		wait_reply(l->op, l->exit.status,
			   convert_time_out(&l->exit.finished, l->op->c.arena));
}

static void wait_missing(struct tasks_op *op)
{
	const Containerd__Services__Tasks__V1__WaitRequest *from =
		(const Containerd__Services__Tasks__V1__WaitRequest *)op->req;
	struct looking *l;

	if (*from->exec_id) {
		tasks_op_fail(op, tasks_not_found(op->id));
		return;
	}
	l = dv_arena_new(op->c.arena, struct looking);
	l->op = op;
	io_work_submit(op->c.d->fast, look_run, look_done, l);
}

TASKS_METHOD(WaitRequest, wait_begin, .missing = wait_missing, .takes_ending = true)
{
	const char *exec_id =
		((const Containerd__Services__Tasks__V1__WaitRequest *)op->req)->exec_id;
	struct task *t = op->t;
	struct waiting *w;

	if (!*exec_id && t->last.exited_at.tv_sec != 0) {
		wait_reply(op, t->last.exit_status,
			   convert_time_out(&t->last.exited_at, op->c.arena));
		return;
	}
	w = dv_arena_new(op->c.arena, struct waiting);
	w->op = op;
	w->waiter.done = wait_done;
	w->waiter.arg = w;
	grpc_call_on_cancel(op->c.grpc, wait_cancelled, w);
	task_wait(t, exec_id, &w->waiter);
}

void tasks_wait(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	wait_begin(call, req, arg);
}
