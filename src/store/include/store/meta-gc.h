/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The collector: deletes the rows of whatever nothing refers to. Marking works on a snapshot of
 * the database, beside readers and writers; meanwhile writers note what they touch, and that is
 * taken as referred to. Deleting is done in small transactions, so that no writer waits for long.
 *
 * Roots: containers, images that are not expired, leases that are not expired, ingests that are
 * not expired, the labels of sandboxes, and what has the label containerd.io/gc.root.
 * Edges: an image's target, a container's snapshot, a snapshot's parent, an ingest's expected blob,
 * a lease's resources; labels containerd.io/gc.ref.{content,image,snapshot.<snapshotter>} with
 * a suffix, the other way round gc.bref.{container,content,image,snapshot.<snapshotter>}, and
 * gc.cond.snapshot with gc.cond.value-usedat. gc.flat on a lease: only what it names.
 */

#include "store/meta.h"

enum meta_gc_kind {
	META_GC_LEASE,
	META_GC_IMAGE,
	META_GC_SNAPSHOT, /* key, snapshotter, id: the directory may go */
	META_GC_CONTENT, /* a namespace's row: key is the digest */
	META_GC_INGEST, /* key is the ref, id: the directory may go */
	META_GC_MOUNT, /* key is the name; unmount */
	META_GC_FILE, /* no namespace has the blob any more; key is the digest, ns is NULL; size */
	META_GC__N
};

struct meta_gc_item {
	enum meta_gc_kind kind;
	const char *ns, *key, *snapshotter;
	int64_t id, size;
	const void *data; /* of a mount */
	size_t n_data;
};

/* Called after the deletion is durable, outside of all locks, on the thread that collects. */
typedef void (*meta_gc_fn)(void *arg, const struct meta_gc_item *item);

struct meta_gc_result {
	uint64_t n_objects; /* looked at */
	uint64_t n_removed[META_GC__N];
	uint64_t mark_ns, sweep_ns, longest_lock_ns;
	bool is_again_useful; /* something was spared only because it was touched meanwhile */
	struct timespec next_expiry; /* when something expires next; 0: nothing does */
};

/* One at a time; a second one waits. @fn may be NULL. */
struct dv_err *meta_gc(struct meta *m, meta_gc_fn fn, void *arg, struct meta_gc_result *ret)
	DV_CHECK;

/* Writes that took a reference away, since the last collection; writes of any kind. */
struct meta_gc_pressure {
	uint64_t deletions, mutations;
};
void meta_gc_pressure(struct meta *m, struct meta_gc_pressure *ret);
