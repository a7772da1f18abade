/* SPDX-License-Identifier: Apache-2.0 */
/* start: lets the process of a created container go. */

#include "cli.h"
#include "verbs.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct cli *cli = program;

	(void)opts;
	(void)ret_status;
	return rt_start(&cli->ctx, args[0]);
}

const struct dv_opt_verb verb_start = {
	.name = "start",
	.args = "<container-id>",
	.args_text = "<container-id> is a container made by \"$0 create\".",
	.summary = "start the process of a created container",
	.text = "The process that \"$0 create\" left waiting executes the program given by\n"
		"process.args of the bundle's config.json. Returns as soon as it has been told to.",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
