/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sockets that the daemon listens on. */

#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

struct daemon_socket {
	const char *path;
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/*
 * Its directory is made, 0711. What a dead daemon left is replaced; the socket has its owner and
 * mode from the first moment. DV_UNAVAILABLE: somebody answers there. DV_EXISTS: it is no socket.
 */
struct dv_err *daemon_socket_listen(const struct daemon_socket *s, int *ret_fd) DV_CHECK;

/* Removes the socket @path on which nobody listens; anything else stays. */
void daemon_socket_remove_dead(const char *path);
