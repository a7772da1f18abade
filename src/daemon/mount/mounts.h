/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mounts that the daemon does for somebody, since they take more than mount(2): a list of mounts
 * is activated under a name; what is left of the list is done by the caller.
 *
 *	loop		a file becomes a block device; its mount point is a link to that
 *	format/TYPE	"{{ source 0 }}", "{{ target 0 }}", "{{ mount 0 }}" and "{{ overlay 0 2 }}"
 *			stand for what the active mounts have; then as TYPE
 *	mkdir/TYPE	options X-containerd.mkdir.path=DIR[:MODE[:UID:GID]]; then as TYPE
 *
 * Everything up to the last mount that needs one of these is done here. Not supported yet: mkfs/
 * and erofs. Names are rows of the metadata (meta-mount.h), which the collector knows; mounts are
 * below <state>/<MOUNTS_DIR>/<id>.
 *
 * Threads: workers; the calls block.
 */

#include "daemon-private.h"
#include "store/meta-mount.h"
#include "store/snapshot.h"

struct mounts;

#define MOUNTS_DIR "io.containerd.mount-manager.v1.bolt/t"

/* Forgets what a reboot took, and unmounts what no name has. d->meta is there. */
struct dv_err *mounts_new(struct daemon *d, struct mounts **ret) DV_CHECK;

/* The mounts stay. Accepts NULL; always returns NULL. */
struct mounts *mounts_free(struct mounts *m);

struct mounts_active {
	struct snapshot_mount mount;
	const char *mount_point;
	struct timespec mounted_at;
};

struct mounts_info {
	const char *name;
	struct meta_labels labels;
	const struct mounts_active *active;
	size_t n_active;
	struct snapshot_mounts system; /* what is left to the caller */
};

struct mounts_activation {
	const char *ns, *lease, *name;
	const struct snapshot_mounts *mounts;
	struct meta_labels labels;
	bool is_temporary; /* all of them are done, and one bind mount is left */
};

/*
 * DV_UNIMPLEMENTED: none of the mounts takes more than mount(2), so the caller does them all; or
 * one of them is not supported yet. DV_EXISTS: the name. DV_NOT_FOUND: the lease. DV_INVALID: a
 * placeholder or option that makes no sense.
 */
struct dv_err *mounts_activate(struct mounts *m, const struct mounts_activation *a,
			       struct dv_arena *arena, struct mounts_info *ret) DV_CHECK;

/* DV_NOT_FOUND. */
struct dv_err *mounts_deactivate(struct mounts *m, const char *ns, const char *name) DV_CHECK;

/* DV_NOT_FOUND. */
struct dv_err *mounts_info(struct mounts *m, const char *ns, const char *name,
			   struct dv_arena *arena, struct mounts_info *ret) DV_CHECK;

struct dv_err *mounts_list(struct mounts *m, const char *ns, const struct meta_list *list,
			   struct dv_arena *arena, struct mounts_info **ret, size_t *ret_n)
	DV_CHECK;

/* The collector deleted a row (META_GC_MOUNT), of which this was the data. */
void mounts_collect(struct mounts *m, const void *data, size_t n);
