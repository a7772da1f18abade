/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The child's walk through the stages, its reports, and the last steps before execve.
 *
 * Reports are packets on the sync socket, sent with write(2) and answers read with read(2):
 * a seccomp profile that is loaded already must allow the two anyway.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

enum { EXIT_FAILED = 255 };

static bool report(const struct rt_launch *l, struct rt_report *r)
{
	size_t n = offsetof(struct rt_report, text) + strnlen(r->text, sizeof(r->text) - 1) + 1;

	return l->sync[1] >= 0 && sys_write(l->sync[1], r, n) == (ssize_t)n;
}

void rt_child_warn(const struct rt_launch *l, const char *fmt, ...)
{
	struct rt_report r = { .kind = RT_REPORT_WARNING };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, ap);
	va_end(ap);
	(void)report(l, &r);
}

DV_NORETURN static void fail(const struct rt_launch *l, int stage, int err, const char *text)
{
	struct rt_report r = {
		.kind = RT_REPORT_FAILED,
		.stage = stage,
		.err = err == -RT_NO_ERRNO ? 0 : -err,
	};

	snprintf(r.text, sizeof(r.text), "%s", text);
	(void)report(l, &r);
	sys_exit(EXIT_FAILED);
}

/* The parent is gone, or tells us to go: nobody is interested in a reason. */
static ssize_t read_answer(struct rt_launch *l, bool brings_fds, struct rt_answer *a)
{
	_Static_assert(HOST_CGROUP_MAX <= SYS_FDS_MAX, "one message brings all");
	int fds[SYS_FDS_MAX];
	ssize_t n;

	if (!brings_fds)
		return sys_read(l->sync[1], a, sizeof(*a));
	n = sys_recv_fds(l->sync[1], a, sizeof(*a), fds, &l->join.n_tasks);
	memcpy(l->join.tasks, fds, l->join.n_tasks * sizeof(*fds));
	return n;
}

static void wait_for_parent(struct rt_launch *l, int stage)
{
	struct rt_report r = { .kind = RT_REPORT_WAITING, .stage = stage, .value = l->seccomp_fd };
	struct rt_answer a = { 0 };
	ssize_t n;

	/* Unheard, we would wait for each other. */
	if (!report(l, &r))
		sys_exit(EXIT_FAILED);
	n = read_answer(l, rt_stages(l)[stage].brings_fds, &a);
	if (n < 0)
		fail(l, stage, (int)n, "read the runtime's answer");
	if (n != sizeof(a) || !a.goes_on)
		sys_exit(EXIT_FAILED);
}

static void walk(struct rt_launch *l, const struct rt_stage *stages, int from)
{
	char text[RT_TEXT_MAX];

	for (int i = from; stages[i].name; i++) {
		const struct rt_stage *s = &stages[i];
		int r;

		if (s->is_needed && !s->is_needed(l))
			continue;
		if (s->parent)
			wait_for_parent(l, i);
		if (!s->child)
			continue;
		text[0] = '\0';
		r = s->child(l, text);
		if (r < 0)
			fail(l, i, r, *text ? text : s->name);
	}
}

int rt_child_ask_mount(struct rt_launch *l, struct rt_mount *m, char *text)
{
	struct rt_report r = { .kind = RT_REPORT_MOUNT, .value = (int)(m - l->mounts) };
	struct rt_report back = { .err = EPROTO };
	ssize_t n;

	if (!report(l, &r))
		return rt_explain(text, -EPROTO, "ask for source %s", m->plan->source);
	n = sys_recv_fd(l->sync[1], &back, sizeof(back), &m->tree);
	if (n < 0)
		return rt_explain(text, (int)n, "ask for source %s", m->plan->source);
	back.text[RT_TEXT_MAX - 1] = '\0';
	return m->tree < 0 ? rt_explain(text, -back.err, "%s", back.text) : 0;
}

/* Until all is set up the runtime's end must be ours. */
static void begin(void)
{
	(void)sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/*
 * Into a pid namespace that only now became ours to use. CLONE_PARENT makes the new process
 * the runtime's child as well; its descriptor goes there with the report.
 */
int rt_child_fork_again(struct rt_launch *l, char *text)
{
	struct sys_clone c = { .flags = CLONE_PARENT, .cgroup_fd = -1 };
	struct rt_report r = { .kind = RT_REPORT_FORKED };
	int pidfd = -1;
	pid_t pid;

	rt_child_hide();
	pid = sys_clone3(&c, &pidfd);
	if (pid < 0)
		return rt_explain(text, pid, "fork into the pid namespace");
	if (pid == 0) {
		struct rt_answer a = { 0 };

		/* Not before the parent knows about us. */
		if (sys_read(l->sync[1], &a, sizeof(a)) != sizeof(a) || !a.goes_on)
			sys_exit(EXIT_FAILED);
		begin();
		return 0;
	}
	r.value = pid;
	if (sys_send_fd(l->sync[1], &r, offsetof(struct rt_report, text) + 1, pidfd) < 0)
		(void)sys_pidfd_send_signal(pidfd, 9);
	sys_exit(0);
}

static void on_signal(int signo)
{
	sys_exit(128 + signo);
}

/*
 * Init of a pid namespace is immune to signals without a handler, but a created container
 * can be stopped by its user. exec makes them default again.
 */
static void accept_signals(void)
{
	static const int list[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < DV_ARRAY_SIZE(list); i++)
		(void)sigaction(list[i], &sa, NULL);
}

/*
 * Blocks until `start` writes its byte. The fifo stays open until exec: that it has a reader is
 * what makes the status "created", and `start` waits for its end before poststart hooks.
 */
static int wait_for_start(const struct rt_launch *l)
{
	ssize_t n;
	char byte;

	accept_signals();
	n = sys_read(l->fifofd, &byte, 1);
	return n < 0 ? (int)n : 0;
}

/* After the parent left there is only the container's own stderr to tell. */
DV_NORETURN static void last_words(struct rt_launch *l, int err, const char *what)
{
	char text[RT_TEXT_MAX];
	int n;

	n = snprintf(text, sizeof(text), err ? "%s: %s\n" : "%s\n", what, dv_errno_text(err));
	(void)sys_write(STDERR_FILENO, text, DV_MIN((size_t)n, sizeof(text) - 1));
	(void)l;
	sys_exit(EXIT_FAILED);
}

void rt_child_main(struct rt_launch *l)
{
	char text[RT_TEXT_MAX] = "";
	int r;

	/* The runtime holds signals back for its own use; what its caller ignores is no concern of
	 * the container's. */
	sys_reset_signals();
	begin();
	/* Modes are given exactly until the end. */
	l->umask = umask(0);
	walk(l, rt_stages(l), 0);

	/* From here on the container outlives us. The parent waits until we are past this. */
	(void)sys_prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	if (!l->is_exec) {
		if (!l->is_run) {
			l->sync[1] = sys_close(l->sync[1]);
			r = wait_for_start(l);
			if (r < 0)
				last_words(l, -r, "wait for start");
		}
		if (l->spec->hooks[SPEC_HOOK_START_CONTAINER].n_items > 0) {
			l->sync[1] = sys_close(l->sync[1]);
			r = rt_child_start_hooks(l, text);
			if (r < 0)
				last_words(l, r == -RT_NO_ERRNO ? 0 : -r, text);
		}
	}
	r = sys_execve(l->exec_path, l->argv, l->envp);
	rt_explain(text, r, "exec %s", l->exec_path);
	last_words(l, -r, text);
}
