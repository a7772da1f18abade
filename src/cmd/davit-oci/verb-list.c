/* SPDX-License-Identifier: Apache-2.0 */
/* list: all containers of the state directory. */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/table.h"
#include "cli.h"
#include "sys/file.h"
#include "verbs.h"

/* What scripts expect of runc's table. */
enum { MIN_WIDTH = 12, PADDING = 3 };

struct list_opts {
	const char *format;
	bool quiet;
};

/* The containers that could be loaded. */
struct container_list {
	struct rt_container **items;
	size_t n_items;
};

static void container_list_fini(struct container_list *l)
{
	for (size_t i = 0; i < l->n_items; i++)
		rt_container_free(l->items[i]);
	free(l->items);
}

/* A container that cannot be loaded is reported, and the rest still listed. */
static void load_all(const struct cli *cli, char *const *ids, size_t n_ids,
		     struct container_list *ret)
{
	ret->items = dv_new_n(struct rt_container *, n_ids);
	for (size_t i = 0; i < n_ids; i++) {
		DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;

		e = rt_load(&cli->ctx, ids[i], &ret->items[ret->n_items]);
		if (e)
			dprintf(STDERR_FILENO, "load container %s: %s\n", ids[i],
				dv_err_message(e));
		else
			ret->n_items++;
	}
}

static void format_ids(const struct container_list *l, struct dv_strbuf *out)
{
	for (size_t i = 0; i < l->n_items; i++)
		dv_strbuf_addf(out, "%s\n", l->items[i]->id);
}

static void format_table(const struct container_list *l, struct dv_strbuf *out)
{
	static const char *const titles[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	struct dv_table t = DV_TABLE_INIT(DV_ARRAY_SIZE(titles));

	for (size_t i = 0; i < DV_ARRAY_SIZE(titles); i++)
		dv_table_add(&t, titles[i]);
	for (size_t i = 0; i < l->n_items; i++) {
		const struct rt_container *c = l->items[i];

		dv_table_add(&t, c->id);
		dv_table_addf(&t, "%d", c->status == RT_STOPPED ? 0 : (int)c->pid);
		dv_table_add(&t, rt_status_name(c->status));
		dv_table_add(&t, c->bundle);
		dv_table_add(&t, c->created);
		dv_table_add(&t, c->owner ? c->owner : "");
	}
	dv_table_format(&t, MIN_WIDTH, PADDING, out);
	dv_table_fini(&t);
}

/* One line; no container at all is null, as Go writes an empty list. */
static void format_json(const struct container_list *l, struct dv_strbuf *out)
{
	if (l->n_items == 0) {
		dv_strbuf_add(out, "null\n");
		return;
	}
	for (size_t i = 0; i < l->n_items; i++) {
		dv_strbuf_addc(out, i ? ',' : '[');
		rt_state_format(l->items[i], NULL, out);
	}
	dv_strbuf_add(out, "]\n");
}

static struct dv_err *print(const struct list_opts *o, const struct container_list *l)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e;

	if (o->quiet)
		format_ids(l, &out);
	else if (dv_streq(o->format, "table"))
		format_table(l, &out);
	else if (dv_streq(o->format, "json"))
		format_json(l, &out);
	else
		return dv_err_new(DV_INVALID, "invalid format option");
	e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

/* A state directory that nobody has used yet is an empty one, unless it was asked for. */
static struct dv_err *check_root(const struct cli *cli)
{
	struct stat st;
	int r;

	if (!cli->opts.root)
		return NULL;
	r = sys_fstatat(AT_FDCWD, cli->ctx.root, &st, 0);
	return r < 0 ? dv_err_sys(r, "open %s", cli->ctx.root) : NULL;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct container_list list = { 0 };
	const struct cli *cli = program;
	char **ids = NULL;
	size_t n_ids = 0;
	struct dv_err *e;

	(void)args;
	(void)ret_status;
	e = check_root(cli);
	if (e)
		return e;
	e = rt_list_ids(&cli->ctx, &ids, &n_ids);
	if (e)
		return e;
	load_all(cli, ids, n_ids, &list);
	e = print(opts, &list);

	container_list_fini(&list);
	for (size_t i = 0; i < n_ids; i++)
		free(ids[i]);
	free(ids);
	return e;
}

static const struct dv_opt options[] = {
	{ .name = "format",
	  .letter = 'f',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct list_opts, format),
	  .arg = "format",
	  .help = "table or json",
	  .preset = "table" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct list_opts, quiet),
	  .help = "print only the ids" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_list = {
	.name = "list",
	.args = "",
	.summary = "list the containers of a state directory",
	.text = "Lists the containers made with the same --root, sorted by id, in a table or as one\n"
		"line of JSON. A container whose state cannot be read is reported on standard\n"
		"error and left out.",
	.opts = options,
	.min_args = 0,
	.max_args = 0,
	.stop_after = -1,
	.opts_size = sizeof(struct list_opts),
	.run = run,
};
