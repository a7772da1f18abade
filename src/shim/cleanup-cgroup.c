/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's cgroup, when its runtime does not help. Nothing is killed that is not known to be
 * the container's: the cgroup is the one that config.json names, or one that init is in and whose
 * path has the container's id in it, since a pid from a file may be a stranger's by now.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cleanup-private.h"
#include "host/cgroup.h"
#include "start-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { EXIT_MS = 500, ROUNDS = 20, PROC_MAX = 8192 };

/* "/a/<id>", "/a/cri-containerd-<id>.scope", and what is below. */
static bool names_id(const char *path, const char *id)
{
	size_t n = strlen(id);

	for (const char *p = strstr(path, id); p; p = strstr(p + 1, id)) {
		bool begins = p > path && (p[-1] == '/' || p[-1] == '-');
		bool ends = p[n] == '\0' || p[n] == '/' || p[n] == '\n' ||
			    dv_starts_with(p + n, ".scope");

		if (begins && ends)
			return true;
	}
	return false;
}

static bool is_in_own_cgroup(const struct cleanup *c)
{
	DV_CLEANUP(dv_freep) char *text = dv_alloc(PROC_MAX);
	char path[64];

	if (c->pid <= 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", c->pid);
	return sys_read_file_at(AT_FDCWD, path, text, PROC_MAX) > 0 && names_id(text, c->opts->id);
}

static struct dv_err *open_cgroup(const struct cleanup *c, struct host_cgroup **ret)
{
	struct host_cgroup_opts opts = { .id = c->opts->id, .log = c->opts->env->log };
	DV_CLEANUP(dv_freep) char *path = NULL;
	struct dv_err *e;

	e = shim_cgroups_path_read(c->bundle_fd, &path);
	if (e)
		dv_log(c->opts->env->log, DV_WARN, "%s", dv_err_message(e));
	dv_err_free(e);
	opts.cgroups_path = path;
	if (is_in_own_cgroup(c))
		opts.of_pid = c->pid;
	else if (path && strchr(path, ':')) /* systemd's names; without a process it is gone */
		return dv_err_new(DV_NOT_FOUND, "no process of it is left");
	return host_cgroup_new(&opts, ret);
}

static size_t count(struct host_cgroup *cg)
{
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	size_t n = 0;

	dv_err_free(host_cgroup_pids(cg, &pids, &n));
	return n;
}

/* One after the other, until the time is up; each is waited for with its pidfd. */
static size_t wait_empty(struct host_cgroup *cg)
{
	for (int i = 0; i < ROUNDS; i++) {
		DV_CLEANUP(dv_freep) pid_t *pids = NULL;
		DV_CLEANUP(sys_closep) int pidfd = -1;
		size_t n = 0;

		dv_err_free(host_cgroup_pids(cg, &pids, &n));
		if (n == 0)
			return 0;
		pidfd = sys_pidfd_open(pids[0]);
		if (pidfd >= 0 && sys_poll_in(pidfd, EXIT_MS) != 1)
			break;
	}
	return count(cg);
}

struct dv_err *cleanup_cgroup(struct cleanup *c)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct dv_err *e;
	size_t n;

	e = open_cgroup(c, &cg);
	if (!e && host_cgroup_exists(cg))
		e = host_cgroup_kill(cg, SIGKILL);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e);
	if (e)
		return dv_err_wrap(e, "cgroup of the container");
	if (!cg || !host_cgroup_exists(cg))
		return NULL;
	n = wait_empty(cg);
	if (n > 0)
		return dv_err_new(DV_ABORTED, "cgroup of the container: %zu process(es) do not end",
				  n);
	return dv_err_wrap(host_cgroup_destroy(cg), "cgroup of the container");
}
