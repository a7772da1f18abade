/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * "start": finds or makes the shim of a container's group and tells the daemon its address.
 *
 *	start process                        server process
 *	-------------                        --------------
 *	lock the socket's directory
 *	is there a live shim? -> join it
 *	make a socket, without a name
 *	run the server ------------------->  initialises
 *	cgroup, oom_score_adj of the server  waits for the commit on descriptor 4
 *	name the socket, listen
 *	write the answer
 *	commit: mode 0600, a byte ---------> listens on descriptor 3
 *	exit 0
 *
 * The mode is the one moment from which on the shim exists: before it, nobody joins it, and when the
 * start process ends, the server sees the end of the pipe, removes the socket and exits;
 * after it, the server serves, also when the start is killed before it has written the byte.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"
#include "bootstrap.h"

struct shim_start_opts {
	struct shim_bootstrap_args args;
	const char *program; /* argv[0] of the server */
	const char *self; /* what is executed */
	const char *const *envp;
	bool has_sched_core; /* SCHED_CORE: a core scheduling cookie of its own */
	int in, out; /* the daemon's end of standard input and output */
	int bundle_fd; /* the working directory */
	const char *socket_dir; /* for tests; NULL: what the daemon says, or the default */
};

/*
 * Nothing is left after a failure. DV_UNAVAILABLE: the group's shim takes no connections. Warnings
 * go to the fifo "log" of the bundle.
 */
struct dv_err *shim_start(const struct shim_start_opts *opts) DV_CHECK;

/* ---- for the server ----------------------------------------------------------------------- */

/*
 * Waits until the start has come to its end, and gives the listening socket, descriptor 3. To be
 * called when everything else is ready. DV_CANCELLED: the start failed; the socket is gone.
 */
struct dv_err *shim_start_adopt(int *ret_listen_fd) DV_CHECK;

/* Without a start: a socket of its own. DV_EXISTS: somebody serves there already. */
struct dv_err *shim_start_listen(const char *path, int *ret_listen_fd) DV_CHECK;

/* The path of the socket; "" when it has none. Heap. */
char *shim_start_socket(int listen_fd);

/* Where the shim that serves @listen_fd keeps its events; heap. NULL: nowhere. */
char *shim_start_spool(int listen_fd);

/* Before the server stops listening: nobody is going to find the socket any more. */
void shim_start_retire(int listen_fd);
