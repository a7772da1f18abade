/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends of processes: noticed by pidfd, held back while the start is not reported yet, and the
 * init's until those of all other processes of its container are reported.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "sys/file.h"
#include "sys/process.h"
#include "task-private.h"

enum { UNKNOWN_STATUS = 255 };

/* ---- reporting -------------------------------------------------------------------------------- */

static void answer_waits(struct task_proc *proc)
{
	struct task_info info;

	task_info(proc, &info);
	while (proc->waits) {
		struct task_wait *wait = proc->waits;

		proc->waits = wait->next;
		wait->done(wait->arg, NULL, &info);
		free(wait);
	}
}

static void report(struct task_proc *proc)
{
	(void)task_proc_ref(proc);
	proc->state = task_next(TASK_EXIT, proc->state);
	if (proc->stdio)
		shim_stdio_exited(proc->stdio, NULL, NULL);
	task_publish(proc, TASK_EVENT_EXIT);
	answer_waits(proc);
	task_proc_unref(proc);
}

/* Somebody of the container's other processes is still there, or about to be. */
static bool has_others(const struct task *task)
{
	for (const struct task_proc *proc = task->execs; proc; proc = proc->next) {
		if (proc->is_starting || proc->watch)
			return true;
	}
	return false;
}

static void resumed(void *arg, struct dv_err *take_e)
{
	(void)arg;
	dv_err_free(take_e);
}

static void report_init(struct task *task)
{
	struct task_proc *init = task->init;

	if (!init->has_exited || init->state == TASK_STOPPED || init->is_starting ||
	    task->is_killing || has_others(task))
		return;
	/* What died while it was frozen leaves a frozen cgroup, which cannot be removed. */
	if (init->state == TASK_PAUSED)
		oci_call(task->set->env, &task->oci,
			 &(struct oci_call){ .verb = "resume",
					     .args = { task->id },
					     .deadline = uv_hrtime() + TASK_OWN_CALL_NS },
			 resumed, NULL);
	task_oom_close(task);
	report(init);
}

static void kill_hard(struct task_proc *proc)
{
	int r = proc->watch ? io_pidfd_kill(proc->watch, SIGKILL) : 0;

	if (r < 0 && r != -ESRCH)
		dv_log(proc->task->set->env->log, DV_WARN, "container %s: kill process %s: %s",
		       proc->task->id, proc->exec_id, dv_errno_text(-r));
}

/* The runtime does not end them, or takes its time: those that we know are ended all the same. */
static void end_known(void *arg)
{
	struct task_proc *init = arg;

	for (struct task_proc *p = init->task->execs; p; p = p->next)
		kill_hard(p);
	init->task->is_killing = false;
	if (!init->is_gone)
		report_init(init->task);
}

static void others_killed(void *arg, struct dv_err *take_e)
{
	struct task_proc *init = arg;
	struct task *task = init->task;

	if (take_e) {
		dv_log(task->set->env->log, DV_WARN, "container %s: end its other processes: %s",
		       task->id, dv_err_message(take_e));
		end_known(init);
	}
	dv_err_free(take_e);
	task->is_killing = false;
	if (!init->is_gone)
		report_init(task);
	task_proc_unref(init);
}

static void init_exited(struct task_proc *init)
{
	struct task *task = init->task;

	if (task->shares_pids) {
		task->is_killing = true;
		oci_call(task->set->env, &task->oci,
			 &(struct oci_call){ .verb = "kill",
					     .args = { "--all", task->id, "9" },
					     .deadline = uv_hrtime() + TASK_OWN_CALL_NS,
					     .slow = end_known },
			 others_killed, task_proc_ref(init));
	}
	report_init(task);
}

/* Reports the end, as soon as it may be. */
static void settle(struct task_proc *proc)
{
	if (task_proc_is_init(proc)) {
		init_exited(proc);
		return;
	}
	report(proc);
	report_init(proc->task);
}

static void set_exited(struct task_proc *proc, uint32_t status)
{
	proc->has_exited = true;
	proc->exit_status = status;
	(void)clock_gettime(CLOCK_REALTIME, &proc->exited_at);
}

static void on_exit_event(void *arg, const siginfo_t *si)
{
	struct task_proc *proc = arg;

	proc->watch = io_pidfd_free(proc->watch);
	set_exited(proc, (uint32_t)io_exit_status(si));
	if (!proc->is_starting)
		settle(proc);
}

void task_proc_started(struct task_proc *proc)
{
	proc->is_starting = false;
	if (proc->has_exited && proc->state != TASK_STOPPED) {
		settle(proc);
	} else if (!task_proc_is_init(proc)) {
		if (proc->task->init->has_exited) /* too late to be ended with the others */
			kill_hard(proc);
		report_init(proc->task); /* which may have waited for this one */
	}
}

void task_proc_start_failed(struct task_proc *proc)
{
	kill_hard(proc); /* if it is there we cannot serve it */
	proc->watch = io_pidfd_free(proc->watch);
	set_exited(proc, UNKNOWN_STATUS);
	proc->state = TASK_STOPPED;
	proc->stdio = shim_stdio_free(proc->stdio);
	answer_waits(proc);
}

/* ---- taking on ---------------------------------------------------------------------------------- */

static struct dv_err *read_pid(struct task *task, const char *pid_file, pid_t *ret)
{
	uint32_t pid;
	char text[32];
	ssize_t n;

	n = sys_read_file_at(task->bundle_fd, pid_file, text, sizeof(text));
	if (n < 0)
		return dv_err_sys((int)n, "read %s", pid_file);
	text[strcspn(text, "\n")] = '\0';
	if (!dv_parse_u32(text, &pid) || pid == 0 || pid > INT32_MAX)
		return dv_err_new(DV_INTERNAL, "%s: \"%.16s\" is no pid", pid_file, text);
	*ret = (pid_t)pid;
	return NULL;
}

/*
 * Whether the end of @pid leaves the other processes of its container alone, which is so
 * when it is not the first one of a pid namespace.
 */
static bool shares_pids(pid_t pid)
{
	char path[48], text[4096];
	const char *line, *last;
	uint32_t inner;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (sys_read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	line = strstr(text, "\nNSpid:");
	if (!line)
		return false;
	line++;
	((char *)line)[strcspn(line, "\n")] = '\0';
	last = strrchr(line, '\t');
	return last && dv_parse_u32(last + 1, &inner) && inner != 1;
}

void task_proc_disown(struct task_proc *proc, const char *pid_file)
{
	siginfo_t si;
	pid_t pid;
	struct dv_err *e = read_pid(proc->task, pid_file, &pid);

	/* While it is our child, and orphans are held, nobody else has its number. */
	if (!e && waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0)
		(void)sys_kill(pid, SIGKILL);
	dv_err_free(e);
}

struct dv_err *task_proc_adopt(struct task_proc *proc, const char *pid_file)
{
	struct task *task = proc->task;
	struct dv_err *e;

	e = read_pid(task, pid_file, &proc->pid);
	if (e)
		return e;
	/*
	 * As a child of ours that nobody has reaped it cannot be another process by now. Of a
	 * runtime whose processes are not our children the end is seen, but not the status.
	 */
	if (task_proc_is_init(proc))
		task->shares_pids = shares_pids(proc->pid);
	e = io_pidfd_new(task->set->env->loop, proc->pid, -1, on_exit_event, proc, &proc->watch);
	if (!e)
		return NULL;
	if (dv_err_code(e) != DV_NOT_FOUND) { /* nobody would see its end */
		task_proc_disown(proc, pid_file);
		return e;
	}
	/* It has ended already, and its parent has seen to it: nobody knows how. */
	dv_err_free(e);
	set_exited(proc, UNKNOWN_STATUS);
	return NULL;
}

/* ---- out of memory --------------------------------------------------------------------------------- */

static void on_oom(uv_poll_t *poll, int status, int events)
{
	struct task *task = poll->data;
	enum host_cgroup_oom_event event;

	(void)events;
	do {
		event = HOST_CGROUP_OOM_GONE; /* if it cannot be read */
		if (status == 0)
			dv_err_free(host_cgroup_oom_read(&task->oom, &event));
		if (event == HOST_CGROUP_OOM_KILLED)
			task_publish(task->init, TASK_EVENT_OOM);
	} while (event == HOST_CGROUP_OOM_KILLED);
	if (event == HOST_CGROUP_OOM_GONE)
		task_oom_close(task);
}

void task_oom_open(struct task *task)
{
	struct host_cgroup_opts opts = { .of_pid = task->init->pid, .log = task->set->env->log };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct dv_err *e = host_cgroup_new(&opts, &cg);
	int r;

	if (!e)
		e = host_cgroup_oom_open(cg, &task->oom);
	if (e) {
		dv_log(task->set->env->log, DV_DEBUG, "container %s: no out-of-memory events: %s",
		       task->id, dv_err_message(e));
		dv_err_free(e);
		return;
	}
	task->oom_poll = dv_new(uv_poll_t);
	r = uv_poll_init(task->set->env->loop, task->oom_poll, task->oom.fd);
	if (r < 0) {
		dv_log(task->set->env->log, DV_WARN, "container %s: no out-of-memory events: %s",
		       task->id, uv_strerror(r));
		free(dv_steal(&task->oom_poll));
		host_cgroup_oom_close(&task->oom);
		return;
	}
	task->oom_poll->data = task;
	(void)uv_poll_start(task->oom_poll, UV_READABLE, on_oom);
}

static void free_handle(uv_handle_t *handle)
{
	free(handle);
}

void task_oom_close(struct task *task)
{
	if (!task->oom_poll)
		return;
	/* One that rang before the end of init belongs before it. */
	if (uv_is_active((uv_handle_t *)task->oom_poll)) {
		enum host_cgroup_oom_event event = HOST_CGROUP_OOM_NONE;
		struct dv_err *e = host_cgroup_oom_read(&task->oom, &event);

		dv_err_free(e);
		if (event == HOST_CGROUP_OOM_KILLED)
			task_publish(task->init, TASK_EVENT_OOM);
	}
	uv_close((uv_handle_t *)task->oom_poll, free_handle);
	task->oom_poll = NULL;
	host_cgroup_oom_close(&task->oom);
}
