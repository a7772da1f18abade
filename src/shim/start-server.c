/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server is this program again, without an action. It is executed and not just forked: so
 * its memory is its own from the first page on and has nothing of the start in it, and its
 * command line is the one that administrators know from containerd's shim.
 */

#include "start-server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/cgroup.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "sys/spawn.h"

enum { ARGS_MAX = 16, OOM_SCORE_ADJ_MAX = 1000 };

/* <linux/prctl.h> of 5.14; older headers do not have them. */
enum { SCHED_CORE_OPTION = 62, SCHED_CORE_CREATE = 1, SCHED_CORE_THREAD_GROUP = 1 };

/* ---- its environment ------------------------------------------------------------------------ */

struct variable {
	const char *name, *value;
};

static bool is_variable(const char *assignment, const char *name)
{
	size_t n = strlen(name);

	return strncmp(assignment, name, n) == 0 && assignment[n] == '=';
}

/* The caller's, with what the daemon said. In @arena. */
static char **make_environment(const char *const *envp, const struct variable *vars, size_t n_vars,
			       struct dv_arena *arena)
{
	size_t n = 0, out = 0;
	char **result;

	while (envp && envp[n])
		n++;
	result = dv_arena_new_n(arena, char *, n + n_vars + 1);
	for (size_t i = 0; i < n; i++) {
		bool is_replaced = false;

		for (size_t k = 0; k < n_vars; k++)
			is_replaced |= is_variable(envp[i], vars[k].name);
		if (!is_replaced)
			result[out++] = (char *)envp[i];
	}
	for (size_t k = 0; k < n_vars; k++) {
		if (*vars[k].value)
			result[out++] =
				dv_arena_printf(arena, "%s=%s", vars[k].name, vars[k].value);
	}
	return result;
}

static void make_arguments(const struct shim_start_opts *opts, const struct shim_bootstrap *b,
			   const char *args[ARGS_MAX])
{
	size_t n = 0;

	args[n++] = opts->program;
	args[n++] = "-namespace";
	args[n++] = b->ns;
	args[n++] = "-id";
	args[n++] = b->id;
	args[n++] = "-address";
	args[n++] = b->grpc_address;
	if (*b->publish_binary) {
		args[n++] = "-publish-binary";
		args[n++] = b->publish_binary;
	}
	if (b->is_debug)
		args[n++] = "-debug";
	args[n] = NULL;
}

/* ---- the process ---------------------------------------------------------------------------- */

static struct dv_err *spawn(struct start_server *server, const struct shim_start_opts *opts,
			    const struct shim_bootstrap *b, int commit_fd)
{
	const struct variable vars[] = {
		{ "TTRPC_ADDRESS", b->ttrpc_address },
		{ "GRPC_ADDRESS", b->grpc_address },
		{ "NAMESPACE", b->ns },
	};
	const int fds[] = { server->listen_fd, commit_fd };
	const char *args[ARGS_MAX];
	struct sys_spawn_opts o = {
		.path = opts->self,
		.argv = (char *const *)args,
		.stdio = { -1, -1, server->log ? server->log->fd : -1 },
		.fds = fds,
		.n_fds = DV_ARRAY_SIZE(fds),
		.has_new_group = true,
	};
	struct dv_arena arena;
	int r;

	dv_arena_init(&arena);
	make_arguments(opts, b, args);
	o.envp = make_environment(opts->envp, vars, DV_ARRAY_SIZE(vars), &arena);
	r = sys_spawn_with(&o, &server->pid, &server->pidfd);
	dv_arena_fini(&arena);
	return r < 0 ? dv_err_sys(r, "run the server, %s", opts->self) : NULL;
}

/* The cookie is inherited by the server and by all that it starts. */
static struct dv_err *make_core_cookie(const struct start_server *server)
{
	int r = sys_prctl(SCHED_CORE_OPTION, SCHED_CORE_CREATE, 0, SCHED_CORE_THREAD_GROUP, 0);

	if (r == -ENODEV) {
		dv_log(server->log, DV_WARN,
		       "SCHED_CORE: no core has siblings on this machine, nothing to be done");
		return NULL;
	}
	return r < 0 ? dv_err_sys(r, "SCHED_CORE: make a core scheduling cookie") : NULL;
}

struct dv_err *start_server_run(struct start_server *server, const struct shim_start_opts *opts,
				const struct shim_bootstrap *boot)
{
	DV_CLEANUP(sys_closep) int reader = -1;
	struct dv_err *e;
	int pair[2], r;

	if (opts->has_sched_core) {
		e = make_core_cookie(server);
		if (e)
			return e;
	}
	server->listen_fd = sys_unix_socket();
	if (server->listen_fd < 0)
		return dv_err_sys(server->listen_fd, "make a socket");
	r = sys_pipe(pair);
	if (r < 0)
		return dv_err_sys(r, "make a pipe to the server");
	reader = pair[0];
	server->commit_fd = pair[1];
	return spawn(server, opts, boot, reader);
}

/* On v1 a cgroup may exist in some of the hierarchies only; those count. */
static struct dv_err *join(const struct host_cgroup *cg, pid_t pid)
{
	const struct host_cgroup_hier *hiers;
	size_t n, n_joined = 0;
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", pid);
	hiers = host_cgroup_hiers(cg, &n);
	for (size_t i = 0; i < n; i++) {
		DV_CLEANUP(dv_freep)
		char *file = dv_printf("%s%s/cgroup.procs", hiers[i].mountpoint, hiers[i].path);
		int r = sys_write_file_at(AT_FDCWD, file, text);

		if (r < 0 && r != -ENOENT)
			return dv_err_sys(r, "write pid %s to %s", text, file);
		n_joined += r >= 0;
	}
	return n_joined > 0 ? NULL : dv_err_new(DV_NOT_FOUND, "there is no such cgroup");
}

struct dv_err *start_server_join_cgroup(struct start_server *server, const char *path)
{
	struct host_cgroup_opts opts = { .id = "shim", .cgroups_path = path, .log = server->log };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct dv_err *e = NULL;

	if (*path != '/')
		e = dv_err_new(DV_INVALID, "not an absolute path");
	if (!e)
		e = host_cgroup_new(&opts, &cg);
	if (!e)
		e = join(cg, server->pid);
	return dv_err_wrap(e, "shim_cgroup %s", path);
}

static int read_oom_score(pid_t pid, int *ret)
{
	char path[64], text[32];
	int64_t value;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	n = sys_read_file_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	text[strcspn(text, "\n")] = '\0';
	if (!dv_parse_i64(text, &value))
		return -EBADMSG;
	*ret = (int)value;
	return 0;
}

struct dv_err *start_server_adjust_oom(struct start_server *server)
{
	char path[64], text[32];
	int score = 0, r;

	r = read_oom_score(getppid(), &score);
	if (r < 0)
		return dv_err_sys(r, "read oom_score_adj of the daemon");
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", server->pid);
	(void)snprintf(text, sizeof(text), "%d", DV_MIN(score + 1, OOM_SCORE_ADJ_MAX));
	r = sys_write_file_at(AT_FDCWD, path, text);
	if (r == -EACCES || r == -EPERM) {
		dv_log(server->log, DV_WARN, "set oom_score_adj of the shim to %s: %s", text,
		       dv_errno_text(-r));
		return NULL;
	}
	return r < 0 ? dv_err_sys(r, "set oom_score_adj of the shim to %s", text) : NULL;
}

struct dv_err *start_server_commit(struct start_server *server)
{
	int r = sys_write_all(server->commit_fd, "", 1);

	if (r == -EPIPE)
		return dv_err_new(DV_ABORTED, "the server ended before it was started");
	return r < 0 ? dv_err_sys(r, "tell the server to begin") : NULL;
}

void start_server_kill(struct start_server *server)
{
	int status;

	if (server->pidfd < 0)
		return;
	(void)sys_pidfd_send_signal(server->pidfd, SIGKILL);
	(void)sys_waitpid(server->pid, &status, 0);
	server->pidfd = sys_close(server->pidfd);
}

void start_server_fini(struct start_server *server)
{
	sys_close(server->listen_fd);
	sys_close(server->commit_fd);
	sys_close(server->pidfd);
	*server = (struct start_server)START_SERVER_INIT;
}
