/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing the cgroup.
 *
 * Normally one rmdir per hierarchy. EBUSY means that there are cgroups below, made by the
 * container, or processes that still die. v2 tells when the last one is gone, and in hybrid
 * mode that holds for the v1 hierarchies too, since a task leaves all of its cgroups at once;
 * so v2 goes first. Pure v1 has no such event; there the exits of the processes that are
 * left are waited for.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"
#include "sys/process.h"

enum { LIMIT_MS = 10000 };

/* 0 also when it was not there. */
static int remove_dir(const struct host_cgroup *cg, int fd, const char *path)
{
	int r = cg->is_test ? sys_remove_tree(fd, path) : sys_unlinkat(fd, path, AT_REMOVEDIR);

	return r == -ENOENT ? 0 : r;
}

/* ---- cgroups below -------------------------------------------------------------------- */

static int remove_below(struct host_cgroup *cg, int dirfd);

static int remove_sub(int dirfd, const char *name, void *arg)
{
	DV_CLEANUP(sys_closep) int fd = -1;

	if (remove_dir(arg, dirfd, name) == 0)
		return 0;
	fd = cgroup_open_below(dirfd, name);
	if (fd < 0)
		return 0;
	(void)remove_below(arg, fd);
	(void)remove_dir(arg, dirfd, name);
	return 0; /* what stays shows in the parent's rmdir */
}

static int remove_below(struct host_cgroup *cg, int dirfd)
{
	return cgroup_each_subdir(dirfd, remove_sub, cg);
}

/* ---- one hierarchy -------------------------------------------------------------------- */

/* Kills what outlived the container's init, as in a shared pid namespace, and waits for it. */
static void end_rest(struct host_cgroup *cg, int i, int dirfd, int64_t deadline)
{
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	bool is_killed;
	size_t n = 0;

	is_killed = cg->pub[i].is_v2 && cgroup_write(cg, dirfd, "cgroup.kill", "1") == 0;
	if (!is_killed)
		(void)cgroup_collect_pids(dirfd, &pids, &n);
	for (size_t k = 0; k < n; k++)
		(void)sys_kill(pids[k], SIGKILL);
	if (cg->pub[i].is_v2)
		(void)cgroup_wait_event(dirfd, "populated", 0, deadline);
	else
		cgroup_wait_exits(pids, n, deadline);
}

int cgroup_remove_filled(struct host_cgroup *cg, int i, int64_t deadline)
{
	int dirfd = cgroup_dir(cg, i), r;

	if (dirfd < 0)
		return dirfd == -ENOENT ? 0 : dirfd;
	if (cg->mode != HOST_CGROUP_V2)
		cgroup_thaw_v1(cg);
	for (bool again = false;; again = true) {
		(void)remove_below(cg, dirfd);
		r = remove_dir(cg, cg->hiers[i].rootfd, cgroup_rel(cg, i));
		if (r != -EBUSY || cgroup_now_ms() >= deadline)
			return r;
		/* Waited already: the last task is between its exit and leaving the cgroup. */
		if (again)
			cgroup_pause_ms(1);
		end_rest(cg, i, dirfd, deadline);
	}
}

static int destroy_hier(struct host_cgroup *cg, int i, int64_t deadline)
{
	int fd = cg->hiers[i].rootfd, r;

	if (cgroup_is_root(cg, i))
		return 0;
	if (fd >= 0) {
		r = remove_dir(cg, fd, cgroup_rel(cg, i));
	} else {
		/* A later command: one call by path is cheaper than opening the mount first. */
		DV_CLEANUP(dv_freep)
		char *path = dv_printf("%s%s", cg->pub[i].mountpoint, cg->pub[i].path);

		r = remove_dir(cg, AT_FDCWD, path);
	}
	/* Read-only mounts say EROFS for what does not exist as well. */
	return r == 0 ? 0 : cgroup_remove_filled(cg, i, deadline);
}

struct dv_err *host_cgroup_destroy(struct host_cgroup *cg)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf left = DV_STRBUF_INIT;
	int64_t deadline = cgroup_now_ms() + LIMIT_MS;
	int first_errno = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < cg->n; i++) {
			const struct host_cgroup_hier *h = &cg->pub[i];
			int r;

			if (h->is_v2 != (pass == 0) || !h->is_usable)
				continue;
			r = destroy_hier(cg, (int)i, deadline);
			cg->hiers[i].dirfd = sys_close(cg->hiers[i].dirfd);
			cg->hiers[i].is_made = cg->hiers[i].is_new = false;
			if (r == 0)
				continue;
			first_errno = first_errno ? first_errno : r;
			dv_strbuf_addf(&left, "%s%s%s (%s)", left.len ? ", " : "", h->mountpoint,
				       h->path, dv_errno_text(-r));
		}
	}
	if (!left.len)
		return NULL;
	return dv_err_new(first_errno == -EBUSY ? DV_DEADLINE : DV_INTERNAL,
			  "failed to remove cgroup: %s", left.data);
}
