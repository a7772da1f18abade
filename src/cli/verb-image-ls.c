/* SPDX-License-Identifier: Apache-2.0 */
/* davit images, image ls. */

#include <fnmatch.h>
#include <string.h>

#include "human.h"
#include "image.h"
#include "list.h"

struct ls_opts {
	bool is_all, is_quiet, has_digests, is_whole;
	struct dv_opt_list filter;
	const char *format;
};

static const struct cli_heading headings[] = {
	{ "Repository", "REPOSITORY" }, { "Tag", "TAG" },
	{ "Digest", "DIGEST" },		{ "ID", "IMAGE ID" },
	{ "CreatedSince", "CREATED" },	{ "CreatedAt", "CREATED AT" },
	{ "Platform", "PLATFORM" },	{ "Size", "SIZE" },
	{ "BlobSize", "BLOB SIZE" },	{ "Name", "NAME" },
	{ "Unpacked", "UNPACKED" },	{ NULL, NULL },
};

/* One image, with what is known of it. */
struct row {
	const cli_image_msg *msg;
	struct cli_image_name name;
	struct client_image image;
	bool has_documents; /* .image is there */
	struct timespec created;
};

struct listing {
	struct cli *cli;
	const struct ls_opts *opts;
	struct cli_filters filters;
	struct cli_list *list;
	struct cli_sizes sizes;
	struct timespec now, before, since; /* 0: no limit */
};

/* ---- what is wanted ---- */

static const char *label_of(const void *arg, const char *key)
{
	const struct row *r = arg;

	for (size_t i = 0; i < r->msg->n_labels; i++) {
		if (dv_streq(r->msg->labels[i]->key, key))
			return r->msg->labels[i]->value;
	}
	return r->has_documents
		       ? spec_pairs_find(r->image.config->labels, r->image.config->n_labels, key)
		       : NULL;
}

/* "busybox", "busybox:1.*", "*" */
static bool matches_reference(const char *pattern, const void *arg)
{
	const struct row *r = arg;

	return fnmatch(pattern, r->name.repository, FNM_PATHNAME) == 0 ||
	       fnmatch(pattern, r->name.familiar, FNM_PATHNAME) == 0 ||
	       fnmatch(pattern, r->msg->name, FNM_PATHNAME) == 0;
}

static bool is_wanted(const struct listing *l, const struct row *r)
{
	bool is_dangling = dv_streq(r->name.tag, "<none>");

	if (l->before.tv_sec && r->created.tv_sec >= l->before.tv_sec)
		return false;
	if (l->since.tv_sec && r->created.tv_sec <= l->since.tv_sec)
		return false;
	return cli_filters_match(&l->filters, "reference", matches_reference, r) &&
	       cli_filters_match_bool(&l->filters, "dangling", is_dangling) &&
	       cli_filters_match_labels(&l->filters, "label", label_of, r);
}

/* "before=IMAGE", "since=IMAGE": the time of that image. */
static struct dv_err *read_time(struct listing *l, const char *key, struct timespec *ret)
{
	for (size_t i = 0; i < l->filters.n_items; i++) {
		const cli_image_msg *msg = NULL;
		struct client_image image;
		struct dv_err *e;

		if (!dv_streq(l->filters.items[i].key, key))
			continue;
		e = client_image_find(l->cli->client, l->filters.items[i].value, NULL,
				      &l->cli->arena, &image);
		if (!e)
			e = client_image_get(l->cli->client, image.name, &l->cli->arena, &msg);
		if (e)
			return dv_err_wrap(e, "filter '%s=%s'", key, l->filters.items[i].value);
		*ret = cli_image_created(&image, msg);
	}
	return NULL;
}

static struct dv_err *read_filters(struct listing *l, char **args)
{
	static const char *const keys[] = { "before",	 "dangling", "label",
					    "reference", "since",    NULL };
	struct dv_opt_list all = { 0 };
	DV_CLEANUP(dv_freep) const char **items = NULL;
	struct dv_err *e;

	/* "images NAME" is a filter, too. */
	items = dv_new_n(const char *, l->opts->filter.n_items + 1);
	memcpy(items, l->opts->filter.items, l->opts->filter.n_items * sizeof(*items));
	all = (struct dv_opt_list){ items, l->opts->filter.n_items };
	if (args[0])
		items[all.n_items++] = dv_arena_printf(&l->cli->arena, "reference=%s", args[0]);
	e = cli_filters_parse(&all, keys, &l->cli->arena, &l->filters);
	if (!e)
		e = cli_filters_check_bool(&l->filters, "dangling");
	if (!e)
		e = read_time(l, "before", &l->before);
	if (!e)
		e = read_time(l, "since", &l->since);
	return e;
}

/* ---- what is shown ---- */

static void add_size(struct cli_list *list, const char *field, int64_t size)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	cli_human_size(DV_MAX(size, 0), &text);
	cli_list_add(list, field, text.data);
}

static void add_documents(struct listing *l, const struct row *r)
{
	bool wants_size = cli_list_wants(l->list, "Size") || cli_list_wants(l->list, "Unpacked");
	int64_t size = r->has_documents && wants_size ? cli_sizes_image(&l->sizes, &r->image) : -1;
	DV_CLEANUP(dv_freep) char *platform = NULL;

	if (r->has_documents)
		platform = spec_platform_format(&r->image.config->platform);
	add_size(l->list, "BlobSize", r->has_documents ? cli_image_blob_size(&r->image) : 0);
	cli_list_add(l->list, "Platform", platform ? platform : "");
	add_size(l->list, "Size", size);
	cli_list_add(l->list, "Unpacked", size >= 0 ? "true" : "false");
}

static struct dv_err *add_row(struct listing *l, const struct row *r)
{
	const char *digest = r->msg->target ? r->msg->target->digest : "";
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf since = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf at = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf id = DV_STRBUF_INIT;

	cli_human_ago(&r->created, &l->now, &since);
	cli_human_time(&r->created, &at);
	cli_human_id(digest, &id);
	cli_list_row(l->list);
	cli_list_add(l->list, "CreatedAt", at.data);
	cli_list_add(l->list, "CreatedSince", since.data);
	cli_list_add(l->list, "Digest", digest);
	cli_list_add(l->list, "ID", l->opts->is_whole ? digest : id.data);
	cli_list_add(l->list, "Name", r->msg->name);
	cli_list_add(l->list, "Repository", r->name.repository);
	cli_list_add(l->list, "Tag", r->name.tag);
	add_documents(l, r);
	for (size_t i = 0; r->has_documents && i < r->image.config->n_labels; i++)
		cli_list_label(l->list, r->image.config->labels[i].key,
			       r->image.config->labels[i].value);
	return cli_list_row_end(l->list);
}

/* The newest first, as docker has them. */
static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->created.tv_sec != y->created.tv_sec)
		return x->created.tv_sec < y->created.tv_sec ? 1 : -1;
	return strcmp(x->msg->name, y->msg->name);
}

static void read_row(struct listing *l, const cli_image_msg *msg, struct row *r)
{
	struct dv_err *e;

	*r = (struct row){ .msg = msg };
	cli_image_name(msg->name, &l->cli->arena, &r->name);
	e = client_image_find(l->cli->client, msg->name, NULL, &l->cli->arena, &r->image);
	r->has_documents = !e; /* another platform's, or incomplete: there is less to show */
	dv_err_free(e);
	r->created = cli_image_created(r->has_documents ? &r->image : NULL, msg);
}

static struct dv_err *list_images(struct listing *l)
{
	DV_CLEANUP(dv_freep) struct row *rows = NULL;
	cli_image_msg **images = NULL;
	size_t n = 0;
	struct dv_err *e = cli_image_list(l->cli, NULL, &images, &n);

	if (e)
		return e;
	rows = dv_new_n(struct row, n);
	for (size_t i = 0; i < n; i++)
		read_row(l, images[i], &rows[i]);
	qsort(rows, n, sizeof(*rows), compare);
	for (size_t i = 0; !e && i < n; i++) {
		if (is_wanted(l, &rows[i]))
			e = add_row(l, &rows[i]);
	}
	return e ? e : cli_list_print(l->list);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_list_freep) struct cli_list *list = NULL;
	const struct ls_opts *o = opts;
	struct listing l = { .cli = program, .opts = o, .now = cli_now() };
	struct client *client = NULL;
	struct dv_err *e;

	(void)ret_status;
	e = cli_list_new(
		&(struct cli_list_opts){
			.cli = program,
			.format = o->format,
			.quiet = o->is_quiet ? "{{.ID}}" : NULL,
			.table =
				o->has_digests
					? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Platform}}\t{{.Size}}\t{{.BlobSize}}"
					: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Platform}}\t{{.Size}}\t{{.BlobSize}}",
			.headings = headings,
		},
		&list);
	if (!e)
		e = cli_client(l.cli, &client);
	if (!e)
		e = read_filters(&l, args);
	if (e)
		return e;
	l.list = list;
	cli_sizes_init(&l.sizes, l.cli);
	e = list_images(&l);
	cli_sizes_fini(&l.sizes);
	return e;
}

#define FIELD(name) offsetof(struct ls_opts, name)

static const struct dv_opt options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_all),
	  .help = "all images: there are no others" },
	{ .name = "digests",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(has_digests),
	  .help = "show digests" },
	CLI_OPT_FILTER(FIELD(filter)),
	CLI_OPT_FORMAT(FIELD(format)),
	{ .name = "no-trunc",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_whole),
	  .help = "do not shorten ids" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_quiet),
	  .help = "only ids" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_image_ls = {
	.name = "image ls",
	.aliases = "images,image list",
	.args = "[IMAGE]",
	.args_text = "IMAGE is a repository, with or without a tag, and may have wildcards.",
	.summary = "List images",
	.text = "SIZE is what an image takes unpacked, 0B if it is not; BLOB SIZE what its compressed\n"
		"layers take. Filters are before, dangling, label, reference and since.",
	.example = "    $0 images --filter reference='busybox:1.*' --format '{{.ID}}\\t{{.Size}}'",
	.opts = options,
	.opts_size = sizeof(struct ls_opts),
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
