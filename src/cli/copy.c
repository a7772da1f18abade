/* SPDX-License-Identifier: Apache-2.0 */
/* See copy.h. */

#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "sys/disk.h"
#include "sys/file.h"

enum { PIECE = 64 << 10, DEPTH_MAX = 512, LINK_MAX_BYTES = 4096 };

/* What was open by O_PATH, to be read. */
static int reopen(int fd, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return sys_openat(AT_FDCWD, path, flags, 0);
}

/* ---- attributes -------------------------------------------------------------------------------- */

static struct dv_err *set_attributes(int fd, const char *name, const struct stat *st,
				     const struct copy_opts *o)
{
	uid_t uid = o->keeps_owner ? st->st_uid : o->uid;
	gid_t gid = o->keeps_owner ? st->st_gid : o->gid;
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r = sys_fchown(fd, uid, gid);

	if (r == 0) /* after the owner, whose change takes set-user-id bits away */
		r = sys_fchmod(fd, st->st_mode & 07777);
	if (r == 0)
		r = sys_futimens(fd, times);
	return r < 0 ? dv_err_sys(r, "set the attributes of %s", name) : NULL;
}

/* ---- files ------------------------------------------------------------------------------------- */

/* Files of /proc say that they are empty: what has no size is read to its end. */
static struct dv_err *copy_bytes(int in, int out, const struct stat *st, const char *name)
{
	char *buf = NULL;
	ssize_t n;
	int r = 0;

	if (st->st_size > 0) {
		r = sys_copy_sparse(out, in, st->st_size);
		return r < 0 ? dv_err_sys(r, "copy %s", name) : NULL;
	}
	buf = dv_alloc(PIECE);
	while (r == 0 && (n = sys_read(in, buf, PIECE)) != 0)
		r = n < 0 ? (int)n : sys_write_all(out, buf, (size_t)n);
	free(buf);
	return r < 0 ? dv_err_sys(r, "copy %s", name) : NULL;
}

/* What is there already makes room, unless it is a directory. */
static struct dv_err *make_room(int to, const char *name)
{
	int r = sys_unlinkat(to, name, 0);

	if (r == -EISDIR || r == -EPERM)
		return dv_err_new(DV_PRECONDITION, "%s is a directory there", name);
	return r < 0 && r != -ENOENT ? dv_err_sys(r, "replace %s", name) : NULL;
}

static struct dv_err *copy_file(int from, const struct stat *st, int to, const char *name,
				const struct copy_opts *o)
{
	DV_CLEANUP(sys_closep) int in = reopen(from, O_RDONLY | O_NONBLOCK);
	DV_CLEANUP(sys_closep) int out = -1;
	struct dv_err *e;

	if (in < 0)
		return dv_err_sys(in, "open %s", name);
	e = make_room(to, name);
	if (e)
		return e;
	out = sys_openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (out < 0)
		return dv_err_sys(out, "make %s", name);
	e = copy_bytes(in, out, st, name);
	return e ? e : set_attributes(out, name, st, o);
}

static struct dv_err *copy_link(int from, const struct stat *st, int to, const char *name,
				const struct copy_opts *o)
{
	char target[LINK_MAX_BYTES];
	struct dv_err *e;
	ssize_t n;
	int r;

	n = sys_readlinkat(from, "", target, sizeof(target));
	if (n < 0)
		return dv_err_sys((int)n, "read the link %s", name);
	e = make_room(to, name);
	if (e)
		return e;
	r = sys_symlinkat(target, to, name);
	if (r == 0)
		r = sys_fchownat(to, name, o->keeps_owner ? st->st_uid : o->uid,
				 o->keeps_owner ? st->st_gid : o->gid, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? dv_err_sys(r, "make the link %s", name) : NULL;
}

/* ---- directories --------------------------------------------------------------------------------- */

static struct dv_err *copy_any(int from, int to, const char *name, const struct copy_opts *o,
			       unsigned depth);

static struct dv_err *copy_child(int dir, const char *name, int to, const struct copy_opts *o,
				 unsigned depth)
{
	DV_CLEANUP(sys_closep) int fd = sys_openat(dir, name, O_PATH | O_NOFOLLOW, 0);
	struct dv_err *e;

	if (fd == -ENOENT)
		return NULL; /* it was there a moment ago */
	if (fd < 0)
		return dv_err_sys(fd, "open %s", name);
	e = copy_any(fd, to, name, o, depth);
	return dv_err_wrap(e, "%s", name);
}

static struct dv_err *copy_children(int from, int to, const struct copy_opts *o, unsigned depth)
{
	DV_CLEANUP(sys_closep) int fd = reopen(from, O_RDONLY | O_DIRECTORY);
	struct dv_err *e = NULL;
	struct sys_dirent entry;
	struct sys_dir dir;
	int r = fd;

	if (fd >= 0)
		sys_dir_init(&dir, fd);
	while (!e && r >= 0 && (r = sys_dir_next(&dir, &entry)) > 0)
		e = copy_child(fd, entry.name, to, o, depth);
	return e || r >= 0 ? e : dv_err_sys(r, "read the directory");
}

static struct dv_err *copy_directory(int from, const struct stat *st, int to, const char *name,
				     const struct copy_opts *o, unsigned depth)
{
	DV_CLEANUP(sys_closep) int dir = -1;
	int r = sys_mkdirat(to, name, 0700);
	struct dv_err *e;

	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make the directory %s", name);
	dir = sys_openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir == -ENOTDIR || dir == -ELOOP)
		return dv_err_new(DV_PRECONDITION, "%s is no directory there", name);
	if (dir < 0)
		return dv_err_sys(dir, "open the directory %s", name);
	e = copy_children(from, dir, o, depth + 1);
	return e || r == -EEXIST ? e : set_attributes(dir, name, st, o);
}

static struct dv_err *copy_any(int from, int to, const char *name, const struct copy_opts *o,
			       unsigned depth)
{
	struct stat st;
	int r = sys_fstat(from, &st);

	if (r < 0)
		return dv_err_sys(r, "look at %s", name);
	if (depth > DEPTH_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d directories deep", DEPTH_MAX);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from, &st, to, name, o);
	case S_IFDIR:
		return copy_directory(from, &st, to, name, o, depth);
	case S_IFLNK:
		return copy_link(from, &st, to, name, o);
	default:
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: copying devices, sockets and fifos");
	}
}

struct dv_err *copy_tree(int from, int to, const char *name, const struct copy_opts *opts)
{
	return copy_any(from, to, name, opts, 0);
}

struct dv_err *copy_content(int from, int to, const struct copy_opts *opts)
{
	return copy_children(from, to, opts, 1);
}
