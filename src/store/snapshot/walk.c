/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a tree that a container may be changing. Depth costs neither stack nor descriptors: for
 * each level there are the names that are still to be entered, on the heap, and the identity of
 * the directory, which is compared when the walk comes up again.
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
	struct stat st;
	struct dv_strbuf names; /* each with its NUL */
	size_t at;
};

static void walk_fini(struct snapshot_walk *w)
{
	for (size_t i = 0; i < w->n_levels; i++)
		dv_strbuf_fini(&w->levels[i].names);
	free(w->levels);
	sys_close(w->fd);
}

/* Visits what is in the directory; directories are noted, to be entered later. */
static struct dv_err *read_level(struct snapshot_walk *w, const struct snapshot_walk_ops *ops,
				 void *arg, struct snapshot_walk_level *level)
{
	struct sys_dir dir;
	struct sys_dirent entry;
	int r;

	sys_dir_init(&dir, w->fd);
	while ((r = sys_dir_next(&dir, &entry)) > 0) {
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
		if (e)
			return e;
		if (S_ISDIR(st.st_mode))
			dv_strbuf_add_n(&level->names, entry.name, strlen(entry.name) + 1);
	}
	return r < 0 ? dv_err_sys(r, "read directory") : NULL;
}

/* Takes @fd, the directory to be walked next. */
static struct dv_err *enter(struct snapshot_walk *w, const struct snapshot_walk_ops *ops, void *arg,
			    int take_fd)
{
	struct snapshot_walk_level *level;
	int r;

	sys_close(w->fd);
	w->fd = take_fd;
	if (w->n_levels == w->room) {
		w->room = w->room ? 2 * w->room : 16;
		w->levels = dv_realloc_n(w->levels, w->room, sizeof(*w->levels));
	}
	level = &w->levels[w->n_levels++];
	*level = (struct snapshot_walk_level){ .names = DV_STRBUF_INIT };
	r = sys_fstat(w->fd, &level->st);
	if (r < 0)
		return dv_err_sys(r, "look at directory");
	if (w->n_levels == 1)
		w->dev = level->st.st_dev;
	return read_level(w, ops, arg, level);
}

static struct dv_err *go_up(struct snapshot_walk *w)
{
	const struct stat *expected = &w->levels[w->n_levels - 1].st;
	struct stat st;
	int fd, r;

	fd = sys_openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open parent directory");
	sys_close(w->fd);
	w->fd = fd;
	r = sys_fstat(fd, &st);
	if (r < 0)
		return dv_err_sys(r, "look at parent directory");
	if (st.st_ino != expected->st_ino || st.st_dev != expected->st_dev)
		return dv_err_new(DV_ABORTED, "the tree was changed while it was read");
	return NULL;
}

static struct dv_err *leave(struct snapshot_walk *w, const struct snapshot_walk_ops *ops, void *arg)
{
	struct snapshot_walk_level *level = &w->levels[w->n_levels - 1];
	struct dv_err *e = ops->up ? ops->up(arg, w->fd, &level->st) : NULL;

	dv_strbuf_fini(&level->names);
	w->n_levels--;
	if (!e && w->n_levels > 0)
		e = go_up(w);
	return e;
}

struct dv_err *snapshot_walk(int fd, const struct snapshot_walk_ops *ops, void *arg)
{
	DV_CLEANUP(walk_fini) struct snapshot_walk w = { .fd = -1 };
	struct dv_err *e;
	int next = sys_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);

	if (next < 0)
		return dv_err_sys(next, "open directory");
	e = enter(&w, ops, arg, next);
	while (!e && w.n_levels > 0) {
		struct snapshot_walk_level *level = &w.levels[w.n_levels - 1];
		const char *name = level->names.data + level->at;

		if (level->at >= level->names.len) {
			e = leave(&w, ops, arg);
			continue;
		}
		level->at += strlen(name) + 1;
		next = sys_openat2(w.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
				   RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
		if (next == -ENOENT || next == -ENOTDIR || next == -ELOOP || next == -EXDEV)
			continue; /* it vanished, or became something else */
		if (next < 0) {
			e = dv_err_sys(next, "open directory %s", name);
			continue;
		}
		if (ops->down)
			e = ops->down(arg, name);
		if (e)
			sys_close(next);
		else
			e = enter(&w, ops, arg, next);
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

struct usage {
	struct snapshot_usage total;
	struct snapshot_links links;
};

static struct dv_err *add_usage(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct usage *u = arg;

	(void)dirfd;
	(void)name;
	if (st->st_nlink > 1 && !S_ISDIR(st->st_mode) && snapshot_links_add(&u->links, st))
		return NULL;
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
	return NULL;
}
