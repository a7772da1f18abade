/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Rows of snapshots: the tree of keys of each namespace and snapshotter. The snapshotter's
 * directory is named by the row's id, which is never used again.
 *
 * The directory comes before the row (meta_snapshot_next_id()), and goes after it.
 */

#include "store/meta.h"

/* The numbers are the protocol's. */
enum meta_snapshot_kind { META_SNAPSHOT_VIEW = 1, META_SNAPSHOT_ACTIVE, META_SNAPSHOT_COMMITTED };

struct meta_snapshot {
	int64_t id;
	const char *key;
	const char *parent; /* key; "" for none */
	int64_t parent_id; /* 0 for none */
	enum meta_snapshot_kind kind;
	struct meta_labels labels;
	struct timespec created_at, updated_at;
	int64_t size, inodes; /* of a committed one, as its commit measured; -1: not known */
	const char *
		unsynced_boot; /* boot id under which it was committed; NULL: is on disk for sure */
};

/* A new id, for the directory. Thread-safe, needs no transaction. */
int64_t meta_snapshot_next_id(struct meta *m);

/* DV_NOT_FOUND "snapshot <key> does not exist". */
struct dv_err *meta_snapshot_get(struct meta_tx *tx, const char *ns, const char *snapshotter,
				 const char *key, struct dv_arena *arena, struct meta_snapshot *ret)
	DV_CHECK;

/* Filter fields: kind, name, parent, labels.<key>. */
struct dv_err *meta_snapshot_list(struct meta_tx *tx, const char *ns, const char *snapshotter,
				  const struct meta_list *list, struct dv_arena *arena,
				  struct meta_snapshot **ret, size_t *ret_n) DV_CHECK;

/* The snapshot and its parents, the topmost first: *ret[0] is @key itself. DV_NOT_FOUND. */
struct dv_err *meta_snapshot_chain(struct meta_tx *tx, const char *ns, const char *snapshotter,
				   const char *key, struct dv_arena *arena,
				   struct meta_snapshot **ret, size_t *ret_n) DV_CHECK;

/*
 * @snapshot has id, key, parent ("" or NULL: none), kind, labels. Times are set here.
 * DV_EXISTS; DV_NOT_FOUND: the parent or the lease; DV_INVALID: the parent is not committed.
 */
struct dv_err *meta_snapshot_create(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const char *lease, const struct meta_snapshot *snapshot)
	DV_CHECK;

/*
 * The active snapshot @key becomes the committed @commit->key, with the id of the active one (the
 * directory stays where it is). Of @commit: key, labels, size, inodes, unsynced_boot, and parent
 * if it is to be set for a snapshot that has none (rebase).
 * DV_EXISTS: the name; DV_NOT_FOUND; DV_PRECONDITION: not active. *ret_id: of the snapshot.
 */
struct dv_err *meta_snapshot_commit(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const char *lease, const char *key,
				    const struct meta_snapshot *commit, int64_t *ret_id) DV_CHECK;

/* Labels only. */
struct dv_err *meta_snapshot_update(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const struct meta_snapshot *snapshot,
				    const struct dv_mask *mask, struct dv_arena *arena,
				    struct meta_snapshot *ret) DV_CHECK;

/* DV_NOT_FOUND; DV_PRECONDITION: it has children. *ret_id: whose directory has no row any more. */
struct dv_err *meta_snapshot_delete(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const char *lease, const char *key, int64_t *ret_id) DV_CHECK;

/* What was committed is on disk now. An id without a row is passed over. */
struct dv_err *meta_snapshot_set_synced(struct meta_tx *tx, const int64_t *ids, size_t n_ids)
	DV_CHECK;

/*
 * Deletes the committed ones that another boot left unsynced, with whatever stands on them; calls
 * @fn for each, children first.
 */
typedef struct dv_err *(*meta_snapshot_fn)(void *arg, const char *ns, const char *snapshotter,
					   const struct meta_snapshot *snapshot);
struct dv_err *meta_snapshot_drop_unsynced(struct meta_tx *tx, const char *boot_id,
					   meta_snapshot_fn fn, void *arg) DV_CHECK;

/* Every row of all namespaces; @snapshotter NULL: of all snapshotters. For the sweep. */
struct dv_err *meta_snapshot_each(struct meta_tx *tx, const char *snapshotter, meta_snapshot_fn fn,
				  void *arg) DV_CHECK;
