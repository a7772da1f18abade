/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that an earlier daemon left. A worker looks through the bundles, then all shims are asked at
 * once. What is left of a shim is cleaned up when nobody listens on its socket, or when it does not
 * know the container; one that is slow, stopped or confused has a healthy container for all that we
 * know, and is asked again and again, with growing pauses.
 *
 * Nobody else waits: a call for such a task waits for that task's first answer alone, and a list for
 * a second after the start at most.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "rpc/pb.h"
#include "store/meta.h"
#include "sys/file.h"
#include "sys/sock.h"
#include "task-private.h"

typedef Containerd__Task__V2__StateResponse StateResponse;

enum { LIST_WAIT_MS = 1000, PAUSE_MS = 250, PAUSE_MAX_MS = 30000 };

/* The pause before a shim is asked again. */
struct task_asking {
	uv_timer_t timer;
	struct task *t; /* NULL: it is over */
	uint64_t pause_ms;
};

struct found {
	struct found *next;
	char *ns, *id;
	struct bundle_info info;
	bool is_managed;
	struct managed_mark mark;
};

struct scan {
	struct tasks *ts; /* the loop's, but for ts->d */
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
	f->is_managed = managed_mark_get(s->ts->d, ns, id, &f->mark, NULL);
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

static void ask(struct task *t);

static void on_asking_closed(uv_handle_t *handle)
{
	free(dv_container_of((uv_timer_t *)(void *)handle, struct task_asking, timer));
}

void task_load_stop(struct task *t)
{
	struct task_asking *a = dv_steal(&t->asking);

	if (!a)
		return;
	a->t = NULL;
	uv_close((uv_handle_t *)&a->timer, on_asking_closed);
}

static void on_pause(uv_timer_t *timer)
{
	ask(dv_container_of(timer, struct task_asking, timer)->t);
}

/* Calls for it are told so from now on, and lists have waited for it long enough. */
static void become_mute(struct task *t)
{
	if (t->is_mute)
		return;
	t->is_mute = true;
	t->ts->n_loading--;
	tasks_wake(t->ts);
	tasks_load_check(t->ts);
}

static void ask_later(struct task *t)
{
	struct task_asking *a = t->asking;

	if (!a) {
		a = t->asking = dv_new(struct task_asking);
		a->t = t;
		a->pause_ms = PAUSE_MS;
		(void)uv_timer_init(t->ts->d->loop, &a->timer);
	}
	(void)uv_timer_start(&a->timer, on_pause, a->pause_ms, 0);
	a->pause_ms = DV_MIN(a->pause_ms * 2, (uint64_t)PAUSE_MAX_MS);
}

/* Nobody listens there: no call could say that with certainty. */
static bool is_gone(const struct task *t)
{
	DV_CLEANUP(sys_closep) int fd = sys_unix_connect_nonblock(t->address);

	return fd == -ECONNREFUSED || fd == -ENOENT;
}

static void on_no_state(struct task *t, struct dv_err *e)
{
	bool is_stranger = dv_err_code(e) == DV_NOT_FOUND;

	if (dv_err_code(e) == DV_UNIMPLEMENTED && t->version > 2) {
		t->version = 2; /* of a record that an older shim, or daemon, has written */
		ask(t);
		return;
	}
	if (is_stranger || is_gone(t)) {
		dv_log(t->ts->d->log, DV_WARN, "task %s/%s: its shim: %s; cleaning up", t->ns,
		       t->id, dv_err_message(e));
		/* A shim that answers, and knows nothing of the container, is one that leaked. */
		task_end(t, &(struct task_end){ .is_lost = !is_stranger, .needs_delete = true });
		return;
	}
	if (!t->is_mute)
		dv_log(t->ts->d->log, DV_WARN,
		       "task %s/%s: its shim does not answer, and is asked again: %s", t->ns, t->id,
		       dv_err_message(e));
	become_mute(t);
	ask_later(t);
}

static void on_state(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	const StateResponse *r = (const StateResponse *)reply;
	struct task *t = arg;

	if (t->phase != TASK_LOADING)
		return;
	if (e) {
		on_no_state(t, e);
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
	if (t->is_mute)
		dv_log(t->ts->d->log, DV_INFO, "task %s/%s: its shim answers", t->ns, t->id);
	task_phase_set(t, TASK_LIVE);
	task_going_begin(t);
}

static void ask(struct task *t)
{
	Containerd__Task__V2__StateRequest req = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct task_call call = { .method = "State",
				  .msg = &req.base,
				  .reply = &containerd__task__v2__state_response__descriptor,
				  .timeout_ns = t->ts->d->config->shim_load_ns };

	req.id = t->id;
	task_call(t, &call, on_state, t);
}

static void load(struct tasks *ts, struct found *f)
{
	struct task *t;
	struct dv_err *e;

	e = task_add(ts, f->ns, f->id, TASK_LOADING, &t);
	if (e) { /* nobody is faster: who creates a task waits for us */
		dv_log(ts->d->log, DV_ERROR, "%s", dv_err_message(e));
		dv_err_free(e);
		return;
	}
	t->address = dv_steal(&f->info.address);
	t->shim_binary = dv_steal(&f->info.binary);
	t->version = f->info.version;
	t->is_managed = f->is_managed;
	t->mark = f->mark;
	/* Without a program on record it was not us who started it. */
	t->has_foreign_shim = f->info.is_foreign || (t->address && !t->shim_binary);
	if (t->address) {
		struct shim_at at = task_shim(t);

		t->log = shim_log_open(&at);
		task_connect(t);
		ask(t);
	} else {
		/* The daemon died before the shim was there, or before it was on record. */
		dv_log(ts->d->log, DV_WARN, "task %s/%s: was being created; cleaning up", t->ns,
		       t->id);
		task_end(t, &(struct task_end){ .needs_delete = true, .is_undone = true });
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
	if (!s->ts->is_freed) {
		tasks_wake(s->ts);
		tasks_load_check(s->ts);
	}
	free(s->dir);
	free(s);
}

/* ---- who waits for it --------------------------------------------------------------------------- */

static void release(struct tasks *ts)
{
	while (ts->loaded) {
		struct tasks_sleeper *s = ts->loaded;

		tasks_sleep_end(s);
		s->fn(s->arg);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct tasks *ts = dv_container_of(timer, struct tasks, load_timer);

	ts->is_late = true;
	release(ts);
}

static bool is_loaded(const struct tasks *ts)
{
	return ts->is_late || (ts->is_scanned && ts->n_loading == 0);
}

void tasks_load_check(struct tasks *ts)
{
	if (is_loaded(ts))
		release(ts);
}

void tasks_load_end(struct tasks *ts)
{
	ts->is_late = true;
	release(ts);
}

void tasks_when_loaded(struct tasks *ts, struct tasks_sleeper *s)
{
	if (is_loaded(ts))
		s->fn(s->arg);
	else
		tasks_sleeper_add(&ts->loaded, s);
}

static void sweep_run(void *arg)
{
	struct scan *s = arg;

	managed_sweep(s->ts->d, s->dir);
}

static void sweep_done(void *arg)
{
	struct scan *s = arg;

	free(s->dir);
	free(s);
}

/* What has no bundle; it is in nobody's way, and has time. */
static void sweep(struct tasks *ts)
{
	struct scan *s = dv_new(struct scan);

	s->ts = ts;
	s->dir = dv_strdup(ts->dir);
	io_work_submit(ts->d->slow, sweep_run, sweep_done, s);
}

void tasks_load(struct tasks *ts)
{
	struct scan *s = dv_new(struct scan);

	s->ts = ts;
	s->dir = dv_strdup(ts->dir);
	(void)uv_timer_start(&ts->load_timer, on_timer, LIST_WAIT_MS, 0);
	io_work_submit(ts->d->fast, scan_run, scan_done, s);
	sweep(ts);
}
