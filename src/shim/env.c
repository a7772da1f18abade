/* SPDX-License-Identifier: Apache-2.0 */
/* See env.h. */

#include "env.h"

#include <signal.h>

/* Large enough for a batch of log lines: see log-pump.c. Only what is used becomes memory. */
enum { SCRATCH_SIZE = 4 * 1024 * 1024 };

void shim_env_init(struct shim_env *env, uv_loop_t *loop, struct dv_log *log)
{
	*env = (struct shim_env){ .loop = loop, .log = log };
	env->scratch = io_scratch_new(loop, SCRATCH_SIZE);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
}

void shim_env_fini(struct shim_env *env)
{
	env->orphans = io_orphans_free(env->orphans);
	env->scratch = io_scratch_free(env->scratch);
}
