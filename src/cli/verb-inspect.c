/* SPDX-License-Identifier: Apache-2.0 */
/* davit inspect: whatever has the name; davit container inspect. */

#include "container-json.h"
#include "inspect-image.h"
#include "inspect.h"

struct inspect_opts {
	const char *format, *type;
};

static struct dv_err *inspect_image(struct cli *cli, const char *ref, struct dv_strbuf *json)
{
	return cli_inspect_image(cli, ref, NULL, json);
}

static struct dv_err *inspect_container(struct cli *cli, const char *ref, struct dv_strbuf *json)
{
	struct client_record record;
	struct client *client = NULL;
	struct dv_err *e = cli_client(cli, &client);

	if (!e)
		e = client_record_find(client, ref, &cli->arena, &record);
	return e ? e : cli_container_json(cli, &record, json);
}

/* In the order in which a name is looked for. What is not found, or cannot be such a name, is looked for further. */
static const struct kind {
	const char *type;
	struct dv_err *(*inspect)(struct cli *cli, const char *ref, struct dv_strbuf *json);
} kinds[] = {
	{ "container", inspect_container },
	{ "image", inspect_image },
};

struct inspection {
	struct cli_inspect *out;
	const char *type; /* NULL: any */
};

static struct dv_err *inspect_one(struct cli *cli, const void *ctx, const char *ref)
{
	const struct inspection *in = ctx;

	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf json = DV_STRBUF_INIT;
		struct dv_err *e;

		if (in->type && !dv_streq(in->type, kinds[i].type))
			continue;
		e = kinds[i].inspect(cli, ref, &json);
		if (!e)
			return cli_inspect_add(in->out, json.data);
		if (in->type || (dv_err_code(e) != DV_NOT_FOUND && dv_err_code(e) != DV_INVALID))
			return dv_err_wrap(e, "cannot inspect %s %s", kinds[i].type, ref);
		dv_err_free(e);
	}
	return dv_err_new(DV_NOT_FOUND, "cannot inspect %s: there is no such object", ref);
}

static struct dv_err *check_type(const char *type)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		if (!type || dv_streq(type, kinds[i].type))
			return NULL;
	}
	return dv_err_new(DV_INVALID, "--type %s: there is no such type", type);
}

static struct dv_err *inspect(struct cli *cli, const char *format, const char *type, char **args,
			      int *ret_status)
{
	DV_CLEANUP(cli_inspect_freep) struct cli_inspect *out = NULL;
	struct inspection in = { .type = type && *type ? type : NULL };
	struct dv_err *e = check_type(in.type);

	if (!e)
		e = cli_inspect_new(cli, format, &out);
	if (e)
		return e;
	in.out = out;
	cli_each(cli, &in, args, inspect_one, ret_status);
	return cli_inspect_print(out);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct inspect_opts *o = opts;

	return inspect(program, o->format, o->type, args, ret_status);
}

static struct dv_err *run_container(void *program, const void *opts, char **args, int *ret_status)
{
	const struct inspect_opts *o = opts;

	return inspect(program, o->format, "container", args, ret_status);
}

static const struct dv_opt options[] = {
	CLI_OPT_INSPECT_FORMAT(offsetof(struct inspect_opts, format)),
	{ .name = "type",
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct inspect_opts, type),
	  .arg = "type",
	  .help = "only container or image" },
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_inspect = {
	.name = "inspect",
	.args = "CONTAINER|IMAGE [CONTAINER|IMAGE...]",
	.summary = "Show all there is to know about containers and images",
	.opts = options,
	.opts_size = sizeof(struct inspect_opts),
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run,
};

static const struct dv_opt container_options[] = {
	CLI_OPT_INSPECT_FORMAT(offsetof(struct inspect_opts, format)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_container_inspect = {
	.name = "container inspect",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Show all there is to know about containers",
	.opts = container_options,
	.opts_size = sizeof(struct inspect_opts),
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.run = run_container,
};
