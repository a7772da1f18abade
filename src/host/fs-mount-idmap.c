/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts for user namespaces: what belongs to 0 on the disk belongs to the container's root in the
 * mount. A bind is cloned, mapped and placed. Of an overlay the lower layers are mapped: the
 * directory that all of them are in is mounted, mapped, beside the target for as long as the
 * overlay is being mounted; the upper layer is the container's own. Linux 5.12, overlays 5.19.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/utsname.h>

#include "base/mem.h"
#include "fs-mount-private.h"
#include "host/idmap.h"
#include "sys/file.h"
#include "sys/mountfd.h"

#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 4
#endif

enum { MAPS_MAX = 340 }; /* the kernel's */

static struct dv_err *bad(const char *text)
{
	return dv_err_new(DV_INVALID,
			  "mount option with id map \"%.200s\": expected container:host:size,...",
			  text);
}

/* "0:100000:65536,..." */
static struct dv_err *parse_map(const char *text, struct dv_arena *arena,
				const struct spec_id_mapping **ret, size_t *ret_n)
{
	struct spec_id_mapping *maps = dv_arena_new_n(arena, struct spec_id_mapping, MAPS_MAX);
	char *at = dv_arena_strdup(arena, text), *end;
	size_t n = 0;

	for (; at; at = end) {
		char *host = strchr(at, ':'), *size = host ? strchr(host + 1, ':') : NULL;

		end = strchr(at, ',');
		if (end)
			*end++ = '\0';
		if (!host || !size || (end && size > end) || n == MAPS_MAX)
			return bad(text);
		*host++ = '\0';
		*size++ = '\0';
		if (!dv_parse_u32(at, &maps[n].container_id) ||
		    !dv_parse_u32(host, &maps[n].host_id) || !dv_parse_u32(size, &maps[n].size) ||
		    maps[n].size == 0)
			return bad(text);
		n++;
	}
	*ret = maps;
	*ret_n = n;
	return NULL;
}

static struct dv_err *make_userns(const struct fs_plan *plan, int *ret)
{
	DV_CLEANUP(sys_closep) int proc = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	struct host_idmap map = { 0 };
	struct dv_arena arena;
	struct dv_err *e;

	if (proc < 0)
		return dv_err_sys(proc, "open /proc");
	if (!plan->uids || !plan->gids)
		return dv_err_new(DV_INVALID, "mount options uidmap and gidmap go together");
	dv_arena_init(&arena);
	e = parse_map(plan->uids, &arena, &map.uids, &map.n_uids);
	if (!e)
		e = parse_map(plan->gids, &arena, &map.gids, &map.n_gids);
	if (!e)
		e = host_idmap_userns(proc, &map, ret);
	dv_arena_fini(&arena);
	return e;
}

/* A detached, mapped copy of the tree at @path. */
static int clone_mapped(const char *path, unsigned recursive, uint64_t attrs, int userns)
{
	int fd, r;

	fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
	if (fd < 0)
		return fd;
	r = sys_mount_setattr(fd, "", AT_EMPTY_PATH | recursive, MOUNT_ATTR_IDMAP | attrs, 0, 0,
			      userns);
	if (r < 0) {
		sys_close(fd);
		return r;
	}
	return fd;
}

/* "6.1.0-13-amd64" is at least 5.19. */
static bool has_mapped_overlays(void)
{
	struct utsname u;
	unsigned major, minor;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 5 || (major == 5 && minor >= 19);
}

bool host_fs_can_map(const char *dir)
{
	struct fs_plan plan = { .uids = "0:1:1", .gids = "0:1:1" };
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	DV_CLEANUP(sys_closep) int userns = -1;
	DV_CLEANUP(sys_closep) int tree = -1;

	if (!has_mapped_overlays())
		return false;
	e = make_userns(&plan, &userns);
	if (!e)
		tree = clone_mapped(dir, 0, 0, userns);
	return tree >= 0;
}

static struct dv_err *mount_bind(const struct host_fs_mount *m, int target,
				 const struct fs_plan *plan, int userns)
{
	DV_CLEANUP(sys_closep) int tree = -1;
	int r;

	tree = clone_mapped(m->source, plan->flags & MS_REC ? AT_RECURSIVE : 0, 0, userns);
	if (tree < 0)
		return dv_err_sys(tree, "map the ids of %s", m->source);
	r = sys_move_mount_fd(tree, target);
	return r < 0 ? dv_err_sys(r, "place %s", m->source) : NULL;
}

static struct dv_err *mount_overlay(const char *root, const struct host_fs_mount *m, int target,
				    const struct fs_plan *plan, int userns)
{
	DV_CLEANUP(dv_freep) char *beside = dv_printf("%s.layers", root);
	size_t prefix = fs_lower_prefix(plan->lower);
	DV_CLEANUP(dv_freep) char *dir = dv_strndup(plan->lower, prefix);
	DV_CLEANUP(sys_closep) int tree = -1;
	char target_path[64];
	int r;

	if (plan->lower[0] != '/' || prefix == 0)
		return dv_err_new(DV_INVALID, "overlay with mapped ids: lowerdir is not absolute");
	tree = clone_mapped(dir, 0, MOUNT_ATTR_RDONLY, userns);
	if (tree < 0)
		return dv_err_sys(tree, "map the ids of the layers in %s", dir);
	r = sys_mkdirat(AT_FDCWD, beside, 0700);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make %s", beside);
	r = sys_move_mount(tree, "", AT_FDCWD, beside, MOVE_MOUNT_F_EMPTY_PATH);
	if (r == 0) {
		snprintf(target_path, sizeof(target_path), "/proc/self/fd/%d", target);
		r = fs_mount_overlay_from(beside, prefix, m, target_path, plan);
		(void)sys_umount2(beside, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	(void)sys_unlinkat(AT_FDCWD, beside, AT_REMOVEDIR);
	return r < 0 ? dv_err_sys(r, "mount overlay with mapped ids on %s", root) : NULL;
}

struct dv_err *fs_mount_mapped(const char *root, const struct host_fs_mount *m, int target,
			       const struct fs_plan *plan)
{
	DV_CLEANUP(sys_closep) int userns = -1;
	struct dv_err *e = make_userns(plan, &userns);

	if (e)
		return dv_err_wrap(e, "mount %s \"%s\"", m->type, m->source);
	if (plan->lower)
		return mount_overlay(root, m, target, plan, userns);
	if (plan->flags & MS_BIND)
		return mount_bind(m, target, plan, userns);
	return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: mapped ids with mount type %s",
			  m->type);
}
