/* SPDX-License-Identifier: Apache-2.0 */
/* davit ps: containers, the newest first. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json.h"
#include "containers.h"
#include "filters.h"
#include "human.h"
#include "list.h"

struct ps_opts {
	bool is_all, is_quiet, is_long, is_latest;
	struct dv_opt_int last;
	struct dv_opt_list filters;
	const char *format;
};

static const struct dv_opt options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct ps_opts, is_all),
	  .help = "also those that do not run" },
	CLI_OPT_FILTER(offsetof(struct ps_opts, filters)),
	CLI_OPT_FORMAT(offsetof(struct ps_opts, format)),
	{ .name = "last",
	  .letter = 'n',
	  .type = DV_OPT_INT,
	  .offset = offsetof(struct ps_opts, last),
	  .arg = "number",
	  .help = "so many of the newest, in any state" },
	{ .name = "latest",
	  .letter = 'l',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct ps_opts, is_latest),
	  .help = "the newest one, in any state" },
	{ .name = "no-trunc",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct ps_opts, is_long),
	  .help = "ids and commands in full" },
	{ .name = "quiet",
	  .letter = 'q',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct ps_opts, is_quiet),
	  .help = "ids alone" },
	DV_OPT_END,
};

static const struct cli_heading headings[] = {
	{ "ID", "CONTAINER ID" },
	{ "Image", "IMAGE" },
	{ "Command", "COMMAND" },
	{ "CreatedAt", "CREATED AT" },
	{ "RunningFor", "CREATED" },
	{ "State", "STATE" },
	{ "Status", "STATUS" },
	{ "Names", "NAMES" },
	{ "Labels", "LABELS" },
	{ "Runtime", "RUNTIME" },
	{ "Pid", "PID" },
	{ NULL, NULL },
};

static const char *const filter_keys[] = { "id",     "name",	 "label",   "status",
					   "exited", "ancestor", "runtime", NULL };

/* ---- fields -------------------------------------------------------------------------------------- */

/* The arguments of the first process, as the configuration has them. */
static void add_command(const struct client_record *r, bool is_long, struct dv_strbuf *out)
{
	const Google__Protobuf__Any *spec = r->container->spec;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf words = DV_STRBUF_INIT;
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const struct dv_json *args;
	struct dv_err *e;

	if (!spec)
		return;
	e = dv_json_parse((const char *)spec->value.data, spec->value.len, &doc);
	if (e) {
		dv_err_free(e);
		return;
	}
	args = dv_json_get(dv_json_get(doc, "process"), "args");
	for (size_t i = 0; i < dv_json_array_len(args); i++) {
		const char *word = dv_json_string(dv_json_array_at(args, i), NULL);

		dv_strbuf_addf(&words, "%s%s", i ? " " : "", word ? word : "");
	}
	dv_strbuf_addc(out, '"');
	cli_human_cut(words.data, is_long ? SIZE_MAX : 20, out);
	dv_strbuf_addc(out, '"');
}

static void add_labels(struct cli_list *l, const struct client_record *r)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	for (size_t i = 0; i < r->container->n_labels; i++) {
		const char *key = r->container->labels[i]->key;
		const char *value = r->container->labels[i]->value;

		cli_list_label(l, key, value);
		if (!dv_starts_with(key, "io.davit."))
			dv_strbuf_addf(&out, "%s%s=%s", out.len ? "," : "", key, value);
	}
	cli_list_add(l, "Labels", out.data);
}

static void add_times(struct cli_list *l, const struct client_record *r)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf ago = DV_STRBUF_INIT, at = DV_STRBUF_INIT;
	const Google__Protobuf__Timestamp *created = r->container->created_at;
	struct timespec now = cli_now(), then = { 0 };

	if (created)
		then = (struct timespec){ .tv_sec = created->seconds, .tv_nsec = created->nanos };
	cli_human_ago(&then, &now, &ago);
	cli_human_time(&then, &at);
	cli_list_add(l, "RunningFor", ago.data);
	cli_list_add(l, "CreatedAt", at.data);
}

static struct dv_err *add_row(struct cli_list *l, const struct client_record *r, bool is_long)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf status = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf command = DV_STRBUF_INIT;
	const Containerd__Services__Containers__V1__Container *c = r->container;

	cli_list_row(l);
	cli_list_addf(l, "ID", is_long ? "%s" : "%.12s", c->id);
	cli_list_add(l, "Image", c->image);
	if (cli_list_wants(l, "Command"))
		add_command(r, is_long, &command);
	cli_list_add(l, "Command", command.data);
	add_times(l, r);
	cli_list_add(l, "State", client_state_name(r->state));
	cli_container_status(r, &status);
	cli_list_add(l, "Status", status.data);
	cli_list_add(l, "Names", r->name);
	cli_list_add(l, "Runtime", c->runtime ? c->runtime->name : "");
	cli_list_addf(l, "Pid", "%u", r->pid);
	add_labels(l, r);
	return cli_list_row_end(l);
}

/* ---- which -------------------------------------------------------------------------------------------- */

static bool begins_id(const char *value, const void *arg)
{
	return dv_starts_with(((const struct client_record *)arg)->container->id, value);
}

static bool is_in_name(const char *value, const void *arg)
{
	return strstr(((const struct client_record *)arg)->name, value) != NULL;
}

static bool is_of_image(const char *value, const void *arg)
{
	const char *image = ((const struct client_record *)arg)->container->image;
	const char *found = strstr(image, value);

	/* "busybox" is the whole name, or a part of it between slashes and the tag. */
	return found && (found == image || found[-1] == '/') &&
	       strchr(":@", found[strlen(value)]) != NULL;
}

static bool has_status(const char *value, const void *arg)
{
	const struct client_record *r = arg;
	uint32_t status;

	return r->state == CLIENT_EXITED && dv_parse_u32(value, &status) &&
	       status == r->exit.status;
}

static const char *label_of(const void *arg, const char *key)
{
	return client_record_label(arg, key);
}

static bool is_wanted(const struct ps_opts *o, const struct cli_filters *f,
		      const struct client_record *r)
{
	bool is_any = o->is_all || o->is_latest || o->last.is_set ||
		      cli_filters_have(f, "status") || cli_filters_have(f, "exited");

	if (!is_any && r->state != CLIENT_RUNNING && r->state != CLIENT_PAUSED)
		return false;
	return cli_filters_match(f, "id", begins_id, r) &&
	       cli_filters_match(f, "name", is_in_name, r) &&
	       cli_filters_match(f, "ancestor", is_of_image, r) &&
	       cli_filters_match(f, "exited", has_status, r) &&
	       cli_filters_match_text(f, "status", client_state_name(r->state)) &&
	       cli_filters_match_text(f, "runtime",
				      r->container->runtime ? r->container->runtime->name : "") &&
	       cli_filters_match_labels(f, "label", label_of, r);
}

static size_t limit(const struct ps_opts *o)
{
	if (o->is_latest)
		return 1;
	return o->last.is_set && o->last.value >= 0 ? (size_t)o->last.value : SIZE_MAX;
}

static struct dv_err *fill(struct cli *cli, const struct ps_opts *o, const struct cli_filters *f,
			   struct cli_list *l)
{
	struct client_record *records = NULL;
	struct client *client = NULL;
	struct dv_err *e;
	size_t n = 0, left = limit(o);

	e = cli_client(cli, &client);
	if (!e)
		e = client_record_list(client, NULL, 0, &cli->arena, &records, &n);
	for (size_t i = n; i-- > 0 && !e && left > 0;) {
		if (!is_wanted(o, f, &records[i]))
			continue;
		left--;
		e = add_row(l, &records[i], o->is_long);
	}
	return e;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_list_freep) struct cli_list *l = NULL;
	const struct ps_opts *o = opts;
	struct cli *cli = program;
	struct cli_list_opts how = {
		.cli = cli,
		.format = o->format,
		.table =
			"{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
		.quiet = o->is_quiet ? "{{.ID}}" : NULL,
		.headings = headings
	};
	struct cli_filters filters;
	struct dv_err *e;

	(void)args;
	(void)ret_status;
	e = cli_filters_parse(&o->filters, filter_keys, &cli->arena, &filters);
	if (!e)
		e = cli_list_new(&how, &l);
	if (e)
		return e;
	e = fill(cli, o, &filters, l);
	return e ? dv_err_wrap(e, "cannot list containers") : cli_list_print(l);
}

const struct dv_opt_verb cli_verb_ps = {
	.name = "ps",
	.aliases = "container ls,container ps,container list",
	.args = "",
	.summary = "List containers",
	.opts = options,
	.stop_after = -1,
	.opts_size = sizeof(struct ps_opts),
	.run = run,
};
