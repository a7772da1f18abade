/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native: every snapshot is a whole tree, snapshots/<id>; a new one is a copy of its parent, which
 * shares blocks where the file system can. Works everywhere. A view with a parent is the parent.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "dirs-private.h"
#include "sys/file.h"

#define PLUGIN "io.containerd.snapshotter.v1.native"

struct native {
	struct snapshot_driver driver; /* first */
	struct snapshot_dirs dirs;
};

static const char *const capabilities[] = { NULL };

static struct native *self(struct snapshot_driver *d)
{
	return dv_container_of(d, struct native, driver);
}

static bool has_tree(const struct snapshot_node *node)
{
	return node->kind != META_SNAPSHOT_VIEW || node->n_parents == 0;
}

static struct dv_err *open_tree(struct native *n, int64_t id, int *ret)
{
	char name[SNAPSHOT_ID];
	int fd = sys_openat(n->dirs.fd, snapshot_id_text(id, name),
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return dv_err_sys(fd, "open %s/%s", n->dirs.path, name);
	*ret = fd;
	return NULL;
}

static struct dv_err *make_tree(struct native *n, const struct snapshot_node *node)
{
	char name[SNAPSHOT_ID];
	uint32_t owner[2];
	bool is_mapped;
	struct dv_err *e;
	int r;

	snapshot_id_text(node->id, name);
	r = sys_mkdirat(n->dirs.fd, name, 0755);
	if (r == 0 || r == -EEXIST)
		r = sys_fchmodat(n->dirs.fd, name, 0755); /* whatever the umask is */
	if (r < 0)
		return dv_err_sys(r, "make %s/%s", n->dirs.path, name);
	e = snapshot_mapped_root(&node->labels, owner, &is_mapped);
	if (e || !is_mapped || node->n_parents > 0)
		return e; /* a copy has the owners of its parent */
	r = sys_fchownat(n->dirs.fd, name, owner[0], owner[1], AT_SYMLINK_NOFOLLOW);
	return r < 0 ? dv_err_sys(r, "set owner of %s/%s", n->dirs.path, name) : NULL;
}

static struct dv_err *native_create(struct snapshot_driver *d, const struct snapshot_node *node)
{
	DV_CLEANUP(sys_closep) int from = -1;
	DV_CLEANUP(sys_closep) int to = -1;
	struct native *n = self(d);
	struct dv_err *e;

	if (!has_tree(node))
		return NULL;
	e = make_tree(n, node);
	if (e || node->n_parents == 0)
		return e;
	e = open_tree(n, node->parents[0].id, &from);
	if (!e)
		e = open_tree(n, node->id, &to);
	if (!e)
		e = snapshot_tree_copy(to, from);
	return e ? dv_err_wrap(e, "copy snapshot %s", node->parents[0].key) : NULL;
}

/* The copy that a power cut took is made again; one that it left in pieces cannot be told. */
static struct dv_err *native_repair(struct snapshot_driver *d, const struct snapshot_node *node)
{
	char name[SNAPSHOT_ID];
	struct stat st;
	int r;

	if (!has_tree(node))
		return NULL;
	r = sys_fstatat(self(d)->dirs.fd, snapshot_id_text(node->id, name), &st,
			AT_SYMLINK_NOFOLLOW);
	return r == -ENOENT ? native_create(d, node) : NULL;
}

static struct dv_err *native_mounts(struct snapshot_driver *d, const struct snapshot_node *node,
				    struct dv_arena *arena, struct snapshot_mounts *ret)
{
	int64_t id = has_tree(node) ? node->id : node->parents[0].id;
	const char *source = dv_arena_printf(arena, "%s/%lld", self(d)->dirs.path, (long long)id);

	snapshot_mount_bind(arena, source, node->kind == META_SNAPSHOT_VIEW, ret);
	return NULL;
}

static struct dv_err *native_usage(struct snapshot_driver *d, const struct snapshot_node *node,
				   struct snapshot_usage *ret)
{
	char name[SNAPSHOT_ID];

	*ret = (struct snapshot_usage){ 0 };
	if (node->kind == META_SNAPSHOT_VIEW)
		return NULL;
	return snapshot_tree_usage(self(d)->dirs.fd, snapshot_id_text(node->id, name), ret);
}

static struct dv_err *native_remove(struct snapshot_driver *d, int64_t id)
{
	return snapshot_dirs_remove(&self(d)->dirs, id);
}

static struct dv_err *native_each(struct snapshot_driver *d, snapshot_id_fn fn, void *arg)
{
	return snapshot_dirs_each(&self(d)->dirs, fn, arg);
}

static struct dv_err *native_sync(struct snapshot_driver *d)
{
	return snapshot_dirs_sync(&self(d)->dirs);
}

static void native_free(struct snapshot_driver *d)
{
	struct native *n = self(d);

	snapshot_dirs_fini(&n->dirs);
	free(n);
}

static const struct snapshot_driver_ops ops = {
	.create = native_create,
	.mounts = native_mounts,
	.usage = native_usage,
	.commit = native_usage,
	.remove = native_remove,
	.each = native_each,
	.repair = native_repair,
	.sync = native_sync,
	.free = native_free,
};

struct dv_err *snapshot_native_new(const char *root, struct snapshot_driver **ret)
{
	struct native *n = dv_new(struct native);
	struct dv_err *e;

	n->driver.ops = &ops;
	e = snapshot_dirs_open(&n->dirs, root, PLUGIN);
	if (e) {
		native_free(&n->driver);
		return dv_err_wrap(e, "native");
	}
	n->driver.info = (struct snapshot_driver_info){
		.name = "native",
		.root = n->dirs.root,
		.capabilities = capabilities,
	};
	*ret = &n->driver;
	return NULL;
}
