/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whiteouts (OCI image specification, "Layer Filesystem Changeset"): ".wh.x" removes x of the layers
 * below, ".wh..wh..opq" all that they have in the directory, and other names that begin with ".wh..wh."
 * are aufs's own business. They never concern what the same layer brings, whatever the order.
 */

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "sys/disk.h"
#include "sys/file.h"
#include "unpack-private.h"

#define PREFIX	    ".wh."
#define META_PREFIX ".wh..wh."
#define OPAQUE	    ".wh..wh..opq"

/* ---- what this layer brought; where nothing but memory could tell ------------------------------ */

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* With the directories that it is in, whether or not the archive has an entry for them. */
void layer_note(struct layer *l)
{
	DV_CLEANUP(dv_freep) char *path = dv_strdup(l->path);

	while (*path && !l->opts->is_overlay && !tfind(path, &l->unpacked, compare)) {
		char *slash = strrchr(path, '/');

		dv_assert(tsearch(dv_strdup(path), &l->unpacked, compare));
		*(slash ? slash : path) = '\0';
	}
}

void layer_forget(struct layer *l)
{
	while (l->unpacked) {
		char *path = *(char **)l->unpacked;

		tdelete(path, &l->unpacked, compare);
		free(path);
	}
}

/* Removes of @path what this layer did not bring. Depth is limited by the length of paths. */
static int clear_directory(struct layer *l, int dir, const char *path)
{
	struct sys_dirent entry;
	struct sys_dir d;
	int r;

	sys_dir_init(&d, dir);
	while ((r = sys_dir_next(&d, &entry)) > 0) {
		DV_CLEANUP(dv_freep)
		char *child = *path ? dv_printf("%s/%s", path, entry.name) : dv_strdup(entry.name);
		int fd;

		if (!tfind(child, &l->unpacked, compare)) {
			r = sys_remove_tree(dir, entry.name);
			if (r < 0)
				return r;
			continue;
		}
		fd = sys_openat(dir, entry.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0)
			continue;
		r = clear_directory(l, fd, child);
		sys_close(fd);
		if (r < 0)
			return r;
	}
	return r;
}

/* ---- the three kinds ----------------------------------------------------------------------------- */

static struct dv_err *opaque(struct layer *l)
{
	int r;

	if (l->opts->is_overlay)
		r = broker_opaque(l->opts->socket, l->parent_fd);
	else
		r = clear_directory(l, l->parent_fd, l->parent);
	return r < 0 ? dv_err_sys(r, "hide what is below") : NULL;
}

bool layer_is_whiteout(struct layer *l, const char *name)
{
	struct stat st;

	return l->opts->is_overlay &&
	       sys_fstatat(l->parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

/* This layer has the name already: if it is a directory, it hides what is below. */
static int hide_below(struct layer *l, const char *name)
{
	int r, fd = sys_openat(l->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return 0;
	r = broker_opaque(l->opts->socket, fd);
	sys_close(fd);
	return r;
}

/* Overlayfs's form: a character device 0/0, which needs no privilege. */
static struct dv_err *overlay_whiteout(struct layer *l, struct archive_entry *entry,
				       const char *name)
{
	int r = sys_mknodat(l->parent_fd, name, S_IFCHR, 0);

	if (r == -EEXIST)
		r = hide_below(l, name);
	else if (r == 0)
		r = sys_fchownat(l->parent_fd, name, (uid_t)archive_entry_uid(entry),
				 (gid_t)archive_entry_gid(entry), AT_SYMLINK_NOFOLLOW);
	return r < 0 ? dv_err_sys(r, "make a whiteout") : NULL;
}

static struct dv_err *removal(struct layer *l, const char *name)
{
	DV_CLEANUP(dv_freep)
	char *path = *l->parent ? dv_printf("%s/%s", l->parent, name) : dv_strdup(name);
	int r = 0;

	if (tfind(path, &l->unpacked, compare)) {
		/* What the layers below have in a directory that this one has, too. */
		DV_CLEANUP(sys_closep)
		int fd = sys_openat(l->parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

		r = fd < 0 ? 0 : clear_directory(l, fd, path);
		return r < 0 ? dv_err_sys(r, "clear %s", path) : NULL;
	}
	r = sys_remove_tree(l->parent_fd, name);
	layer_leave_parent(l);
	return r < 0 && r != -ENOENT ? dv_err_sys(r, "remove %s", path) : NULL;
}

struct dv_err *layer_whiteout(struct layer *l, struct archive_entry *entry, bool *ret_done)
{
	const char *hidden = l->name + strlen(PREFIX);

	*ret_done = dv_starts_with(l->name, PREFIX);
	if (!*ret_done)
		return NULL;
	if (dv_streq(l->name, OPAQUE))
		return opaque(l);
	if (dv_starts_with(l->name, META_PREFIX))
		return NULL;
	if (!*hidden || dv_streq(hidden, ".") || dv_streq(hidden, ".."))
		return dv_err_new(DV_INVALID, "a whiteout of nothing");
	return l->opts->is_overlay ? overlay_whiteout(l, entry, hidden) : removal(l, hidden);
}
