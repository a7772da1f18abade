/* SPDX-License-Identifier: Apache-2.0 */
/* davit history, image history: how an image came to be. */

#include <string.h>

#include "base/clock.h"
#include "human.h"
#include "image.h"
#include "list.h"

enum { CREATED_BY_MAX = 45 }; /* docker's */

struct history_opts {
	bool is_quiet, is_whole, is_raw;
	const char *format;
};

static const struct cli_heading headings[] = {
	{ "ID", "IMAGE" },
	{ "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" },
	{ "CreatedBy", "CREATED BY" },
	{ "Size", "SIZE" },
	{ "Comment", "COMMENT" },
	{ NULL, NULL },
};

struct history {
	struct cli *cli;
	const struct history_opts *opts;
	struct client_image image;
	struct cli_list *list;
	struct cli_sizes sizes;
	struct timespec now;
};

static void add_size(struct history *h, int64_t size)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	if (h->opts->is_raw)
		dv_strbuf_addf(&text, "%lld", (long long)size);
	else
		cli_human_size(size, &text);
	cli_list_add(h->list, "Size", text.data);
}

static void add_times(struct history *h, const char *created)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf since = DV_STRBUF_INIT;
	struct timespec ts = { 0 };

	if (!created || !dv_clock_parse(created, &ts))
		ts = (struct timespec){ 0 };
	cli_human_ago(&ts, &h->now, &since);
	cli_list_add(h->list, "CreatedAt", created ? created : "");
	cli_list_add(h->list, "CreatedSince",
		     h->opts->is_raw ? (created ? created : "") : since.data);
}

/* Unpacked, what the layer takes; else its blob. */
static int64_t layer_size(struct history *h, size_t i)
{
	int64_t size = cli_sizes_layer(&h->sizes, &h->image, i);

	return size >= 0 ? size : h->image.manifest->layers[i].size;
}

static struct dv_err *add_step(struct history *h, const struct spec_image_history *step,
			       const char *id, int64_t size)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf by = DV_STRBUF_INIT;
	const char *created_by = step->created_by ? step->created_by : "";

	cli_human_cut(created_by, h->opts->is_whole ? SIZE_MAX : CREATED_BY_MAX, &by);
	cli_list_row(h->list);
	cli_list_add(h->list, "Comment", step->comment ? step->comment : "");
	add_times(h, step->created);
	cli_list_add(h->list, "CreatedBy", by.data);
	cli_list_add(h->list, "ID", id);
	add_size(h, size);
	return cli_list_row_end(h->list);
}

/* The latest step first. Images may lie about their history: layers are counted, not trusted. */
static struct dv_err *add_steps(struct history *h)
{
	static const struct spec_image_history unknown = { .comment = "no history is known" };
	const struct spec_image *config = h->image.config;
	size_t n_layers = config->n_diff_ids, n_steps = 0, layer = n_layers;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf id = DV_STRBUF_INIT;
	struct dv_err *e = NULL;

	if (h->opts->is_whole)
		dv_strbuf_add(&id, h->image.digest);
	else
		cli_human_id(h->image.digest, &id);
	for (size_t i = config->n_history; !e && i > 0; i--) {
		const struct spec_image_history *step = &config->history[i - 1];
		bool has_layer = !step->is_empty_layer && layer > 0;

		e = add_step(h, step, n_steps++ ? "<missing>" : id.data,
			     has_layer ? layer_size(h, layer - 1) : 0);
		layer -= has_layer;
	}
	for (; !e && layer > 0; layer--)
		e = add_step(h, &unknown, n_steps++ ? "<missing>" : id.data,
			     layer_size(h, layer - 1));
	return e ? e : cli_list_print(h->list);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_list_freep) struct cli_list *list = NULL;
	const struct history_opts *o = opts;
	struct history h = { .cli = program, .opts = o, .now = cli_now() };
	struct client *client = NULL;
	struct dv_err *e;

	(void)ret_status;
	e = cli_list_new(
		&(struct cli_list_opts){
			.cli = program,
			.format = o->format,
			.quiet = o->is_quiet ? "{{.ID}}" : NULL,
			.table =
				"{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
			.headings = headings,
		},
		&list);
	if (!e)
		e = cli_client(h.cli, &client);
	if (e)
		return e;
	e = client_image_find(client, args[0], NULL, &h.cli->arena, &h.image);
	if (e)
		return dv_err_wrap(e, "cannot show the history of image %s", args[0]);
	h.list = list;
	cli_sizes_init(&h.sizes, h.cli);
	e = add_steps(&h);
	cli_sizes_fini(&h.sizes);
	return e;
}

#define FIELD(name) offsetof(struct history_opts, name)

static const struct dv_opt options[] = {
	CLI_OPT_FORMAT(FIELD(format)),
	{ .name = "no-trunc",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_whole),
	  .help = "do not shorten ids and commands" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_quiet),
	  .help = "only ids" },
	{ .name = "raw",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_raw),
	  .help = "sizes in bytes, times as they are" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_image_history = {
	.name = "image history",
	.aliases = "history",
	.args = "IMAGE",
	.summary = "Show how an image came to be",
	.opts = options,
	.opts_size = sizeof(struct history_opts),
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.run = run,
};
