/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim of the group. The daemon asks for a clean-up because it cannot reach the shim, which may
 * be dead, hung, or just slow; and others of its group may still be served by it. It is
 * killed only when no other bundle belongs to the group.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cleanup-private.h"
#include "events.h"
#include "start-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { KILL_MS = 1000, EVENTS_MS = 500, COMMAND_MAX = 16384 };

/* ---- is anybody else in the group? ----------------------------------------------------------- */

static bool is_of_group(int parent_fd, const char *name, const char *group)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DV_CLEANUP(dv_freep) char *other = NULL;

	if (fd < 0)
		return false;
	dv_err_free(shim_group_read(fd, name, &other));
	return other && dv_streq(other, group);
}

/* Hidden ones are being removed. When in doubt there is somebody. */
static bool has_others(const struct cleanup *c)
{
	int fd = sys_openat(c->bundle_fd, "..", O_RDONLY | O_DIRECTORY, 0);
	const struct dirent *entry;
	bool is_found = false;
	DIR *dir;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		sys_close(fd);
		return true;
	}
	while (!is_found && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && !dv_streq(entry->d_name, c->opts->id))
			is_found = is_of_group(fd, entry->d_name, c->group);
	}
	(void)closedir(dir);
	return is_found;
}

/* ---- killing it ------------------------------------------------------------------------------- */

/* Whether the words @a and @b stand one behind the other in a command line. */
static bool has_words(const char *line, size_t n, const char *a, const char *b)
{
	size_t n_a = strlen(a) + 1, n_b = strlen(b) + 1;

	for (size_t i = 0; i + n_a + n_b <= n; i++) {
		if ((i == 0 || line[i - 1] == '\0') && memcmp(line + i, a, n_a) == 0 &&
		    memcmp(line + i + n_a, b, n_b) == 0)
			return true;
	}
	return false;
}

/* The kernel may name a process that is gone, and its number be somebody else's by now. */
static bool is_shim(const struct cleanup *c, pid_t pid)
{
	DV_CLEANUP(dv_freep) char *line = dv_alloc(COMMAND_MAX);
	char path[64];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	n = sys_read_file_at(AT_FDCWD, path, line, COMMAND_MAX);
	/* One that is ending has given its memory back, and still listens for a moment. */
	return n == 0 || (n > 0 && has_words(line, (size_t)n, "-namespace", c->opts->env->ns));
}

static bool kill_shim(struct cleanup *c, pid_t pid)
{
	DV_CLEANUP(sys_closep) int pidfd = -1;
	const struct dv_log *log = c->opts->env->log;

	pidfd = pid > 1 ? sys_pidfd_open(pid) : -ESRCH;
	if (pidfd < 0 || !is_shim(c, pid)) {
		dv_log(log, DV_WARN, "the shim that listens on %s cannot be found (pid %d?)",
		       c->socket_path, pid);
		return false;
	}
	dv_log(log, DV_WARN, "shim %d is still there and serves nobody else: it is killed", pid);
	(void)sys_pidfd_send_signal(pidfd, SIGKILL);
	if (sys_poll_in(pidfd, KILL_MS) != 1) {
		dv_log(log, DV_WARN, "shim %d does not end", pid);
		return false;
	}
	return true;
}

/* With the lock held. */
static void settle_socket(struct cleanup *c)
{
	const struct dv_log *log = c->opts->env->log;
	enum shim_socket_state state;
	struct dv_err *e;
	pid_t pid = 0;

	e = shim_socket_probe(c->socket_path, &state, &pid);
	if (e) {
		dv_log(log, DV_WARN, "%s", dv_err_message(e));
		dv_err_free(e);
		return;
	}
	if (state == SHIM_SOCKET_HUNG)
		dv_log(log, DV_WARN, "whoever listens on %s takes no connections", c->socket_path);
	c->has_other_shim = state == SHIM_SOCKET_HUNG ||
			    (state == SHIM_SOCKET_LIVE && (has_others(c) || !kill_shim(c, pid)));
	if (state != SHIM_SOCKET_NONE && !c->has_other_shim)
		(void)sys_unlinkat(AT_FDCWD, c->socket_path, 0);
}

void cleanup_shim(struct cleanup *c)
{
	DV_CLEANUP(sys_closep) int lock = -1;
	struct dv_err *e = shim_socket_lock(c->socket_path, false, &lock);

	if (e)
		dv_log(c->opts->env->log, DV_WARN, "%s", dv_err_message(e));
	dv_err_free(e);
	if (lock >= 0)
		settle_socket(c);
}

/* ---- its events ------------------------------------------------------------------------------- */

static void on_flushed(void *arg, bool is_empty)
{
	(void)is_empty;
	*(bool *)arg = true;
}

void cleanup_events(struct cleanup *c)
{
	DV_CLEANUP(dv_freep) char *spool = shim_spool_path(c->socket_path);
	const struct shim_env *env = c->opts->env;
	const struct shim_events_opts opts = {
		.loop = env->loop,
		.ns = env->ns,
		.ttrpc_address = c->opts->ttrpc_address,
		.publish_binary = c->opts->publish_binary,
		.grpc_address = c->opts->address,
		.envp = env->envp,
		.spool = spool,
		.log = env->log,
	};
	struct shim_events_flush flush = { .timeout_ms = EVENTS_MS, .is_once = true };
	struct shim_events *events;
	bool is_done = false;

	if (c->has_other_shim || access(spool, F_OK) != 0)
		return;
	events = shim_events_new(&opts);
	flush.done = on_flushed;
	flush.arg = &is_done;
	shim_events_flush(events, &flush);
	while (!is_done)
		(void)uv_run(env->loop, UV_RUN_ONCE);
	shim_events_free(events);
	(void)uv_run(env->loop, UV_RUN_NOWAIT);
}
