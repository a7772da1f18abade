/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces that are held by a descriptor only, and looking into those of others.
 *
 * A namespace needs a process for as long as its maps are written or read: a child that
 * does nothing but wait for the other end of a pipe to close. If we die, it ends too.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/idmap.h"
#include "sys/file.h"
#include "sys/process.h"

struct holder {
	pid_t pid;
	int pidfd;
	int gate; /* closing it ends the child */
};

/* In the child. @status_fd gets the result of setns, if there is something to join. */
DV_NORETURN static void hold(int join_fd, int status_fd, int gate_fd)
{
	int r = 0;
	char c;

	if (join_fd >= 0)
		r = sys_setns(join_fd, CLONE_NEWUSER);
	(void)sys_write_all(status_fd, &r, sizeof(r));
	if (r == 0)
		(void)sys_read(gate_fd, &c, 1);
	sys_exit(0);
}

static void holder_stop(struct holder *h)
{
	int status;

	h->gate = sys_close(h->gate);
	h->pidfd = sys_close(h->pidfd);
	if (h->pid > 0)
		(void)sys_waitpid(h->pid, &status, 0);
	h->pid = 0;
}

/* A child in a new user namespace, or in the one of @join_fd. 0 or -errno. */
static int holder_start(int join_fd, struct holder *ret)
{
	struct sys_clone how = { .flags = join_fd < 0 ? CLONE_NEWUSER : 0, .cgroup_fd = -1 };
	struct holder h = { .pidfd = -1, .gate = -1 };
	int gate[2], status[2], result = -EPIPE, r;

	r = sys_pipe(gate);
	if (r < 0)
		return r;
	r = sys_pipe(status);
	if (r < 0) {
		sys_close(gate[0]);
		sys_close(gate[1]);
		return r;
	}
	h.pid = sys_clone3(&how, &h.pidfd);
	if (h.pid == 0) {
		sys_close(gate[1]);
		sys_close(status[0]);
		hold(join_fd, status[1], gate[0]);
	}
	sys_close(gate[0]);
	sys_close(status[1]);
	h.gate = gate[1];
	if (h.pid < 0)
		result = h.pid;
	else if (sys_read(status[0], &result, sizeof(result)) != sizeof(result))
		result = -EPIPE;
	sys_close(status[0]);
	if (result < 0) {
		holder_stop(&h);
		return result;
	}
	*ret = h;
	return 0;
}

struct dv_err *host_idmap_read_ns(int procfd, int usernsfd, struct dv_arena *arena,
				  struct host_idmap *ret)
{
	DV_CLEANUP(holder_stop) struct holder h = { .pidfd = -1, .gate = -1 };
	int r;

	r = holder_start(usernsfd, &h);
	if (r < 0)
		return dv_err_sys(r, "join user namespace to read its mappings");
	return host_idmap_read(procfd, h.pid, arena, ret);
}

struct dv_err *host_idmap_userns(int procfd, const struct host_idmap *map, int *ret_fd)
{
	static const struct host_idmap_how how = { .newuidmap = "", .newgidmap = "" };
	DV_CLEANUP(holder_stop) struct holder h = { .pidfd = -1, .gate = -1 };
	struct dv_err *e;
	char path[64];
	int r;

	r = holder_start(-1, &h);
	if (r < 0)
		return dv_err_sys(r, "create user namespace for id mappings");
	e = host_idmap_write(procfd, h.pid, map, &how, NULL);
	if (e)
		return e;
	snprintf(path, sizeof(path), "%d/ns/user", h.pid);
	r = sys_openat(procfd, path, O_RDONLY, 0);
	if (r < 0)
		return dv_err_sys(r, "open /proc/%s", path);
	*ret_fd = r;
	return NULL;
}

struct host_idmap_cache_entry {
	struct host_idmap map;
	int fd;
};

struct dv_err *host_idmap_cache_get(struct host_idmap_cache *c, int procfd,
				    const struct host_idmap *map, int *ret_fd)
{
	struct dv_err *e;
	int fd;

	for (size_t i = 0; i < c->n_entries; i++) {
		if (host_idmap_is_equal(&c->entries[i].map, map)) {
			*ret_fd = c->entries[i].fd;
			return NULL;
		}
	}
	e = host_idmap_userns(procfd, map, &fd);
	if (e)
		return e;
	c->entries = dv_realloc_n(c->entries, c->n_entries + 1, sizeof(*c->entries));
	c->entries[c->n_entries++] = (struct host_idmap_cache_entry){ .map = *map, .fd = fd };
	*ret_fd = fd;
	return NULL;
}

void host_idmap_cache_fini(struct host_idmap_cache *c)
{
	for (size_t i = 0; i < c->n_entries; i++)
		sys_close(c->entries[i].fd);
	free(c->entries);
	*c = (struct host_idmap_cache){ 0 };
}
