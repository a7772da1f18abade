/* SPDX-License-Identifier: Apache-2.0 */
/* kill: sends a signal to a container's first process. */

#include <signal.h>

#include "base/signame.h"
#include "cli.h"
#include "verbs.h"

struct kill_opts {
	bool all;
};

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct kill_opts *o = opts;
	const struct cli *cli = program;
	int signo = SIGTERM;

	(void)ret_status;
	if (cli_given(args[1]) && !dv_signal_parse(args[1], &signo))
		return dv_err_new(DV_INVALID, "unknown signal \"%s\"", args[1]);
	return rt_kill(&cli->ctx, args[0], signo, o->all);
}

static const struct dv_opt options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .is_hidden = true,
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct kill_opts, all),
	  .help = "do not complain about a stopped container (obsolete)" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_kill = {
	.name = "kill",
	.args = "<container-id> [signal]",
	.args_text =
		"[signal] is a name with or without \"SIG\" (KILL, sigterm, RTMIN+3) or a number;\n"
		"without it, TERM is sent.",
	.summary = "send a signal to the first process of a container",
	.text = "KILL ends all processes of the container, also when it shares its pid namespace\n"
		"with others.",
	.example = "    # $0 kill c1 KILL",
	.opts = options,
	.min_args = 1,
	.max_args = 2,
	.stop_after = -1,
	.opts_size = sizeof(struct kill_opts),
	.run = run,
};
