/* SPDX-License-Identifier: Apache-2.0 */
/* davit system df: what is on disk. */

#include "api/davit/system.pb-c.h"
#include "client/services.h"
#include "human.h"
#include "list.h"

typedef Davit__System__V1__Usage usage_msg;

struct df_opts {
	const char *format;
	bool is_all;
};

static const struct cli_heading headings[] = {
	{ "Type", "TYPE" }, { "TotalCount", "TOTAL" }, { "Active", "ACTIVE" }, { "Size", "SIZE" },
	{ NULL, NULL },
};

/* docker's words for the kinds. */
static const char *title_of(const char *kind)
{
	static const struct {
		const char *kind, *title;
	} titles[] = {
		{ "images", "Images" },	      { "containers", "Containers" },
		{ "snapshots", "Snapshots" }, { "content", "Content" },
		{ "metadata", "Metadata" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(titles); i++) {
		if (dv_streq(titles[i].kind, kind))
			return titles[i].title;
	}
	return kind;
}

static struct dv_err *add_row(const usage_msg *u, struct cli_list *list)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf size = DV_STRBUF_INIT;
	bool has_active = dv_streq(u->kind, "images") || dv_streq(u->kind, "containers");

	cli_human_size(u->size, &size);
	cli_list_row(list);
	if (has_active)
		cli_list_addf(list, "Active", "%llu", (unsigned long long)u->active);
	else
		cli_list_add(list, "Active", "-");
	cli_list_add(list, "Size", size.data);
	cli_list_addf(list, "TotalCount", "%llu", (unsigned long long)u->count);
	cli_list_add(list, "Type", title_of(u->kind));
	return cli_list_row_end(list);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	Davit__System__V1__DiskUsageRequest request = DAVIT__SYSTEM__V1__DISK_USAGE_REQUEST__INIT;
	const Davit__System__V1__DiskUsageResponse *reply = NULL;
	DV_CLEANUP(cli_list_freep) struct cli_list *list = NULL;
	const struct df_opts *o = opts;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e;

	(void)args;
	(void)ret_status;
	e = cli_list_new(
		&(struct cli_list_opts){
			.cli = cli,
			.format = o->format,
			.table = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}",
			.headings = headings,
		},
		&list);
	if (!e)
		e = cli_client(cli, &client);
	if (e)
		return e;
	if (!o->is_all)
		request.namespace_ = (char *)client_namespace(client);
	e = client_call(client, CLIENT_SYSTEM("DiskUsage", &request), &cli->arena, &reply);
	if (e)
		return dv_err_wrap(e, "cannot get the usage of the disk");
	for (size_t i = 0; !e && i < reply->n_usages; i++)
		e = add_row(reply->usages[i], list);
	return e ? e : cli_list_print(list);
}

#define FIELD(name) offsetof(struct df_opts, name)

static const struct dv_opt options[] = {
	{ .name = "all-namespaces",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_all),
	  .help = "of all namespaces together" },
	CLI_OPT_FORMAT(FIELD(format)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_system_df = {
	.name = "system df",
	.args = "",
	.summary = "Show what is on disk, and how much of it",
	.opts = options,
	.opts_size = sizeof(struct df_opts),
	.stop_after = -1,
	.run = run,
};
