/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Readiness on its way from the container to who started us (sd_notify(3)). The container
 * writes to a socket of ours; READY=1 goes on to $NOTIFY_SOCKET, followed by the pid to watch
 * and a barrier, which is closed by the receiver when it has read the lot.
 */

#include "launch-private.h"

struct rt_notify {
	int sock; /* ours, until READY=1 was passed on; -1 */
	int host; /* connected to $NOTIFY_SOCKET; -1 */
	int barrier; /* hangs up when the receiver has read everything; -1 */
	int64_t barrier_end;
	pid_t main_pid;
};
#define RT_NOTIFY_INIT \
	{ \
		.sock = -1, .host = -1, .barrier = -1 \
	}

/* The socket in @c's notify directory, bound; DV_NOT_FOUND: there is no such directory. */
struct dv_err *rt_notify_listen(const struct rt_container *c, int *ret_sock) DV_CHECK;

/* Consumes @take_sock in any case. */
struct dv_err *rt_notify_open(const struct rt_context *ctx, int take_sock, pid_t main_pid,
			      struct rt_notify *ret) DV_CHECK;
/* n->sock is readable. After READY=1 it is closed and n->barrier open. */
struct dv_err *rt_notify_receive(struct rt_notify *n) DV_CHECK;
/* Waits for the barrier, if there is one, for at most 30 s after it was sent. */
void rt_notify_finish(struct rt_notify *n, const struct dv_log *log);
void rt_notify_close(struct rt_notify *n);

/* All of it: until READY=1 was passed on or the process behind @pidfd is gone. */
struct dv_err *rt_notify_wait(struct rt_notify *n, int pidfd, const struct dv_log *log) DV_CHECK;
