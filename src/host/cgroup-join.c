/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a process gets into the cgroup.
 *
 * v2: it is born there (clone3 with CLONE_INTO_CGROUP and the directory). v1: it enters by
 * itself, writing "0" to each hierarchy's "tasks"; a thread that moves itself alone needs
 * neither the kernel's cgroup_threadgroup_rwsem nor the RCU grace period that taking it for
 * writing costs (kernel 5.5). Writing another's pid to cgroup.procs needs both.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

enum { NEW_TASK_TRIES = 100 };

/* ---- exec --cgroup -------------------------------------------------------------------- */

void host_cgroup_subs_fini(struct host_cgroup_subs *s)
{
	for (size_t i = 0; i < s->n_copies; i++)
		free(s->copies[i]);
	free(s->copies);
	free(s->items);
	*s = (struct host_cgroup_subs){ 0 };
}

static void add_sub(struct host_cgroup_subs *s, const char *controller, const char *path)
{
	s->items = dv_realloc_n(s->items, s->n_items + 1, sizeof(*s->items));
	s->items[s->n_items++] = (struct host_cgroup_sub){ controller, path };
}

static struct dv_err *parse_sub(struct host_cgroup_subs *s, const char *arg, bool is_only)
{
	char *copy = dv_strdup(arg), *path = strchr(copy, ':'), *list = copy, *ctl;

	s->copies = dv_realloc_n(s->copies, s->n_copies + 1, sizeof(*s->copies));
	s->copies[s->n_copies++] = copy;
	if (!path) {
		if (!is_only)
			return dv_err_new(
				DV_INVALID,
				"invalid --cgroup argument: %s (missing <controller>: prefix)",
				arg);
		add_sub(s, NULL, copy);
		return NULL;
	}
	*path++ = '\0';
	while ((ctl = strsep(&list, ",")) != NULL) {
		if (!*ctl)
			return dv_err_new(
				DV_INVALID,
				"invalid --cgroup argument: %s (empty <controller> prefix)", arg);
		for (size_t i = 0; i < s->n_items; i++) {
			if (dv_streq(s->items[i].controller, ctl))
				return dv_err_new(DV_INVALID,
						  "invalid --cgroup argument(s): controller %s "
						  "specified multiple times",
						  ctl);
		}
		add_sub(s, ctl, path);
	}
	return NULL;
}

struct dv_err *host_cgroup_sub_parse(const char *const *args, size_t n_args,
				     struct host_cgroup_subs *ret)
{
	DV_CLEANUP(host_cgroup_subs_fini) struct host_cgroup_subs s = { 0 };
	struct dv_err *e = NULL;

	for (size_t i = 0; i < n_args && !e; i++)
		e = parse_sub(&s, args[i], n_args == 1);
	if (e)
		return e;
	*ret = s;
	s = (struct host_cgroup_subs){ 0 };
	return NULL;
}

/* Component by component, as strings lie: "/a/bc" starts with "/a/b". */
static bool leads_out(const char *path)
{
	int depth = 0;

	while (*path && depth >= 0) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			depth--;
		else if (n > 0 && !(n == 1 && path[0] == '.'))
			depth++;
		path += n;
		path += *path == '/';
	}
	return depth < 0;
}

static struct dv_err *check_subs(const struct host_cgroup *cg, const struct host_cgroup_subs *subs)
{
	for (size_t i = 0; subs && i < subs->n_items; i++) {
		const char *ctl = subs->items[i].controller;
		bool is_known = !ctl;

		for (size_t k = 0; k < cg->n && ctl; k++)
			is_known =
				is_known || cg->hiers[k].ctls & cgroup_ctl_parse(ctl, strlen(ctl));
		if (!is_known)
			return dv_err_new(DV_INVALID, "unknown controller %s in --cgroup", ctl);
		if (leads_out(subs->items[i].path))
			return dv_err_new(DV_INVALID, "bad sub cgroup path: %s",
					  subs->items[i].path);
	}
	return NULL;
}

/* The path asked for in hierarchy @i; NULL: the container's own. */
static const char *sub_of(const struct host_cgroup *cg, int i, const struct host_cgroup_subs *subs)
{
	for (size_t k = 0; subs && k < subs->n_items; k++) {
		const char *ctl = subs->items[k].controller;

		if (!ctl || cg->hiers[i].ctls & cgroup_ctl_parse(ctl, strlen(ctl)))
			return subs->items[k].path;
	}
	return NULL;
}

/* ---- directories ---------------------------------------------------------------------- */

/* The directory to join in hierarchy @i, the caller's to close; -errno. */
static int open_place(struct host_cgroup *cg, int i, const char *sub)
{
	DV_CLEANUP(dv_freep) char *path = NULL, *abs = NULL;
	int fd = cgroup_dir(cg, i);

	if (fd < 0)
		return fd;
	if (!sub)
		return sys_dup_cloexec(fd, 0);
	abs = dv_printf("/%s", sub);
	path = dv_path_clean(abs);
	return cgroup_open_below(fd, path[1] ? path + 1 : ".");
}

/* The v2 cgroup that @pid is in now; -errno. */
static int open_v2_of(struct host_cgroup *cg, int i, pid_t pid)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	char name[32], *path;
	int r = cgroup_root(cg, i);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	r = cgroup_read_text(AT_FDCWD, name, &text);
	if (r < 0)
		return r;
	path = dv_starts_with(text.data, "0::/") ? text.data : strstr(text.data, "\n0::/");
	if (!path)
		return -ENOENT;
	path = strchr(path, '/') + 1;
	path[strcspn(path, "\n")] = '\0';
	return cgroup_open_below(cg->hiers[i].rootfd, *path ? path : ".");
}

static struct dv_err *join_error(const struct host_cgroup *cg, int i, const char *sub, int r)
{
	if (r == -ENOENT)
		return dv_err_new(DV_NOT_FOUND,
				  "error adding pid to cgroups: open cgroup %s%s%s%s: %s",
				  cg->pub[i].mountpoint, cg->pub[i].path, sub ? "/" : "",
				  sub ? sub : "", dv_errno_text(ENOENT));
	return dv_err_sys(r, "error adding pid to cgroups: open cgroup %s%s%s%s",
			  cg->pub[i].mountpoint, cg->pub[i].path, sub ? "/" : "", sub ? sub : "");
}

/*
 * Opens the place in hierarchy @i. A v2 cgroup that is gone is replaced by that of @init,
 * which may have moved, unless a place was asked for.
 */
static struct dv_err *open_or_follow(struct host_cgroup *cg, int i,
				     const struct host_cgroup_subs *subs, pid_t init, int *ret)
{
	const char *sub = sub_of(cg, i, subs);
	int fd = open_place(cg, i, sub);

	if (fd < 0 && cg->pub[i].is_v2 && !sub && init > 0) {
		int other = open_v2_of(cg, i, init);

		dv_log(cg->log, DV_DEBUG,
		       "container's cgroup cannot be opened (%s), joining init's",
		       dv_errno_text(-fd));
		fd = other >= 0 ? other : fd;
	}
	if (fd < 0)
		return join_error(cg, i, sub, fd);
	*ret = fd;
	return NULL;
}

/* Rootless without a path of its own choosing: what is not permitted is left out. */
static struct dv_err *forgive(const struct host_cgroup *cg, struct dv_err *take)
{
	if (take && cg->is_rootless && !cg->has_path && cgroup_is_permission(-dv_err_errno(take)))
		return dv_err_free(take);
	return take;
}

/* ---- joining -------------------------------------------------------------------------- */

void host_cgroup_join_close(struct host_cgroup_join *join)
{
	join->v2_dirfd = sys_close(join->v2_dirfd);
	while (join->n_tasks > 0)
		sys_close(join->tasks[--join->n_tasks]);
}

/*
 * Opens "tasks" without opening the directory first, and checks afterwards what it is: that
 * is half the system calls for the many hierarchies without a limit. cgroupfs has no links.
 */
static int open_tasks_at_once(const struct host_cgroup *cg, int i)
{
	int root = cg->hiers[i].rootfd, flags = O_WRONLY | O_NOFOLLOW, fd, r;
	DV_CLEANUP(dv_freep) char *path = NULL;
	long type;

	path = dv_printf("%s%s/tasks", root < 0 ? cg->pub[i].mountpoint : ".", cg->pub[i].path);
	fd = sys_openat(root < 0 ? AT_FDCWD : root, path, flags | (cg->is_test ? O_CREAT : 0),
			0600);
	if (fd < 0)
		return fd;
	r = sys_fstatfs_type(fd, &type);
	if (r == 0 && (type == CGROUP_SUPER_MAGIC || cg->is_test))
		return fd;
	sys_close(fd);
	return r < 0 ? r : -ENODEV;
}

static struct dv_err *join_v1(struct host_cgroup *cg, int i, const char *sub,
			      struct host_cgroup_join *join)
{
	DV_CLEANUP(sys_closep) int place = -1;
	int fd;

	if (sub) {
		place = open_place(cg, i, sub);
		fd = place < 0 ? place : cgroup_open_file(cg, place, "tasks", O_WRONLY);
	} else if (cg->hiers[i].dirfd >= 0) {
		fd = cgroup_open_file(cg, cg->hiers[i].dirfd, "tasks", O_WRONLY);
	} else {
		fd = open_tasks_at_once(cg, i);
	}
	if (fd < 0)
		return join_error(cg, i, sub, fd);
	join->tasks[join->n_tasks++] = fd;
	return NULL;
}

static struct dv_err *join_all(struct host_cgroup *cg, const struct host_cgroup_subs *subs,
			       pid_t init, bool with_v2, struct host_cgroup_join *ret)
{
	struct host_cgroup_join join = HOST_CGROUP_JOIN_INIT;
	struct dv_err *e = check_subs(cg, subs);

	for (size_t i = 0; i < cg->n && !e; i++) {
		if (!cg->pub[i].is_usable || (cg->pub[i].is_v2 && !with_v2))
			continue;
		if (cg->pub[i].is_v2)
			e = open_or_follow(cg, (int)i, subs, init, &join.v2_dirfd);
		else
			e = join_v1(cg, (int)i, sub_of(cg, (int)i, subs), &join);
		e = forgive(cg, e);
	}
	if (e) {
		host_cgroup_join_close(&join);
		return e;
	}
	*ret = join;
	return NULL;
}

struct dv_err *host_cgroup_join_open(struct host_cgroup *cg, const struct host_cgroup_subs *subs,
				     pid_t init, struct host_cgroup_join *ret)
{
	return join_all(cg, subs, init, true, ret);
}

struct dv_err *host_cgroup_join_use_init(struct host_cgroup *cg, pid_t init,
					 struct host_cgroup_join *join)
{
	int i = cgroup_find_v2(cg), fd;

	fd = i < 0 ? -ENOENT : open_v2_of(cg, i, init);
	if (fd < 0)
		return dv_err_sys(fd, "open the cgroup of init process %d", init);
	sys_close(join->v2_dirfd);
	join->v2_dirfd = fd;
	return NULL;
}

struct dv_err *host_cgroup_open_tasks(struct host_cgroup *cg, int fds[HOST_CGROUP_MAX],
				      size_t *ret_n)
{
	struct host_cgroup_join join;
	struct dv_err *e;

	e = join_all(cg, NULL, 0, false, &join);
	if (e)
		return e;
	memcpy(fds, join.tasks, join.n_tasks * sizeof(fds[0]));
	*ret_n = join.n_tasks;
	return NULL;
}

/* ---- moving another process ----------------------------------------------------------- */

static int write_pid(const struct host_cgroup *cg, int dirfd, pid_t pid)
{
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", pid);
	/* EINVAL: the task is so new that it cannot be moved yet (TASK_NEW). */
	for (int i = 0;; i++) {
		r = cgroup_write(cg, dirfd, "cgroup.procs", text);
		if (r != -EINVAL || i >= NEW_TASK_TRIES)
			return r;
		cgroup_pause_ms(1);
	}
}

static struct dv_err *add_to_hier(struct host_cgroup *cg, int i,
				  const struct host_cgroup_subs *subs, pid_t pid, pid_t init)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;
	int r;

	e = open_or_follow(cg, i, subs, init, &fd);
	if (e)
		return e;
	r = write_pid(cg, fd, pid);
	if (r < 0 && cg->pub[i].is_v2 && init > 0 && !sub_of(cg, i, subs)) {
		/* EBUSY: it has controllers for its children, so init went into one of them. */
		int other = open_v2_of(cg, i, init);

		if (other >= 0) {
			sys_close(fd);
			fd = other;
			r = write_pid(cg, fd, pid);
		}
	}
	if (r == -ENOENT || r == -ENODEV)
		return dv_err_new(DV_NOT_FOUND, "error adding pid %d to cgroups: %s%s: %s", pid,
				  cg->pub[i].mountpoint, cg->pub[i].path, dv_errno_text(-r));
	if (r < 0)
		return dv_err_sys(r, "error adding pid %d to cgroups: failed to write %d to %s%s",
				  pid, pid, cg->pub[i].mountpoint, cg->pub[i].path);
	return NULL;
}

struct dv_err *host_cgroup_add_pid(struct host_cgroup *cg, const struct host_cgroup_subs *subs,
				   pid_t pid, pid_t init)
{
	struct dv_err *e = check_subs(cg, subs);

	for (size_t i = 0; i < cg->n && !e; i++) {
		if (!cg->pub[i].is_usable)
			continue;
		e = forgive(cg, add_to_hier(cg, (int)i, subs, pid, init));
	}
	return e;
}
