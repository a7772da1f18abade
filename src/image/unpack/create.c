/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making an entry. It is made as if there were nothing in its place, and what is there is removed
 * only when that fails: layers are mostly unpacked into empty directories.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/disk.h"
#include "sys/file.h"
#include "unpack-private.h"

/* 0, or -errno of making it. */
typedef int (*make_fn)(struct layer *l, struct archive_entry *entry, int *ret_fd);

static int make_directory(struct layer *l, struct archive_entry *entry, int *ret_fd)
{
	int r = sys_mkdirat(l->parent_fd, l->name, archive_entry_mode(entry) & 0777);
	struct stat st;

	if (r == -EEXIST && sys_fstatat(l->parent_fd, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode))
		r = 0; /* the same directory, with what is in it and other attributes */
	if (r < 0)
		return r;
	*ret_fd = sys_openat(l->parent_fd, l->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return *ret_fd < 0 ? *ret_fd : 0;
}

static int make_file(struct layer *l, struct archive_entry *entry, int *ret_fd)
{
	*ret_fd = sys_openat(l->parent_fd, l->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
			     archive_entry_mode(entry) & 0777);
	return *ret_fd < 0 ? *ret_fd : 0;
}

static int make_symlink(struct layer *l, struct archive_entry *entry, int *ret_fd)
{
	const char *target = archive_entry_symlink(entry);

	(void)ret_fd;
	return target ? sys_symlinkat(target, l->parent_fd, l->name) : -EINVAL;
}

static int make_fifo(struct layer *l, struct archive_entry *entry, int *ret_fd)
{
	(void)ret_fd;
	return sys_mknodat(l->parent_fd, l->name, S_IFIFO | (archive_entry_mode(entry) & 0777), 0);
}

/* Owner and mode are set by who makes it. */
static int make_device(struct layer *l, struct archive_entry *entry, int *ret_fd)
{
	(void)ret_fd;
	return broker_mknod(l->opts->socket, l->parent_fd, l->name, entry);
}

/* The directory of the other name: links in it are followed within the root, the last part is not. */
static int make_hardlink(struct layer *l, struct archive_entry *entry, int *ret_fd)
{
	DV_CLEANUP(dv_freep) char *clean = dv_path_clean(archive_entry_hardlink(entry));
	DV_CLEANUP(sys_closep) int dir = -1;
	char *path = clean, *slash;

	(void)ret_fd;
	while (*path == '/')
		path++;
	if (dv_path_has_dotdot(path) || !*path || dv_streq(path, "."))
		return -EINVAL;
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	dir = sys_openat2(l->opts->root, slash ? path : ".", O_PATH | O_DIRECTORY, 0,
			  RESOLVE_IN_ROOT);
	if (dir < 0)
		return dir;
	return sys_linkat(dir, slash ? slash + 1 : path, l->parent_fd, l->name, 0);
}

/*
 * Whatever is in the way goes, with what is below it. A directory in the place of a whiteout of the same
 * layer still hides what is below.
 */
static struct dv_err *make(struct layer *l, struct archive_entry *entry, make_fn fn, int *ret_fd)
{
	int r = fn(l, entry, ret_fd);
	bool was_whiteout;

	if (r == -EEXIST) {
		was_whiteout = layer_is_whiteout(l, l->name);
		r = sys_remove_tree(l->parent_fd, l->name);
		if (r < 0)
			return dv_err_sys(r, "remove what is there");
		r = fn(l, entry, ret_fd);
		if (r == 0 && was_whiteout && fn == make_directory)
			r = broker_opaque(l->opts->socket, *ret_fd);
	}
	if (r == -EINVAL && archive_entry_hardlink(entry))
		return dv_err_new(DV_INVALID, "a hard link to %s", archive_entry_hardlink(entry));
	if (r < 0 && archive_entry_hardlink(entry))
		return dv_err_sys(r, "link it to %s", archive_entry_hardlink(entry));
	return r < 0 ? dv_err_sys(r, "make it") : NULL;
}

static struct dv_err *write_data(struct archive *a, struct archive_entry *entry, int fd)
{
	la_int64_t size = archive_entry_size(entry), end = 0;
	const void *p;
	la_int64_t offset;
	size_t n;
	int r;

	while ((r = archive_read_data_block(a, &p, &n, &offset)) == ARCHIVE_OK ||
	       r == ARCHIVE_WARN) {
		if (n == 0)
			continue;
		/* Where they are is the archive's word, too. */
		if (offset < 0 || offset > size || (la_int64_t)n > size - offset)
			return dv_err_new(DV_INVALID, "more bytes than it says");
		r = sys_pwrite_all(fd, p, n, offset);
		if (r < 0)
			return dv_err_sys(r, "write it");
		end = offset + (la_int64_t)n;
	}
	if (r != ARCHIVE_EOF)
		return dv_err_new(DV_INVALID, "%s", archive_error_string(a));
	/* A hole at the end. */
	if (end < size) {
		r = sys_ftruncate(fd, size);
		if (r < 0)
			return dv_err_sys(r, "set its size");
	}
	return NULL;
}

static make_fn maker_of(struct archive_entry *entry)
{
	if (archive_entry_hardlink(entry))
		return make_hardlink;
	switch (archive_entry_mode(entry) & S_IFMT) {
	case S_IFDIR:
		return make_directory;
	case S_IFREG:
		return make_file;
	case S_IFLNK:
		return make_symlink;
	case S_IFIFO:
		return make_fifo;
	case S_IFCHR:
	case S_IFBLK:
		return make_device;
	default:
		return NULL;
	}
}

/* A hole costs the archive nothing, but whoever reads the file later. */
static struct dv_err *count_bytes(struct layer *l, struct archive_entry *entry)
{
	la_int64_t size = archive_entry_size(entry);

	if (size < 0)
		return dv_err_new(DV_INVALID, "its size is %lld", (long long)size);
	if ((uint64_t)size > l->opts->max_bytes - l->n_bytes)
		return dv_err_new(DV_EXHAUSTED, "the layer's files have more than %llu bytes",
				  (unsigned long long)l->opts->max_bytes);
	l->n_bytes += (uint64_t)size;
	return NULL;
}

struct dv_err *layer_create(struct layer *l, struct archive *a, struct archive_entry *entry)
{
	make_fn fn = maker_of(entry);
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;

	if (!fn)
		return dv_err_new(DV_INVALID, "not a type of file that a layer has (%o)",
				  archive_entry_mode(entry) & S_IFMT);
	e = fn == make_file ? count_bytes(l, entry) : NULL;
	if (!e)
		e = make(l, entry, fn, &fd);
	if (e || fn == make_hardlink)
		return e;
	if (fn == make_device) /* the parent has done the rest */
		return layer_set_time(l, entry, -1);
	if (fn == make_file)
		e = write_data(a, entry, fd);
	return e ? e : layer_set_attrs(l, entry, fd);
}
