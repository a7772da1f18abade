/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a pipe is lost when its last descriptor is closed. So after the process's end:
 *
 *	held -- release --> no reader --IN_OPEN--> reader --nothing left in it--> closed
 *	                       ^------reader went away------'
 *
 * A reader waiting for the end is only told once it has taken everything: if it dies before
 * that, what is left is for the one that comes after it. Nothing tells when a pipe becomes
 * empty, hence the timer, which is fast at first: a reader at work is done in no time.
 */

#include "stdio-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/process.h"

enum {
	FIRST_MS = 1,
	LAST_MS = 128,
	NO_INOTIFY_MS = 500, /* without it, or to be sure */
};

struct stdio_fifo {
	uv_timer_t timer;
	uv_poll_t poll; /* of inotify */
	bool has_poll;
	int reader, writer, inotify; /* -1: not open */
	unsigned delay_ms;
	unsigned n_handles;
};

static void check(struct stdio_fifo *f);

int stdio_reopen_fd(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return sys_openat(AT_FDCWD, path, flags | O_NOCTTY, 0);
}

struct dv_err *stdio_fifo_find(const char *path, bool *ret_is_fifo, int *ret_fd)
{
	int fd = sys_openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0), r;
	struct stat st;

	if (fd < 0)
		return dv_err_sys(fd, "stdio: open %s", path);
	r = sys_fstat(fd, &st);
	if (r == 0 && (S_ISFIFO(st.st_mode) || S_ISREG(st.st_mode))) {
		*ret_is_fifo = S_ISFIFO(st.st_mode);
		*ret_fd = fd;
		return NULL;
	}
	sys_close(fd);
	return r < 0 ? dv_err_sys(r, "stdio: look at %s", path)
		     : dv_err_new(DV_INVALID, "stdio: %s is not a fifo", path);
}

static void on_closed(uv_handle_t *handle)
{
	struct stdio_fifo *f = handle->data;

	if (--f->n_handles == 0)
		free(f);
}

struct dv_err *stdio_fifo_new(struct shim_env *env, int path_fd, struct stdio_fifo **ret)
{
	struct stdio_fifo *f = dv_new(struct stdio_fifo);
	int r = 0;

	f->inotify = f->writer = -1;
	/* Does not wait for a writer; and then the writer finds a reader. */
	f->reader = stdio_reopen_fd(path_fd, O_RDONLY | O_NONBLOCK);
	if (f->reader >= 0)
		f->writer = stdio_reopen_fd(path_fd, O_WRONLY | O_NONBLOCK);
	if (f->writer < 0) {
		r = f->reader < 0 ? f->reader : f->writer;
		sys_close(f->reader);
		free(f);
		return dv_err_sys(r, "stdio: open a fifo");
	}
	(void)uv_timer_init(env->loop, &f->timer);
	f->timer.data = f->poll.data = f;
	f->n_handles = 1;
	*ret = f;
	return NULL;
}

int stdio_fifo_writer(struct stdio_fifo *f, int flags)
{
	return stdio_reopen_fd(f->writer, O_WRONLY | flags);
}

static void on_timer(uv_timer_t *timer)
{
	check(dv_container_of(timer, struct stdio_fifo, timer));
}

static void on_inotify(uv_poll_t *poll, int status, int events)
{
	struct stdio_fifo *f = dv_container_of(poll, struct stdio_fifo, poll);
	char buf[4096];

	(void)events;
	/* What happened is seen from the fifo itself. */
	if (status < 0 || sys_read(f->inotify, buf, sizeof(buf)) < 0)
		return;
	f->delay_ms = FIRST_MS;
	check(f);
}

static void close_inotify(struct stdio_fifo *f)
{
	if (f->has_poll)
		uv_close((uv_handle_t *)&f->poll, on_closed);
	f->has_poll = false;
	f->inotify = sys_close(f->inotify);
}

/* False: there are no more of them for this user; the timer has to do. */
static bool watch_opens(struct stdio_fifo *f)
{
	char path[40];

	if (f->has_poll)
		return true;
	f->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (f->inotify < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->writer);
	if (inotify_add_watch(f->inotify, path, IN_OPEN) < 0 ||
	    uv_poll_init(f->timer.loop, &f->poll, f->inotify) < 0) {
		f->inotify = sys_close(f->inotify);
		return false;
	}
	f->n_handles++;
	f->has_poll = true;
	(void)uv_poll_start(&f->poll, UV_READABLE, on_inotify);
	return true;
}

static bool has_reader(const struct stdio_fifo *f)
{
	struct pollfd p = { .fd = f->writer };

	(void)sys_poll(&p, 1, 0);
	return !(p.revents & POLLERR);
}

static bool is_empty(const struct stdio_fifo *f)
{
	int n = 0;

	return ioctl(f->writer, FIONREAD, &n) == 0 && n == 0;
}

static void check(struct stdio_fifo *f)
{
	if (f->writer < 0)
		return;
	/* Once more after the watch: one may have come in between. */
	if (!has_reader(f) && watch_opens(f) && !has_reader(f)) {
		uv_timer_stop(&f->timer);
		f->delay_ms = FIRST_MS;
		return;
	}
	if (has_reader(f) && is_empty(f)) {
		uv_timer_stop(&f->timer);
		close_inotify(f);
		f->writer = sys_close(f->writer);
		return;
	}
	(void)uv_timer_start(&f->timer, on_timer, has_reader(f) ? f->delay_ms : NO_INOTIFY_MS, 0);
	f->delay_ms = DV_MIN(f->delay_ms * 2, (unsigned)LAST_MS);
}

void stdio_fifo_release(struct stdio_fifo *f)
{
	if (f->reader < 0)
		return;
	f->reader = sys_close(f->reader);
	f->delay_ms = FIRST_MS;
	check(f);
}

bool stdio_fifo_is_held(const struct stdio_fifo *f)
{
	return f->writer >= 0;
}

struct stdio_fifo *stdio_fifo_free(struct stdio_fifo *f)
{
	if (!f)
		return NULL;
	close_inotify(f);
	f->reader = sys_close(f->reader);
	f->writer = sys_close(f->writer);
	uv_close((uv_handle_t *)&f->timer, on_closed);
	return NULL;
}
