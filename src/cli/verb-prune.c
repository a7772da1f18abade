/* SPDX-License-Identifier: Apache-2.0 */
/* davit image prune, system prune. */

#include "api/davit/system.pb-c.h"
#include "client/services.h"
#include "confirm.h"
#include "filters.h"
#include "human.h"
#include "prune.h"

struct prune_opts {
	bool is_all, is_forced;
	struct dv_opt_list filter;
};

/* "label=a=b" as containerd's filter: labels."a"==b */
struct dv_err *cli_prune_filter(const struct dv_opt_list *list, struct dv_arena *arena,
				const char **ret)
{
	static const char *const keys[] = { "label", NULL };
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf all = DV_STRBUF_INIT;
	struct cli_filters filters;
	struct dv_err *e = cli_filters_parse(list, keys, arena, &filters);

	if (e || filters.n_items == 0)
		return e;
	for (size_t i = 0; i < filters.n_items; i++) {
		const char *label = filters.items[i].value;
		size_t len = strcspn(label, "=");
		char *key = dv_arena_strndup(arena, label, len);

		dv_strbuf_add(&all, i ? ",labels." : "labels.");
		dv_strbuf_add_json(&all, key);
		if (label[len]) {
			dv_strbuf_add(&all, "==");
			dv_strbuf_add_json(&all, label + len + 1);
		}
	}
	*ret = dv_arena_strdup(arena, all.data);
	return NULL;
}

struct dv_err *cli_pruned_print(struct cli_pruned *take, struct dv_err *take_e)
{
	struct dv_err *e = take_e;

	if (!e) {
		dv_strbuf_addf(&take->out, "%sTotal reclaimed space: ", take->out.len ? "\n" : "");
		cli_human_size(take->reclaimed, &take->out);
		dv_strbuf_addc(&take->out, '\n');
		e = cli_print(&take->out);
	}
	dv_strbuf_fini(&take->out);
	return e;
}

struct dv_err *cli_prune_images(struct cli *cli, const struct cli_prune *p, struct cli_pruned *io)
{
	Davit__System__V1__PruneRequest request = DAVIT__SYSTEM__V1__PRUNE_REQUEST__INIT;
	const Davit__System__V1__PruneResponse *reply = NULL;
	struct client *client = NULL;
	const char *filter = NULL;
	struct dv_err *e = cli_client(cli, &client);

	if (!e)
		e = cli_prune_filter(p->filter, &cli->arena, &filter);
	if (e)
		return e;
	request.filters = (char **)&filter;
	request.n_filters = filter ? 1 : 0;
	request.namespace_ = (char *)client_namespace(client);
	request.all_images = p->is_all;
	e = client_call(client, CLIENT_SYSTEM("Prune", &request), &cli->arena, &reply);
	if (e)
		return dv_err_wrap(e, "cannot prune");
	if (reply->n_images > 0)
		dv_strbuf_addf(&io->out, "%sDeleted Images:\n", io->out.len ? "\n" : "");
	for (size_t i = 0; i < reply->n_images; i++)
		dv_strbuf_addf(&io->out, "untagged: %s\n", reply->images[i]);
	io->reclaimed += reply->reclaimed;
	return NULL;
}

static struct dv_err *run_image_prune(void *program, const void *opts, char **args, int *ret_status)
{
	struct cli_pruned pruned = CLI_PRUNED_INIT;
	const struct prune_opts *o = opts;
	bool is_yes = o->is_forced;
	struct dv_err *e = NULL;

	(void)args;
	(void)ret_status;
	if (!is_yes)
		e = cli_confirm(o->is_all ? "This will remove all images without at least one "
					    "container associated to them."
					  : "This will remove all content that no image has.",
				&is_yes);
	if (e || !is_yes)
		return e;
	e = cli_prune_images(program, &(struct cli_prune){ o->is_all, &o->filter }, &pruned);
	return cli_pruned_print(&pruned, e);
}

/* ---- system prune -------------------------------------------------------------------------------- */

static struct dv_err *run_system_prune(void *program, const void *opts, char **args,
				       int *ret_status)
{
	struct cli_pruned pruned = CLI_PRUNED_INIT;
	const struct prune_opts *o = opts;
	bool is_yes = o->is_forced;
	struct dv_err *e = NULL;

	(void)args;
	if (!is_yes)
		e = cli_confirm(o->is_all ? "This will remove all stopped containers, all images "
					    "that no container has, and content that nothing has."
					  : "This will remove all stopped containers, and content "
					    "that nothing has.",
				&is_yes);
	if (e || !is_yes)
		return e;
	e = cli_prune_containers(program, &o->filter, &pruned, ret_status);
	if (!e)
		e = cli_prune_images(program, &(struct cli_prune){ o->is_all, &o->filter },
				     &pruned);
	return cli_pruned_print(&pruned, e);
}

#define FIELD(name) offsetof(struct prune_opts, name)

static const struct dv_opt options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_all),
	  .help = "also images that no container has" },
	{ .name = "filter",
	  .type = DV_OPT_LIST,
	  .offset = FIELD(filter),
	  .arg = "key=value",
	  .help = "only what matches: label=KEY, label=KEY=VALUE" },
	CLI_OPT_FORCE(FIELD(is_forced)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_image_prune = {
	.name = "image prune",
	.args = "",
	.summary = "Remove content that no image has, and with -a images that no container has",
	.opts = options,
	.opts_size = sizeof(struct prune_opts),
	.stop_after = -1,
	.run = run_image_prune,
};

const struct dv_opt_verb cli_verb_system_prune = {
	.name = "system prune",
	.args = "",
	.summary = "Remove stopped containers and what nobody has, and with -a unused images",
	.opts = options,
	.opts_size = sizeof(struct prune_opts),
	.stop_after = -1,
	.run = run_system_prune,
};
