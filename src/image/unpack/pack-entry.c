/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the archive that is made: what unpacking (create.c, whiteout.c) makes of them is what was. */

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "pack-private.h"
#include "sys/file.h"

enum { PIECE = 256 << 10, HOLES_MAX = 65536 };

#define PREFIX ".wh."

/* ---- paths ------------------------------------------------------------------------------------------- */

struct dv_err *pack_push(struct pack *p, const char *name)
{
	size_t n = strlen(name), slash = p->n_path > 0;

	if (p->n_path + slash + n >= sizeof(p->path))
		return dv_err_new(DV_EXHAUSTED, "%.200s...: a path of more than %d bytes", p->path,
				  PATH_MAX - 1);
	if (slash)
		p->path[p->n_path++] = '/';
	memcpy(p->path + p->n_path, name, n + 1);
	p->n_path += n;
	return NULL;
}

void pack_pop(struct pack *p, size_t n_path)
{
	p->n_path = n_path;
	p->path[n_path] = '\0';
}

/* ---- files with several names --------------------------------------------------------------------------- */

struct link {
	dev_t dev;
	ino_t ino;
	char path[];
};

static int compare(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The name under which it is in the archive already, or NULL; then this is it from now on. */
static const char *find_link(struct pack *p, const struct stat *st)
{
	struct link *l;
	void *found;

	if (st->st_nlink < 2 || S_ISDIR(st->st_mode))
		return NULL;
	l = dv_alloc(sizeof(*l) + p->n_path + 1);
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	memcpy(l->path, p->path, p->n_path + 1);
	found = tsearch(l, &p->links, compare);
	dv_assert(found);
	if (*(struct link **)found == l)
		return NULL;
	free(l);
	return (*(struct link **)found)->path;
}

void pack_forget_links(struct pack *p)
{
	while (p->links) {
		struct link *l = *(struct link **)p->links;

		tdelete(l, &p->links, compare);
		free(l);
	}
}

/* ---- one entry ---------------------------------------------------------------------------------------------- */

static void set_times(struct pack *p, const struct timespec *mtime)
{
	struct timespec t = *mtime;

	if (p->opts->has_epoch && t.tv_sec >= p->opts->epoch)
		t = (struct timespec){ .tv_sec = p->opts->epoch };
	archive_entry_set_mtime(p->entry, t.tv_sec, t.tv_nsec);
}

static struct dv_err *write_header(struct pack *p)
{
	int r = archive_write_header(p->a, p->entry);

	/* A warning is of names that are no UTF-8: they are written as they are. */
	return r == ARCHIVE_OK || r == ARCHIVE_WARN
		       ? NULL
		       : dv_err_new(DV_INTERNAL, "%s", archive_error_string(p->a));
}

/* Without time, owner or bytes. */
static struct dv_err *write_marker(struct pack *p, const char *path)
{
	archive_entry_clear(p->entry);
	archive_entry_copy_pathname(p->entry, path);
	archive_entry_set_filetype(p->entry, AE_IFREG);
	archive_entry_set_perm(p->entry, 0);
	archive_entry_set_size(p->entry, 0);
	archive_entry_set_mtime(p->entry, p->opts->has_epoch ? p->opts->epoch : 0, 0);
	return write_header(p);
}

static struct dv_err *set_xattrs(struct pack *p, int fd)
{
	struct pack_xattrs x;
	struct dv_err *e = pack_xattrs_read(fd, &x);

	if (e)
		return e;
	/* The writer turns the order round. */
	for (size_t i = x.n_items; i-- > 0;)
		archive_entry_xattr_add_entry(p->entry, x.items[i].name, x.items[i].value,
					      x.items[i].n);
	pack_xattrs_fini(&x);
	return NULL;
}

/* Where bytes are. A file of which it cannot be said is whole. */
static void set_holes(struct pack *p, int fd, const struct stat *st)
{
	off_t at = 0;

	if (st->st_blocks * 512 >= st->st_size)
		return;
	for (int n = 0; at < st->st_size && n < HOLES_MAX; n++) {
		off_t data = lseek(fd, at, SEEK_DATA), end;

		if (data < 0 && errno == ENXIO)
			break; /* no more of them */
		end = data < 0 ? data : lseek(fd, data, SEEK_HOLE);
		if (data < 0 || end <= data || n == HOLES_MAX - 1) {
			archive_entry_sparse_clear(p->entry);
			return;
		}
		archive_entry_sparse_add_entry(p->entry, data, end - data);
		at = end;
	}
	/* One of holes alone: its end has to be said. */
	if (archive_entry_sparse_count(p->entry) == 0)
		archive_entry_sparse_add_entry(p->entry, st->st_size, 0);
}

static struct dv_err *write_bytes(struct pack *p, int fd, int64_t size)
{
	DV_CLEANUP(dv_freep) char *piece = dv_alloc(PIECE);

	if (lseek(fd, 0, SEEK_SET) < 0)
		return dv_err_sys(-errno, "read it");
	for (int64_t at = 0; at < size;) {
		ssize_t n = sys_read(fd, piece, (size_t)DV_MIN(size - at, (int64_t)PIECE));

		if (n < 0)
			return dv_err_sys((int)n, "read it");
		if (n == 0)
			return dv_err_new(DV_ABORTED, "it became shorter while it was read; "
						      "pause what writes there");
		if (archive_write_data(p->a, piece, (size_t)n) != n)
			return dv_err_new(DV_INTERNAL, "%s", archive_error_string(p->a));
		at += n;
	}
	return NULL;
}

static struct dv_err *write_file(struct pack *p, struct pack_dir *in, const char *name,
				 const struct stat *st)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(in->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat now;
	struct dv_err *e;
	int r = fd < 0 ? fd : sys_fstat(fd, &now);

	if (r < 0)
		return dv_err_sys(r, "open it");
	if (!S_ISREG(now.st_mode) || now.st_ino != st->st_ino)
		return dv_err_new(DV_ABORTED, "it became another file while it was read; "
					      "pause what writes there");
	archive_entry_set_size(p->entry, now.st_size);
	e = set_xattrs(p, fd);
	if (e)
		return e;
	set_holes(p, fd, &now);
	e = write_header(p);
	return e ? e : write_bytes(p, fd, now.st_size);
}

static void begin_entry(struct pack *p, const struct stat *st)
{
	archive_entry_clear(p->entry);
	archive_entry_copy_pathname(p->entry, p->path);
	archive_entry_set_mode(p->entry, st->st_mode);
	archive_entry_set_uid(p->entry, st->st_uid);
	archive_entry_set_gid(p->entry, st->st_gid);
	archive_entry_set_size(p->entry, 0);
	set_times(p, &st->st_mtim);
}

static struct dv_err *write_one(struct pack *p, struct pack_dir *in, const char *name,
				const struct stat *st, int fd)
{
	const char *first = find_link(p, st);
	char target[PATH_MAX];
	struct dv_err *e;
	ssize_t n;

	begin_entry(p, st);
	if (first) {
		archive_entry_copy_hardlink(p->entry, first);
		return write_header(p);
	}
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return write_file(p, in, name, st);
	case S_IFDIR:
		e = set_xattrs(p, fd);
		return e ? e : write_header(p);
	case S_IFLNK:
		n = sys_readlinkat(in->fd, name, target, sizeof(target));
		if (n < 0)
			return dv_err_sys((int)n, "read the link");
		archive_entry_copy_symlink(p->entry, target);
		return write_header(p);
	case S_IFCHR:
	case S_IFBLK:
		archive_entry_set_rdev(p->entry, st->st_rdev);
		return write_header(p);
	default:
		return write_header(p);
	}
}

/* ---- for the walk ------------------------------------------------------------------------------------------------ */

/* The directories on the way, from the top. */
static struct dv_err *write_parents(struct pack *p, struct pack_dir *in)
{
	size_t n_path = p->n_path;
	struct dv_err *e;
	char last;

	if (in->is_written)
		return NULL;
	e = write_parents(p, in->up);
	if (e)
		return e;
	last = p->path[in->n_path];
	p->path[in->n_path] = '\0';
	p->n_path = in->n_path;
	e = write_one(p, in->up, NULL, &in->st, in->fd);
	p->path[in->n_path] = last;
	p->n_path = n_path;
	in->is_written = true;
	return e;
}

struct dv_err *pack_write(struct pack *p, struct pack_dir *in, const char *name,
			  const struct stat *st, int fd)
{
	struct dv_err *e;

	if (S_ISSOCK(st->st_mode))
		return NULL; /* a layer has none, and nobody would listen */
	if (dv_starts_with(name, PREFIX))
		return dv_err_new(DV_INVALID,
				  "%s: a layer cannot have a file of that name: it "
				  "would remove another one",
				  p->path);
	e = write_parents(p, in);
	if (!e)
		e = write_one(p, in, name, st, fd);
	return dv_err_wrap(e, "%s", p->path);
}

struct dv_err *pack_whiteout(struct pack *p, struct pack_dir *in)
{
	const char *slash = strrchr(p->path, '/'), *name = slash ? slash + 1 : p->path;
	char path[PATH_MAX + sizeof(PREFIX)];
	struct dv_err *e = write_parents(p, in);

	snprintf(path, sizeof(path), "%.*s" PREFIX "%s", (int)(name - p->path), p->path, name);
	return e ? e : dv_err_wrap(write_marker(p, path), "%s", p->path);
}

struct dv_err *pack_opaque(struct pack *p, struct pack_dir *in)
{
	char path[PATH_MAX + 32];
	struct dv_err *e = write_parents(p, in);

	snprintf(path, sizeof(path), "%s%s" PREFIX PREFIX ".opq", p->path, *p->path ? "/" : "");
	return e ? e : dv_err_wrap(write_marker(p, path), "%s", p->path);
}
