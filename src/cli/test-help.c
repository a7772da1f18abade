/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts, and rules that every row of the program's tables keeps. */

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/test.h"
#include "cli/cli.h"
#include "help.h"

static const struct dv_opt options[] = {
	{ .name = "bundle",
	  .letter = 'b',
	  .type = DV_OPT_STRING,
	  .arg = "dir",
	  .help = "where $0 looks" },
	{ .name = "format", .type = DV_OPT_STRING, .arg = "f", .help = "form", .preset = "table" },
	{ .name = "secret", .is_hidden = true, .type = DV_OPT_FLAG },
	DV_OPT_END,
};

static const struct dv_opt_verb
	ls = { .name = "image ls",
	       .aliases = "images,image list",
	       .args = "[NAME]",
	       .summary = "List what $0 has",
	       .text = "First.",
	       .example = "    $0 image ls",
	       .opts = options },
	ps = { .name = "ps", .args = "", .summary = "List", .opts = dv_opt_none },
	ghost = { .name = "image ghost", .args = "", .is_hidden = true, .opts = dv_opt_none };
static const struct dv_opt_verb *const verbs[] = { &ls, &ps, &ghost, NULL };
static const struct dv_opt_group groups[] = { { "image", "Manage images" }, { NULL, NULL } };
static const struct dv_opt_program program = { .name = "prog",
					       .summary = "a program",
					       .text = "About $0.",
					       .opts = options,
					       .verbs = verbs,
					       .groups = groups };

static struct dv_strbuf out = DV_STRBUF_INIT;

Test(help, program)
{
	dv_strbuf_clear(&out);
	cli_help_program(&program, "p", &out);
	T_STR(out.data, "Usage:  p [OPTIONS] COMMAND\n"
			"\n"
			"a program\n"
			"\n"
			"About p.\n"
			"\n"
			"Management Commands:\n"
			"  image   Manage images\n"
			"\n"
			"Commands:\n"
			"  images   List what p has\n"
			"  ps       List\n"
			"\n"
			"Global Options:\n"
			"  -b, --bundle dir   where p looks\n"
			"      --format f     form (default table)\n"
			"      --help         show this text\n"
			"\n"
			"Run 'p COMMAND --help' for more information on a command.\n");
}

Test(help, group)
{
	dv_strbuf_clear(&out);
	cli_help_group(&program, &groups[0], "p", &out);
	T_STR(out.data, "Usage:  p image COMMAND\n"
			"\n"
			"Manage images\n"
			"\n"
			"Commands:\n"
			"  ls   List what p has\n"
			"\n"
			"Run 'p image COMMAND --help' for more information on a command.\n");
}

Test(help, verb)
{
	dv_strbuf_clear(&out);
	cli_help_verb(&ls, "p", &out);
	T_STR(out.data, "Usage:  p image ls [OPTIONS] [NAME]\n"
			"\n"
			"List what p has\n"
			"\n"
			"First.\n"
			"\n"
			"Aliases:\n"
			"  p image ls, p images, p image list\n"
			"\n"
			"Options:\n"
			"  -b, --bundle dir   where p looks\n"
			"      --format f     form (default table)\n"
			"      --help         show this text\n"
			"\n"
			"Example:\n"
			"    p image ls\n");
	dv_strbuf_clear(&out);
	cli_help_usage(&ps, "p", &out);
	T_STR(out.data, "Usage:  p ps\n");
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

/* Every name leads to its own verb, and every group has some. */
static void check_names(const struct dv_opt_verb *verb)
{
	struct dv_opt_name name;

	for (size_t i = 0; dv_opt_verb_name(verb, i, &name); i++) {
		DV_CLEANUP(dv_freep) char *text = dv_strndup(name.text, name.len);
		char *space = strchr(text, ' ');
		char *argv[] = { text, space ? space + 1 : NULL };
		int n;

		if (space)
			*space = '\0';
		cr_expect(dv_opt_verb_match(&davit_program, space ? 2 : 1, argv, &n) == verb,
			  "%s: name %zu is taken", verb->name, i);
		cr_expect(!space || dv_opt_group_find(&davit_program, text), "%s: no group %s",
			  verb->name, text);
		cr_expect(space || !dv_opt_group_find(&davit_program, text), "%s is a group", text);
	}
}

Test(help, the_program_s_own_tables)
{
	char global[256] = { 0 };
	int n;

	check_options("davit", davit_program.opts);
	T_NULL(dv_opt_parse_docker(davit_program.opts, global, 1, 0, NULL, &n));
	for (const struct dv_opt_verb *const *v = davit_program.verbs; *v; v++) {
		char *opts = dv_alloc((*v)->opts_size);

		check_options((*v)->name, (*v)->opts);
		check_names(*v);
		T_NULL(dv_opt_parse_docker((*v)->opts, opts, (*v)->stop_after, 0, NULL, &n));
		for (const struct dv_opt *o = (*v)->opts; o->name; o++)
			cr_expect(o->offset <= (*v)->opts_size, "%s --%s: offset", (*v)->name,
				  o->name);
		cr_expect(isupper((*v)->summary[0]), "%s: summary", (*v)->name);
		cr_expect(!dv_ends_with((*v)->summary, "."), "%s: full stop", (*v)->name);
		cr_expect((*v)->args && (*v)->run, "%s: incomplete", (*v)->name);
		cr_expect((*v)->max_args < 0 || (*v)->min_args <= (*v)->max_args, "%s: arguments",
			  (*v)->name);
		dv_opt_release((*v)->opts, opts);
		free(opts);
	}
}
