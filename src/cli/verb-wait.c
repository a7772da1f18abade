/* SPDX-License-Identifier: Apache-2.0 */
/* davit wait: prints exit statuses, in the order of the arguments. */

#include "client/task.h"
#include "containers.h"

/* Of one that ended before we asked, davitd has written the status down. */
static struct dv_err *recorded(struct cli *cli, const char *ref, uint32_t *ret)
{
	struct client_record r;
	struct dv_err *e = cli_container(cli, ref, &r);

	if (!e)
		*ret = r.exit.status;
	return e;
}

static struct dv_err *wait_one(struct cli *cli, const void *opts, const char *ref)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct client_record r;
	uint32_t status = 0;
	struct dv_err *e = cli_container(cli, ref, &r);

	(void)opts;
	if (!e && r.has_task && r.state != CLIENT_EXITED) {
		e = client_task_wait_finish(
			client_task_wait_start(cli->client, r.container->id, NULL, NULL, NULL),
			&status);
		if (e && dv_err_code(e) == DV_NOT_FOUND) {
			dv_err_free(e);
			e = recorded(cli, ref, &status);
		}
	} else if (!e) {
		status = r.exit.status;
	}
	if (e)
		return dv_err_wrap(e, "cannot wait for %s", ref);
	dv_strbuf_addf(&out, "%u\n", status);
	return cli_print(&out);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	cli_each(program, opts, args, wait_one, ret_status);
	return NULL;
}

const struct dv_opt_verb cli_verb_wait = {
	.name = "wait",
	.aliases = "container wait",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Wait until containers end, and print their exit statuses",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run,
};
