/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a tree. Files with several names: the first copy gets a name in a directory of its own
 * at the top, from where later names are linked, so that neither paths nor descriptors need to be
 * kept. That directory is removed at the end.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/str.h"
#include "snapshot-private.h"
#include "sys/disk.h"
#include "sys/file.h"

#define LINKS_DIR ".davit-copy-links"

enum { XATTR_LIST = 64 << 10, XATTR_VALUE = 64 << 10, FD_PATH = 32 };

struct copy {
	int top, fd; /* of the target: its top, and where we are */
	int links; /* LINKS_DIR, -1: not made yet */
	char *list, *value; /* buffers for attributes */
	bool has_no_reflinks; /* the file system, as the first try has shown */
	struct snapshot_links seen;
};

/* A path of @name in the directory @fd, for the calls that know no descriptors. */
static const char *fd_path(int fd, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "/proc/self/fd/%d/%s", fd, name);
	return buf;
}

/* Attributes that this file system, or this process, cannot have are left out, as cp does. */
static bool may_be_left_out(int r, const char *name)
{
	return r == -EOPNOTSUPP || r == -ENODATA || r == -ERANGE ||
	       (r == -EPERM && dv_starts_with(name, "security.")) || r == -EINVAL;
}

static struct dv_err *copy_xattrs(struct copy *c, int from, const char *from_name, int to,
				  const char *to_name)
{
	char src[FD_PATH + NAME_MAX], dst[FD_PATH + NAME_MAX];
	ssize_t n;

	fd_path(from, from_name, src, sizeof(src));
	fd_path(to, to_name, dst, sizeof(dst));
	n = sys_llistxattr(src, c->list, XATTR_LIST);
	if (n == -EOPNOTSUPP)
		return NULL;
	if (n < 0)
		return dv_err_sys((int)n, "list attributes of %s", from_name);
	for (const char *name = c->list; name < c->list + n; name += strlen(name) + 1) {
		ssize_t size = sys_lgetxattr(src, name, c->value, XATTR_VALUE);
		int r = (int)size;

		if (size >= 0)
			r = sys_lsetxattr(dst, name, c->value, (size_t)size, 0);
		if (r < 0 && !may_be_left_out(r, name))
			return dv_err_sys(r, "copy attribute %s of %s", name, from_name);
	}
	return NULL;
}

/* Owner first: a change of it takes set-user-ID bits and capabilities away. */
static struct dv_err *copy_attributes(struct copy *c, int from, const char *from_name, int to,
				      const char *to_name, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	struct dv_err *e;
	int r;

	r = sys_fchownat(to, to_name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && !S_ISLNK(st->st_mode))
		r = sys_fchmodat(to, to_name, st->st_mode & 07777);
	if (r < 0)
		return dv_err_sys(r, "set owner and mode of %s", from_name);
	e = copy_xattrs(c, from, from_name, to, to_name);
	if (e)
		return e;
	r = sys_utimensat(to, to_name, times, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? dv_err_sys(r, "set times of %s", from_name) : NULL;
}

static int copy_bytes(struct copy *c, int to, int from, const struct stat *st)
{
	int r;

	if (st->st_size == 0)
		return 0;
	if (!c->has_no_reflinks) {
		r = sys_reflink(to, from);
		if (r == 0)
			return 0;
		c->has_no_reflinks = r == -EOPNOTSUPP || r == -ENOTTY || r == -EXDEV;
	}
	if ((off_t)st->st_blocks * 512 >= st->st_size)
		return sys_copy_whole(to, from, st->st_size);
	return sys_copy_sparse(to, from, st->st_size);
}

static struct dv_err *copy_regular(struct copy *c, int dirfd, const char *name,
				   const struct stat *st)
{
	DV_CLEANUP(sys_closep) int from = -1;
	DV_CLEANUP(sys_closep) int to = -1;
	int r;

	from = sys_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (from < 0)
		return dv_err_sys(from, "open %s", name);
	to = sys_openat(c->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (to < 0)
		return dv_err_sys(to, "make %s", name);
	r = copy_bytes(c, to, from, st);
	return r < 0 ? dv_err_sys(r, "copy %s", name) : NULL;
}

static struct dv_err *copy_symlink(struct copy *c, int dirfd, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = sys_readlinkat(dirfd, name, target, sizeof(target));
	int r = (int)n;

	if (n >= 0)
		r = sys_symlinkat(target, c->fd, name);
	return r < 0 ? dv_err_sys(r, "copy link %s", name) : NULL;
}

static struct dv_err *make_object(struct copy *c, int dirfd, const char *name,
				  const struct stat *st)
{
	int r;

	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return copy_regular(c, dirfd, name, st);
	case S_IFLNK:
		return copy_symlink(c, dirfd, name);
	case S_IFDIR:
		r = sys_mkdirat(c->fd, name, 0700);
		break;
	default:
		r = sys_mknodat(c->fd, name, st->st_mode & (S_IFMT | 0777), st->st_rdev);
	}
	return r < 0 ? dv_err_sys(r, "make %s", name) : NULL;
}

static struct dv_err *open_links(struct copy *c)
{
	int r;

	if (c->links >= 0)
		return NULL;
	r = sys_mkdirat(c->top, LINKS_DIR, 0700);
	if (r == 0)
		r = sys_openat(c->top, LINKS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r < 0)
		return dv_err_sys(r, "make directory for links");
	c->links = r;
	return NULL;
}

static struct dv_err *visit(void *arg, int dirfd, const char *name, const struct stat *st)
{
	bool has_links = st->st_nlink > 1 && !S_ISDIR(st->st_mode);
	struct copy *c = arg;
	struct dv_err *e;
	char key[24];
	int r;

	snprintf(key, sizeof(key), "%llu", (unsigned long long)st->st_ino);
	if (has_links && snapshot_links_add(&c->seen, st)) {
		r = sys_linkat(c->links, key, c->fd, name, 0);
		return r < 0 ? dv_err_sys(r, "link %s", name) : NULL;
	}
	e = make_object(c, dirfd, name, st);
	/* A directory's times change as it is filled: up() sets all of it. */
	if (!e && !S_ISDIR(st->st_mode))
		e = copy_attributes(c, dirfd, name, c->fd, name, st);
	if (!e && has_links)
		e = open_links(c);
	if (!e && has_links) {
		r = sys_linkat(c->fd, name, c->links, key, 0);
		if (r < 0)
			e = dv_err_sys(r, "note the links of %s", name);
	}
	return e;
}

static struct dv_err *down(void *arg, const char *name)
{
	struct copy *c = arg;
	int fd = sys_openat(c->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return dv_err_sys(fd, "open copy of %s", name);
	sys_close(c->fd);
	c->fd = fd;
	return NULL;
}

static struct dv_err *remove_links(struct copy *c)
{
	int r;

	if (c->links < 0)
		return NULL;
	c->links = sys_close(c->links);
	r = sys_remove_tree(c->top, LINKS_DIR);
	return r < 0 ? dv_err_sys(r, "remove directory for links") : NULL;
}

/* Nobody but us knows the target, so ".." needs no check. */
static struct dv_err *up(void *arg, int fd, const struct stat *st)
{
	struct copy *c = arg;
	struct stat here, top;
	struct dv_err *e = NULL;
	int r, parent;

	r = sys_fstat(c->fd, &here);
	if (r == 0)
		r = sys_fstat(c->top, &top);
	if (r < 0)
		return dv_err_sys(r, "look at copy");
	if (here.st_ino == top.st_ino) {
		e = remove_links(c);
		return e ? e : copy_attributes(c, fd, ".", c->fd, ".", st);
	}
	e = copy_attributes(c, fd, ".", c->fd, ".", st);
	if (e)
		return e;
	parent = sys_openat(c->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (parent < 0)
		return dv_err_sys(parent, "open parent of copy");
	sys_close(c->fd);
	c->fd = parent;
	return NULL;
}

struct dv_err *snapshot_tree_copy(int to, int from)
{
	static const struct snapshot_walk_ops ops = { .visit = visit, .down = down, .up = up };
	struct copy c = { .top = to, .fd = -1, .links = -1 };
	struct dv_err *e = NULL;

	c.list = dv_alloc(XATTR_LIST);
	c.value = dv_alloc(XATTR_VALUE);
	c.fd = sys_openat(to, ".", O_RDONLY | O_DIRECTORY, 0);
	if (c.fd < 0)
		e = dv_err_sys(c.fd, "open target of copy");
	if (!e)
		e = snapshot_walk(from, &ops, &c);
	sys_close(c.links);
	sys_close(c.fd);
	snapshot_links_fini(&c.seen);
	free(c.value);
	free(c.list);
	return e;
}
