/* SPDX-License-Identifier: Apache-2.0 */
/* create: makes a container from a bundle; its process waits for start. */

#include "base/mem.h"
#include "cli.h"
#include "create-opts.h"
#include "verbs.h"

static struct dv_err *create(const struct cli *cli, const struct create_opts *o, const char *id)
{
	DV_CLEANUP(dv_freep) char *pid_file = NULL;
	struct rt_create_opts rt;
	struct dv_err *e;

	e = create_opts_convert(cli, o, id, &rt, &pid_file);
	return e ? e : rt_create(&cli->ctx, &rt);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct cli *cli = program;

	(void)ret_status;
	return dv_err_wrap(create(cli, opts, args[0]), "%s create failed", cli->name);
}

static const struct dv_opt options[] = {
	CREATE_OPTS_BUNDLE,  CREATE_OPTS_SOCKETS, CREATE_OPTS_PID_FILE,
	CREATE_OPTS_PROCESS, DV_OPT_END,
};

const struct dv_opt_verb verb_create = {
	.name = "create",
	.args = "<new-container-id>",
	.args_text =
		"<new-container-id> is chosen by the caller and unique among the containers of one\n"
		"state directory. It consists of letters, digits and any of \"_+.-\".",
	.summary = "make a container from a bundle, without starting its process",
	.text = "Sets up everything that the bundle's config.json asks for: namespaces, cgroup,\n"
		"mounts, limits. The container's process then exists and waits; \"$0 start\"\n"
		"lets it execute the program given by process.args.",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.needs_seal = true,
	.opts_size = sizeof(struct create_opts),
	.run = run,
};
