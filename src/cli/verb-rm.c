/* SPDX-License-Identifier: Apache-2.0 */
/* davit rm. */

#include <stddef.h>

#include "client/container.h"
#include "client/stop.h"
#include "client/task.h"
#include "containers.h"

struct rm_opts {
	bool is_forced, has_volumes;
};

static const struct dv_opt options[] = {
	{ .name = "force",
	  .letter = 'f',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct rm_opts, is_forced),
	  .help = "also one that runs: it is killed; one that is not there is no error" },
	{ .name = "volumes",
	  .letter = 'v',
	  .type = DV_OPT_FLAG,
	  .is_hidden = true, /* there are no volumes yet, so none stay */
	  .offset = offsetof(struct rm_opts, has_volumes),
	  .help = "with its anonymous volumes" },
	DV_OPT_END,
};

static struct dv_err *remove_record(struct cli *cli, const struct rm_opts *o, const char *ref,
				    const struct client_record *r)
{
	const struct client_stop_opts kill = { .timeout_ns = 0 };
	struct dv_err *e = NULL;

	if (r->state == CLIENT_RUNNING || r->state == CLIENT_PAUSED) {
		if (!o->is_forced) {
			cli_hint(cli, "stop it first (%s stop %s), or remove it with -f", cli->name,
				 ref);
			return dv_err_new(DV_PRECONDITION, "it is %s", client_state_name(r->state));
		}
		e = client_stop_finish(client_stop_begin(cli->client, r, &kill));
	}
	/* One that was never started, or whose end nobody has recorded, has a task still. */
	if (!e && r->has_task)
		e = client_task_delete(cli->client, r->container->id, NULL);
	return e ? e : client_container_remove(cli->client, r);
}

static struct dv_err *remove_one(struct cli *cli, const void *opts, const char *ref)
{
	const struct rm_opts *o = opts;
	struct client_record r;
	struct dv_err *e = cli_container(cli, ref, &r);

	if (e && o->is_forced && dv_err_code(e) == DV_NOT_FOUND) {
		cli_report(cli, e);
		return NULL;
	}
	if (!e)
		e = remove_record(cli, o, ref, &r);
	return e ? dv_err_wrap(e, "cannot remove %s", ref) : cli_done(ref);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	cli_each(program, opts, args, remove_one, ret_status);
	return NULL;
}

const struct dv_opt_verb cli_verb_rm = {
	.name = "rm",
	.aliases = "container rm",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Remove containers",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.opts_size = sizeof(struct rm_opts),
	.run = run,
};
