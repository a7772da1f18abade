/* SPDX-License-Identifier: Apache-2.0 */
/* davit system check, repair: is all that davitd keeps on disk whole? */

#include "api/davit/system.pb-c.h"
#include "client/services.h"
#include "list.h"

typedef Davit__System__V1__Finding finding_msg;

struct check_opts {
	const char *format;
	bool is_deep;
};

static const struct cli_heading headings[] = {
	{ "Kind", "KIND" },	    { "Namespace", "NAMESPACE" },
	{ "Object", "OBJECT" },	    { "Problem", "PROBLEM" },
	{ "Action", "ACTION" },	    { "CanRepair", "CAN REPAIR" },
	{ "Repaired", "REPAIRED" }, { NULL, NULL },
};

static struct dv_err *add_row(const finding_msg *f, struct cli_list *list)
{
	cli_list_row(list);
	cli_list_add(list, "Action", f->action);
	cli_list_add(list, "CanRepair", f->can_repair ? "true" : "false");
	cli_list_add(list, "Kind", f->kind);
	cli_list_add(list, "Namespace", f->namespace_);
	cli_list_add(list, "Object", f->object);
	cli_list_add(list, "Problem", f->problem);
	cli_list_add(list, "Repaired", f->repaired ? "true" : "false");
	return cli_list_row_end(list);
}

struct outcome {
	size_t n, n_repaired, n_repairable;
};

static struct dv_err *collect(struct client_stream *st, struct cli_list *list, struct outcome *ret)
{
	for (;;) {
		const finding_msg *f = NULL;
		struct dv_err *e = client_stream_receive(st, &f);

		if (e || !f)
			return e;
		ret->n++;
		ret->n_repaired += f->repaired;
		ret->n_repairable += f->can_repair;
		e = add_row(f, list);
		if (e)
			return e;
	}
}

/* The last line, for people. */
static struct dv_err *print_summary(struct cli *cli, const struct outcome *o, bool is_repair)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;
	const char *colour = !cli->has_colour ? "" : o->n ? "\033[31m" : "\033[32m";
	const char *end = cli->has_colour ? "\033[0m" : "";

	if (o->n == 0)
		dv_strbuf_addf(&line, "%severything is whole%s\n", colour, end);
	else if (is_repair)
		dv_strbuf_addf(&line, "%s%zu found, %zu repaired%s\n", colour, o->n, o->n_repaired,
			       end);
	else
		dv_strbuf_addf(&line, "%s%zu found, %zu can be repaired: %s system repair%s\n",
			       colour, o->n, o->n_repairable, cli->name, end);
	return cli_print(&line);
}

static struct dv_err *check(struct cli *cli, const struct check_opts *o, bool is_repair,
			    int *ret_status)
{
	Davit__System__V1__RepairRequest repair = DAVIT__SYSTEM__V1__REPAIR_REQUEST__INIT;
	Davit__System__V1__CheckRequest look = DAVIT__SYSTEM__V1__CHECK_REQUEST__INIT;
	DV_CLEANUP(client_stream_closep) struct client_stream *st = NULL;
	DV_CLEANUP(cli_list_freep) struct cli_list *list = NULL;
	bool is_for_people = !o->format || !*o->format;
	struct client *client = NULL;
	struct outcome outcome = { 0 };
	struct dv_err *e;

	look.deep = repair.deep = o->is_deep;
	e = cli_list_new(
		&(struct cli_list_opts){
			.cli = cli,
			.format = o->format,
			.table =
				is_repair
					? "{{.Kind}}\t{{.Namespace}}\t{{.Object}}\t{{.Repaired}}\t{{.Problem}}; {{.Action}}"
					: "{{.Kind}}\t{{.Namespace}}\t{{.Object}}\t{{.CanRepair}}\t{{.Problem}}",
			.headings = headings,
		},
		&list);
	if (!e)
		e = cli_client(cli, &client);
	if (e)
		return e;
	if (is_repair)
		st = client_stream_open(client, CLIENT_SYSTEM("Repair", &repair), false);
	else
		st = client_stream_open(client, CLIENT_SYSTEM("Check", &look), false);
	e = collect(st, list, &outcome);
	if (e)
		return dv_err_wrap(e, "cannot %s", is_repair ? "repair" : "check");
	*ret_status = is_repair ? outcome.n_repaired < outcome.n : outcome.n > 0;
	if (outcome.n > 0 || !is_for_people)
		e = cli_list_print(list);
	if (!e && is_for_people)
		e = print_summary(cli, &outcome, is_repair);
	return e;
}

static struct dv_err *run_check(void *program, const void *opts, char **args, int *ret_status)
{
	(void)args;
	return check(program, opts, false, ret_status);
}

static struct dv_err *run_repair(void *program, const void *opts, char **args, int *ret_status)
{
	(void)args;
	return check(program, opts, true, ret_status);
}

#define FIELD(name) offsetof(struct check_opts, name)

static const struct dv_opt options[] = {
	{ .name = "deep",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(is_deep),
	  .help = "read all content and compare it with its digests" },
	CLI_OPT_FORMAT(FIELD(format)),
	DV_OPT_END,
};

const struct dv_opt_verb cli_verb_system_check = {
	.name = "system check",
	.args = "",
	.summary = "Look whether all that davitd keeps on disk is whole",
	.text = "Nothing is changed. The exit status is 1 when something was found.",
	.opts = options,
	.opts_size = sizeof(struct check_opts),
	.stop_after = -1,
	.run = run_check,
};

const struct dv_opt_verb cli_verb_system_repair = {
	.name = "system repair",
	.args = "",
	.summary = "Mend what can be mended of what davitd keeps on disk",
	.text = "The exit status is 1 when something is left that could not be repaired.",
	.opts = options,
	.opts_size = sizeof(struct check_opts),
	.stop_after = -1,
	.run = run_repair,
};
