/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The serving process, as the one sees it that starts it. See start.h. */

#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "start.h"

struct start_server {
	int listen_fd, commit_fd, pidfd;
	pid_t pid;
	const struct dv_log *log; /* NULL: nobody reads; its descriptor is the server's, too */
};
#define START_SERVER_INIT \
	{ \
		.listen_fd = -1, .commit_fd = -1, .pidfd = -1 \
	}

/* Makes the socket and runs the process, which waits for the commit. */
struct dv_err *start_server_run(struct start_server *server, const struct shim_start_opts *opts,
				const struct shim_bootstrap *boot) DV_CHECK;
/* The option shim_cgroup: a path below the mount point of each hierarchy. */
struct dv_err *start_server_join_cgroup(struct start_server *server, const char *path) DV_CHECK;
/* One more than the daemon's, so that the kernel prefers to kill the shim. */
struct dv_err *start_server_adjust_oom(struct start_server *server) DV_CHECK;
/* DV_ABORTED: the server has died. */
struct dv_err *start_server_commit(struct start_server *server) DV_CHECK;

/* Kills the process, if there is one, and waits for its end. */
void start_server_kill(struct start_server *server);
void start_server_fini(struct start_server *server); /* the process stays */
