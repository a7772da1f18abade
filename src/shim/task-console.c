/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime sends the master of a terminal over a socket that we listen on. The socket is a
 * file in the bundle, so that it goes with the bundle whatever happens, and its path leads through
 * our descriptor of the bundle, because bundles' paths are longer than a socket's may be.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "task-private.h"

enum { RECEIVE_MS = 1000 }; /* it was sent before the runtime ended: this is only a bound */

struct dv_err *task_console_open(struct task *task, struct task_console *ret)
{
	static unsigned counter;
	struct task_console console = { .listen_fd = -1, .dir_fd = task->bundle_fd };
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	snprintf(console.name, sizeof(console.name), "console-%u.sock", ++counter);
	snprintf(console.path, sizeof(console.path), "/proc/%d/fd/%d/%s", (int)getpid(),
		 console.dir_fd, console.name);
	(void)sys_unlinkat(console.dir_fd, console.name, 0);
	fd = r = sys_unix_socket();
	if (r >= 0)
		r = sys_unix_bind(fd, console.path, 0600);
	if (r >= 0)
		r = sys_listen(fd, 1);
	if (r < 0)
		return dv_err_sys(r, "container %s: make the socket for its terminal", task->id);
	console.listen_fd = dv_steal_fd(&fd);
	*ret = console;
	return NULL;
}

/* ---- receiving ---------------------------------------------------------------------------------- */

struct receiver {
	uv_poll_t listen_poll, sock_poll;
	uv_timer_t timer;
	unsigned n_handles;
	int listen_fd; /* the console's */
	int sock; /* -1: nobody has connected */
	task_console_fn done;
	void *arg;
};

static void on_closed(uv_handle_t *handle)
{
	struct receiver *r = handle->data;

	if (--r->n_handles == 0)
		free(r);
}

static void finish(struct receiver *r, struct dv_err *take_e, int take_master)
{
	task_console_fn done = r->done;
	void *arg = r->arg;

	uv_close((uv_handle_t *)&r->listen_poll, on_closed);
	if (r->sock >= 0)
		uv_close((uv_handle_t *)&r->sock_poll, on_closed);
	uv_close((uv_handle_t *)&r->timer, on_closed);
	r->sock = sys_close(r->sock);
	done(arg, take_e, take_master);
}

static void on_timer(uv_timer_t *timer)
{
	struct receiver *r = dv_container_of(timer, struct receiver, timer);

	finish(r, dv_err_new(DV_INTERNAL, "the runtime sent no terminal"), -1);
}

static void on_message(uv_poll_t *poll, int status, int events)
{
	struct receiver *r = dv_container_of(poll, struct receiver, sock_poll);
	char text[256];
	int master;
	ssize_t n = sys_recv_fd(r->sock, text, sizeof(text), &master);

	(void)status;
	(void)events;
	if (n == -EAGAIN)
		return;
	if (n < 0)
		finish(r, dv_err_sys((int)n, "receive the terminal"), -1);
	else if (master < 0)
		finish(r, dv_err_new(DV_INTERNAL, "the runtime sent a message without a terminal"),
		       -1);
	else
		finish(r, NULL, master);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct receiver *r = dv_container_of(poll, struct receiver, listen_poll);
	int sock = sys_accept(r->listen_fd), e;

	(void)status;
	(void)events;
	if (sock == -EAGAIN)
		return;
	e = sock < 0 ? sock : uv_poll_init(poll->loop, &r->sock_poll, sock);
	if (e < 0) {
		sys_close(sock);
		finish(r, dv_err_sys(e, "accept the runtime's connection"), -1);
		return;
	}
	r->n_handles++;
	r->sock = sock;
	(void)uv_poll_stop(poll);
	(void)uv_poll_start(&r->sock_poll, UV_READABLE, on_message);
}

void task_console_receive(struct task_console *console, uv_loop_t *loop, task_console_fn done,
			  void *arg)
{
	struct receiver *r = dv_new(struct receiver);

	*r = (struct receiver){
		.listen_fd = console->listen_fd, .sock = -1, .done = done, .arg = arg
	};
	r->listen_poll.data = r->sock_poll.data = r->timer.data = r;
	r->n_handles = 2;
	/* Of a socket of ours that nobody else watches. */
	dv_assert(uv_poll_init(loop, &r->listen_poll, r->listen_fd) == 0);
	(void)uv_poll_start(&r->listen_poll, UV_READABLE, on_connection);
	(void)uv_timer_init(loop, &r->timer);
	uv_update_time(loop);
	(void)uv_timer_start(&r->timer, on_timer, RECEIVE_MS, 0);
}

void task_console_close(struct task_console *console)
{
	if (console->listen_fd < 0)
		return;
	console->listen_fd = sys_close(console->listen_fd);
	(void)sys_unlinkat(console->dir_fd, console->name, 0);
}
