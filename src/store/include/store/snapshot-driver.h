/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a snapshotter has to do for snapshots.h: keep directories (or what it has) of ids. Keys,
 * parents, labels, leases and the order of things are kept by the caller, who asks for nothing
 * that the rows do not allow.
 *
 * All functions may be called from any thread, also at the same time for different ids.
 */

#include "store/snapshot.h"

struct snapshot_node {
	const char *ns, *key;
	int64_t id;
	enum meta_snapshot_kind kind;
	struct meta_labels labels; /* those that a driver sees: containerd.io/snapshot/... */
	const struct meta_snapshot *parents; /* the topmost first */
	size_t n_parents;
};

typedef void (*snapshot_id_fn)(void *arg, int64_t id);

struct snapshot_driver_ops {
	/* Makes what the snapshot needs. What a failure leaves is removed by remove(). */
	struct dv_err *(*create)(struct snapshot_driver *d, const struct snapshot_node *node);
	struct dv_err *(*mounts)(struct snapshot_driver *d, const struct snapshot_node *node,
				 struct dv_arena *arena, struct snapshot_mounts *ret);
	/* Of what stands under the id. A long walk is fine. */
	struct dv_err *(*usage)(struct snapshot_driver *d, const struct snapshot_node *node,
				struct snapshot_usage *ret);
	/* It is about to become committed, with the usage that is written to *ret. */
	struct dv_err *(*commit)(struct snapshot_driver *d, const struct snapshot_node *node,
				 struct snapshot_usage *ret);
	/* However long it takes. An id that is not there is fine. */
	struct dv_err *(*remove)(struct snapshot_driver *d, int64_t id);
	/* All ids that there are on the disk. */
	struct dv_err *(*each)(struct snapshot_driver *d, snapshot_id_fn fn, void *arg);
	/* At the start: makes what a power cut took from a snapshot that is not committed. */
	struct dv_err *(*repair)(struct snapshot_driver *d, const struct snapshot_node *node);
	/* What was committed is on the disk when this returns. May be NULL. */
	struct dv_err *(*sync)(struct snapshot_driver *d);
	void (*free)(struct snapshot_driver *d);
};

/* The beginning of a driver's own struct. */
struct snapshot_driver {
	const struct snapshot_driver_ops *ops;
	struct snapshot_driver_info info;
	bool can_rebase;
};

/* The drivers that there are. One that cannot be used has info.problem and nothing on the disk. */
struct snapshot_overlay_opts {
	const char *root; /* of the daemon */
	bool is_rootless; /* userxattr */
	const char *const *mount_options; /* more of them, for each overlay */
	size_t n_mount_options;
};
struct dv_err *snapshot_overlay_new(const struct snapshot_overlay_opts *opts,
				    struct snapshot_driver **ret) DV_CHECK;
struct dv_err *snapshot_native_new(const char *root, struct snapshot_driver **ret) DV_CHECK;
