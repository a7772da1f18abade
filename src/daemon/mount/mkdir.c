/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories that a mount wants to have: upper and work directories below a block device, for
 * instance. A path is resolved below one of the roots; links in it may not leave that.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "mounts-private.h"
#include "sys/file.h"

#define PREFIX "X-containerd.mkdir."

struct wish {
	const char *path;
	uint32_t mode, uid, gid;
	bool has_owner;
};

static struct dv_err *bad(const char *option)
{
	return dv_err_new(DV_INVALID,
			  "mount option \"%.200s\": expected " PREFIX "path=DIR[:MODE[:UID:GID]]",
			  option);
}

static bool parse_mode(const char *text, uint32_t *ret)
{
	uint32_t mode = 0;

	if (!*text || strlen(text) > 4)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return false;
		mode = mode * 8 + (uint32_t)(*text - '0');
	}
	*ret = mode;
	return mode <= 0777;
}

static struct dv_err *parse(const char *option, struct dv_arena *arena, struct wish *ret)
{
	char *parts[4] = { NULL }, *at;
	size_t n = 0;

	*ret = (struct wish){ .mode = 0700 };
	if (!dv_starts_with(option, PREFIX "path="))
		return bad(option);
	at = dv_arena_strdup(arena, option + strlen(PREFIX "path="));
	while (at && n < DV_ARRAY_SIZE(parts)) {
		parts[n++] = at;
		at = strchr(at, ':');
		if (at)
			*at++ = '\0';
	}
	ret->path = parts[0];
	ret->has_owner = n == 4;
	if (at || n == 3 || !*ret->path || (parts[1] && !parse_mode(parts[1], &ret->mode)) ||
	    (ret->has_owner &&
	     (!dv_parse_u32(parts[2], &ret->uid) || !dv_parse_u32(parts[3], &ret->gid))))
		return bad(option);
	return NULL;
}

/* The path below its root, and a descriptor of that. */
static struct dv_err *find_root(const struct wish *w, const char *const *roots, size_t n_roots,
				const char **ret_rest, int *ret_fd)
{
	for (size_t i = 0; i < n_roots; i++) {
		size_t n = strlen(roots[i]);
		int fd;

		if (!dv_starts_with(w->path, roots[i]) || w->path[n] != '/')
			continue;
		fd = sys_openat(AT_FDCWD, roots[i], O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			return dv_err_sys(fd, "open %s", roots[i]);
		*ret_rest = w->path + n + strspn(w->path + n, "/");
		*ret_fd = fd;
		return NULL;
	}
	return dv_err_new(DV_INVALID, "mkdir: %s is not in a directory of the daemon", w->path);
}

static struct dv_err *make(const struct wish *w, int root, const char *rest)
{
	const char *slash = strrchr(rest, '/'), *name = slash ? slash + 1 : rest;
	DV_CLEANUP(dv_freep)
	char *parent = slash ? dv_strndup(rest, (size_t)(slash - rest)) : dv_strdup(".");
	DV_CLEANUP(sys_closep) int dir = -1;
	DV_CLEANUP(sys_closep) int made = -1;
	int r;

	if (!*name || dv_streq(name, ".") || dv_streq(name, ".."))
		return dv_err_new(DV_INVALID, "mkdir: %s: no name at its end", w->path);
	dir = sys_openat2(root, parent, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH);
	if (dir < 0)
		return dv_err_sys(dir, "mkdir: open the parent of %s", w->path);
	r = sys_mkdirat(dir, name, 0700);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "mkdir %s", w->path);
	made = sys_openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (made < 0)
		return dv_err_sys(made, "mkdir: open %s", w->path);
	r = w->has_owner ? sys_fchown(made, w->uid, w->gid) : 0;
	if (r == 0)
		r = sys_fchmod(made, w->mode);
	return r < 0 ? dv_err_sys(r, "mkdir: owner and mode of %s", w->path) : NULL;
}

struct dv_err *mounts_mkdir(struct snapshot_mount *io, const char *const *roots, size_t n_roots,
			    struct dv_arena *arena)
{
	const char **kept = dv_arena_new_n(arena, const char *, io->n_options + 1);
	size_t n = 0;

	for (size_t i = 0; i < io->n_options; i++) {
		DV_CLEANUP(sys_closep) int root = -1;
		const char *rest = "";
		struct dv_err *e;
		struct wish w;

		if (!dv_starts_with(io->options[i], PREFIX)) {
			kept[n++] = io->options[i];
			continue;
		}
		e = parse(io->options[i], arena, &w);
		if (!e)
			e = find_root(&w, roots, n_roots, &rest, &root);
		if (!e)
			e = make(&w, root, rest);
		if (e)
			return e;
	}
	io->options = kept;
	io->n_options = n;
	return NULL;
}
