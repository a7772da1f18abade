/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device nodes and the links of /dev. Nodes are made relative to a directory descriptor that
 * was resolved inside the root, so an image whose /dev is a symlink gains nothing
 * (CVE-2026-41579). In a user namespace mknod is forbidden: the host's nodes are bound.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "child-private.h"
#include "sys/file.h"
#include "sys/mountfd.h"

static const struct spec_device defaults[] = {
	{ .path = "/dev/null", .type = 'c', .major = 1, .minor = 3 },
	{ .path = "/dev/random", .type = 'c', .major = 1, .minor = 8 },
	{ .path = "/dev/full", .type = 'c', .major = 1, .minor = 7 },
	{ .path = "/dev/tty", .type = 'c', .major = 5, .minor = 0 },
	{ .path = "/dev/zero", .type = 'c', .major = 1, .minor = 5 },
	{ .path = "/dev/urandom", .type = 'c', .major = 1, .minor = 9 },
};

static mode_t type_bits(char type)
{
	return type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : S_IFCHR;
}

static bool is_device(const struct spec_device *d, const struct stat *st)
{
	if ((st->st_mode & S_IFMT) != type_bits(d->type))
		return false;
	return d->type == 'p' || st->st_rdev == makedev((unsigned)d->major, (unsigned)d->minor);
}

/* The host's node of that path, checked to be the device that is meant. */
static int bind_node(int dir, const char *name, const struct spec_device *d, char *text)
{
	DV_CLEANUP(sys_closep) int tree = -1;
	DV_CLEANUP(sys_closep) int target = -1;
	struct stat st;
	int r;

	tree = sys_open_tree(AT_FDCWD, d->path, OPEN_TREE_CLONE);
	if (tree < 0)
		return rt_explain(text, tree, "open device %s of the host", d->path);
	r = sys_fstat(tree, &st);
	if (r < 0)
		return rt_explain(text, r, "stat device %s", d->path);
	if (!is_device(d, &st))
		return rt_explain(text, -ENODEV,
				  "%s of the host is not the device that is configured", d->path);
	target = sys_openat2(dir, name, O_RDONLY | O_CREAT | O_NOFOLLOW, 0,
			     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (target >= 0)
		r = sys_move_mount_fd(tree, target);
	if (target < 0 || r < 0)
		return rt_explain(text, target < 0 ? target : r, "bind device %s", d->path);
	return 0;
}

/* @dir was made by us or belongs to the image: what is there now is looked at again. */
static int make_node(int dir, const char *name, const struct spec_device *d, char *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	mode_t mode =
		type_bits(d->type) | (d->file_mode.is_set ? d->file_mode.value & 07777 : 0666);
	struct stat st;
	int r;

	r = sys_mknodat(dir, name, mode,
			d->type == 'p' ? 0 : makedev((unsigned)d->major, (unsigned)d->minor));
	if (r == -EEXIST)
		return 0;
	if (r < 0)
		return r == -EPERM || r == -EACCES
			       ? r
			       : rt_explain(text, r, "make device node %s", d->path);
	fd = sys_openat2(dir, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	r = fd < 0 ? fd : sys_fstat(fd, &st);
	if (r < 0)
		return rt_explain(text, r, "open device node %s", d->path);
	if (!is_device(d, &st))
		return rt_explain(text, -EBUSY, "new device inode %s is not what was made",
				  d->path);
	if (d->uid.value || d->gid.value) {
		r = sys_fchownat(fd, "", (uid_t)d->uid.value, (gid_t)d->gid.value, AT_EMPTY_PATH);
		if (r < 0)
			return rt_explain(text, r, "change the owner of %s", d->path);
	}
	return 0;
}

static int make_device(struct rt_launch *l, int devfd, const struct spec_device *d, char *text)
{
	DV_CLEANUP(sys_closep) int own = -1;
	const char *name = strrchr(d->path, '/');
	char parent[PATH_MAX];
	int dir = devfd, r;

	if (!name || !name[1])
		return rt_explain(text, -EINVAL, "device path %s", d->path);
	name++;
	if (devfd < 0 || strncmp(d->path, "/dev/", 5) != 0 || name != d->path + 5) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(name - d->path), d->path);
		dir = own = sys_mkdir_in_root(l->rootfd, parent, 0755);
		if (dir < 0)
			return rt_explain(text, dir, "make directory of device %s", d->path);
	}
	if (!l->binds_devices) {
		r = make_node(dir, name, d, text);
		if (r != -EPERM && r != -EACCES)
			return r;
	}
	return bind_node(dir, name, d, text);
}

static bool is_overridden(const struct rt_launch *l, const char *path)
{
	for (size_t i = 0; i < l->spec->linux.n_devices; i++) {
		if (dv_streq(l->spec->linux.devices[i].path, path))
			return true;
	}
	return false;
}

static int make_links(int devfd, char *text)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },	 { "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
		{ "/proc/kcore", "core" },	 { "pts/ptmx", "ptmx" },
	};
	struct stat st;
	int r;

	(void)sys_unlinkat(devfd, "ptmx", 0);
	for (size_t i = 0; i < DV_ARRAY_SIZE(links); i++) {
		if (dv_streq(links[i][1], "core") &&
		    sys_fstatat(AT_FDCWD, "/proc/kcore", &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		r = sys_symlinkat(links[i][0], devfd, links[i][1]);
		if (r < 0 && r != -EEXIST)
			return rt_explain(text, r, "make symlink /dev/%s", links[i][1]);
	}
	return 0;
}

/*
 * A standard stream on the host's /dev/null is moved to the container's, so that no file of
 * the host stays open in the container.
 */
static int reopen_null(int devfd, char *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int r;

	for (int i = 0; i < 3; i++) {
		if (sys_fstat(i, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
			continue;
		if (fd < 0) {
			fd = sys_openat2(devfd, "null", O_RDWR | O_NOFOLLOW, 0,
					 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
			r = fd < 0 ? fd : sys_fstat(fd, &st);
			if (r < 0)
				return rt_explain(text, r, "reopen /dev/null inside the container");
			if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
				return rt_explain(text, -ENODEV,
						  "container's /dev/null is invalid");
		}
		if (dup2(fd, i) < 0)
			return rt_explain(text, -errno, "reopen /dev/null inside the container");
	}
	return 0;
}

int rt_child_devices(struct rt_launch *l, char *text)
{
	DV_CLEANUP(sys_closep) int devfd = sys_mkdir_in_root(l->rootfd, "/dev", 0755);
	const struct spec_linux *x = &l->spec->linux;
	int r = 0;

	if (devfd < 0)
		return rt_explain(text, devfd, "open /dev of the container");
	for (size_t i = 0; i < DV_ARRAY_SIZE(defaults) && r == 0; i++) {
		if (!is_overridden(l, defaults[i].path))
			r = make_device(l, devfd, &defaults[i], text);
	}
	for (size_t i = 0; i < x->n_devices && r == 0; i++) {
		if (!dv_streq(x->devices[i].path, "/dev/ptmx"))
			r = make_device(l, devfd, &x->devices[i], text);
	}
	if (r == 0)
		r = make_links(devfd, text);
	if (r == 0)
		r = reopen_null(devfd, text);
	return r;
}
