/* SPDX-License-Identifier: Apache-2.0 */
/* "config": the options with their defaults, or as they are; also containerd's files as ours. */

#include "cli.h"
#include "daemon/config-file.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	static const struct daemon_config preset = DAEMON_CONFIG_DEFAULT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct cli *cli = program;
	struct dv_err *e;

	(void)opts;
	(void)ret_status;
	if (dv_streq(args[0], "default")) {
		daemon_config_print(&preset, true, &out);
		return cli_print(&out);
	}
	if (!dv_streq(args[0], "dump"))
		return dv_err_new(DV_INVALID, "config %s: \"default\" or \"dump\" is wanted",
				  args[0]);
	e = cli_configure(cli);
	if (e)
		return e;
	daemon_config_print(&cli->config, false, &out);
	return cli_print(&out);
}

const struct dv_opt_verb davitd_verb_config = {
	.name = "config",
	.args = "default|dump",
	.args_text =
		"\"default\" prints all options with what they mean and their values when\n"
		"nothing else is said; \"dump\" prints the values as they are, from files and\n"
		"flags. Both are files that can be given to --config.",
	.summary = "print the configuration",
	.example = "Make a file of containerd's one of ours:\n"
		   "\n"
		   "    # $0 --config /etc/containerd/config.toml config dump",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
