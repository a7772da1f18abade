/* SPDX-License-Identifier: Apache-2.0 */
/* NOTIFY_SOCKET. See notify-private.h. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "clock-private.h"
#include "notify-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

#define DIR_NAME  "notify"
#define SOCK_NAME "notify.sock" /* the container's NOTIFY_SOCKET=/run/notify/notify.sock */

enum { MESSAGE_MAX = 4096, BARRIER_MS = 30 * 1000 };

static bool is_wanted(const struct rt_context *ctx)
{
	return ctx->notify_socket && *ctx->notify_socket;
}

/* ---- our end -------------------------------------------------------------------------------- */

struct dv_err *rt_notify_listen(const struct rt_container *c, int *ret_sock)
{
	DV_CLEANUP(sys_closep) int dir = -1;
	int sock, r;

	dir = sys_openat(c->state->dirfd, DIR_NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return dv_err_sys(dir, "open notify directory of container %s", c->id);
	/* Of a `start` that failed. */
	(void)sys_unlinkat(dir, SOCK_NAME, 0);
	sock = sys_unix_listen_dgram(dir, SOCK_NAME);
	r = sock < 0 ? sock : sys_fchmodat(dir, SOCK_NAME, 0777);
	if (r < 0) {
		sys_close(sock);
		return dv_err_sys(r, "make notify socket of container %s", c->id);
	}
	*ret_sock = sock;
	return NULL;
}

struct dv_err *rt_notify_prepare(struct rt_launch *l)
{
	int dir = l->c->state->dirfd, r;

	if (!is_wanted(l->ctx))
		return NULL;
	r = sys_mkdirat(dir, DIR_NAME, 0755);
	if (r == 0)
		r = sys_fchmodat(dir, DIR_NAME, 0755);
	if (r < 0)
		return dv_err_sys(r, "make notify directory of container %s", l->c->id);
	l->notify_dir = dv_arena_printf(&l->arena, "%s/%s/" DIR_NAME, l->ctx->root, l->c->id);
	l->notify_sock = -1;
	/* After create it is `start` that listens: a socket lives no longer than its process. */
	return l->is_run ? rt_notify_listen(l->c, &l->notify_sock) : NULL;
}

/* ---- the way to the host ------------------------------------------------------------------- */

struct dv_err *rt_notify_open(const struct rt_context *ctx, int take_sock, pid_t main_pid,
			      struct rt_notify *ret)
{
	int host = sys_unix_connect_dgram(ctx->notify_socket);

	*ret = (struct rt_notify)RT_NOTIFY_INIT;
	if (host < 0) {
		sys_close(take_sock);
		return dv_err_sys(host, "connect to NOTIFY_SOCKET %s", ctx->notify_socket);
	}
	ret->sock = take_sock;
	ret->host = host;
	ret->main_pid = main_pid;
	return NULL;
}

void rt_notify_close(struct rt_notify *n)
{
	n->sock = sys_close(n->sock);
	n->host = sys_close(n->host);
	n->barrier = sys_close(n->barrier);
}

/* The receiver reads in order: when it closes what came with this message, it has read all. */
static int send_barrier(struct rt_notify *n)
{
	static const char message[] = "BARRIER=1";
	int fds[2], r;

	r = sys_pipe(fds);
	if (r < 0)
		return r;
	r = sys_send_fd(n->host, message, sizeof(message) - 1, fds[1]);
	sys_close(fds[1]);
	if (r < 0) {
		sys_close(fds[0]);
		return r;
	}
	n->barrier = fds[0];
	n->barrier_end = rt_now_ms() + BARRIER_MS;
	return 0;
}

static struct dv_err *pass_on(struct rt_notify *n)
{
	char text[32];
	ssize_t r;
	int len;

	r = sys_send(n->host, "READY=1\n", 8, 0);
	if (r >= 0) {
		len = snprintf(text, sizeof(text), "MAINPID=%d\n", n->main_pid);
		r = sys_send(n->host, text, (size_t)len, 0);
	}
	if (r >= 0)
		r = send_barrier(n);
	return r < 0 ? dv_err_sys((int)r, "pass READY=1 on to NOTIFY_SOCKET") : NULL;
}

/* One message is one state: assignments, one to a line. */
static bool says_ready(const char *text)
{
	static const char ready[] = "READY=1";

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (dv_starts_with(p, ready) && (p[7] == '\n' || p[7] == '\0'))
			return true;
	}
	return false;
}

struct dv_err *rt_notify_receive(struct rt_notify *n)
{
	char text[MESSAGE_MAX + 1];
	ssize_t len = sys_recv(n->sock, text, MESSAGE_MAX, MSG_DONTWAIT);

	if (len == -EAGAIN)
		return NULL;
	if (len < 0)
		return dv_err_sys((int)len, "read from the notify socket");
	text[len] = '\0';
	if (!says_ready(text))
		return NULL;
	n->sock = sys_close(n->sock);
	return pass_on(n);
}

void rt_notify_finish(struct rt_notify *n, const struct dv_log *log)
{
	int64_t left = n->barrier_end - rt_now_ms();

	if (n->barrier < 0)
		return;
	if (sys_poll_in(n->barrier, left > 0 ? (int)left : 0) == 0)
		dv_log(log, DV_WARN, "Timeout after waiting 30s for barrier. Ignored.");
	n->barrier = sys_close(n->barrier);
}

/* ---- start, and run in the background ------------------------------------------------------- */

struct dv_err *rt_notify_wait(struct rt_notify *n, int pidfd, const struct dv_log *log)
{
	struct dv_err *e;

	while (n->sock >= 0) {
		struct pollfd p[2] = {
			{ .fd = n->sock, .events = POLLIN },
			{ .fd = pidfd, .events = POLLIN },
		};
		int r = sys_poll(p, 2, -1);

		if (r < 0)
			return dv_err_sys(r, "wait for READY=1");
		if (p[0].revents) {
			e = rt_notify_receive(n);
			if (e)
				return e;
		} else if (p[1].revents) {
			return NULL; /* gone, and all that it had said is read */
		}
	}
	rt_notify_finish(n, log);
	return NULL;
}

struct dv_err *rt_notify_relay(struct rt_launch *l)
{
	struct rt_notify n = RT_NOTIFY_INIT;
	struct dv_err *e;

	if (!l->notify_dir || l->notify_sock < 0 || !l->io->is_detached)
		return NULL;
	e = rt_notify_open(l->ctx, dv_steal_fd(&l->notify_sock), l->pid, &n);
	if (!e)
		e = rt_notify_wait(&n, l->pidfd, l->ctx->log);
	rt_notify_close(&n);
	return e;
}
