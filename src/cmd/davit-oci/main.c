/* SPDX-License-Identifier: Apache-2.0 */
/*
 * davit-oci: an OCI runtime with runc's command line. This file finds the verb, parses,
 * runs it and turns the outcome into an exit status; the tables are in verbs.c and
 * verb-*.c, the work is in runtime/.
 *
 * Exit statuses: 0, or what the verb says (the process' own for run and exec in the foreground);
 * 1 for failures and wrong usage; 3 for an unknown command; 255 when exec itself failed.
 */

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli.h"
#include "help.h"
#include "runtime/exeseal.h"

enum { EXIT_UNKNOWN_COMMAND = 3 };

/* Prints help, fails the way a command does. */
static int show(const struct cli *cli, struct dv_strbuf *text)
{
	struct dv_err *e = cli_print(text);

	dv_strbuf_fini(text);
	if (!e)
		return EXIT_SUCCESS;
	cli_report(cli, e);
	return EXIT_FAILURE;
}

static int show_program(const struct cli *cli)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	help_program(&davit_oci_program, cli->name, &text);
	return show(cli, &text);
}

static int show_verb(const struct cli *cli, const struct dv_opt_verb *verb)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	help_verb(verb, cli->name, &text);
	return show(cli, &text);
}

static int show_version(const struct cli *cli)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	help_version(cli->name, &text);
	return show(cli, &text);
}

static int fail(const struct cli *cli, struct dv_err *take, int status)
{
	cli_report(cli, take);
	return status;
}

/* What is wrong, then how it is done (of the program when @verb is NULL). */
static int fail_usage(const struct cli *cli, const struct dv_opt_verb *verb, const char *intro,
		      struct dv_err *take)
{
	struct dv_strbuf text = DV_STRBUF_INIT;

	dv_strbuf_addf(&text, "Incorrect Usage%s\n\n", intro);
	if (verb)
		help_verb(verb, cli->name, &text);
	else
		help_program(&davit_oci_program, cli->name, &text);
	(void)show(cli, &text);
	return fail(cli, take, EXIT_FAILURE);
}

static int fail_unknown(const struct cli *cli, const char *name)
{
	return fail(cli, dv_err_new(DV_NOT_FOUND, "No help topic for '%s'", name),
		    EXIT_UNKNOWN_COMMAND);
}

static struct dv_err *check_args(const struct cli *cli, const struct dv_opt_verb *verb, int n)
{
	const char *what = "exactly";
	int limit = verb->min_args;

	if (n >= verb->min_args && (verb->max_args < 0 || n <= verb->max_args))
		return NULL;
	if (verb->min_args != verb->max_args) {
		what = n < verb->min_args ? "a minimum of" : "a maximum of";
		limit = n < verb->min_args ? verb->min_args : verb->max_args;
	}
	return dv_err_new(DV_INVALID, "%s: \"%s\" requires %s %d argument(s)", cli->argv0,
			  verb->name, what, limit);
}

static int failure_status(const struct dv_opt_verb *verb)
{
	return verb->failure_status ? verb->failure_status : EXIT_FAILURE;
}

static int run_verb(struct cli *cli, const struct dv_opt_verb *verb, const void *opts, char **args)
{
	int status = EXIT_SUCCESS;
	struct dv_err *e;

	/* What must be given is always an id, and always first. */
	if (verb->min_args > 0 && !*args[0])
		e = dv_err_new(DV_INVALID, "container id cannot be empty");
	else
		e = verb->run(cli, opts, args, &status);
	return e ? fail(cli, e, failure_status(verb)) : status;
}

/* Executes us again, from an image that the container cannot write to; @cli keeps the words. */
static struct dv_err *seal(struct cli *cli, const struct dv_opt_verb *verb)
{
	struct dv_err *e;

	if (!verb->needs_seal)
		return NULL;
	e = rt_exe_seal(cli->argv, &cli->log);
	return dv_err_wrap(e, "protect %s from the container", cli->name);
}

static int call_verb(struct cli *cli, const struct dv_opt_verb *verb, int argc, char **argv)
{
	DV_CLEANUP(dv_freep) void *opts = dv_alloc(verb->opts_size);
	struct dv_strbuf intro = DV_STRBUF_INIT;
	int n_args = 0, status;
	struct dv_err *e;

	e = dv_opt_parse(verb->opts, opts, verb->stop_after, argc, argv, &n_args);
	if (e && dv_err_code(e) == DV_CANCELLED) {
		dv_err_free(e);
		status = show_verb(cli, verb);
	} else if (e) {
		dv_strbuf_addf(&intro, ": %s", dv_err_message(e));
		status = fail_usage(cli, verb, intro.data, e);
		dv_strbuf_fini(&intro);
	} else {
		e = check_args(cli, verb, n_args);
		status = e ? fail_usage(cli, verb, ".", e) : run_verb(cli, verb, opts, argv);
	}
	dv_opt_release(verb->opts, opts);
	return status;
}

/* Everything behind the program's name; the global options stop at the verb. */
static int call_program(struct cli *cli, int argc, char **argv)
{
	struct dv_strbuf intro = DV_STRBUF_INIT;
	const struct dv_opt_verb *verb;
	int n_args = 0, status;
	struct dv_err *e;

	e = dv_opt_parse(davit_oci_program.opts, &cli->opts, 1, argc, argv, &n_args);
	if (e && dv_err_code(e) == DV_CANCELLED) {
		dv_err_free(e);
		return show_program(cli);
	}
	if (e) {
		dv_strbuf_addf(&intro, ". %s", dv_err_message(e));
		status = fail_usage(cli, NULL, intro.data, e);
		dv_strbuf_fini(&intro);
		return status;
	}
	if (cli->opts.is_version)
		return show_version(cli);
	e = cli_configure(cli);
	if (e)
		return fail(cli, e, EXIT_FAILURE);
	if (n_args == 0)
		return show_program(cli);
	verb = dv_opt_verb_find(&davit_oci_program, argv[0]);
	if (!verb)
		return fail_unknown(cli, argv[0]);
	e = seal(cli, verb);
	return e ? fail(cli, e, failure_status(verb)) : call_verb(cli, verb, n_args - 1, argv + 1);
}

int main(int argc, char **argv)
{
	struct cli cli;
	int status;

	cli_init(&cli, argc, argv);
	status = call_program(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0));
	cli_fini(&cli);
	return status;
}
