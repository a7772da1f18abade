/* SPDX-License-Identifier: Apache-2.0 */
/* davit create. */

#include "run.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct client_container made;
	struct cli *cli = program;
	struct run_plan plan;
	struct dv_err *e;

	(void)ret_status;
	e = run_plan_make(cli, opts, args, &plan);
	if (!e)
		e = run_create(cli, &plan, &made);
	if (e)
		return e;
	client_container_fini(&made);
	dv_strbuf_addf(&out, "%s\n", made.id);
	return cli_print(&out);
}

const struct dv_opt_verb cli_verb_create = {
	.name = "create",
	.aliases = "container create",
	.args = "IMAGE [COMMAND] [ARG...]",
	.summary = "Make a container without starting it",
	.text = "Prints the container's id. 'start' starts it.",
	.opts = create_options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = 1,
	.failure_status = 125,
	.opts_size = sizeof(struct run_opts),
	.run = run,
};
