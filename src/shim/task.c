/* SPDX-License-Identifier: Apache-2.0 */
/* The containers of the shim: finding, making and freeing the objects; what can be asked. */

#include "task.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "sys/file.h"
#include "task-private.h"

enum { ID_MAX = 76 };

bool task_id_is_valid(const char *id)
{
	bool is_sep = true; /* none at the start, none at the end, no two in a row */
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++) {
		bool was_sep = is_sep;
		char c = id[i];

		is_sep = c == '.' || c == '_' || c == '-';
		if (is_sep && was_sep)
			return false;
		if (!is_sep && !((c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z')))
			return false;
	}
	return n > 0 && n <= ID_MAX && !is_sep;
}

/* ---- the set ----------------------------------------------------------------------------- */

struct task_set *task_set_new(struct shim_env *env, task_event_fn on_event, void *arg)
{
	struct task_set *set = dv_new(struct task_set);

	*set = (struct task_set){ .env = env, .on_event = on_event, .arg = arg };
	return set;
}

struct task_set *task_set_free(struct task_set *set)
{
	if (!set)
		return NULL;
	while (set->tasks) {
		struct task *task = set->tasks;

		task_oom_close(task);
		while (task->execs)
			task_proc_remove(task->execs);
		task_remove(task);
		task_proc_remove(task->init);
	}
	free(set);
	return NULL;
}

size_t task_set_count(const struct task_set *set)
{
	return set->n_tasks;
}

static void dump_proc(const struct task_proc *proc)
{
	DV_CLEANUP(dv_freep) char *name = task_proc_name(proc);

	dv_log(proc->task->set->env->log, DV_INFO, "%s: %s%s%s, pid %d%s", name,
	       task_state_name(proc->state), proc->is_starting ? ", being started" : "",
	       proc->jobs ? ", has requests in flight" : "", (int)proc->pid,
	       proc->has_exited && proc->state != TASK_STOPPED ? ", ended but not reported" : "");
}

void task_set_dump(const struct task_set *set)
{
	dv_log(set->env->log, DV_INFO, "%zu containers", set->n_tasks);
	for (const struct task *task = set->tasks; task; task = task->next) {
		dump_proc(task->init);
		for (const struct task_proc *proc = task->execs; proc; proc = proc->next)
			dump_proc(proc);
	}
}

struct task *task_find(const struct task_set *set, const char *id)
{
	for (struct task *task = set->tasks; task; task = task->next) {
		if (!task->is_waiting && dv_streq(task->id, id))
			return task;
	}
	return NULL;
}

static struct task_proc *find_exec(const struct task *task, const char *exec_id)
{
	for (struct task_proc *proc = task->execs; proc; proc = proc->next) {
		if (dv_streq(proc->exec_id, exec_id))
			return proc;
	}
	return NULL;
}

struct dv_err *task_lookup(struct task_set *set, const char *id, const char *exec_id,
			   struct task_proc **ret)
{
	struct task *task = task_find(set, id);
	struct task_proc *proc;

	if (!task || !task->is_created)
		return dv_err_new(DV_NOT_FOUND, "container \"%s\" not created", id);
	proc = *exec_id ? find_exec(task, exec_id) : task->init;
	if (!proc)
		return dv_err_new(DV_NOT_FOUND, "process \"%s\" of container \"%s\" does not exist",
				  exec_id, id);
	*ret = proc;
	return NULL;
}

/* ---- a container --------------------------------------------------------------------------- */

static void copy_mounts(struct task *task, const struct host_fs_mount *mounts, size_t n)
{
	task->mounts = n ? dv_alloc(n * sizeof(*mounts)) : NULL;
	task->n_mounts = n;
	for (size_t i = 0; i < n; i++) {
		struct host_fs_mount *m = &task->mounts[i];
		const char **options = NULL;

		if (mounts[i].n_options)
			options = dv_alloc(mounts[i].n_options * sizeof(*options));
		for (size_t k = 0; k < mounts[i].n_options; k++)
			options[k] = dv_strdup(mounts[i].options[k]);
		m->type = dv_strdup(mounts[i].type);
		m->source = dv_strdup(mounts[i].source);
		m->target = dv_strdup(mounts[i].target);
		m->options = options;
		m->n_options = mounts[i].n_options;
	}
}

static void free_mounts(struct task *task)
{
	for (size_t i = 0; i < task->n_mounts; i++) {
		struct host_fs_mount *m = &task->mounts[i];

		for (size_t k = 0; k < m->n_options; k++)
			free((char *)m->options[k]);
		free((char **)m->options);
		free((char *)m->type);
		free((char *)m->source);
		free((char *)m->target);
	}
	free(task->mounts);
}

struct task *task_new(struct task_set *set, const struct task_create *create)
{
	struct task *task = dv_new(struct task);

	task->set = set;
	task->id = dv_strdup(create->id);
	task->bundle = dv_strdup(create->bundle);
	task->bundle_fd = -1;
	task->oom.fd = task->oom.dirfd = -1;
	copy_mounts(task, create->mounts, create->n_mounts);
	task->options = shim_options_dup(create->options);
	task->init = task_proc_new(task, "", &create->stdio);
	task->next = set->tasks;
	task->n_refs++;
	set->tasks = task;
	set->n_tasks++;
	return task;
}

static void task_unref(struct task *task)
{
	if (--task->n_refs > 0)
		return;
	free_mounts(task);
	oci_fini(&task->oci);
	shim_options_free(task->options);
	sys_close(task->bundle_fd);
	free(task->id);
	free(task->bundle);
	free(task);
}

void task_remove(struct task *task)
{
	struct task **link = &task->set->tasks;

	while (*link != task)
		link = &(*link)->next;
	*link = task->next;
	task->set->n_tasks--;
	task_unref(task);
}

/* ---- a process ------------------------------------------------------------------------------ */

struct task_proc *task_proc_new(struct task *task, const char *exec_id,
				const struct task_stdio *stdio)
{
	struct task_proc *proc = dv_new(struct task_proc);

	proc->task = task;
	task->n_refs++;
	proc->n_refs = 1;
	proc->exec_id = dv_strdup(exec_id);
	proc->in = dv_strdup(stdio->in);
	proc->out = dv_strdup(stdio->out);
	proc->err = dv_strdup(stdio->err);
	proc->is_terminal = stdio->is_terminal;
	proc->jobs_end = &proc->jobs;
	return proc;
}

struct task_proc *task_proc_ref(struct task_proc *proc)
{
	proc->n_refs++;
	return proc;
}

void task_proc_unref(struct task_proc *proc)
{
	if (--proc->n_refs > 0)
		return;
	dv_assert(proc->is_gone && !proc->jobs);
	free(proc->exec_id);
	free(proc->in);
	free(proc->out);
	free(proc->err);
	free(proc->process);
	task_unref(proc->task);
	free(proc);
}

static void fail_waits(struct task_proc *proc)
{
	DV_CLEANUP(dv_freep) char *name = task_proc_name(proc);

	while (proc->waits) {
		struct task_wait *wait = proc->waits;

		proc->waits = wait->next;
		wait->done(wait->arg, dv_err_new(DV_NOT_FOUND, "%s: deleted", name), NULL);
		free(wait);
	}
}

void task_proc_remove(struct task_proc *proc)
{
	struct task_proc **link = &proc->task->execs;

	if (!task_proc_is_init(proc)) {
		while (*link != proc)
			link = &(*link)->next;
		*link = proc->next;
	}
	proc->is_gone = true;
	proc->watch = io_pidfd_free(proc->watch);
	proc->stdio = shim_stdio_free(proc->stdio);
	fail_waits(proc);
	task_proc_unref(proc);
}

bool task_proc_is_init(const struct task_proc *proc)
{
	return !*proc->exec_id;
}

char *task_proc_name(const struct task_proc *proc)
{
	if (task_proc_is_init(proc))
		return dv_printf("container %s", proc->task->id);
	return dv_printf("process %s of container %s", proc->exec_id, proc->task->id);
}

void task_info(const struct task_proc *proc, struct task_info *ret)
{
	const struct task *task = proc->task;

	*ret = (struct task_info){
		.id = task->id,
		.exec_id = proc->exec_id,
		.bundle = task->bundle,
		.stdio = { .in = proc->in,
			   .out = proc->out,
			   .err = proc->err,
			   .is_terminal = proc->is_terminal },
		.mounts = task->mounts,
		.n_mounts = task->n_mounts,
		.state = proc->state,
		.is_pausing = proc->is_pausing,
		.pid = proc->pid,
	};
	/* Not before it is reported: who sees it by asking must not be ahead of the event. */
	if (proc->state == TASK_STOPPED) {
		ret->exit_status = proc->exit_status;
		ret->exited_at = proc->exited_at;
	}
}

void task_publish(struct task_proc *proc, enum task_event event)
{
	struct task_set *set = proc->task->set;
	struct task_info info;

	task_info(proc, &info);
	set->on_event(set->arg, event, &info);
}

struct dv_err *task_check(const struct task_proc *proc, enum task_op op)
{
	DV_CLEANUP(dv_freep) char *name = task_proc_name(proc);

	/* Once it was reaped its pid may be another's, whose cgroup is none of ours. */
	return task_rule(!task_proc_is_init(proc), op,
			 op == TASK_STATS && proc->has_exited ? TASK_STOPPED : proc->state, name);
}

struct dv_err *task_reopen_logs(struct task_proc *proc)
{
	DV_CLEANUP(dv_freep) char *name = task_proc_name(proc);

	if (!proc->stdio)
		return dv_err_new(DV_PRECONDITION, "%s: not started", name);
	return dv_err_wrap(shim_stdio_reopen(proc->stdio), "%s", name);
}

/* ---- waiting ---------------------------------------------------------------------------------- */

struct task_wait *task_wait(struct task_proc *proc, task_done_fn done, void *arg)
{
	struct task_wait *wait = dv_new(struct task_wait);

	*wait = (struct task_wait){ .next = proc->waits, .proc = proc, .done = done, .arg = arg };
	proc->waits = wait;
	return wait;
}

void task_wait_cancel(struct task_wait *wait)
{
	struct task_wait **link = &wait->proc->waits;

	while (*link != wait)
		link = &(*link)->next;
	*link = wait->next;
	free(wait);
}

/* ---- processes of a container ------------------------------------------------------------------ */

static const char *exec_of(const struct task *task, pid_t pid)
{
	for (const struct task_proc *proc = task->execs; proc; proc = proc->next) {
		if (proc->pid == pid && proc->watch)
			return proc->exec_id;
	}
	return NULL;
}

struct dv_err *task_pids(struct task_proc *init, struct dv_arena *arena, struct task_pid **ret,
			 size_t *ret_n)
{
	struct host_cgroup_opts opts = { .of_pid = init->pid, .log = init->task->set->env->log };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	struct dv_err *e;
	size_t n;

	if (init->has_exited) { /* its pid may be another's by now */
		*ret = dv_arena_new_n(arena, struct task_pid, 1);
		*ret_n = 0;
		return NULL;
	}
	e = host_cgroup_new(&opts, &cg);
	if (!e)
		e = host_cgroup_pids(cg, &pids, &n);
	if (e)
		return dv_err_wrap(e, "container %s", init->task->id);
	*ret = dv_arena_new_n(arena, struct task_pid, n + 1);
	*ret_n = n;
	for (size_t i = 0; i < n; i++)
		(*ret)[i] = (struct task_pid){ pids[i], exec_of(init->task, pids[i]) };
	return NULL;
}

void task_stdio_open(struct task_proc *proc, task_stdio_fn opened, void *arg)
{
	const struct shim_options *options = proc->task->options;
	struct shim_env *env = proc->task->set->env;

	shim_stdio_open(env,
			&(struct shim_stdio_spec){
				.container_id = proc->task->id,
				.ns = env->ns,
				.in = proc->in,
				.out = proc->out,
				.err = proc->err,
				.is_terminal = proc->is_terminal,
				.has_owner = options->io_uid || options->io_gid,
				.uid = options->io_uid,
				.gid = options->io_gid,
				.has_bundle = task_proc_is_init(proc),
				.bundle_fd = proc->task->bundle_fd,
			},
			opened, arg);
}
