/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts from the option tables. See help.h. */

#include "help.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "davit-commit.h"
#include "davit-version.h"
#include "host/seccomp.h"
#include "spec/runtime.h"

/* Adds @text with "$0" replaced by @name and @indent in front of each line with text. */
static void add_text(struct dv_strbuf *out, const char *text, const char *indent, const char *name)
{
	bool is_line_start = true;

	for (; *text; text++) {
		if (is_line_start && *text != '\n')
			dv_strbuf_add(out, indent);
		is_line_start = *text == '\n';
		if (text[0] == '$' && text[1] == '0') {
			dv_strbuf_add(out, name);
			text++;
		} else {
			dv_strbuf_addc(out, *text);
		}
	}
}

/* "\nTITLE:\n   text\n"; nothing for NULL. */
static void add_section(struct dv_strbuf *out, const char *title, const char *text,
			const char *name)
{
	if (!text)
		return;
	dv_strbuf_addf(out, "\n%s:\n", title);
	add_text(out, text, "   ", name);
	dv_strbuf_addc(out, '\n');
}

/* "   --bundle path, -b path" */
static void add_option_names(struct dv_table *t, const struct dv_opt *opt)
{
	const char *space = dv_opt_takes_value(opt) ? " " : "";
	const char *arg = dv_opt_takes_value(opt) ? opt->arg : "";

	if (opt->letter)
		dv_table_addf(t, "   --%s%s%s, -%c%s%s", opt->name, space, arg, opt->letter, space,
			      arg);
	else
		dv_table_addf(t, "   --%s%s%s", opt->name, space, arg);
}

static void add_options(struct dv_strbuf *out, const char *title, const struct dv_opt *opts,
			const char *name)
{
	struct dv_table t = DV_TABLE_INIT(2);
	struct dv_strbuf help = DV_STRBUF_INIT;

	for (const struct dv_opt *o = opts; o->name; o++) {
		if (o->is_hidden)
			continue;
		add_option_names(&t, o);
		dv_strbuf_clear(&help);
		add_text(&help, o->help, "", name);
		if (o->preset)
			dv_strbuf_addf(&help,
				       o->type == DV_OPT_STRING ? " (default: \"%s\")"
								: " (default: %s)",
				       o->preset);
		dv_table_add(&t, help.data);
	}
	dv_table_add(&t, "   --help, -h");
	dv_table_add(&t, "show help");
	dv_strbuf_addf(out, "\n%s:\n", title);
	dv_table_format(&t, 0, 2, out);
	dv_strbuf_fini(&help);
	dv_table_fini(&t);
}

static void add_verbs(struct dv_strbuf *out, const struct dv_opt_program *program, const char *name)
{
	struct dv_table t = DV_TABLE_INIT(2);
	struct dv_strbuf summary = DV_STRBUF_INIT;

	for (const struct dv_opt_verb *const *v = program->verbs; *v; v++) {
		if ((*v)->is_hidden)
			continue;
		dv_table_addf(&t, "   %s", (*v)->name);
		dv_strbuf_clear(&summary);
		add_text(&summary, (*v)->summary, "", name);
		dv_table_add(&t, summary.data);
	}
	dv_strbuf_add(out, "\nCOMMANDS:\n");
	dv_table_format(&t, 0, 2, out);
	dv_strbuf_fini(&summary);
	dv_table_fini(&t);
}

void help_program(const struct dv_opt_program *program, const char *name, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "NAME:\n   %s - %s\n", name, program->summary);
	dv_strbuf_addf(
		out, "\nUSAGE:\n   %s [global options] command [command options] [arguments...]\n",
		name);
	add_section(out, "VERSION", DAVIT_VERSION, name);
	add_section(out, "DESCRIPTION", program->text, name);
	add_verbs(out, program, name);
	add_options(out, "GLOBAL OPTIONS", program->opts, name);
}

void help_verb(const struct dv_opt_verb *verb, const char *name, struct dv_strbuf *out)
{
	dv_strbuf_addf(out, "NAME:\n   %s %s - ", name, verb->name);
	add_text(out, verb->summary, "", name);
	dv_strbuf_addf(out, "\n\nUSAGE:\n   %s %s [command options]%s%s\n", name, verb->name,
		       *verb->args ? " " : "", verb->args);
	if (verb->args_text) {
		dv_strbuf_addc(out, '\n');
		add_text(out, verb->args_text, "   ", name);
		dv_strbuf_addc(out, '\n');
	}
	add_section(out, "DESCRIPTION", verb->text, name);
	add_section(out, "EXAMPLE", verb->example, name);
	add_options(out, "OPTIONS", verb->opts, name);
}

const char *help_commit(void)
{
	return dv_streq(DAVIT_COMMIT, "unknown") ? NULL : DAVIT_COMMIT;
}

void help_version(const char *name, struct dv_strbuf *out)
{
	char libseccomp[32];

	host_seccomp_libseccomp_version(libseccomp, sizeof(libseccomp));
	dv_strbuf_addf(out, "%s version %s\n", name, DAVIT_VERSION);
	if (help_commit())
		dv_strbuf_addf(out, "commit: %s\n", help_commit());
	dv_strbuf_addf(out, "spec: %s\n", SPEC_VERSION);
	dv_strbuf_addf(out, "libseccomp: %s\n", libseccomp);
}
