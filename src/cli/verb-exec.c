/* SPDX-License-Identifier: Apache-2.0 */
/* davit exec: one more process in a container that runs. */

#include <stdlib.h>
#include <string.h>

#include "client/exec.h"
#include "containers.h"
#include "foreground.h"
#include "run.h"

struct exec_opts {
	bool is_detached, has_stdin, has_tty, is_privileged;
	const char *user, *working_dir, *detach_keys;
	struct dv_opt_list env, env_files;
};

#define OFFSET(field) offsetof(struct exec_opts, field)

static const struct dv_opt options[] = {
	{ .name = "detach",
	  .letter = 'd',
	  .type = DV_OPT_FLAG,
	  .offset = OFFSET(is_detached),
	  .help = "leave it in the background" },
	{ .name = "detach-keys",
	  .type = DV_OPT_STRING,
	  .offset = OFFSET(detach_keys),
	  .arg = "keys",
	  .help = "keys to leave it (default: ctrl-p,ctrl-q)" },
	{ .name = "env",
	  .letter = 'e',
	  .type = DV_OPT_LIST,
	  .offset = OFFSET(env),
	  .arg = "name[=value]",
	  .help = "an environment variable" },
	{ .name = "env-file",
	  .type = DV_OPT_LIST,
	  .offset = OFFSET(env_files),
	  .arg = "path",
	  .help = "environment variables, one a line" },
	{ .name = "interactive",
	  .letter = 'i',
	  .type = DV_OPT_FLAG,
	  .offset = OFFSET(has_stdin),
	  .help = "pass standard input on" },
	{ .name = "privileged",
	  .type = DV_OPT_FLAG,
	  .offset = OFFSET(is_privileged),
	  .help = "with all capabilities" },
	{ .name = "tty",
	  .letter = 't',
	  .type = DV_OPT_FLAG,
	  .offset = OFFSET(has_tty),
	  .help = "give it a terminal" },
	{ .name = "user",
	  .letter = 'u',
	  .type = DV_OPT_STRING,
	  .offset = OFFSET(user),
	  .arg = "user[:group]",
	  .help = "names or ids, by the container's files" },
	{ .name = "workdir",
	  .letter = 'w',
	  .type = DV_OPT_STRING,
	  .offset = OFFSET(working_dir),
	  .arg = "path",
	  .help = "working directory inside" },
	DV_OPT_END,
};

static struct dv_err *plan(struct cli *cli, const struct exec_opts *o, char **args,
			   struct client_exec_opts *ret)
{
	struct run_opts words = { .env = o->env, .env_files = o->env_files };
	struct run_plan p = { .cli = cli, .opts = &words };
	struct dv_err *e = run_plan_env(&p);

	*ret = (struct client_exec_opts){ .args = (const char *const *)args,
					  .env = p.container.env,
					  .n_env = p.container.n_env,
					  .user = o->user,
					  .working_dir = o->working_dir,
					  .is_privileged = o->is_privileged,
					  .has_terminal = o->has_tty };
	while (args[ret->n_args])
		ret->n_args++;
	return e;
}

static struct dv_err *attached(struct cli *cli, const struct exec_opts *o, struct client *c,
			       const struct client_record *r, struct client_exec_opts *how,
			       int *ret_status)
{
	DV_CLEANUP(foreground_freep) struct foreground *f = NULL;
	struct foreground_opts with = { .has_stdin = o->has_stdin,
					.has_tty = o->has_tty,
					.detach_keys = o->detach_keys };
	char id[CLIENT_ID_SIZE];
	struct client_started started;
	bool is_left = false;
	struct dv_err *e;

	e = foreground_new(cli, &with, &f);
	if (e)
		return e;
	(void)foreground_size(f, &how->console_height, &how->console_width);
	foreground_watch_signals(f);
	e = client_exec_start(c, r, how, foreground_streams(f), foreground_on_exit, f, id,
			      &started);
	if (e) {
		*ret_status = foreground_failure_status(e);
		cli_report(cli, dv_err_wrap(e, "cannot run %s in %s", how->args[0],
					    client_record_title(r, &cli->arena)));
		return NULL;
	}
	e = foreground_run(f, r->container->id, id, &started, ret_status, &is_left);
	if (!is_left)
		dv_err_free(client_task_delete(c, r->container->id, id));
	return e;
}

static struct dv_err *detached(struct cli *cli, struct client *c, const struct client_record *r,
			       const struct client_exec_opts *how, int *ret_status)
{
	char id[CLIENT_ID_SIZE];
	struct client_started started;
	struct dv_err *e;

	e = client_exec_start(c, r, how, NULL, NULL, NULL, id, &started);
	if (!e)
		return NULL;
	*ret_status = foreground_failure_status(e);
	cli_report(cli, dv_err_wrap(e, "cannot run %s in %s", how->args[0],
				    client_record_title(r, &cli->arena)));
	return NULL;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct exec_opts *o = opts;
	struct client_exec_opts how;
	struct client_record r;
	struct cli *cli = program;
	struct client *c = NULL;
	struct dv_err *e;

	e = plan(cli, o, args + 1, &how);
	if (!e)
		e = cli_client(cli, &c);
	if (!e)
		e = cli_container(cli, args[0], &r);
	if (!e && r.state != CLIENT_RUNNING) {
		if (r.state != CLIENT_PAUSED)
			cli_hint(cli, "Start it: %s start %s", cli->name, args[0]);
		e = dv_err_new(DV_PRECONDITION, "container %s is %s, not running", args[0],
			       client_state_name(r.state));
	}
	if (e)
		return e;
	if (o->is_detached)
		return detached(cli, c, &r, &how, ret_status);
	return attached(cli, o, c, &r, &how, ret_status);
}

const struct dv_opt_verb cli_verb_exec = {
	.name = "exec",
	.aliases = "container exec",
	.args = "CONTAINER COMMAND [ARG...]",
	.summary = "Run a command in a running container",
	.text = "Ends with the command's status; 126: it cannot be executed, 127: there is no such command.",
	.opts = options,
	.min_args = 2,
	.max_args = -1,
	.stop_after = 1,
	.failure_status = 1,
	.opts_size = sizeof(struct exec_opts),
	.run = run,
};
