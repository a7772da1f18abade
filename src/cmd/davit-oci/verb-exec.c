/* SPDX-License-Identifier: Apache-2.0 */
/* exec: one more process in a running container. */

#include <stdlib.h>

#include "base/mem.h"
#include "cli.h"
#include "verbs.h"

struct exec_opts {
	const char *console_socket, *pidfd_socket, *pid_file;
	const char *process, *cwd, *user, *process_label, *apparmor;
	struct dv_opt_list env, caps, gids, cgroups;
	struct dv_opt_int preserve_fds;
	bool tty, detach, no_new_privs, ignore_paused;
};

static struct dv_err *parse_gids(const struct dv_opt_list *texts, uint32_t *ret)
{
	for (size_t i = 0; i < texts->n_items; i++) {
		if (!dv_parse_u32(texts->items[i], &ret[i]))
			return dv_err_new(DV_INVALID,
					  "additional-gids must be a positive number %s",
					  texts->items[i]);
	}
	return NULL;
}

static void fill(struct rt_exec_opts *rt, const struct exec_opts *o, char **args)
{
	rt->id = args[0];
	rt->args = (const char **)args + 1;
	while (rt->args[rt->n_args])
		rt->n_args++;
	rt->process_file = cli_given(o->process);
	rt->cwd = cli_given(o->cwd);
	rt->user = cli_given(o->user);
	rt->process_label = cli_given(o->process_label);
	rt->apparmor = cli_given(o->apparmor);
	rt->env = o->env.items;
	rt->n_env = o->env.n_items;
	rt->caps = o->caps.items;
	rt->n_caps = o->caps.n_items;
	rt->cgroups = o->cgroups.items;
	rt->n_cgroups = o->cgroups.n_items;
	rt->tty = o->tty;
	rt->no_new_privs = o->no_new_privs;
	rt->ignore_paused = o->ignore_paused;
	rt->no_subreaper = true;
	rt->io.console_socket = cli_given(o->console_socket);
	rt->io.pidfd_socket = cli_given(o->pidfd_socket);
	rt->io.is_detached = o->detach;
}

static struct dv_err *exec(const struct cli *cli, const struct exec_opts *o, char **args,
			   int *ret_status)
{
	DV_CLEANUP(dv_freep) char *pid_file = NULL;
	DV_CLEANUP(dv_freep) uint32_t *gids = dv_new_n(uint32_t, o->gids.n_items);
	struct rt_exec_opts rt = { 0 };
	struct dv_err *e;

	fill(&rt, o, args);
	e = parse_gids(&o->gids, gids);
	if (e)
		return e;
	rt.additional_gids = gids;
	rt.n_additional_gids = o->gids.n_items;
	e = cli_preserve_fds(&o->preserve_fds, &rt.io.preserve_fds);
	if (e)
		return e;
	e = cli_absolute(o->pid_file, &pid_file);
	if (e)
		return e;
	rt.io.pid_file = pid_file;
	return rt_exec(&cli->ctx, &rt, ret_status);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	return dv_err_wrap(exec(program, opts, args, ret_status), "exec failed");
}

#define FIELD(f) offsetof(struct exec_opts, f)

static const struct dv_opt options[] = {
	{ .name = "console-socket",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(console_socket),
	  .arg = "path",
	  .help = "unix socket that is sent the master side of the process' terminal" },
	{ .name = "pidfd-socket",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(pidfd_socket),
	  .arg = "path",
	  .help = "unix socket that is sent a pidfd of the process" },
	{ .name = "cwd",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(cwd),
	  .arg = "dir",
	  .help = "working directory in the container" },
	{ .name = "env",
	  .letter = 'e',
	  .type = DV_OPT_LIST,
	  .offset = FIELD(env),
	  .arg = "name=value",
	  .help = "add an environment variable" },
	{ .name = "tty",
	  .letter = 't',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(tty),
	  .help = "give the process a terminal" },
	{ .name = "user",
	  .letter = 'u',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(user),
	  .arg = "uid[:gid]",
	  .help = "run as this user, and group" },
	{ .name = "additional-gids",
	  .letter = 'g',
	  .type = DV_OPT_LIST,
	  .offset = FIELD(gids),
	  .arg = "gid",
	  .help = "add a supplementary group" },
	{ .name = "process",
	  .letter = 'p',
	  .type = DV_OPT_STRING,
	  .offset = FIELD(process),
	  .arg = "path",
	  .help = "JSON file with the whole process object" },
	{ .name = "detach",
	  .letter = 'd',
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(detach),
	  .help = "return when the process has started" },
	{ .name = "pid-file",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(pid_file),
	  .arg = "path",
	  .help = "file to write the process id to" },
	{ .name = "process-label",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(process_label),
	  .arg = "label",
	  .help = "SELinux label of the process" },
	{ .name = "apparmor",
	  .type = DV_OPT_STRING,
	  .offset = FIELD(apparmor),
	  .arg = "profile",
	  .help = "AppArmor profile of the process" },
	{ .name = "no-new-privs",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(no_new_privs),
	  .help = "set no_new_privs: execve(2) gives no privileges" },
	{ .name = "cap",
	  .letter = 'c',
	  .type = DV_OPT_LIST,
	  .offset = FIELD(caps),
	  .arg = "capability",
	  .help = "add a capability" },
	{ .name = "preserve-fds",
	  .type = DV_OPT_INT,
	  .offset = FIELD(preserve_fds),
	  .arg = "n",
	  .preset = "0",
	  .help = "pass on n file descriptors behind stdio and those of $LISTEN_FDS" },
	{ .name = "cgroup",
	  .type = DV_OPT_LIST,
	  .offset = FIELD(cgroups),
	  .arg = "[controller,...:]path",
	  .help = "run in this existing cgroup below the container's" },
	{ .name = "ignore-paused",
	  .type = DV_OPT_FLAG,
	  .offset = FIELD(ignore_paused),
	  .help = "accept a paused container; the process starts when it is resumed" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_exec = {
	.name = "exec",
	.args = "<container-id> <command> [argument...]  or  -p <process.json> <container-id>",
	.args_text =
		"All that follows <container-id> belongs to the command; options go in front of it.",
	.summary = "run a command in a running container",
	.text = "The process is like the container's own (process in the bundle's config.json), except\n"
		"for what options change; or it is what --process says. Without --detach it stays in\n"
		"the foreground and exits with the command's status, or with 128 + n when signal n\n"
		"killed it. 255 says that the command could not be run.",
	.example = "    # $0 exec c1 ps",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = 1,
	.failure_status = 255,
	.needs_seal = true,
	.opts_size = sizeof(struct exec_opts),
	.run = run,
};
