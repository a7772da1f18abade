/* SPDX-License-Identifier: Apache-2.0 */
/* davit kill. */

#include <stddef.h>

#include "client/task.h"
#include "containers.h"

struct kill_opts {
	const char *signal;
	int signo; /* after run() */
};

static const struct dv_opt options[] = {
	{ .name = "signal",
	  .letter = 's',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct kill_opts, signal),
	  .arg = "signal",
	  .help = "what is sent",
	  .preset = "KILL" },
	DV_OPT_END,
};

static struct dv_err *kill_one(struct cli *cli, const void *opts, const char *ref)
{
	const struct kill_opts *o = opts;
	struct client_record r;
	struct dv_err *e = cli_container(cli, ref, &r);

	if (!e && r.state != CLIENT_RUNNING && r.state != CLIENT_PAUSED)
		e = dv_err_new(DV_PRECONDITION, "it is not running (%s)",
			       client_state_name(r.state));
	if (!e)
		e = client_task_kill(cli->client, r.container->id, NULL, o->signo);
	return e ? dv_err_wrap(e, "cannot kill %s", ref) : cli_done(ref);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct kill_opts o = *(const struct kill_opts *)opts;
	struct dv_err *e = cli_signal(o.signal, &o.signo);

	if (!e)
		cli_each(program, &o, args, kill_one, ret_status);
	return e;
}

const struct dv_opt_verb cli_verb_kill = {
	.name = "kill",
	.aliases = "container kill",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Send a signal to running containers, without waiting",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.opts_size = sizeof(struct kill_opts),
	.run = run,
};
