/* SPDX-License-Identifier: Apache-2.0 */
/* davit wait: prints exit statuses, in the order of the arguments. */

#include "api/containerd/tasks.pb-c.h"
#include "client/services.h"
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
	const Containerd__Services__Tasks__V1__WaitResponse *reply = NULL;
	Containerd__Services__Tasks__V1__WaitRequest r =
		CONTAINERD__SERVICES__TASKS__V1__WAIT_REQUEST__INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct client_record record;
	uint32_t status = 0;
	struct dv_err *e = cli_container(cli, ref, &record);

	(void)opts;
	if (!e && record.has_task && record.state != CLIENT_EXITED) {
		r.container_id = record.container->id;
		e = client_call(cli->client, CLIENT_TASKS("Wait", &r), &cli->arena, &reply);
		if (!e) {
			status = reply->exit_status;
		} else if (dv_err_code(e) == DV_NOT_FOUND) {
			dv_err_free(e);
			e = recorded(cli, ref, &status);
		}
	} else if (!e) {
		status = record.exit.status;
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
	.args = "<container>...",
	.summary = "Wait until containers end, and print their exit statuses",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run,
};
