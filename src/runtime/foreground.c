/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The foreground: one loop over the process, signals, terminal and readiness. Signals are
 * blocked before the process is born and read from a signalfd, so none is lost or handled
 * twice. The standard streams of a process without a terminal are its own: nothing is copied.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "notify-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "terminal-private.h"

struct foreground {
	struct rt_launch *l;
	struct rt_terminal *tty; /* NULL: none */
	struct rt_notify notify;
	int sigfd;
	bool has_exited, is_told_to_go;
	int status;
};

struct dv_err *rt_foreground_begin(const struct rt_launch *l)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	int r;

	if (l->io->is_detached)
		return NULL;
	if (!l->no_subreaper) {
		r = sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
		if (r < 0)
			dv_log(l->ctx->log, DV_WARN, "become a subreaper: %s", dv_errno_text(-r));
	}
	/* Whoever ignores SIGCHLD never sees an exit status, and this is inherited. */
	(void)sigaction(SIGCHLD, &sa, NULL);
	r = sys_sigmask_block_all(NULL);
	return r < 0 ? dv_err_sys(r, "block signals") : NULL;
}

/* ---- signals -------------------------------------------------------------------------------- */

/* Orphans of the container, too: they are ours as we are their reaper. */
static void reap(struct foreground *f)
{
	int status;
	pid_t pid;

	while ((pid = sys_waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != f->l->pid)
			continue;
		f->has_exited = true;
		f->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

static void forward(struct foreground *f, int signo)
{
	int r;

	dv_log(f->l->ctx->log, DV_DEBUG, "forwarding signal %d to %d", signo, f->l->pid);
	r = sys_pidfd_send_signal(f->l->pidfd, signo);
	if (r < 0 && r != -ESRCH)
		dv_log(f->l->ctx->log, DV_ERROR, "forward signal %d to %d: %s", signo, f->l->pid,
		       dv_errno_text(-r));
}

static void handle_signal(struct foreground *f, const struct signalfd_siginfo *si)
{
	int signo = (int)si->ssi_signo;

	switch (signo) {
	case SIGCHLD:
		reap(f);
		return;
	case SIGURG:
		return;
	case SIGWINCH:
		if (f->tty)
			rt_terminal_resize(f->tty);
		return;
	case SIGPIPE:
		if ((pid_t)si->ssi_pid == getpid())
			return; /* our own write to a standard output that nobody reads */
		break;
	case SIGCONT:
		if (f->tty)
			rt_terminal_resume(f->tty);
		break;
	case SIGHUP:
	case SIGINT:
	case SIGQUIT:
	case SIGTERM:
		f->is_told_to_go = true;
		break;
	default:
		break;
	}
	if (!f->has_exited)
		forward(f, signo);
}

static void read_signals(struct foreground *f)
{
	struct signalfd_siginfo si;

	while (sys_read(f->sigfd, &si, sizeof(si)) == sizeof(si))
		handle_signal(f, &si);
}

/* ---- the loop --------------------------------------------------------------------------------- */

enum {
	FD_PROCESS,
	FD_SIGNALS,
	FD_NOTIFY,
	FD_BARRIER,
	FD_TERMINAL,
	FDS = FD_TERMINAL + RT_TERMINAL_FDS
};

/* Being ready is worth nothing if it ends the container: failures are warnings. */
static void receive_notify(struct foreground *f)
{
	struct dv_err *e = rt_notify_receive(&f->notify);

	if (!e)
		return;
	dv_log(f->l->ctx->log, DV_WARN, "%s", dv_err_message(e));
	dv_err_free(e);
	rt_notify_close(&f->notify);
}

static struct dv_err *turn(struct foreground *f)
{
	struct pollfd p[FDS] = {
		[FD_PROCESS] = { .fd = f->l->pidfd, .events = POLLIN },
		[FD_SIGNALS] = { .fd = f->sigfd, .events = POLLIN },
		[FD_NOTIFY] = { .fd = f->notify.sock, .events = POLLIN },
		[FD_BARRIER] = { .fd = f->notify.barrier, .events = POLLIN },
	};
	size_t n = FD_TERMINAL;
	int r;

	if (f->tty) {
		rt_terminal_poll(f->tty, p + FD_TERMINAL);
		n = FDS;
	}
	r = sys_poll(p, n, -1);
	if (r < 0)
		return dv_err_sys(r, "wait for the container's process");
	if (p[FD_SIGNALS].revents)
		read_signals(f);
	if (p[FD_NOTIFY].revents)
		receive_notify(f);
	if (p[FD_BARRIER].revents)
		f->notify.barrier = sys_close(f->notify.barrier);
	if (f->tty)
		rt_terminal_serve(f->tty, p + FD_TERMINAL);
	if (p[FD_PROCESS].revents && !f->has_exited) {
		reap(f);
		if (!f->has_exited)
			return dv_err_new(DV_INTERNAL, "exit status of process %d is lost",
					  f->l->pid);
	}
	return NULL;
}

/* Output that is on its way. Who is told to go meanwhile does not wait for a slow reader. */
static void drain(struct foreground *f)
{
	struct pollfd p[2] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = f->sigfd, .events = POLLIN },
	};

	f->is_told_to_go = false;
	while (!f->is_told_to_go && rt_terminal_has_rest(f->tty)) {
		if (sys_poll(p, 2, -1) < 0)
			return;
		if (p[1].revents)
			read_signals(f);
		if (p[0].revents)
			rt_terminal_flush(f->tty);
	}
}

/* For who started us, we are the main process: it is our end that it waits for. */
static void open_notify(struct foreground *f)
{
	struct rt_launch *l = f->l;
	struct dv_err *e;

	if (l->is_exec || !l->notify_dir || l->notify_sock < 0)
		return;
	e = rt_notify_open(l->ctx, dv_steal_fd(&l->notify_sock), getpid(), &f->notify);
	if (!e)
		return;
	dv_log(l->ctx->log, DV_WARN, "%s", dv_err_message(e));
	dv_err_free(e);
}

static struct dv_err *wait_for_exit(struct foreground *f)
{
	struct dv_err *e = NULL;
	sigset_t all;

	sigfillset(&all);
	f->sigfd = sys_signalfd(&all);
	if (f->sigfd < 0)
		return dv_err_sys(f->sigfd, "make a signalfd");
	open_notify(f);
	while (!e && !f->has_exited)
		e = turn(f);
	if (!e && f->tty)
		drain(f);
	return e;
}

struct dv_err *rt_foreground_wait(struct rt_launch *l, struct rt_terminal *tty, int *ret_status)
{
	struct foreground f = { .l = l, .tty = tty, .notify = RT_NOTIFY_INIT, .sigfd = -1 };
	struct dv_err *e = wait_for_exit(&f);

	if (tty)
		rt_terminal_restore(tty);
	rt_notify_finish(&f.notify, l->ctx->log);
	rt_notify_close(&f.notify);
	sys_close(f.sigfd);
	if (!e)
		*ret_status = f.status;
	return e;
}
