/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waitid looks at an ended child without reaping it (WNOWAIT) and so tells whose it is. A
 * watched one is reaped by its watch right away, or else waitid would show it again and hide
 * those behind it.
 */

#include "io/orphans.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "io/pidfd.h"
#include "sys/process.h"

struct io_orphans {
	uv_signal_t signal;
	unsigned n_holds;
};

/* Whose is the child that has ended? False: this one has to be waited for. */
static bool reap(pid_t pid)
{
	siginfo_t si;

	switch (io_pidfd_reap(pid)) {
	case IO_PIDFD_UNKNOWN:
		return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG) == 0;
	case IO_PIDFD_NOT_YET:
		return false;
	default:
		return true;
	}
}

static void sweep(struct io_orphans *o)
{
	siginfo_t si;

	/* A callback of a watch may take a hold: hence it is looked at each time. */
	do {
		si.si_pid = 0;
		if (o->n_holds > 0 || waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
			return;
	} while (si.si_pid != 0 && reap(si.si_pid));
}

/* From the loop and not from here: a sweep makes the callbacks of watches. */
static void sweep_later(void)
{
	(void)raise(SIGCHLD);
}

static void on_signal(uv_signal_t *signal, int signo)
{
	(void)signo;
	sweep(dv_container_of(signal, struct io_orphans, signal));
}

static void on_closed(uv_handle_t *handle)
{
	free(dv_container_of((uv_signal_t *)(void *)handle, struct io_orphans, signal));
}

struct dv_err *io_orphans_new(uv_loop_t *loop, bool is_subreaper, struct io_orphans **ret)
{
	struct io_orphans *o;
	int r = 0;

	if (is_subreaper)
		r = sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (r < 0)
		return dv_err_sys(r, "become a subreaper");
	o = dv_new(struct io_orphans);
	r = uv_signal_init(loop, &o->signal);
	if (r < 0) {
		free(o);
		return dv_err_sys(r, "watch for children");
	}
	uv_unref((uv_handle_t *)&o->signal);
	r = uv_signal_start(&o->signal, on_signal, SIGCHLD);
	if (r < 0) {
		io_orphans_free(o);
		return dv_err_sys(r, "watch for children");
	}
	sweep_later(); /* those that ended before */
	*ret = o;
	return NULL;
}

struct io_orphans *io_orphans_free(struct io_orphans *o)
{
	if (o)
		uv_close((uv_handle_t *)&o->signal, on_closed);
	return NULL;
}

void io_orphans_hold(struct io_orphans *o)
{
	if (o)
		o->n_holds++;
}

void io_orphans_release(struct io_orphans *o)
{
	if (!o)
		return;
	dv_assert(o->n_holds > 0);
	if (--o->n_holds == 0)
		sweep_later();
}
