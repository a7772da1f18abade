/* SPDX-License-Identifier: Apache-2.0 */
/* davit stop: all of them at a time. */

#include <stddef.h>

#include "client/stop.h"
#include "containers.h"

struct stop_opts {
	const char *signal;
	struct dv_opt_int timeout;
};

static const struct dv_opt options[] = {
	{ .name = "signal",
	  .letter = 's',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct stop_opts, signal),
	  .arg = "signal",
	  .help = "the first signal (default: the container's own, or TERM)" },
	{ .name = "time",
	  .letter = 't',
	  .type = DV_OPT_INT,
	  .offset = offsetof(struct stop_opts, timeout),
	  .arg = "seconds",
	  .help = "until SIGKILL (default: the container's own, or 10)" },
	DV_OPT_END,
};

static struct dv_err *stop_all(struct cli *cli, const struct client_stop_opts *how, char **args,
			       int *ret_status)
{
	struct client_stopping **stopping;
	struct cli_containers c;
	struct dv_err *e;

	e = cli_containers(cli, "stop", args, &c, ret_status);
	if (e)
		return e;
	stopping = dv_arena_new_n(&cli->arena, struct client_stopping *, c.n);
	for (size_t i = 0; i < c.n; i++)
		stopping[i] = client_stop_begin(cli->client, &c.records[i], how);
	for (size_t i = 0; i < c.n; i++) {
		e = dv_err_wrap(client_stop_finish(stopping[i]), "cannot stop %s", c.refs[i]);
		if (!e)
			e = cli_done(c.refs[i]);
		if (e)
			*ret_status = 1;
		cli_report(cli, e);
	}
	return NULL;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct stop_opts *o = opts;
	struct client_stop_opts how = { .timeout_ns = -1 };
	struct dv_err *e = cli_signal(o->signal, &how.signo);

	if (e)
		return e;
	if (o->timeout.is_set && o->timeout.value >= 0)
		how.timeout_ns = o->timeout.value * 1000000000LL;
	else if (o->timeout.is_set)
		how.timeout_ns = INT64_MAX; /* docker's -1: for ever */
	return stop_all(program, &how, args, ret_status);
}

const struct dv_opt_verb cli_verb_stop = {
	.name = "stop",
	.aliases = "container stop",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Stop running containers: a signal, a while, SIGKILL",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.opts_size = sizeof(struct stop_opts),
	.run = run,
};
