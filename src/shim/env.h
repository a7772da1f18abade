/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What all parts of a serving shim share. Owned by its main program, outlives everything else. */

#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "io/orphans.h"
#include "io/scratch.h"

struct shim_env {
	uv_loop_t *loop;
	struct dv_log *log;
	const char *ns; /* containerd's namespace; may be NULL in tests */
	const char *path; /* PATH of the process; NULL: a usual one */
	const char *const *envp; /* what the runtime gets; NULL: nothing */
	struct io_orphans *orphans; /* NULL: nobody sweeps */
	struct io_scratch *scratch; /* shared by whoever reads or writes streams */
};

/*
 * Sets loop, log and scratch; SIGPIPE and SIGXFSZ are ignored from then on, since a reader that
 * went away and a log that reached a limit are errors of one stream, not of the process.
 */
void shim_env_init(struct shim_env *env, uv_loop_t *loop, struct dv_log *log);
void shim_env_fini(struct shim_env *env); /* also ends the sweep of orphans */
