/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the verb, parses, runs it, and turns the outcome into an exit status. */

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli-private.h"
#include "sys/file.h"

struct dv_err *cli_print(const struct dv_strbuf *text)
{
	int r = sys_write_all(STDOUT_FILENO, text->data, text->len);

	return r < 0 ? dv_err_sys(r, "write to standard output") : NULL;
}

static const char *given(const char *option, const char *variable, const char *other)
{
	const char *value = option && *option ? option : getenv(variable);

	if ((!value || !*value) && other)
		value = getenv(other);
	return value && *value ? value : NULL;
}

struct dv_err *cli_client(struct cli *cli, struct client **ret)
{
	struct client_opts opts = {
		.address = given(cli->opts.address, "DAVIT_ADDRESS", "CONTAINERD_ADDRESS"),
		.ns = given(cli->opts.ns, "DAVIT_NAMESPACE", "CONTAINERD_NAMESPACE"),
	};
	struct dv_err *e = NULL;

	if (!cli->client)
		e = client_new(&opts, &cli->client);
	*ret = cli->client;
	return e;
}

static struct dv_err *run_verb(struct cli *cli, const struct dv_opt_verb *verb, int argc,
			       char **argv, int *ret_status)
{
	DV_CLEANUP(dv_freep) void *opts = dv_alloc(verb->opts_size);
	struct dv_err *e;
	int n_args = 0;

	e = dv_opt_parse(verb->opts, opts, verb->stop_after, argc, argv, &n_args);
	if (!e && (n_args < verb->min_args || (verb->max_args >= 0 && n_args > verb->max_args)))
		e = dv_err_new(DV_INVALID, "%s: wrong number of arguments; usage: %s %s %s",
			       verb->name, cli->name, verb->name, verb->args);
	if (!e) {
		argv[n_args] = NULL;
		e = verb->run(cli, opts, argv, ret_status);
	}
	if (e)
		*ret_status = verb->failure_status ? verb->failure_status : EXIT_FAILURE;
	dv_opt_release(verb->opts, opts);
	return e;
}

static struct dv_err *run(struct cli *cli, int argc, char **argv, int *ret_status)
{
	const struct dv_opt_verb *verb;
	struct dv_err *e;
	int n_args = 0;

	*ret_status = EXIT_FAILURE;
	e = dv_opt_parse(davit_program.opts, &cli->opts, 1, argc, argv, &n_args);
	if (e)
		return e;
	if (n_args == 0)
		return dv_err_new(DV_INVALID, "a verb is missing; see %s --help", cli->name);
	verb = dv_opt_verb_find(&davit_program, argv[0]);
	if (!verb)
		return dv_err_new(DV_INVALID, "no such verb: \"%s\"; see %s --help", argv[0],
				  cli->name);
	*ret_status = EXIT_SUCCESS;
	return run_verb(cli, verb, n_args - 1, argv + 1, ret_status);
}

int cli_main(int argc, char **argv)
{
	const char *argv0 = argc > 0 ? argv[0] : davit_program.name;
	const char *slash = strrchr(argv0, '/');
	struct cli cli = { .name = slash ? slash + 1 : argv0 };
	struct dv_err *e;
	int status = EXIT_SUCCESS;

	dv_arena_init(&cli.arena);
	e = run(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0), &status);
	if (e) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;

		dv_strbuf_addf(&line, "%s: %s\n", cli.name, dv_err_message(e));
		(void)sys_write_all(STDERR_FILENO, line.data, line.len);
	}
	dv_err_free(e);
	client_free(cli.client);
	dv_arena_fini(&cli.arena);
	return status;
}
