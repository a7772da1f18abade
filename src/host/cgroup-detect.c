/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hierarchies this host has, and where in them the container belongs.
 *
 * The usual layout costs one read of /proc/self/cgroup and an open and fstatfs per
 * hierarchy. mountinfo, which grows with every container on the host, is only read when
 * something is not where systemd and everybody else puts it, or when a relative path is
 * asked for in a nest without a cgroup namespace, where /proc/self/cgroup tells paths of the
 * host that the mount does not show.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define HYBRID_NAME  "unified"

enum { PATH_LIMIT = 2000 }; /* leaves room for a mount point in front */

struct detect {
	struct host_cgroup *cg;
	const char *base; /* "/sys/fs/cgroup" or the test directory */
	int basefd;
	char *inner; /* the wanted path: absolute, or relative to the runtime's own */
	bool is_own; /* the place of the process itself is wanted, and no path */
	struct dv_strbuf own; /* /proc/self/cgroup, or that of the process asked about */
	struct dv_strbuf mounts; /* mountinfo; empty until needed */
	bool has_mounts;
};

static void detect_fini(struct detect *d)
{
	sys_close(d->basefd);
	free(d->inner);
	dv_strbuf_fini(&d->own);
	dv_strbuf_fini(&d->mounts);
}

/* ---- paths ---------------------------------------------------------------------------- */

static struct dv_err *clean_path(const char *text, const char *what, char **ret)
{
	DV_CLEANUP(dv_freep) char *path = NULL;

	if (strlen(text) > PATH_LIMIT)
		return dv_err_new(DV_INVALID, "%s is longer than %d bytes", what, PATH_LIMIT);
	if (strpbrk(text, "\n\t"))
		return dv_err_new(DV_INVALID, "%s has a tab or newline", what);
	path = dv_path_clean(text);
	if (dv_path_has_dotdot(path))
		return dv_err_new(DV_INVALID, "%s \"%s\" leads out of the hierarchy", what, text);
	*ret = dv_steal(&path);
	return NULL;
}

/* "/a" + "b" as "/a/b"; both may be "" or "/". The result is clean and absolute. */
static char *join(const char *dir, const char *name)
{
	DV_CLEANUP(dv_freep) char *both = dv_printf("/%s/%s", dir, name);

	return dv_path_clean(both);
}

/* Cuts the last component off a clean absolute path. */
static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	dv_assert(slash);
	slash[slash == path] = '\0';
}

/* ---- /proc/self/cgroup: "4:memory:/path" ---------------------------------------------- */

struct own_line {
	const char *controllers, *path;
	size_t n_controllers, n_path;
};

/* The next line; false at the end. Lines that are none are skipped. */
static bool next_own(const char **text, struct own_line *ret)
{
	while (**text) {
		const char *line = *text, *end = line + strcspn(line, "\n");
		const char *one = memchr(line, ':', (size_t)(end - line));
		const char *two = one ? memchr(one + 1, ':', (size_t)(end - one - 1)) : NULL;

		*text = *end ? end + 1 : end;
		if (!two)
			continue;
		ret->controllers = one + 1;
		ret->n_controllers = (size_t)(two - one - 1);
		ret->path = two + 1;
		ret->n_path = (size_t)(end - two - 1);
		return true;
	}
	return false;
}

static struct dv_err *read_own(struct detect *d, const struct host_cgroup_opts *opts)
{
	char path[64] = "/proc/self/cgroup";
	int r;

	if (opts->test_proc_cgroup) {
		dv_strbuf_add(&d->own, opts->test_proc_cgroup);
		return NULL;
	}
	if (opts->of_pid)
		snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)opts->of_pid);
	r = cgroup_read_text(AT_FDCWD, path, &d->own);
	return r < 0 ? dv_err_sys(r, "read %s", path) : NULL;
}

/* Finds a mount in mountinfo, which is read when first needed. See cgroup_mountinfo_find(). */
static bool find_mount(struct detect *d, const char *controllers, size_t n, char **ret_root,
		       char **ret_point)
{
	if (!d->has_mounts && !d->cg->is_test)
		(void)cgroup_read_text(AT_FDCWD, "/proc/self/mountinfo", &d->mounts);
	d->has_mounts = true;
	return cgroup_mountinfo_find(d->mounts.data, controllers, n, ret_root, ret_point);
}

/* ---- one hierarchy -------------------------------------------------------------------- */

static bool has_type(const struct detect *d, int fd, long want)
{
	long type;

	return d->cg->is_test || (sys_fstatfs_type(fd, &type) == 0 && type == want);
}

/* The mount @name below the base; -1 when it is not there. */
static int open_usual(const struct detect *d, const char *name, long type)
{
	int fd = sys_openat2(d->basefd, name, O_PATH | O_DIRECTORY, 0,
			     RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

	if (fd == -ENOSYS || fd == -EPERM)
		fd = sys_openat(d->basefd, name, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return -1;
	return has_type(d, fd, type) ? fd : sys_close(fd);
}

/*
 * The runtime's own cgroup below the mount at @fd. In a nest without a cgroup namespace the
 * mount shows a part of the hierarchy only: what its root hides is cut off.
 */
static char *own_path(struct detect *d, const struct own_line *own, int fd, bool is_v2)
{
	DV_CLEANUP(dv_freep) char *text = dv_strndup(own->path, own->n_path);
	DV_CLEANUP(dv_freep) char *root = NULL, *point = NULL;
	char *path = join("", text);
	struct stat st;
	size_t n;

	if (d->cg->is_test || dv_streq(path, "/") ||
	    sys_fstatat(fd, path + 1, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return path;
	if (!find_mount(d, is_v2 ? NULL : own->controllers, own->n_controllers, &root, &point))
		return path;
	n = strlen(root);
	if (strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n])) {
		char *rest = join("", path + n);

		free(path);
		path = rest;
	}
	return path;
}

/* Adds one hierarchy, taking @fd. @own is the runtime's own place in it, NULL for its root. */
static void add_hier(struct detect *d, const struct own_line *own, const char *name,
		     const char *point, bool is_v2, int fd)
{
	DV_CLEANUP(dv_freep)
	char *controllers =
		is_v2 ? dv_strdup("") : dv_strndup(own->controllers, own->n_controllers);
	DV_CLEANUP(dv_freep) char *joined = NULL, *base = NULL;
	const char *path = d->inner;

	if (d->is_own) {
		path = base = own_path(d, own, fd, is_v2);
	} else if (own && d->inner[0] != '/') {
		base = own_path(d, own, fd, is_v2);
		/* On v2 a cgroup with processes cannot hand on controllers: go beside it. */
		if (is_v2)
			cut_last(base);
		path = joined = join(base, d->inner);
	} else if (d->inner[0] != '/') {
		path = joined = join("", d->inner);
	}
	cgroup_add(d->cg,
		   &(struct host_cgroup_hier){ .name = name,
					       .controllers = controllers,
					       .mountpoint = point,
					       .path = path,
					       .is_v2 = is_v2,
					       .is_usable = true },
		   fd);
}

static void add_v1(struct detect *d, const struct own_line *own)
{
	DV_CLEANUP(dv_freep) char *all = dv_strndup(own->controllers, own->n_controllers);
	DV_CLEANUP(dv_freep) char *root = NULL, *point = NULL;
	const char *name = dv_starts_with(all, "name=") ? all + 5 : all;
	char *comma = strchr(all, ',');
	int fd;

	fd = open_usual(d, name, CGROUP_SUPER_MAGIC);
	if (fd >= 0) {
		point = dv_printf("%s/%s", d->base, name);
		add_hier(d, own, name, point, false, fd);
		return;
	}
	if (find_mount(d, own->controllers, own->n_controllers, &root, &point)) {
		const char *slash = strrchr(point, '/');

		fd = sys_openat(AT_FDCWD, point, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0 && has_type(d, fd, CGROUP_SUPER_MAGIC)) {
			add_hier(d, own, slash ? slash + 1 : point, point, false, fd);
			return;
		}
		sys_close(fd);
	}
	/* In a container only the links may have been bound: "cpu" for "cpu,cpuacct". */
	if (comma) {
		DV_CLEANUP(dv_freep) char *first = dv_strndup(all, (size_t)(comma - all));
		DV_CLEANUP(dv_freep) char *at = dv_printf("%s/%s", d->base, first);

		fd = open_usual(d, first, CGROUP_SUPER_MAGIC);
		if (fd >= 0)
			add_hier(d, own, first, at, false, fd);
	}
}

/* ---- modes ---------------------------------------------------------------------------- */

static bool find_own_v2(const struct detect *d, struct own_line *ret)
{
	const char *text = d->own.data;

	while (next_own(&text, ret)) {
		if (ret->n_controllers == 0)
			return true;
	}
	return false;
}

static struct dv_err *detect_v2(struct detect *d, const char *point, int fd)
{
	struct own_line own;

	bool is_fixed = !d->is_own && d->inner[0] == '/';

	d->cg->mode = HOST_CGROUP_V2;
	if (!is_fixed && !find_own_v2(d, &own)) {
		sys_close(fd);
		return dv_err_new(DV_PRECONDITION, "cgroup path not found in /proc/self/cgroup");
	}
	if (is_fixed)
		add_hier(d, NULL, "", point, true, fd);
	else
		add_hier(d, &own, "", point, true, fd);
	return NULL;
}

static void detect_v1(struct detect *d)
{
	const char *text = d->own.data;
	uint32_t seen = 0;
	struct own_line own;
	int fd;

	d->cg->mode = HOST_CGROUP_V1;
	while (next_own(&text, &own)) {
		uint32_t ctls = cgroup_ctl_parse(own.controllers, own.n_controllers);

		if (!ctls || ctls & seen)
			continue; /* v2, or a named hierarchy that is none of ours */
		seen |= ctls;
		add_v1(d, &own);
	}
	fd = d->basefd < 0 ? -1 : open_usual(d, HYBRID_NAME, CGROUP2_SUPER_MAGIC);
	if (fd >= 0) {
		DV_CLEANUP(dv_freep) char *point = dv_printf("%s/%s", d->base, HYBRID_NAME);

		d->cg->mode = HOST_CGROUP_HYBRID;
		if (d->is_own && !find_own_v2(d, &own))
			sys_close(fd);
		else
			add_hier(d, d->is_own ? &own : NULL, HYBRID_NAME, point, true, fd);
	}
}

/* Not at /sys/fs/cgroup and no v1 either: v2 somewhere else? */
static struct dv_err *detect_elsewhere(struct detect *d)
{
	DV_CLEANUP(dv_freep) char *root = NULL, *point = NULL;
	int fd;

	if (find_mount(d, NULL, 0, &root, &point)) {
		fd = sys_openat(AT_FDCWD, point, O_PATH | O_DIRECTORY, 0);
		if (fd >= 0 && has_type(d, fd, CGROUP2_SUPER_MAGIC))
			return detect_v2(d, point, fd);
		sys_close(fd);
	}
	if (d->cg->is_rootless)
		return NULL;
	return dv_err_new(DV_PRECONDITION, "no cgroup mount found in mountinfo");
}

static bool is_v2_base(const struct detect *d)
{
	struct stat st;

	if (d->basefd < 0)
		return false;
	if (d->cg->is_test)
		return sys_fstatat(d->basefd, "cgroup.controllers", &st, 0) == 0;
	return has_type(d, d->basefd, CGROUP2_SUPER_MAGIC);
}

static struct dv_err *run_detect(struct detect *d)
{
	struct host_cgroup *cg = d->cg;

	d->basefd = sys_openat(AT_FDCWD, d->base, O_PATH | O_DIRECTORY, 0);
	if (d->basefd < 0)
		d->basefd = -1;
	if (is_v2_base(d))
		return detect_v2(d, d->base, dv_steal_fd(&d->basefd));

	detect_v1(d);
	if (cg->n == 0 || (cg->n == 1 && cg->mode == HOST_CGROUP_HYBRID)) {
		/* Only a stray v2 mount in a directory named "unified", or nothing. */
		if (cg->n) {
			cg->hiers[0].rootfd = sys_close(cg->hiers[0].rootfd);
			cg->n = 0;
		}
		return detect_elsewhere(d);
	}
	if (cgroup_find(cg, CGROUP_DEVICES) < 0 && !cg->is_rootless)
		return dv_err_new(DV_PRECONDITION, "mountpoint for devices not found");
	return NULL;
}

struct dv_err *cgroup_detect(struct host_cgroup *cg, const struct host_cgroup_opts *opts)
{
	DV_CLEANUP(detect_fini)
	struct detect d = {
		.cg = cg,
		.base = opts->test_root ? opts->test_root : CGROUP_MOUNT,
		.basefd = -1,
		.is_own = opts->of_pid != 0,
		.own = DV_STRBUF_INIT,
		.mounts = DV_STRBUF_INIT,
	};
	struct dv_err *e;

	if (!d.is_own) {
		e = clean_path(cg->has_path ? opts->cgroups_path : opts->id,
			       cg->has_path ? "cgroupsPath" : "container id", &d.inner);
		if (e)
			return e;
	}
	e = read_own(&d, opts);
	if (e)
		return e;
	e = run_detect(&d);
	/* The state file's lines cannot hold them; ours were checked, the runtime's own were not. */
	for (size_t i = 0; i < cg->n && !e; i++) {
		if (strpbrk(cg->pub[i].path, "\n\t"))
			e = dv_err_new(DV_INVALID, "the runtime's own cgroup has a tab or newline");
	}
	return e;
}
