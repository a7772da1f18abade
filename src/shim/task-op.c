/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to processes. Those that change the state wait in the queue of their process, and
 * the first of the queue is the one in flight; kill, resize and closing of stdin pass by.
 *
 * A request is judged when its turn comes, not when it arrives, so no state "starting" or
 * "deleting" is ever seen by one.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sys/file.h"
#include "sys/process.h"
#include "task-private.h"

enum { JOBS_MAX = 64 }; /* per process */

struct task_job {
	struct task_job *next;
	struct task_proc *proc; /* a reference */
	struct task_request request;
	char *resources;
	task_done_fn done;
	void *arg;
	bool is_queued, is_running;
};

/* ---- the queue ----------------------------------------------------------------------------- */

static struct task_job *job_new(struct task_proc *proc, const struct task_request *request,
				task_done_fn done, void *arg)
{
	struct task_job *job = dv_new(struct task_job);

	*job = (struct task_job){
		.proc = task_proc_ref(proc), .request = *request, .done = done, .arg = arg
	};
	if (request->resources)
		job->resources = dv_strndup(request->resources, request->n_resources);
	return job;
}

static void job_free(struct task_job *job)
{
	struct task_proc *proc = job->proc;

	free(job->resources);
	free(job);
	task_proc_unref(proc);
}

static void pump(struct task_proc *proc);

/* Answers, with @take_e or with how things are now, and lets the next one go. */
static void finish(struct task_job *job, struct dv_err *take_e)
{
	struct task_proc *proc = task_proc_ref(job->proc);
	bool was_queued = job->is_queued;
	struct task_info info;

	task_info(proc, &info);
	if (was_queued) {
		dv_assert(proc->jobs == job);
		proc->jobs = job->next;
		if (!proc->jobs)
			proc->jobs_end = &proc->jobs;
	}
	job->done(job->arg, take_e, take_e ? NULL : &info);
	job_free(job);
	if (was_queued)
		pump(proc);
	task_proc_unref(proc);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void started(void *arg, struct dv_err *take_e)
{
	struct task_job *job = arg;
	struct task_proc *proc = job->proc;

	if (!take_e) {
		proc->state = task_next(TASK_START, proc->state);
		task_publish(proc,
			     task_proc_is_init(proc) ? TASK_EVENT_START : TASK_EVENT_EXEC_STARTED);
	}
	task_proc_started(proc);
	finish(job, take_e);
}

static void run_start(struct task_job *job)
{
	struct task_proc *proc = job->proc;
	struct task *task = proc->task;

	proc->is_starting = true;
	if (task_proc_is_init(proc))
		oci_call(task->set->env, &task->oci,
			 &(struct oci_call){ .verb = "start",
					     .args = { task->id },
					     .deadline = job->request.deadline },
			 started, job);
	else
		task_exec_start(proc, job->request.deadline, started, job);
}

/* ---- pause, resume, update ---------------------------------------------------------------------- */

static void paused(void *arg, struct dv_err *take_e)
{
	struct task_job *job = arg;
	struct task_proc *proc = job->proc;
	enum task_op op = job->request.op;

	proc->is_pausing = false;
	/* It may have ended meanwhile, which is no less true for having been paused. */
	if (!take_e && proc->state != TASK_STOPPED) {
		proc->state = task_next(op, proc->state);
		task_publish(proc, op == TASK_PAUSE ? TASK_EVENT_PAUSED : TASK_EVENT_RESUMED);
	}
	finish(job, take_e);
}

static void run_pause(struct task_job *job)
{
	struct task *task = job->proc->task;
	bool is_pause = job->request.op == TASK_PAUSE;

	job->proc->is_pausing = is_pause;
	oci_call(task->set->env, &task->oci,
		 &(struct oci_call){ .verb = is_pause ? "pause" : "resume",
				     .args = { task->id },
				     .deadline = job->request.deadline },
		 paused, job);
}

static void updated(void *arg, struct dv_err *take_e)
{
	finish(arg, take_e);
}

static void run_update(struct task_job *job)
{
	struct task *task = job->proc->task;
	DV_CLEANUP(sys_closep) int fd = sys_memfd("resources", MFD_CLOEXEC);
	int r = fd;

	if (r >= 0)
		r = sys_write_all(fd, job->resources, job->request.n_resources);
	if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -EIO;
	if (r < 0) {
		finish(job, dv_err_sys(r, "container %s: hand the resources over", task->id));
		return;
	}
	oci_call(task->set->env, &task->oci,
		 &(struct oci_call){ .verb = "update",
				     .args = { "--resources", "-", task->id },
				     .stdin_fd = fd,
				     .has_stdin = true,
				     .deadline = job->request.deadline },
		 updated, job);
}

/* ---- delete --------------------------------------------------------------------------------------- */

static void remove_exec(struct task_job *job)
{
	struct task_proc *proc = job->proc;

	task_exec_forget(proc);
	task_proc_remove(proc);
	finish(job, NULL);
}

/* With its container. Its own deletion may be waiting for the streams: that is done with it. */
static void drop_exec(struct task_proc *proc)
{
	struct task_job *job = proc->jobs;

	if (job && job->is_running && job->request.op == TASK_DELETE) {
		remove_exec(job);
		return;
	}
	task_exec_forget(proc);
	task_proc_remove(proc);
}

static void remove_init(struct task_job *job)
{
	struct task_proc *proc = job->proc;
	struct task *task = proc->task;
	struct dv_err *e;

	e = rootfs_unmount(task->bundle);
	if (e) {
		finish(job, dv_err_wrap(e, "container %s", task->id));
		return;
	}
	task_oom_close(task);
	while (task->execs)
		drop_exec(task->execs);
	task_publish(proc, TASK_EVENT_DELETE);
	task_remove(task);
	task_proc_remove(proc);
	finish(job, NULL);
}

static void init_ended(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	(void)info;
	dv_err_free(take_e);
	remove_init(arg);
}

static void runtime_deleted(void *arg, struct dv_err *take_e)
{
	struct task_job *job = arg;
	struct task_proc *proc = job->proc;

	/* Somebody has deleted it behind our back: then it is deleted. */
	if (take_e && strstr(dv_err_message(take_e), "does not exist"))
		take_e = dv_err_free(take_e);
	if (take_e)
		finish(job, dv_err_wrap(take_e, "failed to delete task"));
	else if (proc->state != TASK_STOPPED) /* created: the runtime has killed it just now */
		task_wait(proc, init_ended, job);
	else
		remove_init(job);
}

static void drained(void *arg)
{
	struct task_job *job = arg;
	struct task *task = job->proc->task;

	if (!task_proc_is_init(job->proc)) {
		remove_exec(job);
		return;
	}
	oci_call(task->set->env, &task->oci,
		 &(struct oci_call){ .verb = "delete",
				     .args = { task->id },
				     .deadline = job->request.deadline },
		 runtime_deleted, job);
}

static struct task_proc *starting_exec(const struct task *task)
{
	for (struct task_proc *proc = task->execs; proc; proc = proc->next) {
		if (proc->is_starting)
			return proc;
	}
	return NULL;
}

static void run_delete(struct task_job *job)
{
	struct task_proc *proc = job->proc;
	struct task_proc *other = task_proc_is_init(proc) ? starting_exec(proc->task) : NULL;

	if (other)
		finish(job,
		       dv_err_new(DV_PRECONDITION, "container %s: its process %s is being started",
				  proc->task->id, other->exec_id));
	else if (proc->stdio && proc->state == TASK_STOPPED)
		shim_stdio_exited(proc->stdio, drained, job);
	else
		drained(job);
}

/* ---- what does not wait ----------------------------------------------------------------------------- */

/* The runtimes' words for "too late", as containerd's shim knows them. */
static struct dv_err *kill_error(struct task_proc *proc, struct dv_err *take_e)
{
	static const char *const finished[] = { "process already finished", "container not running",
						"no such process", "No such process",
						"not running" };
	DV_CLEANUP(dv_freep) char *name = task_proc_name(proc);

	if (!take_e)
		return NULL;
	for (size_t i = 0; i < DV_ARRAY_SIZE(finished); i++) {
		if (strstr(dv_err_message(take_e), finished[i])) {
			dv_err_free(take_e);
			return dv_err_new(DV_NOT_FOUND, "%s: process already finished", name);
		}
	}
	if (strstr(dv_err_message(take_e), "does not exist")) {
		dv_err_free(take_e);
		return dv_err_new(DV_NOT_FOUND, "%s: no such container", name);
	}
	return take_e;
}

static void killed(void *arg, struct dv_err *take_e)
{
	struct task_job *job = arg;

	finish(job, kill_error(job->proc, take_e));
}

static void run_kill(struct task_job *job)
{
	struct task_proc *proc = job->proc;
	struct task *task = proc->task;
	char signal[16];
	int r;

	if (task_proc_is_init(proc)) {
		/* In a namespace of its own the kernel takes the others along with init. */
		bool is_all = job->request.is_all;
		static unsigned counter;
		/* It runs beside others, whose words are not to be taken for its own. */
		DV_CLEANUP(dv_freep)
		char *log = dv_printf("%s/kill-%u.log", task->bundle, ++counter);

		snprintf(signal, sizeof(signal), "%d", job->request.signo);
		oci_call(task->set->env, &task->oci,
			 &(struct oci_call){ .verb = "kill",
					     .args = { is_all ? "--all" : task->id,
						       is_all ? task->id : signal,
						       is_all ? signal : NULL },
					     .log = log,
					     .deadline = job->request.deadline },
			 killed, job);
		return;
	}
	r = proc->watch ? io_pidfd_kill(proc->watch, job->request.signo) : -ESRCH;
	finish(job, r < 0 ? kill_error(proc, dv_err_sys(r, "send signal %d", job->request.signo))
			  : NULL);
}

static void run_resize(struct task_job *job)
{
	struct task_proc *proc = job->proc;

	/* Before there is a terminal the size is kept for it; without one there is nothing to do. */
	if (!proc->stdio) {
		proc->width = job->request.width;
		proc->height = job->request.height;
	}
	if (proc->stdio && proc->is_terminal)
		finish(job,
		       shim_stdio_resize(proc->stdio, job->request.width, job->request.height));
	else
		finish(job, NULL);
}

static void run_close_io(struct task_job *job)
{
	if (job->proc->stdio)
		shim_stdio_close_stdin(job->proc->stdio);
	else
		job->proc->is_stdin_closed = true;
	finish(job, NULL);
}

static const struct {
	void (*run)(struct task_job *job);
	bool passes; /* does not wait for those in flight */
} ops[TASK_OP__N] = {
	[TASK_START] = { run_start },	      [TASK_PAUSE] = { run_pause },
	[TASK_RESUME] = { run_pause },	      [TASK_UPDATE] = { run_update },
	[TASK_DELETE] = { run_delete },	      [TASK_KILL] = { run_kill, true },
	[TASK_RESIZE] = { run_resize, true }, [TASK_CLOSE_IO] = { run_close_io, true },
};

/* ---- judging --------------------------------------------------------------------------------------------- */

/* An exec'ed process needs a living container. */
static struct dv_err *check_container(const struct task_proc *proc)
{
	const struct task_proc *init = proc->task->init;

	if (task_proc_is_init(proc) || (!init->has_exited && init->state != TASK_STOPPED))
		return NULL;
	return dv_err_new(DV_PRECONDITION, "container %s init process is not running",
			  proc->task->id);
}

static struct dv_err *judge(struct task_job *job)
{
	struct task_proc *proc = job->proc;
	DV_CLEANUP(dv_freep) char *name = task_proc_name(proc);
	const struct task_request *r = &job->request;
	struct dv_err *e;

	if (proc->is_gone)
		return dv_err_new(DV_NOT_FOUND, "%s: deleted", name);
	if (r->deadline && uv_now(proc->task->set->env->loop) * 1000000 > r->deadline)
		return dv_err_new(DV_DEADLINE, "%s: the time is up", name);
	/* With kill --all there may be something left of a container that is stopped. */
	if (r->op == TASK_KILL && r->is_all && task_proc_is_init(proc))
		return NULL;
	e = task_rule(!task_proc_is_init(proc), r->op, proc->state, name);
	if (!e && r->op == TASK_START)
		e = check_container(proc);
	dv_assert(e || ops[r->op].run);
	return e;
}

static void begin(struct task_job *job)
{
	struct dv_err *e = judge(job);

	job->is_running = true;
	if (e)
		finish(job, e);
	else
		ops[job->request.op].run(job);
}

/* Begins the first of the queue. One level deep only, however many fail one after the other. */
static void pump(struct task_proc *proc)
{
	if (proc->is_pumping)
		return;
	proc->is_pumping = true;
	while (proc->jobs && !proc->jobs->is_running)
		begin(proc->jobs);
	proc->is_pumping = false;
}

static size_t n_jobs(const struct task_proc *proc)
{
	size_t n = 0;

	for (const struct task_job *job = proc->jobs; job; job = job->next)
		n++;
	return n;
}

void task_submit(struct task_proc *proc, const struct task_request *request, task_done_fn done,
		 void *arg)
{
	struct task_job *job = job_new(proc, request, done, arg);

	if (ops[request->op].passes) {
		begin(job);
		return;
	}
	if (n_jobs(proc) >= JOBS_MAX) {
		finish(job, dv_err_new(DV_EXHAUSTED, "container %s: too many requests wait",
				       proc->task->id));
		return;
	}
	job->is_queued = true;
	*proc->jobs_end = job;
	proc->jobs_end = &job->next;
	pump(task_proc_ref(proc));
	task_proc_unref(proc);
}

static void ignore(void *arg, struct dv_err *take_e, const struct task_info *info)
{
	(void)arg;
	(void)info;
	dv_err_free(take_e);
}

void task_set_kill(struct task_set *set)
{
	for (struct task *task = set->tasks; task; task = task->next) {
		if (task->is_created && task->init->state != TASK_STOPPED)
			task_submit(task->init,
				    &(struct task_request){ .op = TASK_KILL, .signo = SIGKILL },
				    ignore, NULL);
		else if (task->create)
			task_create_abandon(task->create);
	}
}
