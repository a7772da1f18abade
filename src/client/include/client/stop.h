/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Stopping containers. */

#include "client/record.h"

struct client_stop_opts {
	int signo; /* 0: the container's own, or SIGTERM */
	int64_t timeout_ns; /* until SIGKILL; -1: the container's own, or 10 s */
};

struct client_stopping;

/*
 * The first signal is sent, and the rest goes on while others are waited for. @record is borrowed
 * until the end. Nothing happens to one that does not run.
 */
struct client_stopping *client_stop_begin(struct client *c, const struct client_record *record,
					  const struct client_stop_opts *opts);
/* Waits until no process of it is left. DV_DEADLINE: not even SIGKILL has ended it. */
struct dv_err *client_stop_finish(struct client_stopping *take) DV_CHECK;
