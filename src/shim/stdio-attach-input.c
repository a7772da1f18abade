/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one input of a process that all clients write to: a pipe, or its terminal. What does not fit
 * stays with the client, who is not read from until it does.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stdio-attach-private.h"
#include "sys/file.h"

static void on_handle_closed(uv_handle_t *handle)
{
	free(handle);
}

/* Also when the process has closed its end: the next write tells. */
static void on_writable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	(void)uv_poll_stop(poll);
	attach_clients_resume(poll->data);
}

static struct dv_err *open_input(struct stdio_attach *a, int take_fd)
{
	struct attach_input *in = &a->input;
	int r;

	in->poll = dv_new(uv_poll_t);
	r = uv_poll_init(a->env->loop, in->poll, take_fd); /* which makes it O_NONBLOCK */
	if (r < 0) {
		free(dv_steal(&in->poll));
		sys_close(take_fd);
		in->state = ATTACH_INPUT_NONE;
		return dv_err_sys(r, "stdio: watch the input");
	}
	in->poll->data = a;
	in->fd = take_fd;
	in->state = ATTACH_INPUT_OPEN;
	return NULL;
}

struct dv_err *stdio_attach_open_input(struct stdio_attach *a, bool is_once, int *ret_reader)
{
	int fds[2], r = sys_pipe(fds);
	struct dv_err *e;

	if (r < 0)
		return dv_err_sys(r, "stdio: make a pipe");
	a->input.is_once = is_once;
	e = open_input(a, fds[1]);
	if (e)
		sys_close(fds[0]);
	else
		*ret_reader = fds[0];
	return e;
}

void stdio_attach_await_console(struct stdio_attach *a)
{
	a->input.state = ATTACH_INPUT_AWAITED;
}

struct dv_err *stdio_attach_set_console(struct stdio_attach *a, int take_master)
{
	/* Closed before it was there. */
	if (a->input.state != ATTACH_INPUT_AWAITED) {
		sys_close(take_master);
		return NULL;
	}
	attach_clients_resume(a);
	return open_input(a, take_master);
}

void stdio_attach_close_input(struct stdio_attach *a)
{
	struct attach_input *in = &a->input;

	if (in->state == ATTACH_INPUT_NONE)
		return;
	in->state = ATTACH_INPUT_NONE;
	if (in->poll)
		uv_close((uv_handle_t *)dv_steal(&in->poll), on_handle_closed);
	in->fd = sys_close(in->fd);
	attach_clients_resume(a); /* they wait for nothing now */
}

size_t attach_input_write(struct stdio_attach *a, const void *p, size_t n)
{
	struct attach_input *in = &a->input;
	size_t done = 0;

	while (in->state == ATTACH_INPUT_OPEN && done < n) {
		ssize_t r = sys_write(in->fd, (const char *)p + done, n - done);

		if (r == -EAGAIN) {
			(void)uv_poll_start(in->poll, UV_WRITABLE, on_writable);
			return done;
		}
		if (r < 0) /* the process has closed it */
			stdio_attach_close_input(a);
		else
			done += (size_t)r;
	}
	return in->state == ATTACH_INPUT_AWAITED ? done : n;
}

void attach_input_left(struct stdio_attach *a)
{
	if (a->input.is_once)
		stdio_attach_close_input(a);
}
