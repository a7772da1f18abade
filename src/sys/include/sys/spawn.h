/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Starting another program: hooks, newuidmap. Results are >= 0 or -errno. */

#include <sys/types.h>

#include "base/macros.h"

/*
 * Runs @path with descriptors @stdio as 0, 1 and 2 (-1: /dev/null) and nothing else open.
 * Signals are default and unblocked. A failure of execve is returned here, as -errno.
 * *ret_pidfd is a pidfd of the child, to be waited for with sys_waitid_pidfd().
 */
int sys_spawn(const char *path, char *const argv[], char *const envp[], const int stdio[3],
	      pid_t *ret_pid, int *ret_pidfd) DV_CHECK;
