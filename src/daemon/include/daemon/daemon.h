/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The daemon as a whole: stores, services and sockets on one loop. */

#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "daemon/config.h"

struct daemon;

struct daemon_opts { /* all borrowed for as long as the daemon lives */
	uv_loop_t *loop;
	const struct dv_log *log;
	const struct daemon_config *config;
	const char *program_dir; /* where our other programs are */
	const char *const *envp; /* of shims */
};

/*
 * Makes and locks the directories, opens the stores, listens. Nothing is left after an error.
 * DV_UNAVAILABLE: another daemon has the directories, or answers on the socket.
 */
struct dv_err *daemon_new(const struct daemon_opts *opts, struct daemon **ret) DV_CHECK;

/*
 * Ends it: calls in flight get a moment, containers keep running. The daemon is freed when
 * @stopped is called, from the loop.
 */
void daemon_stop(struct daemon *d, void (*stopped)(void *arg), void *arg);

/* What it is doing, for the log (SIGUSR1). */
void daemon_dump(struct daemon *d);
