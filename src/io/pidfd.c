/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pidfd becomes readable when its process has ended. The same end may be seen first by the
 * sweep of orphans, which then has it reaped here: whoever comes first stores what waitid
 * said and has the callback made; the poll is stopped, so it is made once.
 *
 *	watching --on_readable / io_pidfd_reap--> ended --io_pidfd_free--> closing --> freed
 *	watching --io_pidfd_free------------------------------------------^
 */

#include "io/pidfd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/process.h"

struct io_pidfd {
	uv_poll_t poll;
	struct io_pidfd *next;
	int fd;
	pid_t pid;
	bool has_ended;
	io_pidfd_fn fn;
	void *arg;
};

/* Those that have not ended. */
static struct io_pidfd *watched;

static void forget(struct io_pidfd *w)
{
	for (struct io_pidfd **p = &watched; *p; p = &(*p)->next) {
		if (*p == w) {
			*p = w->next;
			return;
		}
	}
}

/* False: it has not ended yet. */
static bool reap(struct io_pidfd *w)
{
	siginfo_t si = { 0 };
	int r = sys_waitid_pidfd(w->fd, &si, WEXITED | WNOHANG);

	if (r == 0 || r == -EAGAIN)
		return false;
	if (r < 0) {
		/* ECHILD: of somebody else. What waitid left in there is not to be trusted. */
		si = (siginfo_t){ 0 };
		si.si_pid = w->pid;
	}
	w->has_ended = true;
	(void)uv_poll_stop(&w->poll);
	forget(w);
	w->fn(w->arg, &si);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	(void)reap(dv_container_of(poll, struct io_pidfd, poll));
}

enum io_pidfd_reaped io_pidfd_reap(pid_t pid)
{
	for (struct io_pidfd *w = watched; w; w = w->next) {
		if (w->pid == pid)
			return reap(w) ? IO_PIDFD_REAPED : IO_PIDFD_NOT_YET;
	}
	return IO_PIDFD_UNKNOWN;
}

struct dv_err *io_pidfd_new(uv_loop_t *loop, pid_t pid, int take_pidfd, io_pidfd_fn fn, void *arg,
			    struct io_pidfd **ret)
{
	int fd = take_pidfd < 0 ? sys_pidfd_open(pid) : take_pidfd;
	struct io_pidfd *w;
	int r;

	if (fd == -ESRCH)
		return dv_err_new(DV_NOT_FOUND, "no process %d", (int)pid);
	if (fd < 0)
		return dv_err_sys(fd, "open process %d", (int)pid);
	w = dv_new(struct io_pidfd);
	r = uv_poll_init(loop, &w->poll, fd);
	if (r < 0) {
		free(w);
		sys_close(fd);
		return dv_err_sys(r, "watch process %d", (int)pid);
	}
	w->fd = fd;
	w->pid = pid;
	w->fn = fn;
	w->arg = arg;
	w->next = watched;
	watched = w;
	(void)uv_poll_start(&w->poll, UV_READABLE, on_readable);
	*ret = w;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	free(dv_container_of((uv_poll_t *)(void *)handle, struct io_pidfd, poll));
}

struct io_pidfd *io_pidfd_free(struct io_pidfd *w)
{
	if (!w)
		return NULL;
	if (!w->has_ended)
		forget(w);
	uv_close((uv_handle_t *)&w->poll, on_closed);
	w->fd = sys_close(w->fd);
	return NULL;
}

pid_t io_pidfd_pid(const struct io_pidfd *w)
{
	return w->pid;
}

int io_pidfd_fd(const struct io_pidfd *w)
{
	return w->fd;
}

int io_pidfd_kill(struct io_pidfd *w, int signo)
{
	return w->has_ended ? -ESRCH : sys_pidfd_send_signal(w->fd, signo);
}

int io_exit_status(const siginfo_t *si)
{
	switch (si->si_code) {
	case CLD_EXITED:
		return si->si_status;
	case CLD_KILLED:
	case CLD_DUMPED:
		return 128 + si->si_status;
	default:
		return 255;
	}
}
