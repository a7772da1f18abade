/* SPDX-License-Identifier: Apache-2.0 */
/* The process: its surroundings, its connection, and what it says. */

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
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

const char *cli_env(const char *name)
{
	return getenv(name);
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

struct timespec cli_now(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

void cli_hint(struct cli *cli, const char *fmt, ...)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf hint = DV_STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dv_strbuf_addv(&hint, fmt, ap);
	va_end(ap);
	free(cli->hint);
	cli->hint = dv_strbuf_steal(&hint);
}

/* What helps against errors that any verb may have. */
static void hint_by_code(struct cli *cli, const struct dv_err *e)
{
	if (!cli->client || dv_err_code(e) != DV_UNAVAILABLE)
		return;
	if (dv_err_errno(e) == EACCES || dv_err_errno(e) == EPERM)
		cli_hint(cli, "%s is root's: try 'sudo %s'", client_address(cli->client),
			 cli->name);
	else
		cli_hint(
			cli,
			"is davitd running? 'systemctl start davitd' or 'sudo davitd &' starts it; "
			"--address or DAVIT_ADDRESS says where else it listens");
}

void cli_report(struct cli *cli, struct dv_err *take)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	if (!e)
		return;
	if (!cli->hint)
		hint_by_code(cli, e);
	dv_strbuf_addf(&text, "%s: %s\n", cli->name, dv_err_message(e));
	if (cli->hint)
		dv_strbuf_addf(&text, "%s\n", cli->hint);
	(void)sys_write_all(STDERR_FILENO, text.data, text.len);
	free(cli->hint);
	cli->hint = NULL;
}

void cli_each(struct cli *cli, const void *ctx, char **args, cli_each_fn fn, int *ret_status)
{
	for (; *args; args++) {
		struct dv_err *e = fn(cli, ctx, *args);

		if (!e)
			continue;
		*ret_status = EXIT_FAILURE;
		cli_report(cli, e);
	}
}

/* A descriptor of ours in the place of a closed standard stream would be written to. */
static void fill_standard_streams(void)
{
	for (int i = 0; i < 3; i++) {
		if (sys_fcntl(i, F_GETFD, 0) < 0)
			(void)sys_set_cloexec(sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0), false);
	}
}

int cli_main(int argc, char **argv)
{
	const char *argv0 = argc > 0 ? argv[0] : davit_program.name;
	const char *slash = strrchr(argv0, '/');
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
	struct cli cli = {
		.name = slash ? slash + 1 : argv0,
		.is_terminal = isatty(STDOUT_FILENO),
	};
	int status = EXIT_SUCCESS;

	fill_standard_streams();
	cli.has_colour = cli.is_terminal && !(no_colour && *no_colour) &&
			 !(terminal && dv_streq(terminal, "dumb"));
	dv_arena_init(&cli.arena);
	cli_report(&cli, cli_dispatch(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0), &status));
	client_free(cli.client);
	dv_arena_fini(&cli.arena);
	free(cli.hint);
	return status;
}
