/* SPDX-License-Identifier: Apache-2.0 */
/* resume: undoes pause. */

#include "cli.h"
#include "verbs.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct cli *cli = program;

	(void)opts;
	(void)ret_status;
	return cli_hint_cgroup(cli, "resume", rt_resume(&cli->ctx, args[0]));
}

const struct dv_opt_verb verb_resume = {
	.name = "resume",
	.args = "<container-id>",
	.summary = "let the processes of a paused container run again",
	.text = "Undoes \"$0 pause\".",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
