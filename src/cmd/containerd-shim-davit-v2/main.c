/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-davit-v2: this file parses and chooses; the tables are in options.c, the
 * work is in src/shim.
 *
 * Whatever goes wrong is one line on standard error and status 1, since daemons make
 * that line part of their own messages. A successful start prints its answer and nothing else.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli.h"
#include "shim/serve.h"
#include "sys/file.h"

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A descriptor of ours in the place of a closed standard stream would be written to. */
static void fill_standard_streams(void)
{
	for (int i = 0; i < 3; i++) {
		if (sys_fcntl(i, F_GETFD, 0) < 0)
			(void)sys_set_cloexec(sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0), false);
	}
}

/* The path that we were executed by, as long as it leads to the same file. */
static char *find_self(void)
{
	static const char link[] = "/proc/self/exe";
	char path[PATH_MAX];
	struct stat exe, found;

	if (sys_readlinkat(AT_FDCWD, link, path, sizeof(path)) > 0 &&
	    sys_fstatat(AT_FDCWD, link, &exe, 0) == 0 &&
	    sys_fstatat(AT_FDCWD, path, &found, 0) == 0 && exe.st_dev == found.st_dev &&
	    exe.st_ino == found.st_ino)
		return dv_strdup(path);
	return dv_strdup(link);
}

static char *make_path(const char *self)
{
	const char *path = getenv("PATH"), *slash = strrchr(self, '/');

	return dv_printf("%.*s:%s", (int)(slash - self), self, path && *path ? path : USUAL_PATH);
}

static void init(struct shim_cli *cli, int argc, char **argv, char **envp)
{
	const char *argv0 = argc > 0 ? argv[0] : shim_program.name;
	const char *slash = strrchr(argv0, '/');
	const char *sched_core = getenv("SCHED_CORE");

	*cli = (struct shim_cli){
		.program = argv0,
		.name = slash ? slash + 1 : argv0,
		.self = find_self(),
		.log = { .fd = STDERR_FILENO, .format = DV_LOG_TEXT, .level = DV_INFO },
		.envp = (const char *const *)envp,
		.ttrpc_address = getenv("TTRPC_ADDRESS"),
		.max_version = getenv("MAX_SHIM_VERSION"),
		.has_sched_core = sched_core && *sched_core,
	};
	cli->path = make_path(cli->self);
	fill_standard_streams();
}

static void fini(struct shim_cli *cli)
{
	free(cli->self);
	free(cli->path);
}

static struct dv_err *print(const struct shim_cli *cli,
			    void (*fill)(const struct shim_cli *cli, struct dv_strbuf *out))
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	fill(cli, &out);
	return cli_print(&out);
}

/* What remains behind the options: an action, or none. */
static struct dv_err *act(struct shim_cli *cli, int n_args, char **args)
{
	const struct dv_opt_verb *verb;
	int status = 0;

	if (!cli->opts.ns || !*cli->opts.ns)
		return dv_err_new(DV_INVALID, "shim namespace cannot be empty");
	if (n_args == 0)
		return cli_serve(cli);
	verb = dv_opt_verb_find(&shim_program, args[0]);
	if (!verb)
		return dv_err_new(DV_INVALID, "no such action: \"%s\" (start, delete)", args[0]);
	if (n_args > 1)
		return dv_err_new(DV_INVALID, "%s takes no arguments: \"%s\"", args[0], args[1]);
	return verb->run(cli, &cli->opts, args + 1, &status);
}

static struct dv_err *run(struct shim_cli *cli, int argc, char **argv)
{
	struct dv_err *e;
	int n_args = 0;

	e = dv_opt_parse(shim_program.opts, &cli->opts, 1, argc, argv, &n_args);
	if (e && dv_err_code(e) == DV_CANCELLED) {
		dv_err_free(e);
		return print(cli, cli_help);
	}
	if (e)
		return e;
	if (cli->opts.is_debug)
		cli->log.level = DV_DEBUG;
	if (cli->opts.is_version)
		return print(cli, cli_version);
	if (cli->opts.is_info)
		return cli_info(cli);
	return act(cli, n_args, argv);
}

static int report(struct dv_err *take_e)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;

	if (!e)
		return EXIT_SUCCESS;
	dv_strbuf_addf(&line, "%s: %s\n", SHIM_NAME, dv_err_message(e));
	(void)sys_write_all(STDERR_FILENO, line.data, line.len);
	return EXIT_FAILURE;
}

int main(int argc, char **argv, char **envp)
{
	struct shim_cli cli;
	int status;

	/* Before anything is made: the process of a sandbox lives as long as its pod. */
	if (argc == 2 && dv_streq(argv[1], "pause"))
		return shim_pause();
	init(&cli, argc, argv, envp);
	status = report(run(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0)));
	fini(&cli);
	return status;
}
