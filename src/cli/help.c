/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts from the tables, laid out as docker's. See help.h. */

#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"

enum { PADDING = 3 };

/* Adds @text with "$0" replaced by @name. */
static void add_text(struct dv_strbuf *out, const char *text, const char *name)
{
	for (; *text; text++) {
		if (text[0] == '$' && text[1] == '0') {
			dv_strbuf_add(out, name);
			text++;
		} else {
			dv_strbuf_addc(out, *text);
		}
	}
}

static void add_paragraph(struct dv_strbuf *out, const char *text, const char *name)
{
	if (!text)
		return;
	dv_strbuf_addc(out, '\n');
	add_text(out, text, name);
	dv_strbuf_addc(out, '\n');
}

/* "  -e, --env list" and what it is. */
static void add_option(struct dv_table *t, const struct dv_opt *o, const char *name)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf help = DV_STRBUF_INIT;
	char letter[] = { ' ', ' ', '-', o->letter, ',', '\0' };
	bool has_value = dv_opt_takes_value(o);

	dv_table_addf(t, "%s --%s%s%s", o->letter ? letter : "     ", o->name, has_value ? " " : "",
		      has_value ? o->arg : "");
	add_text(&help, o->help, name);
	if (o->preset)
		dv_strbuf_addf(&help, " (default %s)", o->preset);
	dv_table_add(t, help.data);
}

static void add_options(struct dv_strbuf *out, const char *title, const struct dv_opt *opts,
			const char *name)
{
	static const struct dv_opt help = { .name = "help", .help = "show this text" };
	struct dv_table t = DV_TABLE_INIT(2);

	for (const struct dv_opt *o = opts; o->name; o++) {
		if (!o->is_hidden)
			add_option(&t, o, name);
	}
	add_option(&t, &help, name);
	dv_strbuf_addf(out, "\n%s:\n", title);
	dv_table_format(&t, 0, PADDING, out);
	dv_table_fini(&t);
}

/* The name of @verb that is one word (@group NULL), or its word within the group. */
static bool find_word(const struct dv_opt_verb *verb, const struct dv_opt_group *group,
		      struct dv_opt_name *ret)
{
	struct dv_opt_name name;

	for (size_t i = 0; dv_opt_verb_name(verb, i, &name); i++) {
		if (!group && memchr(name.text, ' ', name.len))
			continue;
		*ret = name;
		if (!group)
			return true;
		ret->text = dv_opt_group_word(group, &name, &ret->len);
		if (ret->text)
			return true;
	}
	return false;
}

struct line {
	struct dv_opt_name word;
	const struct dv_opt_verb *verb;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int r = strncmp(x->word.text, y->word.text, DV_MIN(x->word.len, y->word.len));

	return r ? r : (x->word.len > y->word.len) - (x->word.len < y->word.len);
}

/* Those of @group, or those with a word of their own, in the order of the alphabet. */
static void add_verbs(struct dv_strbuf *out, const struct dv_opt_program *program,
		      const struct dv_opt_group *group, const char *called)
{
	struct dv_table t = DV_TABLE_INIT(2);
	DV_CLEANUP(dv_freep) struct line *lines = NULL;
	size_t n = 0;

	for (const struct dv_opt_verb *const *v = program->verbs; *v; v++) {
		lines = dv_realloc_n(lines, n + 1, sizeof(*lines));
		lines[n].verb = *v;
		n += !(*v)->is_hidden && find_word(*v, group, &lines[n].word);
	}
	if (n > 0)
		qsort(lines, n, sizeof(*lines), compare_lines);
	for (size_t i = 0; i < n; i++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf summary = DV_STRBUF_INIT;

		dv_table_addf(&t, "  %.*s", (int)lines[i].word.len, lines[i].word.text);
		add_text(&summary, lines[i].verb->summary, called);
		dv_table_add(&t, summary.data);
	}
	dv_strbuf_add(out, "\nCommands:\n");
	dv_table_format(&t, 0, PADDING, out);
	dv_table_fini(&t);
}

static void add_groups(struct dv_strbuf *out, const struct dv_opt_program *program)
{
	struct dv_table t = DV_TABLE_INIT(2);

	for (const struct dv_opt_group *g = program->groups; g->name; g++) {
		dv_table_addf(&t, "  %s", g->name);
		dv_table_add(&t, g->summary);
	}
	dv_strbuf_add(out, "\nManagement Commands:\n");
	dv_table_format(&t, 0, PADDING, out);
	dv_table_fini(&t);
}

void cli_help_program(const struct dv_opt_program *program, const char *called,
		      struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "Usage:  %s [OPTIONS] COMMAND\n\n%s\n", called, program->summary);
	add_paragraph(out, program->text, called);
	add_groups(out, program);
	add_verbs(out, program, NULL, called);
	add_options(out, "Global Options", program->opts, called);
	dv_strbuf_addf(out, "\nRun '%s COMMAND --help' for more information on a command.\n",
		       called);
}

void cli_help_group(const struct dv_opt_program *program, const struct dv_opt_group *group,
		    const char *called, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "Usage:  %s %s COMMAND\n\n%s\n", called, group->name, group->summary);
	add_verbs(out, program, group, called);
	dv_strbuf_addf(out, "\nRun '%s %s COMMAND --help' for more information on a command.\n",
		       called, group->name);
}

void cli_help_usage(const struct dv_opt_verb *verb, const char *called, struct dv_strbuf *out)
{
	const struct dv_opt *o = verb->opts;

	while (o->name && o->is_hidden)
		o++;
	dv_strbuf_addf(out, "Usage:  %s %s%s%s%s\n", called, verb->name,
		       o->name ? " [OPTIONS]" : "", *verb->args ? " " : "", verb->args);
}

void cli_help_verb(const struct dv_opt_verb *verb, const char *called, struct dv_strbuf *out)
{
	struct dv_opt_name name;

	cli_help_usage(verb, called, out);
	dv_strbuf_addc(out, '\n');
	add_text(out, verb->summary, called);
	dv_strbuf_addc(out, '\n');
	add_paragraph(out, verb->args_text, called);
	add_paragraph(out, verb->text, called);
	if (verb->aliases) {
		dv_strbuf_add(out, "\nAliases:\n  ");
		for (size_t i = 0; dv_opt_verb_name(verb, i, &name); i++)
			dv_strbuf_addf(out, "%s%s %.*s", i ? ", " : "", called, (int)name.len,
				       name.text);
		dv_strbuf_addc(out, '\n');
	}
	add_options(out, "Options", verb->opts, called);
	if (verb->example) {
		dv_strbuf_add(out, "\nExample:\n");
		add_text(out, verb->example, called);
		dv_strbuf_addc(out, '\n');
	}
}
