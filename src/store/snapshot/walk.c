/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a tree that a container may be changing. Depth costs neither stack nor descriptors, and
 * width costs nothing: of each level there is the identity of the directory, which is compared when
 * the walk comes up again, and how far it was read.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>

#include "base/str.h"
#include "snapshot-private.h"
#include "sys/disk.h"
#include "sys/file.h"

struct snapshot_walk_level {
	dev_t dev;
	ino_t ino;
	int64_t next; /* in the directory: behind the subdirectory that we are in */
};

static void walk_fini(struct snapshot_walk *w)
{
	free(w->levels);
	sys_close(w->fd);
}

/* Takes @fd, the directory to be walked next. */
static struct dv_err *enter(struct snapshot_walk *w, int take_fd)
{
	struct snapshot_walk_level *level;
	struct stat st;
	int r;

	sys_close(w->fd);
	w->fd = take_fd;
	r = sys_fstat(w->fd, &st);
	if (r < 0)
		return dv_err_sys(r, "look at directory");
	if (w->n_levels == w->room) {
		w->room = w->room ? 2 * w->room : 16;
		w->levels = dv_realloc_n(w->levels, w->room, sizeof(*w->levels));
	}
	level = &w->levels[w->n_levels++];
	*level = (struct snapshot_walk_level){ .dev = st.st_dev, .ino = st.st_ino };
	if (w->n_levels == 1)
		w->dev = st.st_dev;
	return NULL;
}

/* Into the subdirectory; *ret_is_in false: it has vanished, or has become something else. */
static struct dv_err *go_down(struct snapshot_walk *w, const struct snapshot_walk_ops *ops,
			      void *arg, const char *name, bool *ret_is_in)
{
	struct dv_err *e;
	int fd = sys_openat2(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
			     RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);

	*ret_is_in = fd >= 0;
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV)
		return NULL;
	if (fd < 0)
		return dv_err_sys(fd, "open directory %s", name);
	e = ops->down ? ops->down(arg, name) : NULL;
	if (e) {
		sys_close(fd);
		return e;
	}
	return enter(w, fd);
}

/* From a directory with nothing left in it. */
static struct dv_err *go_up(struct snapshot_walk *w, const struct snapshot_walk_ops *ops, void *arg)
{
	const struct snapshot_walk_level *parent;
	struct dv_err *e = NULL;
	struct stat st;
	int fd, r;

	if (ops->up) {
		r = sys_fstat(w->fd, &st);
		e = r < 0 ? dv_err_sys(r, "look at directory") : ops->up(arg, w->fd, &st);
	}
	if (e || --w->n_levels == 0)
		return e;
	parent = &w->levels[w->n_levels - 1];
	fd = sys_openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open parent directory");
	sys_close(w->fd);
	w->fd = fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "look at parent directory");
	if (st.st_ino != parent->ino || st.st_dev != parent->dev)
		return dv_err_new(DV_ABORTED, "the tree was changed while it was read");
	return NULL;
}

/* Visits entries until there is a subdirectory to be entered, or the end. */
static struct dv_err *read_on(struct snapshot_walk *w, const struct snapshot_walk_ops *ops,
			      void *arg, bool *ret_is_end)
{
	struct sys_dirent entry;
	struct sys_dir dir;
	int r;

	*ret_is_end = false;
	sys_dir_seek(&dir, w->fd, w->levels[w->n_levels - 1].next);
	while ((r = sys_dir_next(&dir, &entry)) > 0) {
		bool is_in = false;
		struct dv_err *e;
		struct stat st;

		r = sys_fstatat(w->fd, entry.name, &st, AT_SYMLINK_NOFOLLOW);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return dv_err_sys(r, "look at %s", entry.name);
		if (st.st_dev != w->dev && S_ISDIR(st.st_mode))
			continue; /* something is mounted there */
		e = ops->visit(arg, w->fd, entry.name, &st);
		if (!e && S_ISDIR(st.st_mode)) {
			w->levels[w->n_levels - 1].next = entry.next;
			e = go_down(w, ops, arg, entry.name, &is_in);
		}
		if (e || is_in)
			return e;
	}
	*ret_is_end = true;
	return r < 0 ? dv_err_sys(r, "read directory") : NULL;
}

struct dv_err *snapshot_walk(int fd, const struct snapshot_walk_ops *ops, void *arg)
{
	DV_CLEANUP(walk_fini) struct snapshot_walk w = { .fd = -1 };
	struct dv_err *e;
	int top = sys_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (top < 0)
		return dv_err_sys(top, "open directory");
	e = enter(&w, top);
	while (!e && w.n_levels > 0) {
		bool is_end;

		e = read_on(&w, ops, arg, &is_end);
		if (!e && is_end)
			e = go_up(&w, ops, arg);
	}
	return e;
}

static size_t slot_of(const struct snapshot_links *set, uint64_t dev, uint64_t ino)
{
	size_t at = (size_t)((ino * 0x9e3779b97f4a7c15u) ^ dev) & (set->room - 1);

	while (set->items[at].is_used && (set->items[at].ino != ino || set->items[at].dev != dev))
		at = (at + 1) & (set->room - 1);
	return at;
}

static void grow(struct snapshot_links *set)
{
	struct snapshot_links old = *set;

	set->room = old.room ? 2 * old.room : 64;
	set->items = dv_alloc(set->room * sizeof(*set->items));
	for (size_t i = 0; i < old.room; i++)
		if (old.items[i].is_used)
			set->items[slot_of(set, old.items[i].dev, old.items[i].ino)] = old.items[i];
	free(old.items);
}

bool snapshot_links_add(struct snapshot_links *set, const struct stat *st)
{
	size_t at;

	if (2 * (set->n + 1) > set->room)
		grow(set);
	at = slot_of(set, st->st_dev, st->st_ino);
	if (set->items[at].is_used)
		return true;
	set->items[at] = (struct snapshot_link){ st->st_dev, st->st_ino, true };
	set->n++;
	return false;
}

void snapshot_links_fini(struct snapshot_links *set)
{
	free(set->items);
	*set = (struct snapshot_links){ 0 };
}

enum { LINKS_MAX = 1 << 18 };

struct usage {
	struct snapshot_usage total;
	struct snapshot_links links;
	double estimate; /* inodes with more names than we can remember */
};

static struct dv_err *add_usage(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct usage *u = arg;

	(void)dirfd;
	(void)name;
	if (st->st_nlink > 1 && !S_ISDIR(st->st_mode)) {
		if (u->links.n >= LINKS_MAX) {
			u->total.size += (int64_t)st->st_blocks * 512 / (int64_t)st->st_nlink;
			u->estimate += 1.0 / (double)st->st_nlink;
			return NULL;
		}
		if (snapshot_links_add(&u->links, st))
			return NULL;
	}
	u->total.size += (int64_t)st->st_blocks * 512;
	u->total.inodes++;
	return NULL;
}

struct dv_err *snapshot_tree_usage(int dirfd, const char *name, struct snapshot_usage *ret)
{
	static const struct snapshot_walk_ops ops = { .visit = add_usage };
	DV_CLEANUP(sys_closep) int fd = -1;
	struct usage u = { 0 };
	struct dv_err *e;
	struct stat st;
	int r;

	fd = sys_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open tree %s", name);
	r = sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "look at tree %s", name);
	e = add_usage(&u, fd, name, &st);
	if (!e)
		e = snapshot_walk(fd, &ops, &u);
	snapshot_links_fini(&u.links);
	if (e)
		return dv_err_wrap(e, "usage of tree %s", name);
	*ret = u.total;
	ret->inodes += (int64_t)u.estimate;
	return NULL;
}
