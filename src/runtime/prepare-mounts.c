/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parent, before the fork: the root filesystem and the sources of binds as detached mounts.
 *
 * They are cloned here, while nothing of the container exists and by somebody who may read
 * every path, and reach the child as descriptors. Making them in our mount namespace means
 * that they start as peers of the host's mounts: the propagation that the container's root
 * is to have is applied to each at once, before it is placed anywhere.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "launch-private.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

int rt_explain(char *text, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, RT_TEXT_MAX, fmt, ap);
	va_end(ap);
	return r;
}

int rt_propagate(int mountfd, uint64_t flags)
{
	unsigned at = AT_EMPTY_PATH | (flags & MS_REC ? AT_RECURSIVE : 0);

	return sys_mount_setattr(mountfd, "", at, 0, 0, flags & ~(uint64_t)MS_REC, -1);
}

/*
 * The root's propagation for a mount that was cloned from the host. An unbindable mount could
 * not be placed, so that waits until the root is in use.
 */
static int propagate_clone(const struct rt_launch *l, int tree, bool is_recursive)
{
	uint64_t kind = l->root_propagation & ~(uint64_t)MS_REC;

	if (kind == MS_UNBINDABLE)
		kind = MS_PRIVATE;
	return rt_propagate(tree, kind | (is_recursive ? MS_REC : 0));
}

/* Whether the wanted attributes lack one that the source has, or change its access times. */
static bool breaks_lock(const struct host_mount *p, unsigned long flags)
{
	static const struct {
		unsigned long st;
		uint64_t attr;
	} locks[] = {
		{ ST_RDONLY, MOUNT_ATTR_RDONLY },	  { ST_NOSUID, MOUNT_ATTR_NOSUID },
		{ ST_NODEV, MOUNT_ATTR_NODEV },		  { ST_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ ST_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	};
	uint64_t atime = flags & ST_NOATIME    ? MOUNT_ATTR_NOATIME
			 : flags & ST_RELATIME ? MOUNT_ATTR_RELATIME
					       : MOUNT_ATTR_STRICTATIME;

	for (size_t i = 0; i < DV_ARRAY_SIZE(locks); i++) {
		if (flags & locks[i].st && p->attr_clr & locks[i].attr)
			return true;
	}
	if (p->attr_set & MOUNT_ATTR_NODIRATIME && !(flags & ST_NODIRATIME))
		return true;
	return p->attr_clr & MOUNT_ATTR__ATIME && (p->attr_set & MOUNT_ATTR__ATIME) != atime;
}

/*
 * What the host's mount forbids stays forbidden in a user namespace: there the kernel would say
 * so, here we do, since we clone with the host's rights. The clone itself is asked, before it
 * changes: its path may lead elsewhere by now, or lead to it only since an earlier mount.
 */
static int set_top_attrs(const struct rt_launch *l, const struct host_mount *p, int tree,
			 char *text)
{
	char why[RT_TEXT_MAX / 2];
	unsigned long flags = 0;
	uint64_t set, clr;
	int r = -EPERM;
	bool is_known;

	is_known = sys_fstatfs_flags(tree, &flags) == 0;
	if (!rt_has_userns(l) || !is_known || !breaks_lock(p, flags))
		r = sys_mount_setattr(tree, "", AT_EMPTY_PATH, p->attr_set, p->attr_clr, 0, -1);
	if (r == -EPERM && is_known) {
		r = host_mount_relock(p, flags, &set, &clr, why, sizeof(why));
		if (r < 0)
			return rt_explain(text, r, "%s", why);
		r = sys_mount_setattr(tree, "", AT_EMPTY_PATH, set, clr, 0, -1);
	}
	return r < 0 ? rt_explain(text, r, "set mount attributes") : 0;
}

static int set_attrs(const struct rt_launch *l, const struct rt_mount *m, int tree, char *text)
{
	const struct host_mount *p = m->plan;
	int r = p->changes_attrs ? set_top_attrs(l, p, tree, text) : 0;

	if (r < 0)
		return r;
	if (p->rec_attr_set || p->rec_attr_clr) {
		r = sys_mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, p->rec_attr_set,
				      p->rec_attr_clr, 0, -1);
		if (r < 0)
			return rt_explain(text, r, "set recursive mount attributes");
	}
	return 0;
}

static int set_idmap(const struct rt_mount *m, int tree, char *text)
{
	unsigned at = AT_EMPTY_PATH;
	int r;

	if (m->plan->idmap == HOST_IDMAP_NONE)
		return 0;
	if (m->plan->idmap == HOST_IDMAP_RECURSIVE)
		at |= AT_RECURSIVE;
	r = sys_mount_setattr(tree, "", at, MOUNT_ATTR_IDMAP, 0, 0, m->idmap_fd);
	if (r == -EINVAL)
		return rt_explain(
			text, r,
			"failed to set MOUNT_ATTR_IDMAP (maybe the filesystem used doesn't support idmap mounts on this kernel?)");
	return r < 0 ? rt_explain(text, r, "failed to set MOUNT_ATTR_IDMAP") : 0;
}

int rt_bind_open(const struct rt_launch *l, struct rt_mount *m, char *text)
{
	const struct host_mount *p = m->plan;
	unsigned flags = OPEN_TREE_CLONE;
	int tree, r;

	if (p->is_recursive_bind)
		flags |= AT_RECURSIVE;
	if (p->src_is_nofollow)
		flags |= AT_SYMLINK_NOFOLLOW;
	tree = sys_open_tree(AT_FDCWD, p->source, flags);
	if (tree < 0)
		return rt_explain(text, tree, "open source %s", p->source);

	r = propagate_clone(l, tree, p->is_recursive_bind);
	if (r < 0)
		rt_explain(text, r, "set propagation");
	if (r == 0)
		r = set_attrs(l, m, tree, text);
	if (r == 0)
		r = set_idmap(m, tree, text);
	for (size_t i = 0; r == 0 && i < p->n_propagation; i++) {
		r = rt_propagate(tree, p->propagation[i]);
		if (r < 0)
			rt_explain(text, r, "set propagation");
	}
	if (r < 0) {
		sys_close(tree);
		return r;
	}
	m->tree = tree;
	return 0;
}

static struct dv_err *prepare_idmap(struct rt_launch *l, struct rt_mount *m)
{
	const struct host_mount *p = m->plan;
	struct host_idmap *map;

	if (p->idmap == HOST_IDMAP_NONE)
		return NULL;
	map = dv_arena_new(&l->arena, struct host_idmap);
	*map = l->idmap;
	if (p->n_uid_mappings > 0 || p->n_gid_mappings > 0)
		*map = (struct host_idmap){
			.uids = p->uid_mappings,
			.gids = p->gid_mappings,
			.n_uids = p->n_uid_mappings,
			.n_gids = p->n_gid_mappings,
		};
	return host_idmap_cache_get(&l->idmap_cache, l->procfd, map, &m->idmap_fd);
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return path && strncmp(path, dir, n) == 0 && path[n] == '/';
}

static struct dv_err *prepare_bind(struct rt_launch *l, struct rt_mount *m)
{
	char text[RT_TEXT_MAX] = "", link[PATH_MAX];
	struct dv_err *e;
	int r;

	if (m->plan->copies_symlink &&
	    sys_readlinkat(AT_FDCWD, m->plan->source, link, sizeof(link)) > 0) {
		m->symlink = dv_arena_strdup(&l->arena, link);
		return NULL;
	}
	e = prepare_idmap(l, m);
	if (e || l->is_unprivileged)
		return e;
	if (is_below(m->plan->source, l->rootfs)) {
		m->is_late = true; /* an earlier mount may be what it means */
		return NULL;
	}
	r = rt_bind_open(l, m, text);
	return r < 0 ? dv_err_sys(r, "%s", text) : NULL;
}

static struct dv_err *prepare_mounts(struct rt_launch *l)
{
	const struct spec_runtime *spec = l->spec;
	struct host_mount_env env = {
		.mount_label = l->mount_label,
		.has_userns = rt_has_userns(l),
		.is_rootless = l->ctx->is_rootless,
	};
	struct host_mount *plans;
	struct dv_err *e;

	e = host_mount_plan(spec->mounts, spec->n_mounts, &env, &l->arena, &plans);
	if (e)
		return e;
	l->mounts = dv_arena_new_n(&l->arena, struct rt_mount, spec->n_mounts + 1);
	l->sets_up_dev = true;
	for (size_t i = 0; i < spec->n_mounts; i++) {
		struct rt_mount *m = &l->mounts[i];

		*m = (struct rt_mount){
			.plan = &plans[i], .tree = -1, .idmap_fd = -1, .late_fd = -1
		};
		l->n_mounts = i + 1;
		/* Some name the place on the host; runc has always understood them. */
		if (is_below(plans[i].destination, l->rootfs))
			plans[i].destination += strlen(l->rootfs);
		if (plans[i].kind != HOST_MOUNT_BIND)
			continue;
		if (dv_streq(plans[i].destination, "/dev"))
			l->sets_up_dev = false;
		e = prepare_bind(l, m);
		if (e)
			return dv_err_wrap(
				e,
				"error during container init: error mounting \"%s\" to rootfs at \"%s\"",
				plans[i].source ? plans[i].source : "",
				spec->mounts[i].destination);
	}
	return NULL;
}

static struct dv_err *open_rootfs(struct rt_launch *l)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	fd = sys_openat(AT_FDCWD, l->rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return dv_err_sys(fd, "root.path: invalid rootfs %s", l->rootfs);
	if (l->is_unprivileged || !((l->ns_new | l->ns_joined) & NS_BIT(SPEC_NS_MNT)))
		return NULL; /* the child opens it where it is */

	l->rootfs_tree = sys_open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
	if (l->rootfs_tree < 0)
		return dv_err_sys(l->rootfs_tree, "clone the mount of rootfs %s", l->rootfs);
	/* Shared only when all is in place (rt_child_pivot): pivot_root refuses a shared root. */
	r = rt_propagate(l->rootfs_tree,
			 MS_REC | (l->root_propagation & MS_SLAVE ? MS_SLAVE : MS_PRIVATE));
	return r < 0 ? dv_err_sys(r, "set the propagation of rootfs %s", l->rootfs) : NULL;
}

static struct dv_err *prepare_notify(struct rt_launch *l)
{
	int r;

	if (!l->notify_dir || l->is_unprivileged || l->notify_tree >= 0)
		return NULL;
	l->notify_tree = sys_open_tree(AT_FDCWD, l->notify_dir, OPEN_TREE_CLONE);
	if (l->notify_tree < 0)
		return dv_err_sys(l->notify_tree, "clone %s", l->notify_dir);
	r = propagate_clone(l, l->notify_tree, false);
	return r < 0 ? dv_err_sys(r, "set the propagation of %s", l->notify_dir) : NULL;
}

/* What will cover masked files: cloned from the very object that was checked. */
static struct dv_err *prepare_masks(struct rt_launch *l)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int r;

	if (l->is_unprivileged || l->spec->linux.n_masked_paths == 0)
		return NULL;
	fd = sys_openat(AT_FDCWD, "/dev/null", O_PATH | O_NOFOLLOW, 0);
	r = fd < 0 ? fd : sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "open /dev/null of the host");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return dv_err_new(DV_PRECONDITION, "/dev/null of the host is not the null device");
	l->devnull_tree = sys_open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	r = l->devnull_tree < 0 ? l->devnull_tree : rt_propagate(l->devnull_tree, MS_PRIVATE);
	return r < 0 ? dv_err_sys(r, "clone /dev/null") : NULL;
}

struct dv_err *rt_prepare_rootfs(struct rt_launch *l)
{
	const char *name = l->spec->linux.rootfs_propagation;
	struct dv_err *e;

	l->binds_devices = rt_has_userns(l) || l->ctx->is_rootless;
	l->root_propagation = MS_SLAVE | MS_REC;
	if (name && *name)
		l->root_propagation = host_mount_propagation_find(name);
	e = open_rootfs(l);
	if (!e)
		e = prepare_mounts(l);
	if (!e)
		e = prepare_notify(l);
	if (!e)
		e = prepare_masks(l);
	return e;
}
