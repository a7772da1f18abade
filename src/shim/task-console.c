/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime sends the master of a terminal over a socket that we listen on. The socket is a
 * file in the bundle, so that it goes with the bundle whatever happens, and its path leads through
 * our descriptor of the bundle, because bundles' paths are longer than a socket's may be.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
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

struct dv_err *task_console_receive(struct task_console *console, int *ret_fd)
{
	DV_CLEANUP(sys_closep) int sock = -1;
	char byte[256];
	ssize_t n;
	int fd = -1;

	if (sys_poll_in(console->listen_fd, RECEIVE_MS) != 1)
		return dv_err_new(DV_INTERNAL, "the runtime sent no terminal");
	sock = accept4(console->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		return dv_err_sys(-errno, "accept the runtime's connection");
	if (sys_poll_in(sock, RECEIVE_MS) != 1)
		return dv_err_new(DV_INTERNAL, "the runtime sent no terminal");
	n = sys_recv_fd(sock, byte, sizeof(byte), &fd);
	if (n < 0)
		return dv_err_sys((int)n, "receive the terminal");
	if (fd < 0)
		return dv_err_new(DV_INTERNAL, "the runtime sent a message without a terminal");
	*ret_fd = fd;
	return NULL;
}

void task_console_close(struct task_console *console)
{
	if (console->listen_fd < 0)
		return;
	console->listen_fd = sys_close(console->listen_fd);
	(void)sys_unlinkat(console->dir_fd, console->name, 0);
}
