/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlayfs: a layer is snapshots/<id>/fs, what is above it is stacked by the kernel when the
 * caller mounts. Rebasing needs nothing: a layer does not know what is below it.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "base/str.h"
#include "dirs-private.h"
#include "host/fs-mount.h"
#include "sys/disk.h"
#include "sys/file.h"
#include "sys/mountfd.h"

#define PLUGIN	    "io.containerd.snapshotter.v1.overlayfs"
#define INDEX_PARAM "/sys/module/overlay/parameters/index"

struct overlay {
	struct snapshot_driver driver; /* first */
	struct snapshot_dirs dirs;
	char *problem;
	char **options; /* for each overlay */
	size_t n_options;
	bool can_map; /* owners, for user namespaces */
};

static const char *const capabilities[] = { "rebase", NULL };
static const char *const mapping_capabilities[] = { "rebase", "remap-ids", NULL };

static struct overlay *self(struct snapshot_driver *d)
{
	return dv_container_of(d, struct overlay, driver);
}

static struct dv_err *make_dirs(struct overlay *o, const struct snapshot_node *node)
{
	char name[SNAPSHOT_ID];
	DV_CLEANUP(sys_closep) int dir = -1;
	int r;

	snapshot_id_text(node->id, name);
	r = sys_mkdirat(o->dirs.fd, name, 0700);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make %s/%s", o->dirs.path, name);
	dir = sys_openat(o->dirs.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return dv_err_sys(dir, "open %s/%s", o->dirs.path, name);
	r = sys_mkdirat(dir, "fs", 0755);
	if (r == 0)
		r = sys_fchmodat(dir, "fs", 0755); /* whatever the umask is */
	if ((r == 0 || r == -EEXIST) && node->kind == META_SNAPSHOT_ACTIVE)
		r = sys_mkdirat(dir, "work", 0711);
	return r < 0 && r != -EEXIST ? dv_err_sys(r, "make %s/%s/{fs,work}", o->dirs.path, name)
				     : NULL;
}

/* The root of the tree belongs to the container's root, or to whom it belongs below. */
static struct dv_err *give_root(struct overlay *o, const struct snapshot_node *node)
{
	char path[SNAPSHOT_ID + 4], id[SNAPSHOT_ID];
	uint32_t owner[2] = { 0, 0 };
	bool is_mapped;
	struct dv_err *e;
	struct stat st;
	int r = 0;

	e = snapshot_mapped_root(&node->labels, owner, &is_mapped);
	if (e)
		return e;
	if (!is_mapped && node->n_parents == 0)
		return NULL;
	if (!is_mapped) {
		snprintf(path, sizeof(path), "%s/fs", snapshot_id_text(node->parents[0].id, id));
		r = sys_fstatat(o->dirs.fd, path, &st, AT_SYMLINK_NOFOLLOW);
		if (r < 0)
			return dv_err_sys(r, "look at parent %s/%s", o->dirs.path, path);
		owner[0] = st.st_uid;
		owner[1] = st.st_gid;
	}
	snprintf(path, sizeof(path), "%s/fs", snapshot_id_text(node->id, id));
	r = sys_fchownat(o->dirs.fd, path, owner[0], owner[1], AT_SYMLINK_NOFOLLOW);
	return r < 0 ? dv_err_sys(r, "set owner of %s/%s", o->dirs.path, path) : NULL;
}

static struct dv_err *overlay_create(struct snapshot_driver *d, const struct snapshot_node *node)
{
	struct dv_err *e = make_dirs(self(d), node);

	return e ? e : give_root(self(d), node);
}

/* What a power cut took; what is there may have got another owner by its container. */
static struct dv_err *overlay_repair(struct snapshot_driver *d, const struct snapshot_node *node)
{
	char path[SNAPSHOT_ID + 4], id[SNAPSHOT_ID];
	struct stat st;

	snprintf(path, sizeof(path), "%s/fs", snapshot_id_text(node->id, id));
	if (sys_fstatat(self(d)->dirs.fd, path, &st, AT_SYMLINK_NOFOLLOW) != -ENOENT)
		return NULL;
	return overlay_create(d, node);
}

static const char *fs_path(struct overlay *o, int64_t id, const char *option, const char *leaf,
			   struct dv_arena *arena)
{
	return dv_arena_printf(arena, "%s%s/%lld/%s", option, o->dirs.path, (long long)id, leaf);
}

static const char *lower_option(struct overlay *o, const struct snapshot_node *node,
				struct dv_arena *arena)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	char *text;

	for (size_t i = 0; i < node->n_parents; i++)
		dv_strbuf_addf(&b, "%s%s/%lld/fs", i ? ":" : "lowerdir=", o->dirs.path,
			       (long long)node->parents[i].id);
	text = dv_arena_strdup(arena, b.data);
	dv_strbuf_fini(&b);
	return text;
}

/* uidmap=, gidmap=: whoever mounts shows the layers with the owners of a user namespace. */
static size_t add_maps(struct overlay *o, const struct snapshot_node *node, struct dv_arena *arena,
		       const char **options)
{
	const char *uids = meta_label_get(&node->labels, SNAPSHOT_LABEL_UIDS);
	const char *gids = meta_label_get(&node->labels, SNAPSHOT_LABEL_GIDS);

	if (!o->can_map || !uids || !gids)
		return 0;
	options[0] = dv_arena_printf(arena, "uidmap=%s", uids);
	options[1] = dv_arena_printf(arena, "gidmap=%s", gids);
	return 2;
}

static struct dv_err *overlay_mounts(struct snapshot_driver *d, const struct snapshot_node *node,
				     struct dv_arena *arena, struct snapshot_mounts *ret)
{
	bool is_view = node->kind == META_SNAPSHOT_VIEW;
	struct overlay *o = self(d);
	const char **options = dv_arena_new_n(arena, const char *, o->n_options + 5);
	size_t n = add_maps(o, node, arena, options);

	/* overlayfs wants at least one lower directory, and two of them without an upper one. */
	if (node->n_parents == 0 || (is_view && node->n_parents == 1)) {
		int64_t id = node->n_parents ? node->parents[0].id : node->id;

		options[n++] = is_view ? "ro" : "rw";
		options[n++] = "rbind";
		snapshot_mount_one(arena, "bind", fs_path(o, id, "", "fs", arena), options, n, ret);
		return NULL;
	}
	if (!is_view) {
		options[n++] = fs_path(o, node->id, "workdir=", "work", arena);
		options[n++] = fs_path(o, node->id, "upperdir=", "fs", arena);
	}
	options[n++] = lower_option(o, node, arena);
	for (size_t i = 0; i < o->n_options; i++)
		options[n++] = dv_arena_strdup(arena, o->options[i]);
	snapshot_mount_one(arena, "overlay", "overlay", options, n, ret);
	return NULL;
}

static struct dv_err *overlay_usage(struct snapshot_driver *d, const struct snapshot_node *node,
				    struct snapshot_usage *ret)
{
	char path[SNAPSHOT_ID + 4], id[SNAPSHOT_ID];

	*ret = (struct snapshot_usage){ 0 };
	if (node->kind == META_SNAPSHOT_VIEW)
		return NULL;
	snprintf(path, sizeof(path), "%s/fs", snapshot_id_text(node->id, id));
	return snapshot_tree_usage(self(d)->dirs.fd, path, ret);
}

static struct dv_err *overlay_remove(struct snapshot_driver *d, int64_t id)
{
	return snapshot_dirs_remove(&self(d)->dirs, id);
}

static struct dv_err *overlay_each(struct snapshot_driver *d, snapshot_id_fn fn, void *arg)
{
	return snapshot_dirs_each(&self(d)->dirs, fn, arg);
}

static struct dv_err *overlay_sync(struct snapshot_driver *d)
{
	return snapshot_dirs_sync(&self(d)->dirs);
}

static void overlay_free(struct snapshot_driver *d)
{
	struct overlay *o = self(d);

	snapshot_dirs_fini(&o->dirs);
	for (size_t i = 0; i < o->n_options; i++)
		free(o->options[i]);
	free(o->options);
	free(o->problem);
	free(o);
}

static const struct snapshot_driver_ops ops = {
	.create = overlay_create,
	.mounts = overlay_mounts,
	.usage = overlay_usage,
	.commit = overlay_usage,
	.remove = overlay_remove,
	.each = overlay_each,
	.repair = overlay_repair,
	.sync = overlay_sync,
	.free = overlay_free,
};

static void add_option(struct overlay *o, const char *text)
{
	o->options = dv_realloc_n(o->options, o->n_options + 1, sizeof(*o->options));
	o->options[o->n_options++] = dv_strdup(text);
}

static bool has_option(const struct overlay *o, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < o->n_options; i++)
		if (strncmp(o->options[i], key, n) == 0 &&
		    (o->options[i][n] == '\0' || o->options[i][n] == '='))
			return true;
	return false;
}

/* Options of the daemon's own, where the configuration does not have them. */
static void add_defaults(struct overlay *o, bool is_rootless)
{
	struct stat st;

	if (is_rootless && !has_option(o, "userxattr"))
		add_option(o, "userxattr");
	if (!has_option(o, "index") && sys_fstatat(AT_FDCWD, INDEX_PARAM, &st, 0) == 0)
		add_option(o, "index=off");
}

/* An overlay that is mounted nowhere, of directories below @work, which is made. */
static struct dv_err *try_overlay(const struct overlay *o, const char *work)
{
	static const char *const leafs[] = { "lower", "lower2", "upper", "work" };
	DV_CLEANUP(sys_closep) int fs = sys_fsopen("overlay");
	DV_CLEANUP(sys_closep) int mnt = -1;
	char path[4][PATH_MAX], lower[2 * PATH_MAX], why[256] = "";
	int r;

	if (fs < 0)
		return dv_err_sys(fs, "the kernel has no overlayfs for us");
	r = sys_mkdirat(AT_FDCWD, work, 0700);
	if (r < 0)
		return dv_err_sys(r, "make %s", work);
	for (size_t i = 0; i < DV_ARRAY_SIZE(leafs); i++) {
		snprintf(path[i], PATH_MAX, "%s/%s", work, leafs[i]);
		r = sys_mkdirat(AT_FDCWD, path[i], 0755);
		if (r < 0)
			return dv_err_sys(r, "make %s", path[i]);
	}
	snprintf(lower, sizeof(lower), "%s:%s", path[0], path[1]);
	r = sys_fsconfig_string(fs, "lowerdir", lower);
	if (r == 0)
		r = sys_fsconfig_string(fs, "upperdir", path[2]);
	if (r == 0)
		r = sys_fsconfig_string(fs, "workdir", path[3]);
	if (r == 0 && has_option(o, "userxattr"))
		r = sys_fsconfig_flag(fs, "userxattr");
	if (r == 0)
		r = sys_fsconfig_create(fs);
	if (r == 0)
		mnt = r = sys_fsmount(fs, 0);
	if (r < 0) {
		sys_fs_message(fs, why, sizeof(why));
		return dv_err_sys(r, "overlayfs does not work on %s%s%s", o->dirs.root,
				  *why ? ": " : "", why);
	}
	return NULL;
}

/*
 * Sets the driver's problem, if there is one. A disk that is full or read-only says nothing of the
 * driver: what is there must stay usable, so that it can be looked at, and removed.
 */
static void probe(struct overlay *o)
{
	DV_CLEANUP(dv_freep) char *work = dv_printf("%s/.probe", o->dirs.root);
	struct dv_err *e;

	(void)sys_remove_tree(AT_FDCWD, work);
	e = try_overlay(o, work);
	if (e && dv_err_errno(e) != ENOSPC && dv_err_errno(e) != EDQUOT && dv_err_errno(e) != EROFS)
		o->problem = dv_strdup(dv_err_message(e));
	dv_err_free(e);
	(void)sys_remove_tree(AT_FDCWD, work);
}

struct dv_err *snapshot_overlay_new(const struct snapshot_overlay_opts *opts,
				    struct snapshot_driver **ret)
{
	struct overlay *o = dv_new(struct overlay);
	struct dv_err *e;

	o->driver.ops = &ops;
	o->driver.can_rebase = true;
	for (size_t i = 0; i < opts->n_mount_options; i++)
		add_option(o, opts->mount_options[i]);
	add_defaults(o, opts->is_rootless);
	e = snapshot_dirs_open(&o->dirs, opts->root, PLUGIN);
	if (e) {
		overlay_free(&o->driver);
		return dv_err_wrap(e, "overlayfs");
	}
	probe(o);
	o->can_map = !o->problem && host_fs_can_map(o->dirs.path);
	o->driver.info = (struct snapshot_driver_info){
		.name = "overlayfs",
		.root = o->dirs.root,
		.capabilities = o->can_map ? mapping_capabilities : capabilities,
		.problem = o->problem,
	};
	*ret = &o->driver;
	return NULL;
}
