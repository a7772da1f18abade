/* SPDX-License-Identifier: Apache-2.0 */
/*
 * davitd: this file parses and chooses. The tables are in options.c, serving is in serve.c, and the
 * work is in src/daemon.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "cli.h"
#include "sys/file.h"

/* A descriptor of ours in the place of a closed standard stream would be written to. */
static void fill_standard_streams(void)
{
	for (int i = 0; i < 3; i++) {
		if (sys_fcntl(i, F_GETFD, 0) < 0)
			(void)sys_set_cloexec(sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0), false);
	}
}

static char *find_dir(void)
{
	char path[PATH_MAX];

	if (sys_readlinkat(AT_FDCWD, "/proc/self/exe", path, sizeof(path)) <= 0)
		return dv_strdup("/usr/bin");
	*strrchr(path, '/') = '\0';
	return dv_strdup(path);
}

static struct dv_err *print(const struct cli *cli,
			    void (*fill)(const struct cli *cli, struct dv_strbuf *out))
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	fill(cli, &out);
	return cli_print(&out);
}

static struct dv_err *run_verb(struct cli *cli, const struct dv_opt_verb *verb, int argc,
			       char **argv)
{
	DV_CLEANUP(dv_freep) void *opts = dv_alloc(verb->opts_size);
	struct dv_err *e;
	int n_args = 0, status = 0;

	e = dv_opt_parse(verb->opts, opts, verb->stop_after, argc, argv, &n_args);
	if (!e && n_args > verb->max_args && verb->max_args >= 0)
		e = dv_err_new(DV_INVALID, "%s: too many arguments: \"%s\"", verb->name,
			       argv[verb->max_args]);
	if (e && dv_err_code(e) == DV_CANCELLED) {
		dv_err_free(e);
		return print(cli, cli_help);
	}
	if (!e && n_args < verb->min_args)
		e = dv_err_new(DV_INVALID, "%s: an argument is missing: %s", verb->name,
			       verb->args);
	argv[n_args] = NULL;
	if (!e)
		e = verb->run(cli, opts, argv, &status);
	dv_opt_release(verb->opts, opts);
	return e;
}

static struct dv_err *run(struct cli *cli, int argc, char **argv)
{
	const struct dv_opt_verb *verb;
	struct dv_err *e;
	int n_args = 0;

	e = dv_opt_parse(davitd_program.opts, &cli->opts, 1, argc, argv, &n_args);
	if (e && dv_err_code(e) == DV_CANCELLED) {
		dv_err_free(e);
		return print(cli, cli_help);
	}
	if (e)
		return e;
	if (cli->opts.is_version)
		return print(cli, cli_version);
	if (cli->opts.is_fault_list)
		return print(cli, cli_faults);
	e = dv_fault_arm(getenv("DAVIT_FAULT"));
	if (e)
		return e;
	if (n_args == 0)
		return cli_serve(cli);
	verb = dv_opt_verb_find(&davitd_program, argv[0]);
	if (!verb)
		return dv_err_new(DV_INVALID, "no such verb: \"%s\"; see %s --help", argv[0],
				  cli->name);
	return run_verb(cli, verb, n_args - 1, argv + 1);
}

int main(int argc, char **argv, char **envp)
{
	const char *argv0 = argc > 0 ? argv[0] : davitd_program.name;
	const char *slash = strrchr(argv0, '/');
	struct cli cli = {
		.name = slash ? slash + 1 : argv0,
		.config = DAEMON_CONFIG_DEFAULT,
		.log = { .fd = STDERR_FILENO, .format = DV_LOG_TEXT, .level = DV_INFO },
		.envp = (const char *const *)envp,
	};
	struct dv_err *e;
	int status = EXIT_SUCCESS;

	fill_standard_streams();
	cli.dir = find_dir();
	dv_arena_init(&cli.arena);
	e = run(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0));
	if (e) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;

		dv_strbuf_addf(&line, "%s: %s\n", cli.name, dv_err_message(e));
		(void)sys_write_all(STDERR_FILENO, line.data, line.len);
		status = EXIT_FAILURE;
	}
	dv_err_free(e);
	dv_arena_fini(&cli.arena);
	free(cli.dir);
	return status;
}
