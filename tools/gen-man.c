/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manual pages from the option tables, at build time:
 *
 *     gen-man COMMAND        the page of one command
 *     gen-man -p COMMAND...  the program's page; the COMMANDs are all that have a page of
 *                            their own, so that a forgotten one stops the build
 *     gen-man -1             the same for a program whose commands have no options and no
 *                            pages
 *
 * Texts in tables are paragraphs between blank lines; a line that starts with a space is
 * shown as it is; "$0" is the program.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/str.h"
#include "davit-version.h"

/* The table, named on the compiler's command line. */
extern const struct dv_opt_program GEN_PROGRAM;

static const struct dv_opt_program *const program = &GEN_PROGRAM;

static bool is_docker(void)
{
	return program->style == DV_OPT_STYLE_DOCKER;
}

static int section(void)
{
	return is_docker() ? 1 : 8;
}

static void put_char(char c)
{
	if (c == '\\')
		fputs("\\e", stdout);
	else if (c == '-')
		fputs("\\-", stdout);
	else
		putchar(c);
}

/* Text within a line. */
static void put(const char *s)
{
	for (; *s; s++) {
		if (s[0] == '$' && s[1] == '0') {
			put(program->name);
			s++;
		} else {
			put_char(*s);
		}
	}
}

static void put_upper(const char *s)
{
	for (; *s; s++)
		put_char((char)(*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s));
}

/* A whole line; what roff would take for a request is masked. */
static void put_line(const char *line)
{
	if (*line == '.' || *line == '\'')
		fputs("\\&", stdout);
	put(line);
	putchar('\n');
}

/* Paragraphs and literal lines. Starts in a paragraph and ends in one. */
static void put_text(const char *text)
{
	char *copy = strdup(text), *rest = copy, *line;
	bool is_literal = false;

	while ((line = strsep(&rest, "\n"))) {
		if (!*line) {
			puts(is_literal ? "" : ".PP");
			continue;
		}
		if (is_literal != (*line == ' ')) {
			is_literal = !is_literal;
			puts(is_literal ? ".nf" : ".fi");
		}
		put_line(line);
	}
	if (is_literal)
		puts(".fi");
	free(copy);
}

static void put_section(const char *title, const char *text)
{
	if (!text)
		return;
	printf(".SH %s\n", title);
	put_text(text);
}

/* "\fB--bundle\fR \fIdir\fR" */
static void put_option_form(const char *dashes, const char *name, const struct dv_opt *opt)
{
	fputs("\\fB", stdout);
	put(dashes);
	put(name);
	fputs("\\fR", stdout);
	if (dv_opt_takes_value(opt)) {
		fputs(" \\fI", stdout);
		put(opt->arg);
		fputs("\\fR", stdout);
	}
}

/* "\fB-e\fR, \fB--env\fR \fIlist\fR" */
static void put_docker_form(const struct dv_opt *opt)
{
	if (opt->letter) {
		fputs("\\fB\\-", stdout);
		put_char(opt->letter);
		fputs("\\fR, ", stdout);
	}
	put_option_form("--", opt->name, opt);
}

static void put_option(const struct dv_opt *opt)
{
	char letter[] = { opt->letter, '\0' };

	puts(".TP");
	if (is_docker()) {
		put_docker_form(opt);
	} else {
		put_option_form("--", opt->name, opt);
		if (opt->letter) {
			fputs(", ", stdout);
			put_option_form("-", letter, opt);
		}
	}
	putchar('\n');
	put(opt->help);
	if (opt->type == DV_OPT_LIST)
		fputs("; may be given several times", stdout);
	fputs(".", stdout);
	if (opt->preset) {
		fputs(" The default is ", stdout);
		put(opt->preset);
		fputs(".", stdout);
	}
	putchar('\n');
}

static void put_options(const char *title, const struct dv_opt *opts)
{
	static const struct dv_opt help = { .name = "help", .letter = 'h', .help = "show help" },
				   help_docker = { .name = "help", .help = "show help" };

	printf(".SH %s\n", title);
	for (const struct dv_opt *o = opts; o->name; o++) {
		if (!o->is_hidden)
			put_option(o);
	}
	put_option(is_docker() ? &help_docker : &help);
}

/* "davit\-image\-ls": the names of pages have no blanks. */
static void put_page_name(const struct dv_opt_name *verb)
{
	put(program->name);
	if (!verb)
		return;
	put_char('-');
	for (size_t i = 0; i < verb->len; i++)
		put_char((char)(verb->text[i] == ' ' ? '-' : verb->text[i]));
}

/* @verb: NULL is the program. Its aliases are names of the page, so that man(1) finds it by them. */
static void put_header(const struct dv_opt_verb *verb, const char *summary)
{
	struct dv_opt_name name;

	puts(".\\\" Made by tools/gen-man from the option tables.");
	fputs(".TH ", stdout);
	put_upper(program->name);
	if (verb)
		put_char('-');
	for (const char *s = verb ? verb->name : ""; *s; s++)
		put_upper((char[]){ (char)(*s == ' ' ? '-' : *s), '\0' });
	printf(" %d \"\" \"Davit " DAVIT_VERSION "\" \"%s\"\n", section(),
	       is_docker() ? "User Commands" : "System Administration");
	puts(".SH NAME");
	if (!verb)
		put(program->name);
	for (size_t i = 0; verb && dv_opt_verb_name(verb, i, &name); i++) {
		fputs(i ? ", " : "", stdout);
		put_page_name(&name);
	}
	fputs(" \\- ", stdout);
	put_line(summary);
	puts(".SH SYNOPSIS");
}

/* ".BR name (8)" */
static void put_reference(const struct dv_opt_verb *verb, const char *tail)
{
	struct dv_opt_name name;

	fputs(".BR ", stdout);
	put_page_name(verb && dv_opt_verb_name(verb, 0, &name) ? &name : NULL);
	printf(" (%d)%s\n", section(), tail);
}

static void put_exit_status(const struct dv_opt_verb *verb)
{
	puts(".SH EXIT STATUS");
	if (!is_docker()) {
		puts("0 is success (in the foreground: of the process), 1 failure or wrong usage.");
		if (verb->failure_status)
			printf("%d is a failure of the command itself.\n", verb->failure_status);
		return;
	}
	printf("0 is success%s. 125 stands for options that are not understood",
	       verb->failure_status ? ", or what the process ended with" : "");
	if (verb->failure_status)
		puts(" and for failures of the command itself,\n126 for a program that cannot be run, and 127 for one that is not there.");
	else
		puts(", 1 for any other failure.");
}

/* All names by which the verb is called. */
static void put_aliases(const struct dv_opt_verb *verb)
{
	struct dv_opt_name name;

	if (!verb->aliases)
		return;
	puts(".SH ALIASES");
	for (size_t i = 0; dv_opt_verb_name(verb, i, &name); i++) {
		fputs(i ? ", \\fB" : "\\fB", stdout);
		put(program->name);
		putchar(' ');
		for (size_t k = 0; k < name.len; k++)
			put_char(name.text[k]);
		fputs("\\fR", stdout);
	}
	putchar('\n');
}

static void put_verb_page(const struct dv_opt_verb *verb)
{
	put_header(verb, verb->summary);
	fputs("\\fB", stdout);
	put(program->name);
	fputs("\\fR [\\fIglobal option\\fR...] \\fB", stdout);
	put(verb->name);
	fputs("\\fR [\\fIoption\\fR...] ", stdout);
	put_line(verb->args);
	if (verb->text || verb->args_text)
		puts(".SH DESCRIPTION");
	if (verb->text)
		put_text(verb->text);
	if (verb->text && verb->args_text)
		puts(".PP");
	if (verb->args_text)
		put_text(verb->args_text);
	put_options("OPTIONS", verb->opts);
	if (verb->stop_after < 0 && verb->max_args != 0)
		puts(".PP\nOptions may stand before and behind arguments.");
	put_section("EXAMPLE", verb->example);
	put_exit_status(verb);
	put_aliases(verb);
	puts(".SH SEE ALSO");
	put_reference(NULL, "");
}

static void put_program_page(bool has_pages)
{
	const struct dv_opt_verb *const *v;

	put_header(NULL, program->summary);
	fputs("\\fB", stdout);
	put(program->name);
	puts(has_pages ? "\\fR [\\fIglobal option\\fR...] \\fIcommand\\fR [\\fIoption\\fR...] [\\fIargument\\fR...]"
		       : "\\fR [\\fIoption\\fR...] [\\fIcommand\\fR]");
	put_section("DESCRIPTION", program->text);
	puts(".SH COMMANDS");
	for (v = program->verbs; *v; v++) {
		if ((*v)->is_hidden)
			continue;
		fputs(".TP\n.B ", stdout);
		put_line((*v)->name);
		put((*v)->summary);
		puts(".");
	}
	put_options(has_pages ? "GLOBAL OPTIONS" : "OPTIONS", program->opts);
	puts(".PP\nThey stand in front of the command.");
	puts(".SH SEE ALSO");
	for (v = program->verbs; has_pages && *v; v++) {
		if (!(*v)->is_hidden)
			put_reference(*v, ",");
	}
	puts(is_docker() ? ".BR davitd (8)" : ".BR runc (8)");
}

/* True when @names are exactly the commands that are not hidden. */
static bool is_complete(char **names, int n_names)
{
	int n = 0;

	for (const struct dv_opt_verb *const *v = program->verbs; *v; v++) {
		bool is_found = false;

		for (int i = 0; i < n_names; i++)
			is_found |= dv_streq(names[i], (*v)->name);
		if (is_found == (*v)->is_hidden) {
			fprintf(stderr, "gen-man: %s: command and list of pages disagree\n",
				(*v)->name);
			return false;
		}
		n += is_found;
	}
	return n == n_names;
}

int main(int argc, char **argv)
{
	const struct dv_opt_verb *verb;

	if (argc >= 2 && dv_streq(argv[1], "-p")) {
		if (!is_complete(argv + 2, argc - 2))
			return EXIT_FAILURE;
		put_program_page(true);
	} else if (argc == 2 && dv_streq(argv[1], "-1")) {
		put_program_page(false);
	} else {
		verb = argc == 2 ? dv_opt_verb_find(program, argv[1]) : NULL;
		if (!verb) {
			fprintf(stderr, "usage: gen-man COMMAND | gen-man -p COMMAND...\n");
			return EXIT_FAILURE;
		}
		put_verb_page(verb);
	}
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
