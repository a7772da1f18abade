/* SPDX-License-Identifier: Apache-2.0 */
/* davit run: make a container, start it, and be with it until it ends. */

#include <fcntl.h>
#include <string.h>

#include "client/start.h"
#include "foreground.h"
#include "run.h"
#include "sys/file.h"

static struct dv_err *write_pidfile(const char *path, uint32_t pid)
{
	DV_CLEANUP(dv_freep) char *text = dv_printf("%u", pid);
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int r = fd < 0 ? fd : sys_write_all(fd, text, strlen(text));

	return r < 0 ? dv_err_sys(r, "write the --pidfile %s", path) : NULL;
}

/* The container that did not start stays, as docker's does, unless it was to be removed anyway. */
static void report_start(struct cli *cli, const struct run_opts *o, struct client *c,
			 const struct client_container *made, struct dv_err *take, int *ret_status)
{
	*ret_status = foreground_failure_status(take);
	cli_report(cli, dv_err_wrap(take, "cannot start container %s", made->name));
	if (o->is_removed)
		client_container_discard(c, made);
}

static struct dv_err *run_detached(struct cli *cli, const struct run_opts *o, struct client *c,
				   struct client_container *made, int *ret_status)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct client_started started;
	struct dv_err *e;

	e = client_container_start(c, &made->start, NULL, NULL, NULL, &started);
	if (e) {
		report_start(cli, o, c, made, e, ret_status);
		return NULL;
	}
	client_container_settle(made);
	if (o->pidfile)
		e = write_pidfile(o->pidfile, started.pid);
	dv_strbuf_addf(&out, "%s\n", made->id);
	return e ? e : cli_print(&out);
}

static struct dv_err *run_attached(struct cli *cli, const struct run_opts *o, struct client *c,
				   struct foreground *f, struct client_container *made,
				   int *ret_status)
{
	struct client_started started;
	bool is_left = false;
	struct dv_err *e;

	foreground_watch_signals(f);
	e = client_container_start(c, &made->start, foreground_streams(f), foreground_on_exit, f,
				   &started);
	if (e) {
		report_start(cli, o, c, made, e, ret_status);
		return NULL;
	}
	client_container_settle(made);
	if (o->pidfile)
		e = write_pidfile(o->pidfile, started.pid);
	if (e) {
		client_started_fini(&started);
		return e;
	}
	return foreground_run(f, made->id, NULL, &started, ret_status, &is_left);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(foreground_freep) struct foreground *f = NULL;
	const struct run_opts *o = opts;
	struct foreground_opts with = { .has_stdin = o->has_stdin,
					.has_tty = o->has_tty,
					.has_sig_proxy = o->has_sig_proxy,
					.detach_keys = o->detach_keys };
	struct client_container made;
	struct cli *cli = program;
	struct client *c = NULL;
	struct run_plan plan;
	struct dv_err *e;

	e = run_plan_make(cli, o, args, &plan);
	if (!e)
		e = cli_client(cli, &c);
	if (!e && !o->is_detached)
		e = foreground_new(cli, &with, &f);
	if (!e && f)
		(void)foreground_size(f, &plan.container.spec.console_height,
				      &plan.container.spec.console_width);
	if (!e)
		e = run_create(cli, &plan, &made);
	if (e)
		return e;
	e = f ? run_attached(cli, o, c, f, &made, ret_status)
	      : run_detached(cli, o, c, &made, ret_status);
	client_container_fini(&made);
	return e;
}

const struct dv_opt_verb cli_verb_run = {
	.name = "run",
	.aliases = "container run",
	.args = "IMAGE [COMMAND] [ARG...]",
	.summary = "Make a container and run a command in it",
	.text = "Waits for the end, and ends with the command's status; 125: it could not be run,\n"
		"126: the command cannot be executed, 127: there is no such command.\n\n"
		"With -t the keys ctrl-p ctrl-q leave the container running.",
	.opts = run_options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = 1,
	.failure_status = 125,
	.opts_size = sizeof(struct run_opts),
	.run = run,
};
