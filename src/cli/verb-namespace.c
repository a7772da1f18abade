/* SPDX-License-Identifier: Apache-2.0 */
/* davit namespace ls, create, inspect, label, rm. */

#include <string.h>

#include "api/containerd/namespaces.pb-c.h"
#include "api/davit/system.pb-c.h"
#include "client/services.h"
#include "codec/json.h"
#include "inspect.h"
#include "list.h"

typedef Containerd__Services__Namespaces__V1__Namespace namespace_msg;
typedef Containerd__Services__Namespaces__V1__Namespace__LabelsEntry label_msg;

/* "a=b" texts as a map; in @arena. DV_INVALID: no "=". */
static struct dv_err *parse_labels(const char *const *texts, size_t n, struct dv_arena *arena,
				   label_msg ***ret)
{
	label_msg **labels = dv_arena_new_n(arena, label_msg *, n);

	for (size_t i = 0; i < n; i++) {
		const char *equals = strchr(texts[i], '=');

		if (!equals || equals == texts[i])
			return dv_err_new(DV_INVALID, "invalid label '%s': key=value is wanted",
					  texts[i]);
		labels[i] = dv_arena_new(arena, label_msg);
		containerd__services__namespaces__v1__namespace__labels_entry__init(labels[i]);
		labels[i]->key = dv_arena_strndup(arena, texts[i], (size_t)(equals - texts[i]));
		labels[i]->value = (char *)equals + 1;
	}
	*ret = labels;
	return NULL;
}

/* How many containers and images there are; nothing if davitd does not say. */
static const Davit__System__V1__InfoResponse *count(struct cli *cli, const char *name)
{
	Davit__System__V1__InfoRequest request = DAVIT__SYSTEM__V1__INFO_REQUEST__INIT;
	const Davit__System__V1__InfoResponse *reply = NULL;

	request.namespace_ = (char *)name;
	dv_err_free(client_call(cli->client, CLIENT_SYSTEM("Info", &request), &cli->arena, &reply));
	return reply;
}

/* ---- ls ---- */

struct ls_opts {
	const char *format;
	bool is_quiet;
};

static const struct cli_heading headings[] = {
	{ "Name", "NAME" },	{ "Containers", "CONTAINERS" },
	{ "Images", "IMAGES" }, { "Labels", "LABELS" },
	{ NULL, NULL },
};

static struct dv_err *add_row(struct cli *cli, const namespace_msg *ns, struct cli_list *list)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf labels = DV_STRBUF_INIT;
	const Davit__System__V1__InfoResponse *info = NULL;

	if (cli_list_wants(list, "Containers") || cli_list_wants(list, "Images"))
		info = count(cli, ns->name);
	cli_list_row(list);
	cli_list_addf(list, "Containers", "%llu", info ? (unsigned long long)info->containers : 0);
	cli_list_addf(list, "Images", "%llu", info ? (unsigned long long)info->images : 0);
	for (size_t i = 0; i < ns->n_labels; i++) {
		dv_strbuf_addf(&labels, "%s%s=%s", i ? "," : "", ns->labels[i]->key,
			       ns->labels[i]->value);
		cli_list_label(list, ns->labels[i]->key, ns->labels[i]->value);
	}
	cli_list_add(list, "Labels", labels.data);
	cli_list_add(list, "Name", ns->name);
	return cli_list_row_end(list);
}

static struct dv_err *run_ls(void *program, const void *opts, char **args, int *ret_status)
{
	Containerd__Services__Namespaces__V1__ListNamespacesRequest request =
		CONTAINERD__SERVICES__NAMESPACES__V1__LIST_NAMESPACES_REQUEST__INIT;
	const Containerd__Services__Namespaces__V1__ListNamespacesResponse *reply = NULL;
	DV_CLEANUP(cli_list_freep) struct cli_list *list = NULL;
	const struct ls_opts *o = opts;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e;

	(void)args;
	(void)ret_status;
	e = cli_list_new(
		&(struct cli_list_opts){
			.cli = cli,
			.format = o->format,
			.quiet = o->is_quiet ? "{{.Name}}" : NULL,
			.table = "{{.Name}}\t{{.Containers}}\t{{.Images}}\t{{.Labels}}",
			.headings = headings,
		},
		&list);
	if (!e)
		e = cli_client(cli, &client);
	if (e)
		return e;
	e = client_call(client, CLIENT_NAMESPACES("List", &request), &cli->arena, &reply);
	if (e)
		return dv_err_wrap(e, "cannot list namespaces");
	for (size_t i = 0; !e && i < reply->n_namespaces; i++)
		e = add_row(cli, reply->namespaces[i], list);
	return e ? e : cli_list_print(list);
}

static const struct dv_opt ls_options[] = {
	CLI_OPT_FORMAT(offsetof(struct ls_opts, format)),
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct ls_opts, is_quiet),
	  .help = "only names" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_namespace_ls = {
	.name = "namespace ls",
	.aliases = "namespace list",
	.args = "",
	.summary = "List namespaces",
	.opts = ls_options,
	.opts_size = sizeof(struct ls_opts),
	.stop_after = -1,
	.run = run_ls,
};

/* ---- create ---- */

struct create_opts {
	struct dv_opt_list labels;
};

static struct dv_err *run_create(void *program, const void *opts, char **args, int *ret_status)
{
	Containerd__Services__Namespaces__V1__CreateNamespaceRequest request =
		CONTAINERD__SERVICES__NAMESPACES__V1__CREATE_NAMESPACE_REQUEST__INIT;
	namespace_msg ns = CONTAINERD__SERVICES__NAMESPACES__V1__NAMESPACE__INIT;
	const struct create_opts *o = opts;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e;

	(void)ret_status;
	ns.name = args[0];
	ns.n_labels = o->labels.n_items;
	request.namespace_ = &ns;
	e = parse_labels(o->labels.items, o->labels.n_items, &cli->arena, &ns.labels);
	if (!e)
		e = cli_client(cli, &client);
	if (!e)
		e = client_call(client, CLIENT_NAMESPACES("Create", &request), NULL, NULL);
	return dv_err_wrap(e, "cannot create namespace %s", args[0]);
}

static const struct dv_opt create_options[] = {
	{ .name = "label",
	  .letter = 'l',
	  .type = DV_OPT_LIST,
	  .offset = offsetof(struct create_opts, labels),
	  .arg = "key=value",
	  .help = "a label" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_namespace_create = {
	.name = "namespace create",
	.args = "NAME",
	.summary = "Create a namespace",
	.text = "Other verbs make a namespace when they put something into it.",
	.opts = create_options,
	.opts_size = sizeof(struct create_opts),
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run_create,
};

/* ---- label ---- */

static struct dv_err *run_label(void *program, const void *opts, char **args, int *ret_status)
{
	Containerd__Services__Namespaces__V1__UpdateNamespaceRequest request =
		CONTAINERD__SERVICES__NAMESPACES__V1__UPDATE_NAMESPACE_REQUEST__INIT;
	namespace_msg ns = CONTAINERD__SERVICES__NAMESPACES__V1__NAMESPACE__INIT;
	Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e;

	(void)opts;
	(void)ret_status;
	ns.name = args[0];
	while (args[1 + ns.n_labels])
		ns.n_labels++;
	mask.n_paths = ns.n_labels;
	mask.paths = dv_arena_new_n(&cli->arena, char *, ns.n_labels);
	request.namespace_ = &ns;
	request.update_mask = &mask;
	e = parse_labels((const char *const *)args + 1, ns.n_labels, &cli->arena, &ns.labels);
	for (size_t i = 0; !e && i < ns.n_labels; i++)
		mask.paths[i] = dv_arena_printf(&cli->arena, "labels.%s", ns.labels[i]->key);
	if (!e)
		e = cli_client(cli, &client);
	if (!e)
		e = client_call(client, CLIENT_NAMESPACES("Update", &request), NULL, NULL);
	return dv_err_wrap(e, "cannot label namespace %s", args[0]);
}

const struct dv_opt_verb cli_verb_namespace_label = {
	.name = "namespace label",
	.aliases = "namespace update",
	.args = "NAMESPACE KEY=VALUE [KEY=VALUE...]",
	.summary = "Set labels of a namespace",
	.text = "A label with nothing behind the \"=\" is taken away.",
	.opts = dv_opt_none,
	.min_args = 2,
	.max_args = -1,
	.stop_after = -1,
	.run = run_label,
};

/* ---- inspect ---- */

struct inspect_opts {
	const char *format;
};

struct inspection {
	struct cli_inspect *out;
};

static struct dv_err *inspect_one(struct cli *cli, const void *ctx, const char *name)
{
	Containerd__Services__Namespaces__V1__GetNamespaceRequest request =
		CONTAINERD__SERVICES__NAMESPACES__V1__GET_NAMESPACE_REQUEST__INIT;
	const Containerd__Services__Namespaces__V1__GetNamespaceResponse *reply = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf json = DV_STRBUF_INIT;
	const Davit__System__V1__InfoResponse *info;
	const struct inspection *in = ctx;
	const namespace_msg *ns;
	struct dv_err *e;
	struct dv_jw w;

	request.name = (char *)name;
	e = client_call(cli->client, CLIENT_NAMESPACES("Get", &request), &cli->arena, &reply);
	if (e)
		return dv_err_wrap(e, "cannot inspect namespace %s", name);
	ns = reply->namespace_;
	info = count(cli, ns->name);
	dv_jw_init(&w, &json, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "Name", ns->name);
	dv_jw_object_begin(&w, "Labels");
	for (size_t i = 0; i < ns->n_labels; i++)
		dv_jw_string(&w, ns->labels[i]->key, ns->labels[i]->value);
	dv_jw_object_end(&w);
	dv_jw_uint(&w, "Containers", info ? info->containers : 0);
	dv_jw_uint(&w, "Images", info ? info->images : 0);
	dv_jw_object_end(&w);
	return cli_inspect_add(in->out, json.data);
}

static struct dv_err *run_inspect(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_inspect_freep) struct cli_inspect *out = NULL;
	const struct inspect_opts *o = opts;
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e;

	e = cli_inspect_new(cli, o->format, &out);
	if (!e)
		e = cli_client(cli, &client);
	if (e)
		return e;
	cli_each(cli, &(struct inspection){ out }, args, inspect_one, ret_status);
	return cli_inspect_print(out);
}

static const struct dv_opt inspect_options[] = {
	CLI_OPT_INSPECT_FORMAT(offsetof(struct inspect_opts, format)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_namespace_inspect = {
	.name = "namespace inspect",
	.args = "NAMESPACE [NAMESPACE...]",
	.summary = "Show all there is to know about namespaces",
	.opts = inspect_options,
	.opts_size = sizeof(struct inspect_opts),
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run_inspect,
};

/* ---- rm ---- */

static struct dv_err *remove_one(struct cli *cli, const void *ctx, const char *name)
{
	Containerd__Services__Namespaces__V1__DeleteNamespaceRequest request =
		CONTAINERD__SERVICES__NAMESPACES__V1__DELETE_NAMESPACE_REQUEST__INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;
	struct dv_err *e;

	(void)ctx;
	request.name = (char *)name;
	e = client_call(cli->client, CLIENT_NAMESPACES("Delete", &request), NULL, NULL);
	if (e && dv_err_code(e) == DV_PRECONDITION)
		cli_hint(cli,
			 "What is in it goes first: see '%s -n %s ps -a' and '%s -n %s images'.",
			 cli->name, name, cli->name, name);
	if (e)
		return dv_err_wrap(e, "cannot remove namespace %s", name);
	dv_strbuf_addf(&line, "%s\n", name);
	return cli_print(&line);
}

static struct dv_err *run_rm(void *program, const void *opts, char **args, int *ret_status)
{
	struct client *client = NULL;
	struct cli *cli = program;
	struct dv_err *e = cli_client(cli, &client);

	(void)opts;
	if (!e)
		cli_each(cli, NULL, args, remove_one, ret_status);
	return e;
}

const struct dv_opt_verb cli_verb_namespace_rm = {
	.name = "namespace rm",
	.aliases = "namespace remove",
	.args = "NAMESPACE [NAMESPACE...]",
	.summary = "Remove namespaces that are empty",
	.opts = dv_opt_none,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run_rm,
};
