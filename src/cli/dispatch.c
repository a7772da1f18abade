/* SPDX-License-Identifier: Apache-2.0 */
/* From the words of the command line to a verb that runs. */

#include <stdlib.h>
#include <string.h>

#include "cli-private.h"
#include "cli/cli.h"
#include "davit-commit.h"
#include "davit-version.h"
#include "help.h"

/* docker's status for options that it does not understand. */
#define STATUS_USAGE 125

static struct dv_err *print_verb_help(const struct cli *cli, const struct dv_opt_verb *verb)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	cli_help_verb(verb, cli->name, &out);
	return cli_print(&out);
}

static struct dv_err *print_help(const struct cli *cli, const struct dv_opt_group *group)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	if (group)
		cli_help_group(&davit_program, group, cli->name, &out);
	else
		cli_help_program(&davit_program, cli->name, &out);
	return cli_print(&out);
}

static struct dv_err *print_version(const struct cli *cli)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	dv_strbuf_addf(&out, "%s version %s, build %s\n", cli->name, DAVIT_VERSION, DAVIT_COMMIT);
	return cli_print(&out);
}

/* "requires at least 1 argument" */
static struct dv_err *check_count(struct cli *cli, const struct dv_opt_verb *verb, int n)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf usage = DV_STRBUF_INIT;
	bool is_few = n < verb->min_args, is_exact = verb->min_args == verb->max_args;
	int wanted = is_few ? verb->min_args : verb->max_args;

	if (!is_few && (verb->max_args < 0 || n <= verb->max_args))
		return NULL;
	cli_help_usage(verb, cli->name, &usage);
	cli_hint(cli, "%sSee '%s %s --help'.", usage.data, cli->name, verb->name);
	if (wanted == 0)
		return dv_err_new(DV_INVALID, "'%s %s' takes no arguments", cli->name, verb->name);
	return dv_err_new(DV_INVALID, "'%s %s' requires %s%d argument%s", cli->name, verb->name,
			  is_exact ? ""
			  : is_few ? "at least "
				   : "at most ",
			  wanted, wanted == 1 ? "" : "s");
}

static struct dv_err *run_verb(struct cli *cli, const struct dv_opt_verb *verb, int argc,
			       char **argv, int *ret_status)
{
	DV_CLEANUP(dv_freep) void *opts = dv_alloc(verb->opts_size);
	struct dv_err *e;
	int n_args = 0;

	e = dv_opt_parse_docker(verb->opts, opts, verb->stop_after, argc, argv, &n_args);
	if (e && dv_err_code(e) == DV_CANCELLED) {
		dv_err_free(e);
		dv_opt_release(verb->opts, opts);
		return print_verb_help(cli, verb);
	}
	if (e) {
		*ret_status = STATUS_USAGE;
		cli_hint(cli, "See '%s %s --help'.", cli->name, verb->name);
	} else {
		argv[n_args] = NULL;
		e = check_count(cli, verb, n_args);
		if (!e)
			e = verb->run(cli, opts, argv, ret_status);
		if (e)
			*ret_status = verb->failure_status ? verb->failure_status : EXIT_FAILURE;
	}
	dv_opt_release(verb->opts, opts);
	return e;
}

static bool is_help(const char *arg)
{
	return dv_streq(arg, "--help") || dv_streq(arg, "-h");
}

/* What is not there: no verb, or none in the group. */
static struct dv_err *no_such_verb(struct cli *cli, const struct dv_opt_group *group,
				   const char *word)
{
	if (group) {
		cli_hint(cli, "See '%s %s --help'.", cli->name, group->name);
		return dv_err_new(DV_INVALID, "'%s %s' is not a command of %s", group->name, word,
				  cli->name);
	}
	cli_hint(cli, "See '%s --help'.", cli->name);
	return dv_err_new(DV_INVALID, "'%s' is not a command of %s", word, cli->name);
}

/* "help", "help VERB" */
static struct dv_err *help(struct cli *cli, int argc, char **argv)
{
	const struct dv_opt_verb *verb;
	const struct dv_opt_group *group;
	int n_words;

	if (argc == 0)
		return print_help(cli, NULL);
	verb = dv_opt_verb_match(&davit_program, argc, argv, &n_words);
	if (verb)
		return print_verb_help(cli, verb);
	group = dv_opt_group_find(&davit_program, argv[0]);
	if (group && argc == 1)
		return print_help(cli, group);
	return no_such_verb(cli, group, argv[group ? 1 : 0]);
}

static struct dv_err *choose(struct cli *cli, int argc, char **argv, int *ret_status)
{
	const struct dv_opt_group *group;
	const struct dv_opt_verb *verb;
	int n_words;

	verb = dv_opt_verb_match(&davit_program, argc, argv, &n_words);
	if (verb) {
		*ret_status = EXIT_SUCCESS;
		return run_verb(cli, verb, argc - n_words, argv + n_words, ret_status);
	}
	if (argc == 0 || dv_streq(argv[0], "help")) {
		struct dv_err *e = help(cli, argc - (argc > 0), argv + (argc > 0));

		*ret_status = e ? EXIT_FAILURE : EXIT_SUCCESS;
		return e;
	}
	group = dv_opt_group_find(&davit_program, argv[0]);
	if (group && (argc == 1 || is_help(argv[1]))) {
		*ret_status = EXIT_SUCCESS;
		return print_help(cli, group);
	}
	return no_such_verb(cli, group, argv[group ? 1 : 0]);
}

struct dv_err *cli_dispatch(struct cli *cli, int argc, char **argv, int *ret_status)
{
	struct dv_err *e;
	int n_args = 0;

	*ret_status = STATUS_USAGE;
	e = dv_opt_parse_docker(davit_program.opts, &cli->opts, 1, argc, argv, &n_args);
	if (e && dv_err_code(e) != DV_CANCELLED) {
		cli_hint(cli, "See '%s --help'.", cli->name);
		return e;
	}
	*ret_status = EXIT_SUCCESS;
	if (e) {
		dv_err_free(e);
		return print_help(cli, NULL);
	}
	if (cli->opts.is_version)
		return print_version(cli);
	*ret_status = EXIT_FAILURE;
	return choose(cli, n_args, argv, ret_status);
}
