/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inside the snapshots. @lock guards the lists and is not held over a system call.
 *
 * An id is in one of these states:
 *
 *	(none) --prepare--> making --row written--> in use --row deleted--> doomed --removed--> (none)
 *	                       |                                              ^
 *	                       +--failure-------------------------------------+
 *
 * "making" and "doomed" are lists; "in use" is a row. A directory whose id is in no state is what
 * a crash left.
 */

#include <pthread.h>
#include <sys/stat.h>

#include "store/snapshot-driver.h"

enum { SNAPSHOT_DRIVERS_MAX = 16, SNAPSHOT_BOOT_ID = 37 };

/* A set of ids of one driver; small, except after a crash. */
struct snapshot_ids {
	int64_t *items;
	size_t n, room;
};
void snapshot_ids_add(struct snapshot_ids *set, int64_t id);
bool snapshot_ids_remove(struct snapshot_ids *set, int64_t id);
bool snapshot_ids_have(const struct snapshot_ids *set, int64_t id);
void snapshot_ids_fini(struct snapshot_ids *set);

struct snapshot_slot {
	struct snapshot_driver *driver;
	struct snapshot_ids making, doomed, unsynced;
};

struct snapshots {
	struct meta *meta;
	void (*wake)(void *arg, enum snapshots_work kind);
	void *arg;
	char boot_id[SNAPSHOT_BOOT_ID];
	pthread_mutex_t lock;
	bool is_woken[2];
	struct snapshot_slot slots[SNAPSHOT_DRIVERS_MAX];
	size_t n_slots;
};

/* DV_INVALID: none, unknown, or one that cannot be used here. */
struct dv_err *snapshot_slot_find(struct snapshots *s, const char *name, struct snapshot_slot **ret)
	DV_CHECK;

void snapshot_making(struct snapshots *s, struct snapshot_slot *slot, int64_t id);
void snapshot_made(struct snapshots *s, struct snapshot_slot *slot, int64_t id);
void snapshot_doom(struct snapshots *s, struct snapshot_slot *slot, int64_t id);
void snapshot_unsynced(struct snapshots *s, struct snapshot_slot *slot, int64_t id);

/* What has to be set right when the daemon starts. */
struct dv_err *snapshots_recover(struct snapshots *s) DV_CHECK;

/* The labels that drivers see. */
struct meta_labels snapshot_driver_labels(const struct meta_labels *labels, struct dv_arena *arena);

/* ---- Trees ---- */

/*
 * The usage of the tree @name below @dirfd, hard links counted once, without what is mounted in
 * it. Any depth. Files that vanish meanwhile are passed over.
 */
struct dv_err *snapshot_tree_usage(int dirfd, const char *name, struct snapshot_usage *ret)
	DV_CHECK;

/*
 * Copies the tree @from (an open directory) into the empty directory @to: owners, modes, times,
 * extended attributes, hard links, holes, devices. Blocks are shared where the file system can.
 * Of attributes, those that may not be set here (security.*) are left out.
 */
struct dv_err *snapshot_tree_copy(int to, int from) DV_CHECK;

/*
 * A walk without recursion or descriptors for each level: down by name, up by "..", which must
 * lead to where we came from, and on from where the directory was left. While somebody changes the
 * tree, what is new or moved may be seen once, twice or not at all.
 */
struct snapshot_walk_level;
struct snapshot_walk {
	int fd; /* where we are */
	struct snapshot_walk_level *levels;
	size_t n_levels, room;
	dev_t dev; /* of the tree; other file systems are not entered */
};

struct snapshot_walk_ops {
	/* Each object but the directory that the walk began with. Entering is the walk's affair. */
	struct dv_err *(*visit)(void *arg, int dirfd, const char *name, const struct stat *st);
	/* May be NULL. Down into the directory just visited; up from it, with nothing left in it. */
	struct dv_err *(*down)(void *arg, const char *name);
	struct dv_err *(*up)(void *arg, int fd, const struct stat *st);
};

/* @fd is borrowed. DV_ABORTED: a directory was moved meanwhile. */
struct dv_err *snapshot_walk(int fd, const struct snapshot_walk_ops *ops, void *arg) DV_CHECK;

/* A set of objects with several names, by device and inode. */
struct snapshot_links {
	struct snapshot_link {
		uint64_t dev, ino;
		bool is_used;
	} * items;
	size_t n, room;
};
/* True when it was there already. */
bool snapshot_links_add(struct snapshot_links *set, const struct stat *st);
void snapshot_links_fini(struct snapshot_links *set);
