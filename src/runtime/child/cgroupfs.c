/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mount of type cgroup: on v2 the container's tree; on v1 and hybrid hosts a tmpfs with one
 * directory for each hierarchy, as on the host. With a cgroup namespace the hierarchies are
 * mounted afresh, which shows the container its own cgroup as the root; without one the
 * container's directories are bound.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "child-private.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

enum { CGROUP_ATTRS = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };

static bool has_cgroup_ns(const struct rt_launch *l)
{
	return (l->ns_new | l->ns_joined) & NS_BIT(SPEC_NS_CGROUP);
}

/* "cpu,cpuacct" are two flags; "name=systemd" is a hierarchy without controllers. */
static int configure_v1(int fsfd, const char *controllers)
{
	char one[64];
	int r = 0;

	if (dv_starts_with(controllers, "name=")) {
		r = sys_fsconfig_flag(fsfd, "none");
		return r < 0 ? r : sys_fsconfig_string(fsfd, "name", controllers + 5);
	}
	for (const char *p = controllers; *p && r == 0;) {
		size_t n = strcspn(p, ",");

		if (n >= sizeof(one))
			return -EINVAL;
		memcpy(one, p, n);
		one[n] = '\0';
		r = sys_fsconfig_flag(fsfd, one);
		p += n + (p[n] == ',');
	}
	return r;
}

static int fresh(const struct host_cgroup_hier *h, uint64_t attrs)
{
	DV_CLEANUP(sys_closep) int fsfd = sys_fsopen(h->is_v2 ? "cgroup2" : "cgroup");
	int r;

	if (fsfd < 0)
		return fsfd;
	r = sys_fsconfig_string(fsfd, "source", "cgroup");
	if (r == 0 && !h->is_v2)
		r = configure_v1(fsfd, h->controllers);
	if (r == 0)
		r = sys_fsconfig_create(fsfd);
	return r < 0 ? r : sys_fsmount(fsfd, (unsigned)attrs);
}

static int bound(const char *dir, uint64_t attrs)
{
	int tree = sys_open_tree(AT_FDCWD, dir, OPEN_TREE_CLONE);
	int r;

	if (tree < 0)
		return tree;
	r = sys_mount_setattr(tree, "", AT_EMPTY_PATH, attrs, 0, 0, -1);
	if (r == 0)
		return tree;
	sys_close(tree);
	return r;
}

static int mount_hierarchy(struct rt_launch *l, int dir, const struct host_cgroup_hier *h,
			   uint64_t attrs, char *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	DV_CLEANUP(sys_closep) int target = -1;
	char path[PATH_MAX];
	int r;

	r = sys_mkdirat(dir, h->name, 0755);
	if (r < 0 && r != -EEXIST)
		return rt_explain(text, r, "make %s", h->name);
	target = sys_openat2(dir, h->name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH);
	if (target < 0)
		return rt_explain(text, target, "open %s", h->name);
	snprintf(path, sizeof(path), "%s%s", h->mountpoint, h->path);
	fd = has_cgroup_ns(l) ? fresh(h, attrs) : bound(path, attrs);
	if (fd == -EPERM || fd == -EBUSY)
		fd = bound(path, attrs);
	if (fd == -ENOENT && !h->is_usable)
		return 0; /* the runtime's own cgroup, out of its sight */
	r = fd < 0 ? fd : sys_move_mount_fd(fd, target);
	if (r < 0)
		return rt_explain(text, r, "mount cgroup %s", h->name);
	for (size_t i = 0; i < h->n_links; i++) {
		r = sys_symlinkat(h->name, dir, h->links[i]);
		if (r < 0 && r != -EEXIST)
			return rt_explain(text, r, "make symlink %s", h->links[i]);
	}
	return 0;
}

static int mount_v1(struct rt_launch *l, struct rt_mount *m, int target, char *text)
{
	DV_CLEANUP(sys_closep) int fsfd = -1;
	DV_CLEANUP(sys_closep) int tmpfs = -1;
	const struct host_mount *p = m->plan;
	const struct host_cgroup_hier *hiers;
	uint64_t attrs = CGROUP_ATTRS | (p->ms_flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0);
	size_t n;
	int r;

	fsfd = sys_fsopen("tmpfs");
	r = fsfd < 0 ? fsfd : sys_fsconfig_string(fsfd, "source", "tmpfs");
	if (r == 0)
		r = sys_fsconfig_string(fsfd, "mode", "755");
	if (r == 0)
		r = sys_fsconfig_create(fsfd);
	if (r == 0)
		tmpfs = sys_fsmount(fsfd, CGROUP_ATTRS);
	r = r < 0 ? r : tmpfs < 0 ? tmpfs : rt_child_place(tmpfs, target, p, text);
	if (r < 0)
		return rt_explain(text, r, "mount tmpfs");

	hiers = host_cgroup_hiers(l->c->cgroup, &n);
	for (size_t i = 0; i < n; i++) {
		if (!hiers[i].is_usable && hiers[i].is_v2)
			continue; /* where the container is in there is not known */
		r = mount_hierarchy(l, tmpfs, &hiers[i], attrs, text);
		if (r < 0)
			return r;
	}
	if (p->ms_flags & MS_RDONLY)
		r = sys_mount_setattr(tmpfs, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1);
	return r < 0 ? rt_explain(text, r, "make it read-only") : 0;
}

static int mount_v2(struct rt_launch *l, struct rt_mount *m, int target, char *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	const struct host_mount *p = m->plan;
	const struct host_cgroup_hier *h;
	char path[PATH_MAX];
	size_t n;

	h = host_cgroup_hiers(l->c->cgroup, &n);
	fd = fresh(h, p->attr_set);
	if (fd == -EPERM || fd == -EBUSY) {
		/* No right to mount it here: bind, the own part only where it is to be the root. */
		snprintf(path, sizeof(path), "%s%s", h->mountpoint,
			 has_cgroup_ns(l) ? h->path : "");
		fd = bound(path, p->attr_set);
		/* Never leave the writable tree of a bound /sys visible (CVE-2023-25809). */
		if (fd == -ENOENT && l->ctx->is_rootless)
			fd = bound("/sys/fs/cgroup", p->attr_set | MOUNT_ATTR_RDONLY);
	}
	if (fd < 0)
		return rt_explain(text, fd, "mount cgroup2");
	return rt_child_place(fd, target, p, text);
}

int rt_child_cgroup_mount(struct rt_launch *l, struct rt_mount *m, char *text)
{
	DV_CLEANUP(sys_closep) int target = rt_child_target(l, m->plan->destination, false, false);

	if (target < 0)
		return rt_explain(text, target, "open mount point %s", m->plan->destination);
	if (host_cgroup_mode(l->c->cgroup) == HOST_CGROUP_V2)
		return mount_v2(l, m, target, text);
	return mount_v1(l, m, target, text);
}
