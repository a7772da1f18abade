/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child is done once its end was seen. What it wrote is in the pipes by then, so they are read
 * until they would block, and no longer: somebody who inherited them may live for years.
 */

#include "io/child.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/pidfd.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/spawn.h"

enum {
	CAPTURE_MAX = 64 * 1024,
	CHUNK = 4096,
	ROUNDS = 32, /* more than a pipe holds: its other end may never stop writing */
};

struct capture {
	struct io_child *child;
	uv_poll_t poll;
	int fd; /* -1: none, or closed */
	bool is_open; /* the handle */
	struct dv_strbuf text;
};

struct io_child {
	struct io_pidfd *watch;
	uv_timer_t timer;
	struct capture captures[2]; /* stdout, stderr */
	size_t capture_max;
	unsigned n_handles; /* to be closed before the memory goes */
	bool has_group, is_timed_out;
	io_child_fn done;
	void *arg;
};

static void on_closed(uv_handle_t *handle)
{
	struct io_child *c = handle->data;

	if (--c->n_handles > 0)
		return;
	dv_strbuf_fini(&c->captures[0].text);
	dv_strbuf_fini(&c->captures[1].text);
	free(c);
}

static void capture_close(struct capture *cap)
{
	if (cap->is_open)
		uv_close((uv_handle_t *)&cap->poll, on_closed);
	cap->is_open = false;
	cap->fd = sys_close(cap->fd);
}

static void child_free(struct io_child *c)
{
	c->watch = io_pidfd_free(c->watch);
	capture_close(&c->captures[0]);
	capture_close(&c->captures[1]);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

/* Reads what is there; false once there will be no more. */
static bool capture_read(struct capture *cap)
{
	char chunk[CHUNK];
	ssize_t n;

	if (cap->fd < 0)
		return false;
	for (int i = 0; i < ROUNDS; i++) {
		n = sys_read(cap->fd, chunk, sizeof(chunk));
		if (n == -EAGAIN)
			return true;
		if (n <= 0)
			return false;
		dv_strbuf_add_n(&cap->text, chunk,
				DV_MIN((size_t)n, cap->child->capture_max - cap->text.len));
	}
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct capture *cap = dv_container_of(poll, struct capture, poll);

	(void)status;
	(void)events;
	if (!capture_read(cap))
		capture_close(cap);
}

static void on_exit_seen(void *arg, const siginfo_t *si)
{
	struct io_child *c = arg;
	struct io_child_result result = { .si = *si, .is_timed_out = c->is_timed_out };

	(void)capture_read(&c->captures[0]);
	(void)capture_read(&c->captures[1]);
	result.out = c->captures[0].text.data;
	result.n_out = c->captures[0].text.len;
	result.err = c->captures[1].text.data;
	result.n_err = c->captures[1].text.len;
	c->done(c->arg, &result);
	child_free(c);
}

static void on_timeout(uv_timer_t *timer)
{
	struct io_child *c = dv_container_of(timer, struct io_child, timer);

	c->is_timed_out = true;
	(void)io_child_kill(c, SIGKILL);
}

/* Makes the pipe behind stdio[@i], if it is a captured one: its other end is *ret_fd. */
static struct dv_err *capture_open(struct io_child *c, uv_loop_t *loop, int i, int *ret_fd)
{
	struct capture *cap = &c->captures[i - 1];
	int fds[2], r = sys_pipe(fds);

	if (r < 0)
		return dv_err_sys(r, "make a pipe");
	cap->fd = fds[0];
	*ret_fd = fds[1];
	r = uv_poll_init(loop, &cap->poll, fds[0]);
	if (r < 0)
		return dv_err_sys(r, "watch a pipe");
	cap->poll.data = c;
	cap->is_open = true;
	c->n_handles++;
	(void)uv_poll_start(&cap->poll, UV_READABLE, on_readable);
	return NULL;
}

static struct dv_err *child_spawn(struct io_child *c, uv_loop_t *loop,
				  const struct io_child_opts *opts, int ours[3])
{
	static char *const no_env[] = { NULL };
	struct sys_spawn_opts spawn = {
		.path = opts->path,
		.argv = (char *const *)(void *)opts->argv,
		.envp = opts->envp ? (char *const *)(void *)opts->envp : no_env,
		.fds = opts->fds,
		.n_fds = opts->n_fds,
		.cwd = opts->cwd,
		.has_new_group = opts->has_new_group,
		.pdeathsig = opts->pdeathsig,
	};
	struct dv_err *e = NULL;
	int pidfd = -1, r;
	pid_t pid;

	for (int i = 0; i < 3 && !e; i++) {
		if (i > 0 && opts->stdio[i] == IO_CHILD_CAPTURE)
			e = capture_open(c, loop, i, &ours[i]);
		spawn.stdio[i] = ours[i] >= 0 ? ours[i] : opts->stdio[i];
		if (i == 2 && opts->stdio[i] == IO_CHILD_SAME)
			spawn.stdio[i] = spawn.stdio[1];
	}
	if (e)
		return e;
	r = sys_spawn_with(&spawn, &pid, &pidfd);
	if (r < 0)
		return dv_err_sys(r, "execute");
	e = io_pidfd_new(loop, pid, pidfd, on_exit_seen, c, &c->watch);
	if (e)
		(void)sys_kill(pid, SIGKILL);
	return e;
}

struct dv_err *io_child_run(uv_loop_t *loop, const struct io_child_opts *opts, io_child_fn done,
			    void *arg, struct io_child **ret)
{
	struct io_child *c = dv_new(struct io_child);
	int ours[3] = { -1, -1, -1 };
	struct dv_err *e;

	for (size_t i = 0; i < DV_ARRAY_SIZE(c->captures); i++)
		c->captures[i] = (struct capture){ .child = c, .fd = -1, .text = DV_STRBUF_INIT };
	c->capture_max = opts->capture_max ? opts->capture_max : CAPTURE_MAX;
	c->has_group = opts->has_new_group;
	c->done = done;
	c->arg = arg;
	(void)uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	c->n_handles = 1;

	e = child_spawn(c, loop, opts, ours);
	for (size_t i = 0; i < DV_ARRAY_SIZE(ours); i++)
		sys_close(ours[i]);
	if (e) {
		child_free(c);
		return dv_err_wrap(e, "%s", opts->path);
	}
	if (opts->timeout_ns) {
		/* Of the loop's idea of now, which may be old. */
		uv_update_time(loop);
		(void)uv_timer_start(&c->timer, on_timeout, (opts->timeout_ns + 999999) / 1000000,
				     0);
	}
	if (ret)
		*ret = c;
	return NULL;
}

int io_child_kill(struct io_child *c, int signo)
{
	int r;

	/* While the leader was not reaped nobody else can have its number, nor that of the group. */
	if (c->has_group) {
		r = sys_kill(-io_pidfd_pid(c->watch), signo);
		if (r != -ESRCH)
			return r;
	}
	return io_pidfd_kill(c->watch, signo);
}

pid_t io_child_pid(const struct io_child *c)
{
	return io_pidfd_pid(c->watch);
}

struct io_child *io_child_forget(struct io_child *c)
{
	if (c)
		child_free(c);
	return NULL;
}
