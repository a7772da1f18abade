/* SPDX-License-Identifier: Apache-2.0 */
/* davit start, davit restart: containers that are not running, or are to run anew. */

#include "base/signame.h"
#include "client/start.h"
#include "client/stop.h"
#include "containers.h"
#include "foreground.h"

#define SECOND 1000000000LL

struct start_opts {
	bool is_attached, has_stdin, has_sig_proxy;
	const char *detach_keys;
};

#define OFFSET(field) offsetof(struct start_opts, field)

static const struct dv_opt start_options[] = {
	{ .name = "attach",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = OFFSET(is_attached),
	  .help = "show the output, and pass signals on" },
	{ .name = "detach-keys",
	  .type = DV_OPT_STRING,
	  .offset = OFFSET(detach_keys),
	  .arg = "keys",
	  .help = "keys to leave it (default: ctrl-p,ctrl-q)" },
	{ .name = "interactive",
	  .letter = 'i',
	  .type = DV_OPT_FLAG,
	  .offset = OFFSET(has_stdin),
	  .help = "pass standard input on" },
	{ .name = "sig-proxy",
	  .type = DV_OPT_FLAG,
	  .offset = OFFSET(has_sig_proxy),
	  .help = "pass signals on to the process",
	  .preset = "true" },
	DV_OPT_END,
};

struct restart_opts {
	struct dv_opt_int timeout;
	const char *signal;
};

static const struct dv_opt restart_options[] = {
	{ .name = "signal",
	  .letter = 's',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct restart_opts, signal),
	  .arg = "signal",
	  .help = "what is sent first" },
	{ .name = "time",
	  .letter = 't',
	  .type = DV_OPT_INT,
	  .offset = offsetof(struct restart_opts, timeout),
	  .arg = "seconds",
	  .help = "how long it may take to end" },
	DV_OPT_END,
};

/* ---- start -------------------------------------------------------------------------- */

/* A task that has ended and that nobody deletes is in the way of the next. */
static struct dv_err *find(struct cli *cli, struct client *c, const char *ref,
			   struct client_record *r, struct client_startable *ret)
{
	struct dv_err *e = cli_container(cli, ref, r);

	if (!e && r->has_task && r->state == CLIENT_EXITED)
		e = client_task_delete(c, r->container->id, NULL);
	if (!e)
		e = client_startable_find(c, r, &cli->arena, ret);
	return e;
}

static struct dv_err *start_one(struct cli *cli, const char *ref)
{
	struct client_startable startable;
	struct client_started started;
	struct client_record r;
	struct client *c = NULL;
	struct dv_err *e;

	e = cli_client(cli, &c);
	if (!e)
		e = find(cli, c, ref, &r, &startable);
	if (!e && r.has_task && r.state != CLIENT_EXITED)
		return NULL; /* docker's: it runs already */
	if (!e)
		e = client_container_start(c, &startable, NULL, NULL, NULL, &started);
	return e;
}

static struct dv_err *start_each(struct cli *cli, const void *ctx, const char *ref)
{
	struct dv_err *e = start_one(cli, ref);

	(void)ctx;
	return e ? dv_err_wrap(e, "cannot start %s", ref) : cli_done(ref);
}

static struct dv_err *start_attached(struct cli *cli, const struct start_opts *o, const char *ref,
				     int *ret_status)
{
	DV_CLEANUP(foreground_freep) struct foreground *f = NULL;
	struct foreground_opts with = { .has_sig_proxy = o->has_sig_proxy,
					.detach_keys = o->detach_keys,
					.has_no_output = !o->is_attached && !o->has_stdin };
	struct client_startable startable;
	struct client_started started;
	struct client_record r;
	struct client *c = NULL;
	bool is_left = false;
	struct dv_err *e;

	e = cli_client(cli, &c);
	if (!e)
		e = find(cli, c, ref, &r, &startable);
	if (!e && r.has_task && r.state != CLIENT_EXITED)
		e = dv_err_new(DV_PRECONDITION, "it is running already; see '%s attach'",
			       cli->name);
	if (e)
		return dv_err_wrap(e, "cannot start %s", ref);
	with.has_tty = startable.has_terminal;
	with.has_stdin = o->has_stdin && startable.has_stdin;
	e = foreground_new(cli, &with, &f);
	if (!e)
		foreground_watch_signals(f);
	if (!e)
		e = client_container_start(c, &startable, foreground_streams(f), foreground_on_exit,
					   f, &started);
	if (e)
		return dv_err_wrap(e, "cannot start %s", ref);
	return foreground_run(f, r.container->id, NULL, &started, ret_status, &is_left);
}

static struct dv_err *run_start(void *program, const void *opts, char **args, int *ret_status)
{
	const struct start_opts *o = opts;
	struct cli *cli = program;

	if (!o->is_attached && !o->has_stdin) {
		cli_each(cli, NULL, args, start_each, ret_status);
		return NULL;
	}
	if (args[1])
		return dv_err_new(DV_INVALID, "one container at a time can be attached to");
	return start_attached(cli, o, args[0], ret_status);
}

/* ---- restart ------------------------------------------------------------------------ */

static struct dv_err *restart_each(struct cli *cli, const void *ctx, const char *ref)
{
	const struct restart_opts *o = ctx;
	struct client_stop_opts how = { .timeout_ns = -1 };
	struct client_record r;
	struct client *c = NULL;
	struct dv_err *e;

	if (o->timeout.is_set)
		how.timeout_ns = o->timeout.value * SECOND;
	e = cli_signal(o->signal, &how.signo);
	if (!e)
		e = cli_client(cli, &c);
	if (!e)
		e = cli_container(cli, ref, &r);
	if (!e && client_record_label(&r, CLIENT_LABEL_REMOVE))
		e = dv_err_new(DV_PRECONDITION, "it is removed when it ends (--rm)");
	if (!e)
		e = client_stop_finish(client_stop_begin(c, &r, &how));
	return e ? dv_err_wrap(e, "cannot restart %s", ref) : start_each(cli, NULL, ref);
}

static struct dv_err *run_restart(void *program, const void *opts, char **args, int *ret_status)
{
	struct restart_opts o = *(const struct restart_opts *)opts;

	cli_each(program, &o, args, restart_each, ret_status);
	return NULL;
}

const struct dv_opt_verb cli_verb_start = {
	.name = "start",
	.aliases = "container start",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Start containers that are not running",
	.opts = start_options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.opts_size = sizeof(struct start_opts),
	.run = run_start,
};

const struct dv_opt_verb cli_verb_restart = {
	.name = "restart",
	.aliases = "container restart",
	.args = "CONTAINER [CONTAINER...]",
	.summary = "Stop containers and start them again",
	.opts = restart_options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = -1,
	.opts_size = sizeof(struct restart_opts),
	.run = run_restart,
};
