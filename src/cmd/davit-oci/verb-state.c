/* SPDX-License-Identifier: Apache-2.0 */
/* state: what is known about one container, as JSON. */

#include "cli.h"
#include "verbs.h"

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct dv_strbuf out = DV_STRBUF_INIT;
	const struct cli *cli = program;
	struct dv_err *e;

	(void)opts;
	(void)ret_status;
	e = rt_load(&cli->ctx, args[0], &c);
	if (e)
		return e;
	rt_state_format(c, "  ", &out);
	e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

const struct dv_opt_verb verb_state = {
	.name = "state",
	.args = "<container-id>",
	.summary = "print the state of a container as JSON",
	.text = "The document has the members of the runtime specification's state (ociVersion, id,\n"
		"status, pid, bundle, annotations) and rootfs, created and owner. The status is\n"
		"creating, created, running, paused or stopped; the pid of a stopped container\n"
		"is 0.",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
