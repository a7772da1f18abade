/* SPDX-License-Identifier: Apache-2.0 */
/* davit attach: to the first process of a container that runs. */

#include <stddef.h>

#include "containers.h"
#include "foreground.h"

struct attach_opts {
	const char *detach_keys;
	bool has_no_stdin, has_sig_proxy;
};

static const struct dv_opt options[] = {
	{ .name = "detach-keys",
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct attach_opts, detach_keys),
	  .arg = "keys",
	  .help = "what leaves it (default: ctrl-p,ctrl-q)" },
	{ .name = "no-stdin",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct attach_opts, has_no_stdin),
	  .help = "do not give it our input" },
	{ .name = "sig-proxy",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct attach_opts, has_sig_proxy),
	  .help = "our signals are the process'",
	  .preset = "true" },
	DV_OPT_END,
};

/* Its end is waited for before we are attached, so that it cannot be missed. */
static struct dv_err *join(struct cli *cli, const struct client_record *r,
			   const struct client_startable *s, struct foreground *f,
			   struct client_started *ret)
{
	uint16_t rows, columns;
	struct dv_err *e;

	ret->pid = r->pid;
	ret->wait =
		client_task_wait_start(cli->client, r->container->id, NULL, foreground_on_exit, f);
	e = client_streams_attach(cli->client, s->bundle, foreground_streams(f), &ret->streams);
	if (!e && s->has_terminal && foreground_size(f, &rows, &columns))
		e = client_pending_finish(
			client_task_resize(cli->client, r->container->id, NULL, rows, columns),
			NULL, NULL);
	return e;
}

static struct dv_err *attach(struct cli *cli, const struct attach_opts *o, const char *ref,
			     int *ret_status)
{
	DV_CLEANUP(foreground_freep) struct foreground *f = NULL;
	struct foreground_opts with = { .has_sig_proxy = o->has_sig_proxy,
					.detach_keys = o->detach_keys };
	struct client_started started = { 0 };
	struct client_startable s;
	struct client_record r;
	bool is_left = false;
	struct dv_err *e;

	e = cli_container(cli, ref, &r);
	if (!e && r.state != CLIENT_RUNNING) {
		cli_hint(cli, "start it, and be attached, with: %s start -a %s", cli->name, ref);
		e = dv_err_new(DV_PRECONDITION, "it is not running (%s)",
			       client_state_name(r.state));
	}
	if (!e)
		e = client_startable_find(cli->client, &r, &cli->arena, &s);
	if (!e && (!s.is_ours || s.has_no_log))
		e = dv_err_new(DV_PRECONDITION, "its streams were given to whoever started it");
	if (e)
		return e;
	with.has_tty = s.has_terminal;
	with.has_stdin = s.has_stdin && !o->has_no_stdin;
	e = foreground_new(cli, &with, &f);
	if (e)
		return e;
	foreground_watch_signals(f);
	e = join(cli, &r, &s, f, &started);
	if (!e)
		return foreground_run(f, r.container->id, NULL, &started, ret_status, &is_left);
	client_started_fini(&started);
	return e;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	return dv_err_wrap(attach(program, opts, args[0], ret_status), "cannot attach to %s",
			   args[0]);
}

const struct dv_opt_verb cli_verb_attach = {
	.name = "attach",
	.aliases = "container attach",
	.args = "CONTAINER",
	.summary = "Be with the first process of a running container",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.opts_size = sizeof(struct attach_opts),
	.run = run,
};
