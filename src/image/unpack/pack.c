/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over a tree, or over two at a time, in the order of names, so that the same trees give the
 * same archive. Depth is limited by the length of paths; each level has its directories open.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "pack-private.h"
#include "sys/disk.h"
#include "sys/file.h"

enum { NAMES_MAX = 4 << 20 };

/* ---- names in a directory -------------------------------------------------------------------------- */

struct names {
	char **items;
	size_t n, room;
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_fini(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct names){};
}

/* @dir -1: none. */
static struct dv_err *names_read(int dir, struct names *ret)
{
	DV_CLEANUP(dv_freep) struct sys_dir *d = dv_new(struct sys_dir);
	struct sys_dirent entry;
	int r;

	if (dir < 0)
		return NULL;
	sys_dir_init(d, dir);
	while ((r = sys_dir_next(d, &entry)) > 0) {
		if (ret->n == NAMES_MAX)
			return dv_err_new(DV_EXHAUSTED, "more than %d names in a directory",
					  NAMES_MAX);
		if (ret->n == ret->room) {
			ret->room = ret->room ? 2 * ret->room : 32;
			ret->items = dv_realloc_n(ret->items, ret->room, sizeof(*ret->items));
		}
		ret->items[ret->n++] = dv_strdup(entry.name);
	}
	if (r < 0)
		return dv_err_sys(r, "read the directory");
	if (ret->n > 0)
		qsort(ret->items, ret->n, sizeof(*ret->items), compare);
	return NULL;
}

/* ---- one that is walked into ------------------------------------------------------------------------- */

/* False: it went meanwhile. */
static struct dv_err *look(int dir, const char *name, struct stat *ret, bool *ret_is_there)
{
	int r = sys_fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW);

	*ret_is_there = r == 0 && !S_ISSOCK(ret->st_mode);
	return r < 0 && r != -ENOENT ? dv_err_sys(r, "look at it") : NULL;
}

/* What is open is what is told of. */
static struct dv_err *enter(const struct pack *p, struct pack_dir *in, const char *name,
			    struct pack_dir *ret)
{
	int r;

	*ret = (struct pack_dir){ .up = in, .n_path = p->n_path };
	ret->fd = sys_openat(in->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	r = ret->fd < 0 ? ret->fd : sys_fstat(ret->fd, &ret->st);
	return r < 0 ? dv_err_sys(r, "open the directory") : NULL;
}

/* ---- overlayfs's upper directory --------------------------------------------------------------------- */

static struct dv_err *walk_upper(struct pack *p, struct pack_dir *dir);

static struct dv_err *upper_directory(struct pack *p, struct pack_dir *in, const char *name)
{
	struct pack_dir dir;
	struct dv_err *e = enter(p, in, name, &dir);
	int is_opaque = 0;

	if (!e)
		e = pack_write(p, in, name, &dir.st, dir.fd);
	dir.is_written = true;
	if (!e) {
		is_opaque = broker_is_opaque(p->opts->socket, dir.fd);
		if (is_opaque < 0)
			e = dv_err_sys(is_opaque, "ask whether it hides what is below");
	}
	if (!e && is_opaque)
		e = pack_opaque(p, &dir);
	if (!e)
		e = walk_upper(p, &dir);
	sys_closep(&dir.fd);
	return e;
}

static struct dv_err *upper_entry(struct pack *p, struct pack_dir *in, const char *name)
{
	bool is_there = false;
	struct stat st;
	struct dv_err *e = look(in->fd, name, &st, &is_there);

	if (e || !is_there)
		return e;
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return pack_whiteout(p, in);
	if (S_ISDIR(st.st_mode))
		return upper_directory(p, in, name);
	return pack_write(p, in, name, &st, -1);
}

static struct dv_err *walk_upper(struct pack *p, struct pack_dir *dir)
{
	DV_CLEANUP(names_fini) struct names names = {};
	size_t n_path = p->n_path;
	struct dv_err *e = names_read(dir->fd, &names);

	for (size_t i = 0; i < names.n && !e; i++) {
		e = pack_push(p, names.items[i]);
		if (!e)
			e = upper_entry(p, dir, names.items[i]);
		pack_pop(p, n_path);
	}
	return e;
}

/* ---- two trees ---------------------------------------------------------------------------------------- */

static struct dv_err *walk_both(struct pack *p, int left, struct pack_dir *dir);

/* @left: the directory in the other tree; NULL: there is none of the name. */
static struct dv_err *both_directory(struct pack *p, const struct pack_file *left,
				     struct pack_dir *in, const char *name)
{
	DV_CLEANUP(sys_closep) int below = -1;
	struct pack_dir dir;
	struct dv_err *e = enter(p, in, name, &dir);
	struct pack_file right = { in->fd, name, dir.st };
	bool is_same = false;

	if (!e && left) {
		below = sys_openat(left->dir, left->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		e = below < 0 ? dv_err_sys(below, "open the directory below")
			      : pack_compare(left, &right, &is_same);
	}
	if (!e && !is_same) {
		e = pack_write(p, in, name, &dir.st, dir.fd);
		dir.is_written = true;
	}
	if (!e)
		e = walk_both(p, below, &dir);
	sys_closep(&dir.fd);
	return e;
}

/* @left, @right: is it in the tree? */
static struct dv_err *both_entry(struct pack *p, int left_dir, struct pack_dir *in,
				 const char *name, bool is_left, bool is_right)
{
	struct pack_file left = { .dir = left_dir, .name = name };
	struct pack_file right = { .dir = in->fd, .name = name };
	struct dv_err *e = NULL;
	bool is_same = false;

	if (is_left)
		e = look(left_dir, name, &left.st, &is_left);
	if (!e && is_right)
		e = look(in->fd, name, &right.st, &is_right);
	if (e)
		return dv_err_wrap(e, "%s", p->path);
	if (!is_right)
		return is_left ? pack_whiteout(p, in) : NULL;
	if (S_ISDIR(right.st.st_mode))
		return both_directory(p, is_left && S_ISDIR(left.st.st_mode) ? &left : NULL, in,
				      name);
	if (is_left)
		e = pack_compare(&left, &right, &is_same);
	if (e)
		return dv_err_wrap(e, "%s", p->path);
	return is_same ? NULL : pack_write(p, in, name, &right.st, -1);
}

static struct dv_err *walk_both(struct pack *p, int left, struct pack_dir *dir)
{
	DV_CLEANUP(names_fini) struct names l = {}, r = {};
	size_t n_path = p->n_path, i = 0, k = 0;
	struct dv_err *e = names_read(left, &l);

	if (!e)
		e = names_read(dir->fd, &r);
	while (!e && (i < l.n || k < r.n)) {
		int order = i == l.n ? 1 : k == r.n ? -1 : strcmp(l.items[i], r.items[k]);
		const char *name = order <= 0 ? l.items[i] : r.items[k];

		e = pack_push(p, name);
		if (!e)
			e = both_entry(p, left, dir, name, order <= 0, order >= 0);
		pack_pop(p, n_path);
		i += order <= 0;
		k += order >= 0;
	}
	return e;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static la_ssize_t write_piece(struct archive *a, void *arg, const void *p, size_t n)
{
	if (pack_output_write(arg, p, n))
		return (la_ssize_t)n;
	archive_set_error(a, EIO, "cannot hand on the layer");
	return -1;
}

/* pax: names and sizes of any length, times to the nanosecond, attributes. */
static struct dv_err *open_archive(struct pack *p, struct pack_output *o)
{
	p->a = archive_write_new();
	p->entry = archive_entry_new();
	if (!p->a || !p->entry || archive_write_set_format_pax(p->a) != ARCHIVE_OK ||
	    archive_write_set_options(p->a, "xattrheader=SCHILY") != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(p->a, 1) != ARCHIVE_OK ||
	    archive_write_open(p->a, o, NULL, write_piece, NULL) != ARCHIVE_OK)
		return dv_err_new(DV_INTERNAL, "begin a tar archive: %s",
				  p->a ? archive_error_string(p->a) : "no memory");
	return NULL;
}

struct dv_err *pack_tree(const struct pack_opts *opts, struct pack_output *o)
{
	DV_CLEANUP(dv_freep) struct pack *p = dv_new(struct pack);
	struct pack_dir root = { .fd = opts->right, .is_written = true };
	struct dv_err *e;

	p->opts = opts;
	e = open_archive(p, o);
	if (!e)
		e = opts->is_upper ? walk_upper(p, &root) : walk_both(p, opts->left, &root);
	if (!e && archive_write_close(p->a) != ARCHIVE_OK)
		e = dv_err_new(DV_INTERNAL, "%s", archive_error_string(p->a));
	if (p->a)
		archive_write_free(p->a);
	archive_entry_free(p->entry);
	pack_forget_links(p);
	return e;
}
