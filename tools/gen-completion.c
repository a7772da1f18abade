/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion for bash from the option tables, at build time. The result is one function
 * that needs nothing but bash: words for each command, then code that is the same for all.
 * Values called "path" and "dir" are completed as such, a positional "<container-id>" with
 * the ids of the state directory, "[signal]" with signals, "[command]" with commands.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/opt.h"
#include "base/str.h"

/* The table, named on the compiler's command line. */
extern const struct dv_opt_program GEN_PROGRAM;

static const struct dv_opt_program *const program = &GEN_PROGRAM;

/* Finds the command, and the state directory in front of it. */
static const char head[] =
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal i=0 n=0 verb= opts files dirs values word root=() args=()\n"
	"\n"
	"\twhile ((++i < COMP_CWORD)); do\n"
	"\t\tword=${COMP_WORDS[i]}\n"
	"\t\tcase $word in\n"
	"\t\t--root)\n"
	"\t\t\troot=(--root \"${COMP_WORDS[++i]}\") ;;\n"
	"\t\t-*)\n"
	"\t\t\t[[ $global_values == *\" $word \"* ]] && ((++i)) ;;\n"
	"\t\t*)\n"
	"\t\t\tverb=$word\n"
	"\t\t\tbreak ;;\n"
	"\t\tesac\n"
	"\tdone\n";

/* Options by their dash, values by the option before, the rest by its number. */
static const char tail[] = "\tif [[ $files == *\" $prev \"* ]]; then\n"
			   "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
			   "\t\treturn\n"
			   "\telif [[ $dirs == *\" $prev \"* ]]; then\n"
			   "\t\tCOMPREPLY=($(compgen -d -- \"$cur\"))\n"
			   "\t\treturn\n"
			   "\telif [[ $values == *\" $prev \"* ]]; then\n"
			   "\t\treturn\n"
			   "\telif [[ $cur == -* ]]; then\n"
			   "\t\tCOMPREPLY=($(compgen -W \"$opts\" -- \"$cur\"))\n"
			   "\t\treturn\n"
			   "\tfi\n"
			   "\twhile ((++i < COMP_CWORD)); do\n"
			   "\t\tword=${COMP_WORDS[i]}\n"
			   "\t\tif [[ $values == *\" $word \"* ]]; then\n"
			   "\t\t\t((++i))\n"
			   "\t\telif [[ $word != -* ]]; then\n"
			   "\t\t\t((++n))\n"
			   "\t\tfi\n"
			   "\tdone\n"
			   "\tcase ${args[n]-} in\n"
			   "\tids)\n"
			   "\t\tword=$(\"$1\" \"${root[@]}\" list -q 2>/dev/null)\n"
			   "\t\tCOMPREPLY=($(compgen -W \"$word\" -- \"$cur\")) ;;\n"
			   "\tsignals)\n"
			   "\t\tCOMPREPLY=($(compgen -A signal -- \"$cur\")) ;;\n"
			   "\tcommands)\n"
			   "\t\tCOMPREPLY=($(compgen -W \"$commands\" -- \"$cur\")) ;;\n"
			   "\tesac\n";

static bool is_any(const struct dv_opt *opt)
{
	return !opt->is_hidden;
}

static bool is_valued(const struct dv_opt *opt)
{
	return dv_opt_takes_value(opt);
}

static bool is_file(const struct dv_opt *opt)
{
	return dv_opt_takes_value(opt) && opt->arg && dv_streq(opt->arg, "path");
}

static bool is_dir(const struct dv_opt *opt)
{
	return dv_opt_takes_value(opt) && opt->arg && dv_streq(opt->arg, "dir");
}

/* @name, white space included, =' --bundle -b ' of the options that are @fits; a space around each word. */
static void put_words(const char *name, const struct dv_opt *opts,
		      bool (*fits)(const struct dv_opt *opt), const char *more)
{
	printf("%s=' ", name);
	for (const struct dv_opt *o = opts; o->name; o++) {
		if (!fits(o))
			continue;
		printf("--%s ", o->name);
		if (o->letter)
			printf("-%c ", o->letter);
	}
	printf("%s'\n", more);
}

static void put_arm(const char *verb, const struct dv_opt *opts, const char *args)
{
	printf("\t%s)\n", verb);
	put_words("\t\topts", opts, is_any, "--help -h ");
	put_words("\t\tfiles", opts, is_file, "");
	put_words("\t\tdirs", opts, is_dir, "");
	put_words("\t\tvalues", opts, is_valued, "");
	printf("\t\targs=(%s%s%s) ;;\n", strstr(args, "<container-id>") ? "ids" : "",
	       strstr(args, "[signal]") ? " signals" : "",
	       strstr(args, "[command]") ? "commands" : "");
}

int main(void)
{
	char function[64];

	snprintf(function, sizeof(function), "_%s", program->name);
	for (char *p = function; *p; p++) {
		if (*p == '-')
			*p = '_';
	}
	printf("# Completion of %s for bash. Made by tools/gen-completion.\n\n%s()\n{\n\tlocal commands='",
	       program->name, function);
	for (const struct dv_opt_verb *const *v = program->verbs; *v; v++) {
		if (!(*v)->is_hidden)
			printf("%s ", (*v)->name);
	}
	puts("' global_values");
	put_words("\tglobal_values", program->opts, is_valued, "");
	fputs(head, stdout);
	puts("\tcase $verb in");
	put_arm("''", program->opts, "[command]");
	for (const struct dv_opt_verb *const *v = program->verbs; *v; v++) {
		if (!(*v)->is_hidden)
			put_arm((*v)->name, (*v)->opts, (*v)->args);
	}
	puts("\t*)\n\t\treturn ;;\n\tesac");
	fputs(tail, stdout);
	printf("}\ncomplete -o default -F %s %s\n", function, program->name);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
