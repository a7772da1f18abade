/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A program that is run and waited for: with a time limit, and with what it prints, if that is
 * asked for. Everything in the options is only used during the call, but the descriptors are
 * not closed.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"

struct io_child;

/* For stdio[1] and stdio[2]: what is written there is kept, for the result. */
#define IO_CHILD_CAPTURE (-2)
/* For stdio[2]: the same as stdio[1], also when that is captured. */
#define IO_CHILD_SAME (-3)

struct io_child_opts {
	const char *path; /* a path: see io_path_find() */
	const char *const *argv;
	const char *const *envp; /* NULL: an empty environment */
	const char *cwd; /* NULL: ours */
	int stdio[3]; /* -1: /dev/null; IO_CHILD_* */
	const int *fds; /* become 3, 4, ... */
	size_t n_fds;
	uint64_t timeout_ns; /* 0: none. Then SIGKILL, to the group if it has one */
	size_t capture_max; /* of each stream; 0: 64 KiB. What is more is read and dropped */
	bool has_new_group; /* a process group of its own */
	int pdeathsig; /* 0: none */
};

struct io_child_result {
	siginfo_t si; /* see io/pidfd.h; io_exit_status() */
	bool is_timed_out;
	const char *out, *err; /* NUL-terminated, "" when nothing was captured */
	size_t n_out, n_err;
};

/* Once, from the loop, never from within io_child_run(). The child is freed afterwards. */
typedef void (*io_child_fn)(void *arg, const struct io_child_result *result);

/*
 * @ret may be NULL. Done when the process has ended and what it wrote was read: a process that
 * inherited the other end of a captured stream is not waited for.
 *
 * DV_NOT_FOUND, DV_PERMISSION and others: the program could not be executed.
 */
struct dv_err *io_child_run(uv_loop_t *loop, const struct io_child_opts *opts, io_child_fn done,
			    void *arg, struct io_child **ret) DV_CHECK;

/* Both only before `done`. To the group if it has one of its own. */
int io_child_kill(struct io_child *c, int signo);
pid_t io_child_pid(const struct io_child *c);

/* `done` will not be called; the process is left to itself. Accepts NULL. */
struct io_child *io_child_forget(struct io_child *c);

/*
 * The program @name as a shell finds it: with a slash it is a path already. @path is the
 * value of PATH; directories in it that are not absolute are skipped. Heap, the caller's.
 * DV_NOT_FOUND: no such program, or none that is executable.
 */
struct dv_err *io_path_find(const char *name, const char *path, char **ret) DV_CHECK;
