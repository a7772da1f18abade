/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent directory of an entry. Links in it are followed by the kernel, within "/", as containerd
 * follows them within the root. It is kept open for the next entry.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "sys/file.h"
#include "unpack-private.h"

void layer_leave_parent(struct layer *l)
{
	free(l->parent);
	l->parent = NULL;
	sys_closep(&l->parent_fd);
	l->parent_fd = -1;
}

static int open_directory(int at, const char *path)
{
	return sys_openat2(at, path, O_RDONLY | O_DIRECTORY, 0, RESOLVE_IN_ROOT);
}

/*
 * A directory that the archive has no entry for: as it is in the layers below, or else as
 * containerd makes it.
 */
static struct dv_err *make_one(struct layer *l, const char *path)
{
	struct broker_parent as = { .mode = 0755 };
	DV_CLEANUP(sys_closep) int above = -1;
	DV_CLEANUP(sys_closep) int fd = -1;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	DV_CLEANUP(dv_freep) char *start = dv_strndup(path, (size_t)(name - path));
	int r;

	if (l->opts->is_overlay && broker_parent(l->opts->socket, path, &as) < 0)
		as = (struct broker_parent){ .mode = 0755 };
	above = open_directory(l->opts->root, *start ? start : ".");
	r = above < 0 ? above : sys_mkdirat(above, name, 0700);
	if (r < 0) /* -EEXIST: a link that leads nowhere */
		return dv_err_sys(r, "make directory %s", path);
	fd = sys_openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open directory %s", path);
	r = sys_fchown(fd, as.uid, as.gid);
	if (r == 0)
		r = sys_fchmod(fd, as.mode);
	return r < 0 ? dv_err_sys(r, "set owner and mode of directory %s", path) : NULL;
}

/* From the top; most of them are there. */
static struct dv_err *make_all(struct layer *l, const char *path)
{
	DV_CLEANUP(dv_freep) char *part = dv_strdup(path);
	struct dv_err *e;

	for (char *slash = part;;) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		int fd = open_directory(l->opts->root, part);

		if (fd == -ENOENT) {
			e = make_one(l, part);
			if (e)
				return e;
		} else if (fd < 0) {
			return dv_err_sys(fd, "open directory %s", part);
		}
		sys_closep(&fd);
		if (!slash)
			return NULL;
		*slash = '/';
	}
}

struct dv_err *layer_enter_parent(struct layer *l)
{
	size_t n = l->name > l->path ? (size_t)(l->name - l->path) - 1 : 0;
	struct dv_err *e;
	struct stat st;

	if (l->parent && strncmp(l->parent, l->path, n) == 0 && !l->parent[n])
		return NULL;
	layer_leave_parent(l);
	l->parent = dv_strndup(l->path, n);
	l->parent_fd = open_directory(l->opts->root, n > 0 ? l->parent : ".");
	if (l->parent_fd == -ENOENT) {
		e = make_all(l, l->parent);
		if (e)
			return e;
		l->parent_fd = open_directory(l->opts->root, l->parent);
	}
	if (l->parent_fd < 0) {
		e = dv_err_sys(l->parent_fd, "open directory %s", l->parent);
		layer_leave_parent(l);
		return e;
	}
	l->has_setgid = sys_fstat(l->parent_fd, &st) < 0 || (st.st_mode & S_ISGID);
	return NULL;
}
