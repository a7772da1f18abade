/* SPDX-License-Identifier: Apache-2.0 */
/* delete: removes a container and all that was made for it. */

#include "cli.h"
#include "verbs.h"

struct delete_opts {
	bool force;
};

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct delete_opts *o = opts;
	const struct cli *cli = program;

	(void)ret_status;
	return rt_delete(&cli->ctx, args[0], o->force);
}

static const struct dv_opt options[] = {
	{ .name = "force",
	  .letter = 'f',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct delete_opts, force),
	  .help = "kill a container that still runs; one that does not exist is no error" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_delete = {
	.name = "delete",
	.args = "<container-id>",
	.summary = "delete a stopped container",
	.text = "Removes the container's cgroup and state, and runs its poststop hooks. A container\n"
		"that was created and never started is killed first; one that runs or is paused\n"
		"has to be stopped, or deleted with --force.",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.opts_size = sizeof(struct delete_opts),
	.run = run,
};
