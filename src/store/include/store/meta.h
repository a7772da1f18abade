/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The metadata: one SQLite database of everything that has a name. This header opens it and has
 * the transactions; meta-<noun>.h have the objects, meta-gc.h the collector.
 *
 *	struct meta_tx *tx DV_CLEANUP(meta_rollbackp) = NULL;
 *	e = meta_begin(m, META_WRITE, &tx);
 *	... meta_image_create(tx, ns, &image, ...)
 *	return meta_commit(dv_steal(&tx));
 *
 * Threads: struct meta may be used from any thread, a transaction from one at a time. One
 * transaction writes at a time; readers see the state of their beginning and wait for nobody.
 * Do not wait for anything else within a transaction that writes.
 *
 * Results are allocated in the arena that the caller gives; arguments are copied.
 *
 * Errors of every function: DV_DATA_LOSS when the database is damaged (the message names `davit
 * system repair`), DV_EXHAUSTED when the disk is full, DV_PRECONDITION when it is read-only,
 * DV_INTERNAL when the disk has failed (clients take DV_UNAVAILABLE as "try again"). Nothing is
 * half done: roll the transaction back.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "codec/filter.h"
#include "codec/mask.h"

struct meta;
struct meta_tx;

/* Below the root directory of the daemon. */
#define META_DIR "io.containerd.metadata.v1.sqlite"

struct meta_opts {
	const char *dir; /* made, 0700, if it does not exist; holds meta.db and the lock */
	bool is_read_only; /* for looking at the database beside a running daemon */
};

/*
 * DV_UNAVAILABLE: another process has it open. DV_PRECONDITION: written by a newer version, or not
 * ours at all. DV_DATA_LOSS: so damaged that nothing can be read.
 */
struct dv_err *meta_open(const struct meta_opts *opts, struct meta **ret) DV_CHECK;

/* No transaction may be open. Accepts NULL; always returns NULL. */
struct meta *meta_close(struct meta *m);
DV_DEFINE_CLEANUP(struct meta *, meta_close);

enum meta_mode { META_READ, META_WRITE };

/* META_WRITE waits for the writer before. */
struct dv_err *meta_begin(struct meta *m, enum meta_mode mode, struct meta_tx **ret) DV_CHECK;

/*
 * Durable when it returns: many that commit at a time wait for one sync of the disk. Consumes
 * @take, also on failure, when nothing of it was done. For readers the end, as meta_rollback().
 */
struct dv_err *meta_commit(struct meta_tx *take) DV_CHECK;

/* Accepts NULL; always returns NULL. */
struct meta_tx *meta_rollback(struct meta_tx *tx);
DV_DEFINE_CLEANUP(struct meta_tx *, meta_rollback);

/* Now, as the time stamps of what this transaction writes. */
struct timespec meta_now(void);

/* ---- What all objects share ---- */

struct meta_label {
	const char *key, *value;
};

/* Also annotations. Read ones are sorted by key. An empty value is as good as no label. */
struct meta_labels {
	const struct meta_label *items;
	size_t n_items;
};

/* A google.protobuf.Any. type_url NULL: there is none. */
struct meta_any {
	const char *type_url;
	const void *value;
	size_t n_value;
};

struct meta_extension {
	const char *key;
	struct meta_any any;
};

/* A part of a list, all members are optional. Lists are in the order of their keys. */
struct meta_list {
	const struct dv_filter *filter;
	const char *after; /* only what comes behind this key */
	size_t limit; /* 0: all; with fewer results than this, that was the end */
	bool is_brief; /* containers, sandboxes: without spec, options, extensions */
};

/* The value, or NULL. */
const char *meta_label_get(const struct meta_labels *labels, const char *key);

/*
 * The rule for names of namespaces, containers, sandboxes, leases, execs: letters and digits, in
 * groups joined by one of ".", "_" and "-"; at most 76 bytes. @what is for the message.
 * DV_INVALID.
 */
struct dv_err *meta_id_check(const char *what, const char *id) DV_CHECK;

/* Key and value have at most 4096 bytes together. @what: "containers.Labels". DV_INVALID. */
struct dv_err *meta_labels_check(const char *what, const struct meta_labels *labels) DV_CHECK;

/*
 * What an update with a mask makes of labels (or annotations, with @field "annotations"):
 * replaced for the path @field, one key set for "@field.<key>", where the key may have dots.
 * *ret_hit: @path was one of these, *io_labels is changed.
 */
void meta_labels_mask(struct meta_labels *io_labels, const struct meta_labels *given,
		      const char *field, const char *path, struct dv_arena *arena, bool *ret_hit);

/* For filters: the value for the path "labels.<key>", whose first part has been looked at. */
const char *meta_labels_field(const struct meta_labels *labels, const struct dv_filter_path *path);

/* ---- The database as a whole ---- */

struct meta_stats {
	uint64_t bytes; /* of the database and its log */
	uint64_t namespaces, leases, images, containers, sandboxes, blobs, ingests, snapshots;
};
struct dv_err *meta_stats(struct meta_tx *tx, struct meta_stats *ret) DV_CHECK;

/* Small values of the daemon's own. *ret is NULL when there is none; a NULL @value deletes. */
struct dv_err *meta_value_get(struct meta_tx *tx, const char *key, struct dv_arena *arena,
			      const char **ret) DV_CHECK;
struct dv_err *meta_value_set(struct meta_tx *tx, const char *key, const char *value) DV_CHECK;
