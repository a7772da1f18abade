/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of a launch: the fork, and the walk through the stages with the child.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child-private.h"
#include "host/resctrl.h"
#include "launch-private.h"
#include "parent-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif

/* ---- our own namespaces around the fork ------------------------------------------------ */

static bool enters(const struct rt_launch *l, int ns)
{
	return !l->joins_in_child && ns != SPEC_NS_MNT && l->ns_fds[ns] >= 0;
}

static struct dv_err *open_own(struct rt_launch *l, int ns)
{
	char path[40];

	snprintf(path, sizeof(path), "thread-self/ns/%s", rt_ns_file(ns));
	l->runtime_ns_fds[ns] = sys_openat(l->procfd, path, O_RDONLY, 0);
	return l->runtime_ns_fds[ns] < 0 ? dv_err_sys(l->runtime_ns_fds[ns],
						      "open own %s namespace", spec_ns_name(ns))
					 : NULL;
}

/* A time namespace has no process until our next child: the moment for its offsets. */
static struct dv_err *make_time_namespace(struct rt_launch *l)
{
	struct dv_err *e = open_own(l, SPEC_NS_TIME);
	int r;

	if (e)
		return e;
	r = sys_unshare((int)rt_ns_flag(SPEC_NS_TIME));
	if (r < 0)
		return dv_err_sys(r, "make a time namespace");
	return rt_time_offsets_write(l, "self");
}

static struct dv_err *enter_namespaces(struct rt_launch *l)
{
	struct dv_err *e;
	int r;

	for (int ns = 0; ns < SPEC_NS__N; ns++) {
		if (!enters(l, ns))
			continue;
		e = open_own(l, ns);
		if (e)
			return e;
		r = sys_setns(l->ns_fds[ns], (int)rt_ns_flag(ns));
		if (r < 0)
			return dv_err_sys(r, "join %s namespace", spec_ns_name(ns));
	}
	if (l->ns_new & NS_BIT(SPEC_NS_TIME) && !l->time_in_child)
		return make_time_namespace(l);
	return NULL;
}

static struct dv_err *leave_namespaces(struct rt_launch *l)
{
	struct dv_err *e = NULL;
	int r;

	for (int ns = 0; ns < SPEC_NS__N; ns++) {
		if (l->runtime_ns_fds[ns] < 0)
			continue;
		r = sys_setns(l->runtime_ns_fds[ns], (int)rt_ns_flag(ns));
		if (r < 0 && !e)
			e = dv_err_sys(r, "go back to own %s namespace", spec_ns_name(ns));
		l->runtime_ns_fds[ns] = sys_close(l->runtime_ns_fds[ns]);
	}
	return e;
}

/* ---- the fork ----------------------------------------------------------------------------- */

static void log_affinity(const struct rt_launch *l)
{
	uint64_t mask[RT_AFFINITY_WORDS] = { 0 };

	if (!dv_log_enabled(l->ctx->log, DV_DEBUG) ||
	    sys_sched_getaffinity(0, mask, sizeof(mask)) < 0)
		return;
	dv_log(l->ctx->log, DV_DEBUG, "nsexec[%d]: affinity: 0x%llx", l->pid,
	       (unsigned long long)mask[0]);
}

static struct dv_err *fork_child(struct rt_launch *l)
{
	struct sys_clone c = {
		.flags = l->clone_flags | CLONE_CLEAR_SIGHAND,
		.cgroup_fd = l->parent_joins ? -1 : l->join.v2_dirfd,
	};
	int fd = -1;
	pid_t pid;

	/* See rt_child_hide(); without privilege, writing maps needs the opposite for a while. */
	if (!l->is_unprivileged)
		(void)sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	pid = sys_clone3(&c, &fd);
	if (pid < 0 && c.cgroup_fd >= 0 && pid != -EPERM && pid != -EAGAIN && pid != -ENOSPC) {
		/* A cgroup that takes no process this way, or a kernel that cannot: move it. */
		l->parent_joins = true;
		c.cgroup_fd = -1;
		pid = sys_clone3(&c, &fd);
	}
	if (pid < 0)
		return dv_err_sys(pid, "clone the container's process");
	if (pid == 0) {
		sys_close(l->sync[0]);
		rt_child_main(l);
	}
	l->pid = pid;
	l->pidfd = fd;
	l->sync[1] = sys_close(l->sync[1]);
	/* These debug lines begin as runc's do: scripts of its users look for them. */
	dv_log(l->ctx->log, DV_DEBUG, "nsexec container setup: process %d, clone flags %#lx", pid,
	       l->clone_flags);
	log_affinity(l);
	return NULL;
}

static struct dv_err *set_oom_score(struct rt_launch *l)
{
	const struct spec_i64 *adj = &l->process->oom_score_adj;
	char path[48], text[24];
	int r;

	if (!adj->is_set || l->is_unprivileged)
		return NULL;
	snprintf(path, sizeof(path), "%d/oom_score_adj", l->pid);
	snprintf(text, sizeof(text), "%lld", (long long)adj->value);
	r = sys_write_file_at(l->procfd, path, text);
	if (r == -EACCES && l->ctx->is_rootless) {
		dv_log(l->ctx->log, DV_WARN,
		       "process.oomScoreAdj: cannot be lowered to %s in a rootless container",
		       text);
		return NULL;
	}
	if (r == -EACCES)
		return dv_err_sys(
			r,
			"process.oomScoreAdj: write %s to oom_score_adj: lowering it below the runtime's own needs CAP_SYS_RESOURCE",
			text);
	return r < 0 ? dv_err_sys(r, "process.oomScoreAdj: write %s", text) : NULL;
}

/* Whoever deletes the container after we were killed must know of a group that is only ours. */
static struct dv_err *make_resctrl(struct rt_launch *l, int root)
{
	const struct spec_intel_rdt *rdt = l->intel_rdt;
	struct rt_state *st = l->c->state;
	struct dv_err *e;

	e = host_resctrl_check(root, rdt);
	if (e)
		return e;
	host_resctrl_plan(root, rdt, l->c->id, &st->resctrl);
	st->clos_id = rdt->clos_id;
	e = rt_container_save_resctrl(l->c);
	if (!e)
		e = host_resctrl_apply(root, rdt, l->c->id, l->pid, &st->resctrl);
	if (e)
		st->resctrl.is_used = false; /* nothing is left of it */
	return e ? e : host_resctrl_set(root, rdt, l->c->id);
}

static struct dv_err *join_resctrl(struct rt_launch *l)
{
	DV_CLEANUP(sys_closep) int root = -1;
	struct dv_err *e;

	if (!l->intel_rdt)
		return NULL;
	e = host_resctrl_open(l->procfd, &root);
	if (!e && l->is_exec)
		return host_resctrl_add(root, l->intel_rdt, l->c->id, l->pid);
	if (!e)
		e = make_resctrl(l, root);
	return e ? dv_err_wrap(e, "linux.intelRdt") : NULL;
}

/* ---- the walk ------------------------------------------------------------------------------ */

/* Says how our part went, which @take tells: NULL, the child goes on. Returns @take, or why not. */
static struct dv_err *answer(struct rt_launch *l, struct dv_err *take, bool brings_fds)
{
	struct rt_answer a = { .goes_on = !take };
	int r = sys_send_fds(l->sync[0], &a, sizeof(a), l->join.tasks,
			     brings_fds ? l->join.n_tasks : 0);

	/* -EPIPE: it is dead, and what comes next says why. */
	return take || r >= 0 || r == -EPIPE ? take : dv_err_sys(r, "answer the child");
}

void rt_launch_kill(struct rt_launch *l)
{
	siginfo_t si;

	if (l->pidfd < 0)
		return;
	(void)sys_pidfd_send_signal(l->pidfd, SIGKILL);
	(void)sys_waitid_pidfd(l->pidfd, &si, WEXITED);
	l->pidfd = sys_close(l->pidfd);
}

/* What only the container's process is to have, and whoever it forks later. */
static struct dv_err *settle(struct rt_launch *l)
{
	struct dv_err *e = set_oom_score(l);

	return e ? e : join_resctrl(l);
}

/* The first child has done its work; the second one is the container's process. */
static struct dv_err *adopt(struct rt_launch *l, const struct rt_report *r, int pidfd)
{
	siginfo_t si;

	(void)sys_waitid_pidfd(l->pidfd, &si, WEXITED);
	sys_close(l->pidfd);
	l->pid = r->value;
	l->pidfd = pidfd;
	return answer(l, settle(l), false);
}

/* In a process of its own, which enters the child's mount namespace with our rights. */
DV_NORETURN static void open_mount_there(struct rt_launch *l, struct rt_mount *m)
{
	struct rt_report back = { 0 };
	int r;

	r = sys_setns(l->pidfd, CLONE_NEWNS);
	if (r == 0)
		r = sys_chdir(l->c->bundle);
	if (r < 0)
		rt_explain(back.text, r, "enter the container's mount namespace");
	else
		r = rt_bind_open(l, m, back.text);
	back.err = -r;
	if (r < 0)
		r = (int)sys_send(l->sync[0], &back, sizeof(back), 0);
	else
		r = sys_send_fd(l->sync[0], &back, sizeof(back), m->tree);
	sys_exit(r < 0);
}

static struct dv_err *serve_mount(struct rt_launch *l, int index)
{
	struct sys_clone c = { .flags = 0, .cgroup_fd = -1 };
	siginfo_t si = { 0 };
	int fd = -1;
	pid_t pid;

	if (index < 0 || (size_t)index >= l->n_mounts)
		return dv_err_new(DV_INTERNAL, "mount %d does not exist", index);
	pid = sys_clone3(&c, &fd);
	if (pid == 0)
		open_mount_there(l, &l->mounts[index]);
	if (pid < 0)
		return dv_err_sys(pid, "fork for a mount source");
	(void)sys_waitid_pidfd(fd, &si, WEXITED);
	sys_close(fd);
	/* The child waits for what it was to send. */
	if (si.si_code != CLD_EXITED || si.si_status != 0)
		return dv_err_new(DV_ABORTED, "process for a mount source ended without an answer");
	return NULL;
}

static struct dv_err *child_died(struct rt_launch *l)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *ignored = NULL;
	uint64_t kills = 0;
	siginfo_t si = { 0 };

	(void)sys_waitid_pidfd(l->pidfd, &si, WEXITED);
	l->pidfd = sys_close(l->pidfd);
	if (l->c->cgroup)
		ignored = host_cgroup_oom_count(l->c->cgroup, &kills);
	if (kills > l->oom_kills_before)
		return dv_err_new(DV_EXHAUSTED,
				  "container init was OOM-killed (memory limit too low?)");
	if (si.si_code == CLD_KILLED || si.si_code == CLD_DUMPED)
		return dv_err_new(DV_ABORTED,
				  "container init was killed by signal %d before it was ready",
				  si.si_status);
	return dv_err_new(DV_ABORTED, "container init exited with status %d before it was ready",
			  si.si_status);
}

static struct dv_err *child_failed(const struct rt_launch *l, const struct rt_report *r)
{
	struct dv_err *e;

	/* Its text names what and on what; the code follows from the errno. */
	e = r->err ? dv_err_sys(-r->err, "%s", r->text) : dv_err_new(DV_NOT_FOUND, "%s", r->text);
	if (!l->is_exec && !dv_starts_with(r->text, "exec: "))
		e = dv_err_wrap(e, "error during container init");
	return e;
}

/* NULL: there is nothing that the child could wait for. */
static const struct rt_stage *find_stage(const struct rt_launch *l, int index)
{
	const struct rt_stage *stages = rt_stages(l);

	for (int i = 0; stages[i].name; i++) {
		if (i == index)
			return stages[i].parent ? &stages[i] : NULL;
	}
	return NULL;
}

/* One packet; *done when the child is past the point of reporting. */
static struct dv_err *handle(struct rt_launch *l, const struct rt_report *r, int fd)
{
	const struct rt_stage *s;

	switch (r->kind) {
	case RT_REPORT_WARNING:
		dv_log(l->ctx->log, DV_WARN, "%s", r->text);
		return NULL;
	case RT_REPORT_FORKED:
		return adopt(l, r, fd);
	case RT_REPORT_MOUNT:
		return serve_mount(l, r->value);
	case RT_REPORT_FAILED:
		return child_failed(l, r);
	case RT_REPORT_WAITING:
		s = find_stage(l, r->stage);
		if (!s)
			return dv_err_new(DV_INTERNAL, "no part of ours in stage %d", r->stage);
		return answer(l, s->parent(l, r->value), s->brings_fds);
	default:
		return dv_err_new(DV_INTERNAL, "unknown report %d from the child", r->kind);
	}
}

static struct dv_err *walk(struct rt_launch *l)
{
	struct rt_report r;
	struct dv_err *e;
	ssize_t n;
	int fd;

	for (;;) {
		n = sys_recv_fd(l->sync[0], &r, sizeof(r), &fd);
		/* It ended with our answer unread; that is told once, before what it last said. */
		if (n == -ECONNRESET)
			n = sys_recv_fd(l->sync[0], &r, sizeof(r), &fd);
		if (n == 0) {
			if (l->is_ready)
				dv_log(l->ctx->log, DV_DEBUG,
				       "init: closing the pipe to signal completion");
			return l->is_ready ? NULL : child_died(l);
		}
		if (n < 0)
			return dv_err_sys((int)n, "read from the child");
		if ((size_t)n <= offsetof(struct rt_report, text))
			return dv_err_new(DV_INTERNAL, "short report from the child");
		r.text[RT_TEXT_MAX - 1] = '\0';
		e = handle(l, &r, fd);
		if (e)
			return e;
	}
}

static struct dv_err *after_fork(struct rt_launch *l)
{
	struct dv_err *e = NULL;

	if (l->is_late_cgroup)
		e = rt_create_late_cgroup(l);
	/* Else it may have forked meanwhile: adopt() does it. */
	return e || l->forks_twice ? e : settle(l);
}

struct dv_err *rt_launch_run(struct rt_launch *l)
{
	struct dv_err *e, *back;
	int r;

	r = sys_socketpair_seqpacket(l->sync);
	if (r < 0)
		return dv_err_sys(r, "make a socket pair");
	e = enter_namespaces(l);
	if (!e)
		e = fork_child(l);
	back = leave_namespaces(l);
	if (!e)
		e = back;
	else
		dv_err_free(back);
	if (!e)
		e = after_fork(l);
	if (!e)
		e = walk(l);
	l->sync[0] = sys_close(l->sync[0]);
	if (e)
		rt_launch_kill(l);
	return e;
}
