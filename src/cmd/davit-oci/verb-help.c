/* SPDX-License-Identifier: Apache-2.0 */
/* help: the help text of the program or of one command. */

#include "cli.h"
#include "help.h"
#include "verbs.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	const struct dv_opt_verb *verb = NULL;
	const struct cli *cli = program;
	struct dv_err *e;

	(void)opts;
	(void)ret_status;
	if (args[0]) {
		verb = dv_opt_verb_find(&davit_oci_program, args[0]);
		if (!verb)
			return dv_err_new(DV_NOT_FOUND, "No help topic for '%s'", args[0]);
		help_verb(verb, cli->name, &out);
	} else {
		help_program(&davit_oci_program, cli->name, &out);
	}
	e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

const struct dv_opt_verb verb_help = {
	.name = "help",
	.args = "[command]",
	.summary = "show a list of commands, or help for one",
	.opts = dv_opt_none,
	.min_args = 0,
	.max_args = -1,
	.stop_after = -1,
	.failure_status = 3, /* an unknown command, as when it is called */
	.run = run,
};

/* The abbreviation that urfave/cli offers, too. */
const struct dv_opt_verb verb_h = {
	.name = "h",
	.args = "[command]",
	.summary = "show a list of commands, or help for one",
	.opts = dv_opt_none,
	.min_args = 0,
	.max_args = -1,
	.stop_after = -1,
	.is_hidden = true,
	.failure_status = 3,
	.run = run,
};
