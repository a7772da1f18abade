/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, and rules that every row of the program's table keeps. */

#include <ctype.h>
#include <string.h>

#include "base/test.h"
#include "cli.h"
#include "help.h"

struct opts {
	const char *bundle;
};

static const struct dv_opt options[] = {
	{ .name = "bundle",
	  .letter = 'b',
	  .type = DV_OPT_STRING,
	  .arg = "dir",
	  .help = "where $0 looks" },
	{ .name = "format", .type = DV_OPT_STRING, .arg = "f", .help = "form", .preset = "table" },
	{ .name = "fds", .type = DV_OPT_INT, .arg = "n", .help = "number", .preset = "0" },
	{ .name = "secret", .is_hidden = true, .type = DV_OPT_FLAG },
	{ .name = "keep", .type = DV_OPT_FLAG, .help = "do not delete" },
	DV_OPT_END,
};

static const struct dv_opt_verb verb = {
	.name = "go",
	.args = "<id>",
	.args_text = "<id> is a name.",
	.summary = "start $0",
	.text = "First line\nsecond.\n\n    # $0 go",
	.opts = options,
	.opts_size = sizeof(struct opts),
};

static const struct dv_opt_verb hidden = { .name = "ghost", .args = "", .is_hidden = true };
static const struct dv_opt_verb *const verbs[] = { &verb, &hidden, NULL };
static const struct dv_opt_program program = {
	.name = "prog",
	.summary = "a program",
	.text = "About $0.",
	.opts = options,
	.verbs = verbs,
};

Test(help, verb)
{
	struct dv_strbuf out = DV_STRBUF_INIT;

	help_verb(&verb, "p", &out);
	T_STR(out.data, "NAME:\n"
			"   p go - start p\n"
			"\n"
			"USAGE:\n"
			"   p go [command options] <id>\n"
			"\n"
			"   <id> is a name.\n"
			"\n"
			"DESCRIPTION:\n"
			"   First line\n"
			"   second.\n"
			"\n"
			"       # p go\n"
			"\n"
			"OPTIONS:\n"
			"   --bundle dir, -b dir  where p looks\n"
			"   --format f            form (default: \"table\")\n"
			"   --fds n               number (default: 0)\n"
			"   --keep                do not delete\n"
			"   --help, -h            show help\n");
	dv_strbuf_fini(&out);
}

Test(help, program)
{
	struct dv_strbuf out = DV_STRBUF_INIT;

	help_program(&program, "p", &out);
	T_TRUE(dv_starts_with(out.data,
			      "NAME:\n"
			      "   p - a program\n"
			      "\n"
			      "USAGE:\n"
			      "   p [global options] command [command options] [arguments...]\n"
			      "\n"
			      "VERSION:\n"
			      "   "));
	T_TRUE(dv_ends_with(out.data, "\n"
				      "DESCRIPTION:\n"
				      "   About p.\n"
				      "\n"
				      "COMMANDS:\n"
				      "   go  start p\n"
				      "\n"
				      "GLOBAL OPTIONS:\n"
				      "   --bundle dir, -b dir  where p looks\n"
				      "   --format f            form (default: \"table\")\n"
				      "   --fds n               number (default: 0)\n"
				      "   --keep                do not delete\n"
				      "   --help, -h            show help\n"));
	dv_strbuf_fini(&out);
}

Test(help, version)
{
	struct dv_strbuf out = DV_STRBUF_INIT;

	help_version("runc", &out);
	T_TRUE(dv_starts_with(out.data, "runc version "));
	T_NOT_NULL(strstr(out.data, "\nspec: 1."));
	T_NOT_NULL(strstr(out.data, "\nlibseccomp: 2."));
	dv_strbuf_fini(&out);
}

static void check_options(const char *where, const struct dv_opt *opts)
{
	cr_assert(opts, "%s: no table (dv_opt_none)", where);
	for (const struct dv_opt *o = opts; o->name; o++) {
		if (o->is_hidden)
			continue;
		cr_expect(o->help && *o->help, "%s --%s: no help", where, o->name);
		cr_expect(!dv_ends_with(o->help, "."), "%s --%s: full stop", where, o->name);
		cr_expect(!dv_opt_takes_value(o) || o->arg, "%s --%s: no name of the value", where,
			  o->name);
		for (const struct dv_opt *p = opts; p < o; p++) {
			cr_expect(!dv_streq(o->name, p->name), "%s --%s: twice", where, o->name);
			cr_expect(!o->letter || o->letter != p->letter, "%s -%c: twice", where,
				  o->letter);
		}
	}
}

/* Presets must parse, offsets must be inside the struct, texts must be there. */
Test(help, the_program_s_own_table)
{
	struct global_opts global = { 0 };
	int n;

	check_options("davit-oci", davit_oci_program.opts);
	T_NULL(dv_opt_parse(davit_oci_program.opts, &global, 1, 0, NULL, &n));
	for (const struct dv_opt_verb *const *v = davit_oci_program.verbs; *v; v++) {
		char *opts = dv_alloc((*v)->opts_size);

		check_options((*v)->name, (*v)->opts);
		T_NULL(dv_opt_parse((*v)->opts, opts, (*v)->stop_after, 0, NULL, &n));
		for (const struct dv_opt *o = (*v)->opts; o->name; o++)
			cr_expect(o->offset <= (*v)->opts_size, "%s --%s: offset", (*v)->name,
				  o->name);
		cr_expect(islower((*v)->summary[0]), "%s: summary", (*v)->name);
		cr_expect((*v)->args && (*v)->run, "%s: incomplete", (*v)->name);
		dv_opt_release((*v)->opts, opts);
		free(opts);
	}
}
