/* SPDX-License-Identifier: Apache-2.0 */
/* What overlayfs and native have in common: <root>/snapshots/<id>. */

#include "dirs-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "sys/disk.h"
#include "sys/file.h"

const char *snapshot_id_text(int64_t id, char buf[SNAPSHOT_ID])
{
	snprintf(buf, SNAPSHOT_ID, "%lld", (long long)id);
	return buf;
}

struct dv_err *snapshot_dirs_open(struct snapshot_dirs *d, const char *root, const char *plugin)
{
	int r;

	d->root = dv_printf("%s/%s", root, plugin);
	d->path = dv_printf("%s/snapshots", d->root);
	d->fd = -1;
	r = sys_mkdirat(AT_FDCWD, d->root, 0700);
	if (r == 0 || r == -EEXIST)
		r = sys_mkdirat(AT_FDCWD, d->path, 0700);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make %s", d->path);
	d->fd = sys_openat(AT_FDCWD, d->path, O_RDONLY | O_DIRECTORY, 0);
	if (d->fd < 0)
		return dv_err_sys(d->fd, "open %s", d->path);
	return NULL;
}

void snapshot_dirs_fini(struct snapshot_dirs *d)
{
	d->fd = sys_close(d->fd);
	free(d->path);
	free(d->root);
}

struct dv_err *snapshot_dirs_remove(struct snapshot_dirs *d, int64_t id)
{
	char name[SNAPSHOT_ID];
	int r = sys_remove_tree(d->fd, snapshot_id_text(id, name));

	return r < 0 ? dv_err_sys(r, "remove %s/%s", d->path, name) : NULL;
}

struct dv_err *snapshot_dirs_each(struct snapshot_dirs *d, snapshot_id_fn fn, void *arg)
{
	struct sys_dirent entry;
	struct sys_dir dir;
	int64_t id;
	int r, fd;

	/* A descriptor of its own: the position is shared by all who use one. */
	fd = sys_openat(d->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", d->path);
	sys_dir_init(&dir, fd);
	while ((r = sys_dir_next(&dir, &entry)) > 0)
		if (dv_parse_i64(entry.name, &id) && id > 0)
			fn(arg, id);
	sys_close(fd);
	return r < 0 ? dv_err_sys(r, "read %s", d->path) : NULL;
}

struct dv_err *snapshot_dirs_sync(struct snapshot_dirs *d)
{
	int r = sys_syncfs(d->fd);

	return r < 0 ? dv_err_sys(r, "sync %s", d->path) : NULL;
}

/* "0:100000:65536,65536:200000:10": the host's id of 0 in the container. */
static struct dv_err *root_id(const char *map, const char *label, uint32_t *ret)
{
	const char *at = map;

	while (*at) {
		uint32_t n[3];

		for (int i = 0; i < 3; i++) {
			size_t len = strcspn(at, i < 2 ? ":" : ",");
			char text[16] = "";

			if (len == 0 || len >= sizeof(text))
				goto bad;
			memcpy(text, at, len);
			if (!dv_parse_u32(text, &n[i]))
				goto bad;
			at += len;
			if (i < 2 && *at++ != ':')
				goto bad;
		}
		if (*at == ',')
			at++;
		if (n[0] == 0 && n[2] > 0) {
			*ret = n[1];
			return NULL;
		}
	}
bad:
	return dv_err_new(DV_INVALID,
			  "label %s: \"%s\" is no id map with an entry for 0 "
			  "(container:host:size,...)",
			  label, map);
}

struct dv_err *snapshot_mapped_root(const struct meta_labels *labels, uint32_t ret[2],
				    bool *ret_is_mapped)
{
	static const char *const names[2] = { SNAPSHOT_LABEL_UIDS, SNAPSHOT_LABEL_GIDS };
	struct dv_err *e = NULL;

	*ret_is_mapped = false;
	for (int i = 0; i < 2; i++)
		if (meta_label_get(labels, names[i]))
			*ret_is_mapped = true;
	for (int i = 0; i < 2 && *ret_is_mapped && !e; i++) {
		const char *map = meta_label_get(labels, names[i]);

		e = root_id(map ? map : "", names[i], &ret[i]);
	}
	return e;
}

void snapshot_mount_one(struct dv_arena *arena, const char *type, const char *source,
			const char *const *options, size_t n_options, struct snapshot_mounts *ret)
{
	struct snapshot_mount *m = dv_arena_new(arena, struct snapshot_mount);

	*m = (struct snapshot_mount){
		.type = type,
		.source = source,
		.target = "",
		.options = options,
		.n_options = n_options,
	};
	*ret = (struct snapshot_mounts){ .items = m, .n_items = 1 };
}

void snapshot_mount_bind(struct dv_arena *arena, const char *source, bool is_read_only,
			 struct snapshot_mounts *ret)
{
	const char **options = dv_arena_new_n(arena, const char *, 2);

	options[0] = is_read_only ? "ro" : "rw";
	options[1] = "rbind";
	snapshot_mount_one(arena, "bind", source, options, 2, ret);
}
