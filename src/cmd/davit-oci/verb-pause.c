/* SPDX-License-Identifier: Apache-2.0 */
/* pause: freezes all processes of a container. */

#include "cli.h"
#include "verbs.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct cli *cli = program;

	(void)opts;
	(void)ret_status;
	return cli_hint_cgroup(cli, "pause", rt_pause(&cli->ctx, args[0]));
}

const struct dv_opt_verb verb_pause = {
	.name = "pause",
	.args = "<container-id>",
	.summary = "suspend all processes of a container",
	.text = "The processes are frozen by the container's cgroup until \"$0 resume\". They do not\n"
		"notice, and cannot prevent it.",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
