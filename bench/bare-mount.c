/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The container's mounts, by the new mount API: each is made detached and moved into place once. There
 * is one unmount in all, that of the old root, and no mount is dropped without having had a place:
 * either waits for a grace period.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ATTR_SECURE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

static int fs_config(int fs, const char *key, const char *value)
{
	unsigned cmd = value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

	return (int)syscall(SYS_fsconfig, fs, cmd, key, value, 0);
}

/* A new superblock as a detached mount; @options are pairs of key and value, ended by NULL. */
static int mount_new(const char *type, const char *source, const char *const *options,
		     unsigned attrs)
{
	int fs = (int)must(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), "fsopen", type);
	int mnt;

	must(fs_config(fs, "source", source), "fsconfig", "source");
	for (; options && *options; options += 2)
		must(fs_config(fs, options[0], options[1]), "fsconfig", options[0]);
	must(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "create", type);
	mnt = (int)must(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attrs), "fsmount", type);
	close(fs);
	return mnt;
}

static int mount_clone(int dir, const char *path, unsigned flags)
{
	flags |= OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	return (int)syscall(SYS_open_tree, dir, path, flags);
}

static void mount_set(int mnt, const char *path, uint64_t attrs, uint64_t propagation)
{
	struct mount_attr attr = { .attr_set = attrs, .propagation = propagation };
	unsigned flags = path[0] ? AT_RECURSIVE : AT_EMPTY_PATH;

	must(syscall(SYS_mount_setattr, mnt, path, flags, &attr, sizeof(attr)), "mount_setattr",
	     path);
}

static void mount_move(int mnt, int dir, const char *path)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (path[0] ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	must(syscall(SYS_move_mount, mnt, "", dir, path, flags), "move_mount", path);
}

/* What the image brings may be a link to anywhere; it is resolved below the root and nowhere else. */
static void mount_move_below(int mnt, int root, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int target =
		(int)must(syscall(SYS_openat2, root, path, &how, sizeof(how)), "openat2", path);

	mount_move(mnt, target, "");
	close(target);
}

static int mount_root(const char *path)
{
	int root;

	mount_set(AT_FDCWD, "/", 0, MS_PRIVATE);
	root = (int)must(mount_clone(AT_FDCWD, path, AT_RECURSIVE), "open_tree", path);
	mount_set(root, "", MOUNT_ATTR_RDONLY, 0);
	mount_move(root, AT_FDCWD, path);
	return root;
}

static void devices_make(int dev)
{
	static const struct {
		const char *name;
		unsigned major, minor;
	} nodes[] = {
		{ "null", 1, 3 },   { "zero", 1, 5 },	 { "full", 1, 7 },
		{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
	};
	static const char *const links[][2] = {
		{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
		{ "ptmx", "pts/ptmx" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		must(mknodat(dev, nodes[i].name, S_IFCHR | 0666,
			     makedev(nodes[i].major, nodes[i].minor)),
		     "mknod", nodes[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		must(symlinkat(links[i][1], dev, links[i][0]), "symlink", links[i][0]);
}

/* /dev and all below it; returns its descriptor. */
static int mount_dev(int root)
{
	static const char *const dev_options[] = { "mode", "755", "size", "65536k", NULL };
	static const char *const shm_options[] = { "mode", "1777", "size", "65536k", NULL };
	static const char *const pts_options[] = { "newinstance", NULL,	 "ptmxmode", "0666", "mode",
						   "0620",	  "gid", "5",	     NULL };
	static const char *const dirs[] = { "pts", "shm", "mqueue" };
	int dev, mnt;

	dev = mount_new("tmpfs", "tmpfs", dev_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
	mount_move_below(dev, root, "dev");
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		must(mkdirat(dev, dirs[i], 0755), "mkdir", dirs[i]);

	mnt = mount_new("devpts", "devpts", pts_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	mount_move(mnt, dev, "pts");
	close(mnt);
	mnt = mount_new("tmpfs", "shm", shm_options, ATTR_SECURE);
	mount_move(mnt, dev, "shm");
	close(mnt);
	mnt = mount_new("mqueue", "mqueue", NULL, ATTR_SECURE);
	mount_move(mnt, dev, "mqueue");
	close(mnt);
	devices_make(dev);
	return dev;
}

/* v1: a tmpfs with the container's cgroup of each hierarchy; v2: the tree itself. */
static void mount_cgroup(const struct container *c, int sys)
{
	static const char *const options[] = { "mode", "755", NULL };
	int top, mnt;

	if (c->is_pure_v2) {
		top = mount_new("cgroup2", "cgroup", NULL, ATTR_SECURE | MOUNT_ATTR_RDONLY);
		mount_move(top, sys, "fs/cgroup");
		close(top);
		return;
	}
	top = mount_new("tmpfs", "tmpfs", options, ATTR_SECURE);
	mount_move(top, sys, "fs/cgroup");
	for (size_t i = 0; i < c->n_hierarchies; i++) {
		const struct hierarchy *h = &c->hierarchies[i];

		if (h->is_v2)
			continue;
		must(mkdirat(top, h->name, 0755), "mkdir", h->name);
		mnt = (int)must(mount_clone(AT_FDCWD, h->dir, 0), "open_tree", h->dir);
		mount_set(mnt, "", ATTR_SECURE | MOUNT_ATTR_RDONLY, 0);
		mount_move(mnt, top, h->name);
		close(mnt);
	}
	close(top);
}

/*
 * An empty directory to hide others: made on first use, cloned after that. The first mount itself is
 * moved: closing a mount that never found a place waits for a grace period (50 us and more).
 */
static int mask_directory(int *empty)
{
	if (*empty >= 0)
		return mount_clone(*empty, "", AT_EMPTY_PATH);
	*empty = mount_new("tmpfs", "tmpfs", NULL, MOUNT_ATTR_RDONLY);
	return fcntl(*empty, F_DUPFD_CLOEXEC, 0);
}

/* Masked files become /dev/null, masked directories the empty one. Absent is fine. */
static void paths_mask(int dir, const char *const *paths, int dev, int *empty)
{
	struct stat st;
	int target, mnt;

	for (; *paths; paths++) {
		target = openat(dir, *paths, O_PATH | O_CLOEXEC);
		if (target < 0 && errno == ENOENT)
			continue;
		must(target, "open", *paths);
		must(fstat(target, &st), "fstat", *paths);
		mnt = S_ISDIR(st.st_mode) ? mask_directory(empty) : mount_clone(dev, "null", 0);
		mount_move((int)must(mnt, "open_tree", "mask"), target, "");
		close(mnt);
		close(target);
	}
}

static void paths_hide(int proc, int sys, int dev)
{
	static const char *const in_proc[] = {
		"acpi",	      "asound",	     "kcore",	    "keys", "latency_stats",
		"timer_list", "timer_stats", "sched_debug", "scsi", NULL,
	};
	static const char *const in_sys[] = { "firmware", NULL };
	int empty = -1;

	paths_mask(proc, in_proc, dev, &empty);
	paths_mask(sys, in_sys, dev, &empty);
}

static void paths_make_readonly(int proc)
{
	static const char *const paths[] = { "bus", "fs", "irq", "sys", "sysrq-trigger" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int mnt = mount_clone(proc, paths[i], AT_RECURSIVE);

		if (mnt < 0 && errno == ENOENT)
			continue;
		must(mnt, "open_tree", paths[i]);
		mount_set(mnt, "", MOUNT_ATTR_RDONLY, 0);
		mount_move(mnt, proc, paths[i]);
		close(mnt);
	}
}

static void root_enter(int root)
{
	must(fchdir(root), "fchdir", "rootfs");
	must(syscall(SYS_pivot_root, ".", "."), "pivot_root", ".");
	must(umount2(".", MNT_DETACH), "umount2", "old root");
	must(chdir("/"), "chdir", "/");
}

void mounts_make(const struct container *c, const char *rootfs)
{
	int root, proc, dev, sys;

	root = mount_root(rootfs);
	proc = mount_new("proc", "proc", NULL, 0);
	mount_move_below(proc, root, "proc");
	dev = mount_dev(root);
	sys = mount_new("sysfs", "sysfs", NULL, ATTR_SECURE | MOUNT_ATTR_RDONLY);
	mount_move_below(sys, root, "sys");
	mount_cgroup(c, sys);
	paths_make_readonly(proc);
	paths_hide(proc, sys, dev);
	root_enter(root);
	/* The descriptors go with exec. */
}
