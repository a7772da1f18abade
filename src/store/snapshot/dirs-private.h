/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Drivers whose snapshots are directories. */

#include "snapshot-private.h"

#define SNAPSHOT_LABEL_UIDS "containerd.io/snapshot/uidmapping"
#define SNAPSHOT_LABEL_GIDS "containerd.io/snapshot/gidmapping"

enum { SNAPSHOT_ID = 24 };

struct snapshot_dirs {
	char *root, *path; /* <root>/<plugin> and <root>/<plugin>/snapshots */
	int fd; /* of the latter */
};

/* To be finished by snapshot_dirs_fini() in any case. */
struct dv_err *snapshot_dirs_open(struct snapshot_dirs *d, const char *root, const char *plugin)
	DV_CHECK;
void snapshot_dirs_fini(struct snapshot_dirs *d);
struct dv_err *snapshot_dirs_remove(struct snapshot_dirs *d, int64_t id) DV_CHECK;
struct dv_err *snapshot_dirs_each(struct snapshot_dirs *d, snapshot_id_fn fn, void *arg) DV_CHECK;
struct dv_err *snapshot_dirs_sync(struct snapshot_dirs *d) DV_CHECK;

const char *snapshot_id_text(int64_t id, char buf[SNAPSHOT_ID]);

/*
 * The host's ids of the container's root, when the labels say that the snapshot is for a user
 * namespace. DV_INVALID: they cannot be read.
 */
struct dv_err *snapshot_mapped_root(const struct meta_labels *labels, uint32_t ret[2],
				    bool *ret_is_mapped) DV_CHECK;

/* One mount; strings and options are borrowed. */
void snapshot_mount_one(struct dv_arena *arena, const char *type, const char *source,
			const char *const *options, size_t n_options, struct snapshot_mounts *ret);
void snapshot_mount_bind(struct dv_arena *arena, const char *source, bool is_read_only,
			 struct snapshot_mounts *ret);
