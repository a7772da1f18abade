/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Snapshots: trees of layers, kept by drivers ("snapshotters": overlayfs, native). Rows are the
 * metadata's (meta-snapshot.h), directories are the driver's and have the row's id as name.
 * A caller gets mounts and does them itself.
 *
 * A directory is there before its row and goes after it. What a crash leaves is a directory
 * that no row knows; snapshots_open() has it removed.
 *
 * A snapshot that was committed is synced to the disk in the background. If the machine goes down
 * before that is done, the snapshot is dropped when the daemon starts again: an image is unpacked
 * anew rather than used with holes.
 *
 * Threads: all functions may be called from any thread and may block on the disk. Results are
 * allocated in the arena of the caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "store/meta-snapshot.h"
#include "store/meta.h"

struct snapshots;
struct snapshot_driver;

enum snapshots_work { SNAPSHOTS_REMOVE, SNAPSHOTS_SYNC };

struct snapshots_opts {
	const char *root; /* of the daemon; drivers have directories below */
	struct meta *meta; /* borrowed */
	bool is_rootless; /* overlayfs with userxattr */
	const char *const *overlay_options; /* more mount options of overlayfs */
	size_t n_overlay_options;
	/*
	 * There is something to be done in the background: call snapshots_work() from a thread that
	 * may block for long. Called from any thread, never twice for the same kind before that kind
	 * was worked on, and not before the first snapshots_work() of each kind, which is due
	 * after snapshots_open(). NULL: somebody calls snapshots_work() anyway.
	 */
	void (*wake)(void *arg, enum snapshots_work kind);
	void *arg;
};

/*
 * With the drivers that this machine can have. Drops what another boot left unsynced and what is
 * not known to any row.
 */
struct dv_err *snapshots_open(const struct snapshots_opts *opts, struct snapshots **ret) DV_CHECK;

/* Accepts NULL; always returns NULL. */
struct snapshots *snapshots_close(struct snapshots *s);
DV_DEFINE_CLEANUP(struct snapshots *, snapshots_close);

/* Takes the driver (snapshot-driver.h). Before any other thread uses @s. */
void snapshots_add_driver(struct snapshots *s, struct snapshot_driver *take);

/* Removes the trees of what was deleted, or syncs what was committed, until nothing is left. */
struct dv_err *snapshots_work(struct snapshots *s, enum snapshots_work kind) DV_CHECK;

/* A driver, for the list of plugins. */
struct snapshot_driver_info {
	const char *name; /* "overlayfs" */
	const char *root; /* directory; NULL: it has none here */
	const char *const *capabilities; /* "rebase", ...; NULL-terminated */
	const char *problem; /* why it cannot be used; NULL: it can */
};

/* The i-th driver, false: there are no more. Strings are borrowed from @s. */
bool snapshots_driver_info(struct snapshots *s, size_t i, struct snapshot_driver_info *ret);
/* The first that this machine can use, for clients without an opinion; NULL: none. */
const char *snapshots_default(struct snapshots *s);
/* Why it cannot be used, also that there is none of that name; NULL: it can. */
const char *snapshots_driver_problem(struct snapshots *s, const char *name);

/* ---- What all functions below have in common ---- */

/*
 * DV_INVALID: "snapshotter argument missing", "snapshotter not loaded: x".
 */
struct snapshot_at {
	const char *ns;
	const char *snapshotter;
	const char *lease; /* NULL: none */
};

/* As containerd.types.Mount. */
struct snapshot_mount {
	const char *type, *source, *target;
	const char *const *options;
	size_t n_options;
};
struct snapshot_mounts {
	const struct snapshot_mount *items;
	size_t n_items;
};

struct snapshot_usage {
	int64_t size, inodes;
};

struct snapshot_new {
	const char *key;
	const char *parent; /* NULL or "": none */
	bool is_view;
	struct meta_labels labels;
};

/*
 * An active snapshot or a view. DV_EXISTS: the key; or the snapshot that the label
 * containerd.io/snapshot.ref names is there, and on the lease now. DV_NOT_FOUND: the parent, the
 * lease. DV_INVALID: the parent is not committed; labels; id maps that cannot be read.
 */
struct dv_err *snapshot_prepare(struct snapshots *s, const struct snapshot_at *at,
				const struct snapshot_new *new, struct dv_arena *arena,
				struct snapshot_mounts *ret) DV_CHECK;

/* DV_NOT_FOUND; DV_PRECONDITION: it is committed. */
struct dv_err *snapshot_mounts(struct snapshots *s, const struct snapshot_at *at, const char *key,
			       struct dv_arena *arena, struct snapshot_mounts *ret) DV_CHECK;

struct snapshot_commit {
	const char *name, *key;
	const char *parent; /* NULL or "": as it is; else the new parent of one that has none */
	struct meta_labels labels;
};

/*
 * DV_EXISTS: the name; DV_NOT_FOUND: the key, the parent, the lease; DV_PRECONDITION: not active;
 * DV_INVALID: it has another parent already; labels. DV_UNIMPLEMENTED: the driver cannot rebase.
 */
struct dv_err *snapshot_commit(struct snapshots *s, const struct snapshot_at *at,
			       const struct snapshot_commit *commit) DV_CHECK;

/* The tree is removed in the background. DV_NOT_FOUND; DV_PRECONDITION: it has children. */
struct dv_err *snapshot_remove(struct snapshots *s, const struct snapshot_at *at, const char *key)
	DV_CHECK;

/* DV_NOT_FOUND. */
struct dv_err *snapshot_stat(struct snapshots *s, const struct snapshot_at *at, const char *key,
			     struct dv_arena *arena, struct meta_snapshot *ret) DV_CHECK;

/* Labels. DV_NOT_FOUND, DV_INVALID. */
struct dv_err *snapshot_update(struct snapshots *s, const struct snapshot_at *at,
			       const struct meta_snapshot *snapshot, const struct dv_mask *mask,
			       struct dv_arena *arena, struct meta_snapshot *ret) DV_CHECK;

struct dv_err *snapshot_list(struct snapshots *s, const struct snapshot_at *at,
			     const struct meta_list *list, struct dv_arena *arena,
			     struct meta_snapshot **ret, size_t *ret_n) DV_CHECK;

/* Of the snapshot's own layer; walks the tree of an active one. DV_NOT_FOUND. */
struct dv_err *snapshot_usage(struct snapshots *s, const struct snapshot_at *at, const char *key,
			      struct snapshot_usage *ret) DV_CHECK;

/* Finds and removes directories that no row knows, and those that wait for it. */
struct dv_err *snapshots_cleanup(struct snapshots *s, const char *snapshotter) DV_CHECK;

/* The collector deleted the row (META_GC_SNAPSHOT): the directory is removed in the background. */
void snapshots_collect(struct snapshots *s, const char *ns, const char *snapshotter,
		       const char *key, int64_t id);
