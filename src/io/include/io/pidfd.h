/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A process that is watched until it ends. Children of ours are reaped then; of others only
 * the end is seen, not the status. The watched ones are known to the sweep of io/orphans.h,
 * which leaves them alone; there is one list of them, since children belong to the process.
 */

#include <signal.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"

struct io_pidfd;

/*
 * Once, from the loop. @si is waitid's (si_pid, si_code CLD_*, si_status); of a process that is
 * not our child, or that somebody else reaped, si_code is 0. The watch still has to be freed,
 * and may be from within.
 */
typedef void (*io_pidfd_fn)(void *arg, const siginfo_t *si);

/*
 * @take_pidfd: of @pid, is closed also after a failure; -1: is opened here. A child that has
 * ended already, but was not reaped, can be watched as well. DV_NOT_FOUND: no such process.
 */
struct dv_err *io_pidfd_new(uv_loop_t *loop, pid_t pid, int take_pidfd, io_pidfd_fn fn, void *arg,
			    struct io_pidfd **ret) DV_CHECK;

/* Accepts NULL; returns NULL. The process stays; as a child of ours it becomes an orphan. */
struct io_pidfd *io_pidfd_free(struct io_pidfd *w);
DV_DEFINE_CLEANUP(struct io_pidfd *, io_pidfd_free);

pid_t io_pidfd_pid(const struct io_pidfd *w);
int io_pidfd_fd(const struct io_pidfd *w); /* borrowed */

/* Sends a signal to the very process. -ESRCH when it has ended. */
int io_pidfd_kill(struct io_pidfd *w, int signo) DV_CHECK;

/* Enough to compute an exit status as shells do; 255 when it is not known. */
int io_exit_status(const siginfo_t *si);

/* For io/orphans.c: the watch of @pid, if there is one, reaps it and makes its callback. */
enum io_pidfd_reaped { IO_PIDFD_UNKNOWN, IO_PIDFD_NOT_YET, IO_PIDFD_REAPED };
enum io_pidfd_reaped io_pidfd_reap(pid_t pid);
