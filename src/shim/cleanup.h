/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * "delete": what a daemon runs when it cannot reach a container's shim any more. Afterwards
 * nothing of the container is left but its bundle: the shim of a group that has no other
 * container is killed if it still lives, the runtime deletes by force, what is left in the
 * cgroup is killed, mounts and socket are removed, and kept events are sent. May be
 * repeated. Takes less than the five seconds that containerd gives it.
 */

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/str.h"
#include "env.h"

struct shim_cleanup_opts {
	struct shim_env *env; /* .path and .envp set; its log gets the warnings */
	const char *id;
	const char *bundle; /* absolute */
	const char *address; /* of the daemon, as "start" had it */
	const char *ttrpc_address, *publish_binary; /* for the events */
	const char *socket_dir; /* for tests; NULL: what the bundle says, or the default */
};

struct shim_cleanup_result {
	pid_t pid; /* of init; 0: not known */
	uint32_t exit_status;
	struct timespec exited_at;
};

/*
 * Runs the loop. Whatever fails is a warning, so that all the rest is done as well, and
 * an error in the end if a process is still there: DV_ABORTED.
 */
struct dv_err *shim_cleanup(const struct shim_cleanup_opts *opts, struct shim_cleanup_result *ret)
	DV_CHECK;

/* Adds the answer, a containerd.task.v2.DeleteResponse. */
void shim_cleanup_answer(const struct shim_cleanup_result *result, struct dv_strbuf *out);
