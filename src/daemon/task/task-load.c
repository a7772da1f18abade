/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that an earlier daemon left. A worker looks through the bundles, a few hundred a message;
 * then all shims are asked at once, and who does not answer in time is cleaned up after. Nobody
 * else waits: a call for such a task waits for that task alone, a list for a second at most.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rpc/pb.h"
#include "store/meta.h"
#include "sys/file.h"
#include "task-private.h"

typedef Containerd__Task__V2__StateResponse StateResponse;

enum { LIST_WAIT_MS = 1000 };

struct found {
	struct found *next;
	char *ns, *id;
	struct bundle_info info;
};

struct scan {
	struct tasks *ts; /* the loop's */
	char *dir;
	struct found *found;
};

/* ---- the worker's part ------------------------------------------------------------------------- */

static DIR *open_directory(const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		sys_close(fd);
	return dir;
}

static bool is_name(const char *name)
{
	struct dv_err *e = meta_id_check("name", name);

	dv_err_free(e);
	return !e;
}

static void scan_bundle(struct scan *s, const char *ns, const char *ns_dir, const char *id)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", ns_dir, id);
	struct found *f;

	/* ".id": a removal that was interrupted. */
	if (*id == '.') {
		int dir = sys_openat(AT_FDCWD, ns_dir, O_RDONLY | O_DIRECTORY, 0);

		if (dir >= 0 && !dv_streq(id, ".") && !dv_streq(id, ".."))
			(void)sys_remove_tree(dir, id);
		sys_closep(&dir);
		return;
	}
	if (!is_name(id))
		return;
	f = dv_new(struct found);
	f->ns = dv_strdup(ns);
	f->id = dv_strdup(id);
	bundle_load(path, &f->info);
	f->next = s->found;
	s->found = f;
}

static void scan_ns(struct scan *s, const char *ns)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", s->dir, ns);
	DIR *dir = open_directory(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		scan_bundle(s, ns, path, entry->d_name);
	closedir(dir);
}

static void scan_run(void *arg)
{
	struct scan *s = arg;
	DIR *dir = open_directory(s->dir);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (is_name(entry->d_name))
			scan_ns(s, entry->d_name);
	}
	closedir(dir);
}

/* ---- the loop's part --------------------------------------------------------------------------- */

static void keep(char **to, const char *from)
{
	free(*to);
	*to = dv_strdup(from);
}

static void on_state(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	const StateResponse *r = (const StateResponse *)reply;
	struct task *t = arg;

	if (t->phase != TASK_LOADING)
		return;
	if (e) {
		/* A shim that answers, and knows nothing of the container, is one that leaked. */
		bool is_alive = dv_err_code(e) == DV_NOT_FOUND;

		dv_log(t->ts->d->log, DV_WARN, "task %s/%s: its shim: %s; cleaning up", t->ns,
		       t->id, dv_err_message(e));
		task_end(t, &(struct task_end){ .is_lost = !is_alive, .needs_delete = true });
		return;
	}
	t->last.status = r->status;
	t->last.pid = r->pid;
	t->last.exit_status = r->exit_status;
	/* Of a process that runs it is Go's zero time, in the year 1. */
	if (r->status == CONTAINERD__V1__TYPES__STATUS__STOPPED && r->exited_at &&
	    !pb_timestamp_to(r->exited_at->seconds, r->exited_at->nanos, &t->last.exited_at))
		t->last.exited_at = (struct timespec){};
	keep(&t->stdio[0], r->stdin);
	keep(&t->stdio[1], r->stdout);
	keep(&t->stdio[2], r->stderr);
	t->is_terminal = r->terminal;
	task_phase_set(t, TASK_LIVE);
}

static void load(struct tasks *ts, struct found *f)
{
	Containerd__Task__V2__StateRequest req = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct task_call call = { .method = "State",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__state_response__descriptor,
				  .timeout_ns = ts->d->config->shim_load_ns };
	struct task *t;
	struct dv_err *e;

	e = task_add(ts, f->ns, f->id, TASK_LOADING, &t);
	if (e) { /* a client was faster */
		dv_err_free(e);
		return;
	}
	t->address = dv_steal(&f->info.address);
	t->shim_binary = dv_steal(&f->info.binary);
	t->version = f->info.version;
	if (t->address) {
		task_log_open(t);
		task_connect(t);
		req.id = t->id;
		task_call(t, &call, on_state, t);
	} else {
		/* The daemon died before the shim was there, or before it was on record. */
		dv_log(ts->d->log, DV_WARN, "task %s/%s: was being created; cleaning up", t->ns,
		       t->id);
		task_end(t, &(struct task_end){ .needs_delete = true });
	}
	task_unref(t);
}

static void scan_done(void *arg)
{
	struct scan *s = arg;
	struct found *f, *next;

	for (f = s->found; f; f = next) {
		next = f->next;
		if (!s->ts->is_freed)
			load(s->ts, f);
		free(f->info.address);
		free(f->info.binary);
		free(f->ns);
		free(f->id);
		free(f);
	}
	s->ts->is_scanned = true;
	tasks_load_check(s->ts);
	free(s->dir);
	free(s);
}

void tasks_load(struct tasks *ts)
{
	struct scan *s = dv_new(struct scan);

	s->ts = ts;
	s->dir = dv_strdup(ts->dir);
	io_work_submit(ts->d->fast, scan_run, scan_done, s);
}

/* ---- who waits for it --------------------------------------------------------------------------- */

static void release(struct tasks *ts)
{
	while (ts->loaded) {
		struct tasks_loaded *l = ts->loaded;

		ts->loaded = l->next;
		if (l->next)
			l->next->prev = &ts->loaded;
		l->fn(l->arg);
	}
	uv_timer_stop(&ts->load_timer);
}

static void on_timer(uv_timer_t *timer)
{
	release(dv_container_of(timer, struct tasks, load_timer));
}

void tasks_load_check(struct tasks *ts)
{
	if (ts->is_scanned && ts->n_loading == 0)
		release(ts);
}

void tasks_when_loaded(struct tasks *ts, struct tasks_loaded *l)
{
	if (ts->is_scanned && ts->n_loading == 0) {
		l->fn(l->arg);
		return;
	}
	if (!ts->loaded)
		(void)uv_timer_start(&ts->load_timer, on_timer, LIST_WAIT_MS, 0);
	l->next = ts->loaded;
	if (l->next)
		l->next->prev = &l->next;
	l->prev = &ts->loaded;
	ts->loaded = l;
}
