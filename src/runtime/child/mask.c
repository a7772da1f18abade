/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Masked and read-only paths, sysctls, host and domain name.
 *
 * What covers a masked path never comes from the container: for files it is the host's
 * null device, which the parent opened and checked (CVE-2025-31133), for directories one
 * empty read-only tmpfs, shared by all of them.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "child-private.h"
#include "host/sysctl.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

struct masks {
	int dir; /* a mount of the empty tmpfs; -1: none yet */
	int file; /* a mount of the null device */
};

static int configure_empty(int fsfd, const char *n_inodes, const char *context)
{
	int r = sys_fsconfig_string(fsfd, "source", "tmpfs");

	if (r == 0)
		r = sys_fsconfig_string(fsfd, "nr_blocks", "1");
	if (r == 0)
		r = sys_fsconfig_string(fsfd, "nr_inodes", n_inodes);
	if (r == 0 && context)
		r = sys_fsconfig_string(fsfd, "context", context);
	return r == 0 ? sys_fsconfig_create(fsfd) : r;
}

static int empty_tmpfs(struct rt_launch *l)
{
	const char *context =
		l->has_selinux && l->mount_label && *l->mount_label ? l->mount_label : NULL;
	int fsfd, fd, r = -EINVAL;

	/* Ubuntu's 5.4 refuses a single inode. */
	for (int i = 1; i <= 2 && r < 0; i++) {
		fsfd = sys_fsopen("tmpfs");
		if (fsfd < 0)
			return fsfd;
		r = configure_empty(fsfd, i == 1 ? "1" : "2", context);
		if (r == 0) {
			fd = sys_fsmount(fsfd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
			sys_close(fsfd);
			return fd;
		}
		sys_close(fsfd);
	}
	return r;
}

/* The first time the mount itself, then clones of it, which is attached by now. */
static int take_mask(struct rt_launch *l, struct masks *m, bool is_dir)
{
	int *have = is_dir ? &m->dir : &m->file;

	if (*have >= 0)
		return sys_open_tree(*have, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	if (is_dir)
		return empty_tmpfs(l);
	if (l->devnull_tree >= 0)
		return sys_dup_cloexec(l->devnull_tree, 3);
	return sys_open_tree(AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);
}

static int mask(struct rt_launch *l, struct masks *m, const char *path, char *text)
{
	DV_CLEANUP(sys_closep) int target = -1;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int *have;
	int r;

	target = sys_open_in_root(l->rootfd, path, O_PATH);
	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	r = target < 0 ? target : sys_fstat(target, &st);
	if (r < 0)
		return rt_explain(text, r, "can't mask path \"%s\"", path);
	fd = take_mask(l, m, S_ISDIR(st.st_mode));
	r = fd < 0 ? fd : sys_move_mount_fd(fd, target);
	if (r < 0)
		return rt_explain(text, r, "can't mask %s \"%s\"",
				  S_ISDIR(st.st_mode) ? "dir" : "path", path);
	have = S_ISDIR(st.st_mode) ? &m->dir : &m->file;
	if (*have < 0)
		*have = dv_steal_fd(&fd);
	return 0;
}

static int make_readonly(struct rt_launch *l, const char *path, char *text)
{
	DV_CLEANUP(sys_closep) int target = sys_open_in_root(l->rootfd, path, O_PATH);
	DV_CLEANUP(sys_closep) int tree = -1;
	int r;

	if (target == -ENOENT || target == -ENOTDIR)
		return 0;
	if (target < 0)
		return rt_explain(text, target, "can't make \"%s\" read-only", path);
	tree = sys_open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE);
	r = tree < 0 ? tree
		     : sys_mount_setattr(tree, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY, 0, 0, -1);
	if (r == 0)
		r = sys_move_mount_fd(tree, target);
	return r < 0 ? rt_explain(text, r, "can't make \"%s\" read-only", path) : 0;
}

static bool is_repeated(const char **list, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (dv_streq(list[k], list[i]))
			return true;
	}
	return false;
}

int rt_child_mask(struct rt_launch *l, char *text)
{
	const struct spec_linux *x = &l->spec->linux;
	struct masks masks = { .dir = -1, .file = -1 };
	int r = 0;

	for (size_t i = 0; i < x->n_readonly_paths && r == 0; i++) {
		if (!is_repeated(x->readonly_paths, i))
			r = make_readonly(l, x->readonly_paths[i], text);
	}
	for (size_t i = 0; i < x->n_masked_paths && r == 0; i++) {
		if (!is_repeated(x->masked_paths, i))
			r = mask(l, &masks, x->masked_paths[i], text);
	}
	sys_close(masks.dir);
	sys_close(masks.file);
	return r;
}

int rt_child_sysctl(struct rt_launch *l, char *text)
{
	const struct spec_linux *x = &l->spec->linux;

	for (size_t i = 0; i < x->n_sysctl; i++) {
		int r = host_sysctl_write(l->procfd, x->sysctl[i].key, x->sysctl[i].value);

		if (r < 0)
			return rt_explain(text, r, "linux.sysctl: write %s=%s", x->sysctl[i].key,
					  x->sysctl[i].value);
	}
	return 0;
}

int rt_child_names(struct rt_launch *l, char *text)
{
	int r = 0;

	if (l->spec->hostname && *l->spec->hostname) {
		r = sys_sethostname(l->spec->hostname);
		if (r < 0)
			return rt_explain(text, r, "sethostname %s", l->spec->hostname);
	}
	if (l->spec->domainname && *l->spec->domainname) {
		r = sys_setdomainname(l->spec->domainname);
		if (r < 0)
			return rt_explain(text, r, "setdomainname %s", l->spec->domainname);
	}
	return 0;
}
