/* SPDX-License-Identifier: Apache-2.0 */
/* run: create and start in one; in the foreground also waits and deletes. */

#include "base/mem.h"
#include "cli.h"
#include "create-opts.h"
#include "verbs.h"

static struct dv_err *create_and_start(const struct cli *cli, const struct create_opts *o,
				       const char *id, int *ret_status)
{
	DV_CLEANUP(dv_freep) char *pid_file = NULL;
	struct rt_create_opts rt;
	struct dv_err *e;

	e = create_opts_convert(cli, o, id, &rt, &pid_file);
	return e ? e : rt_run(&cli->ctx, &rt, ret_status);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct cli *cli = program;

	return dv_err_wrap(create_and_start(cli, opts, args[0], ret_status), "%s run failed",
			   cli->name);
}

static const struct dv_opt options[] = {
	CREATE_OPTS_BUNDLE,
	CREATE_OPTS_SOCKETS,
	{ .name = "detach",
	  .letter = 'd',
	  .type = DV_OPT_FLAG,
	  .offset = CREATE_FIELD(detach),
	  .help = "return when the container's process has started" },
	{ .name = "keep",
	  .type = DV_OPT_FLAG,
	  .offset = CREATE_FIELD(keep),
	  .help = "leave the stopped container to be deleted later" },
	CREATE_OPTS_PID_FILE,
	{ .name = "no-subreaper",
	  .type = DV_OPT_FLAG,
	  .offset = CREATE_FIELD(no_subreaper),
	  .help = "do not adopt and reap orphaned processes of the container" },
	CREATE_OPTS_PROCESS,
	DV_OPT_END,
};

const struct dv_opt_verb verb_run = {
	.name = "run",
	.args = "<new-container-id>",
	.args_text =
		"<new-container-id> is chosen by the caller and unique among the containers of one\n"
		"state directory. It consists of letters, digits and any of \"_+.-\".",
	.summary = "make a container from a bundle and start it",
	.text = "Does what \"$0 create\" and \"$0 start\" do. Without --detach it stays in the\n"
		"foreground: it passes on the terminal and signals, waits for the container's\n"
		"process, deletes the container, and exits with the process' status, or with\n"
		"128 + n when signal n killed it.",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.needs_seal = true,
	.opts_size = sizeof(struct create_opts),
	.run = run,
};
