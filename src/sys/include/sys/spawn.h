/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Starting another program: hooks, newuidmap, OCI runtimes. Results are >= 0 or -errno. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

/*
 * Runs @path with descriptors @stdio as 0, 1 and 2 (-1: /dev/null) and nothing else open.
 * Signals are default and unblocked. A failure of execve is returned here, as -errno.
 * *ret_pidfd is a pidfd of the child, to be waited for with sys_waitid_pidfd().
 */
int sys_spawn(const char *path, char *const argv[], char *const envp[], const int stdio[3],
	      pid_t *ret_pid, int *ret_pidfd) DV_CHECK;

#define SYS_SPAWN_FDS_MAX 16

struct sys_spawn_opts {
	const char *path;
	char *const *argv;
	char *const *envp;
	int stdio[3];
	const int *fds; /* become 3, 4, ...; -1: /dev/null */
	size_t n_fds; /* up to SYS_SPAWN_FDS_MAX */
	const char *cwd; /* NULL: ours */
	bool has_new_group; /* a process group of its own */
	int ns_flags; /* CLONE_NEW*: namespaces of its own */
	const int *ns_fds; /* other kinds of namespaces, that it joins */
	size_t n_ns_fds;
	bool blocks_signals; /* all of them: it means to wait for some */
	int pdeathsig; /* signal that it gets when the calling thread ends; 0: none */
};

/* The same with more to choose. -EINVAL: too many descriptors. */
int sys_spawn_with(const struct sys_spawn_opts *opts, pid_t *ret_pid, int *ret_pidfd) DV_CHECK;
