/* SPDX-License-Identifier: Apache-2.0 */
/* davit container prune. */

#include "api/containerd/snapshots.pb-c.h"
#include "client/container.h"
#include "client/services.h"
#include "client/task.h"
#include "confirm.h"
#include "containers.h"
#include "prune.h"

struct prune_opts {
	bool is_forced;
	struct dv_opt_list filter;
};

static struct dv_err *find(struct cli *cli, const struct dv_opt_list *list,
			   struct client_record **ret, size_t *ret_n)
{
	const char *filter = NULL;
	struct client *client = NULL;
	struct dv_err *e = cli_client(cli, &client);

	if (!e)
		e = cli_prune_filter(list, &cli->arena, &filter);
	return e ? e : client_record_list(client, &filter, filter ? 1 : 0, &cli->arena, ret, ret_n);
}

/* What it wrote; 0: unknown. */
static uint64_t size_of(struct cli *cli, const struct client_record *r)
{
	Containerd__Services__Snapshots__V1__UsageRequest req =
		CONTAINERD__SERVICES__SNAPSHOTS__V1__USAGE_REQUEST__INIT;
	const Containerd__Services__Snapshots__V1__UsageResponse *reply = NULL;
	struct dv_err *e;

	if (!*r->container->snapshot_key)
		return 0;
	req.snapshotter = r->container->snapshotter;
	req.key = r->container->snapshot_key;
	e = client_call(cli->client, CLIENT_SNAPSHOTS("Usage", &req), &cli->arena, &reply);
	dv_err_free(e);
	return !e && reply->size > 0 ? (uint64_t)reply->size : 0;
}

/* One that has been started since is not touched: its task cannot be deleted. */
static struct dv_err *remove_one(struct cli *cli, const struct client_record *r)
{
	struct dv_err *e = client_task_delete(cli->client, r->container->id, NULL);

	if (!e)
		e = client_container_remove(cli->client, r);
	return e ? dv_err_wrap(e, "cannot remove %s", client_record_title(r, &cli->arena)) : NULL;
}

struct dv_err *cli_prune_containers(struct cli *cli, const struct dv_opt_list *filter,
				    struct cli_pruned *io, int *ret_status)
{
	struct client_record *records = NULL;
	size_t n = 0, n_removed = 0;
	struct dv_err *e = find(cli, filter, &records, &n);
	uint64_t size;

	if (e)
		return dv_err_wrap(e, "cannot prune");
	for (size_t i = 0; i < n; i++) {
		if (records[i].state != CLIENT_CREATED && records[i].state != CLIENT_EXITED)
			continue;
		size = size_of(cli, &records[i]);
		e = remove_one(cli, &records[i]);
		if (e) {
			cli_report(cli, e);
			*ret_status = 1;
			continue;
		}
		dv_strbuf_addf(&io->out, "%s%s\n", n_removed++ ? "" : "Deleted Containers:\n",
			       records[i].container->id);
		io->reclaimed += (int64_t)size;
	}
	return NULL;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct cli_pruned pruned = CLI_PRUNED_INIT;
	const struct prune_opts *o = opts;
	bool is_yes = o->is_forced;
	struct dv_err *e = NULL;

	(void)args;
	if (!is_yes)
		e = cli_confirm("This will remove all stopped containers.", &is_yes);
	if (e || !is_yes)
		return e;
	e = cli_prune_containers(program, &o->filter, &pruned, ret_status);
	return cli_pruned_print(&pruned, e);
}

static const struct dv_opt options[] = {
	{ .name = "filter",
	  .type = DV_OPT_LIST,
	  .offset = offsetof(struct prune_opts, filter),
	  .arg = "key=value",
	  .help = "only containers that match: label=KEY, label=KEY=VALUE" },
	CLI_OPT_FORCE(offsetof(struct prune_opts, is_forced)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_container_prune = {
	.name = "container prune",
	.args = "",
	.summary = "Remove all containers that do not run",
	.opts = options,
	.opts_size = sizeof(struct prune_opts),
	.stop_after = -1,
	.run = run,
};
