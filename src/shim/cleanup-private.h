/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of cleanup.c. */

#include <stdbool.h>

#include "base/log.h"
#include "cleanup.h"

/* What is known of the container from its bundle. */
struct cleanup {
	const struct shim_cleanup_opts *opts;
	int bundle_fd; /* -1: there is no bundle any more */
	pid_t pid;
	char *group, *socket_path;
	bool has_other_shim; /* the socket is left to those who use it */
};

/* ---- cleanup-shim.c: the shim of the container's group --------------------------------------- */

/* Kills it if it lives and nobody else needs it; removes the socket that nobody needs. */
void cleanup_shim(struct cleanup *c);
/* Sends what it has kept. */
void cleanup_events(struct cleanup *c);

/* ---- cleanup-cgroup.c: what the runtime did not do -------------------------------------------- */

/* Kills what is in the container's cgroup and removes it. DV_ABORTED: something is still there. */
struct dv_err *cleanup_cgroup(struct cleanup *c) DV_CHECK;
