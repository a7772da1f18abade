/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Rows of content: blobs and ingests. A blob's bytes are one file for all namespaces; each
 * namespace that has it, has a row with labels of its own.
 *
 * The file comes before the row, and goes after it: meta_gc() hands out the digests of files
 * whose last row is gone. Whoever removes such a file must keep out commits of the same digest
 * meanwhile and ask meta_blob_is_wanted() under that lock.
 */

#include "store/meta.h"

struct meta_blob {
	const char *digest; /* "sha256:..." */
	int64_t size;
	struct meta_labels labels;
	struct timespec created_at, updated_at;
};

/* DV_NOT_FOUND: this namespace does not have it. */
struct dv_err *meta_blob_get(struct meta_tx *tx, const char *ns, const char *digest,
			     struct dv_arena *arena, struct meta_blob *ret) DV_CHECK;

/* Filter fields: digest, size, labels.<key>. */
struct dv_err *meta_blob_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			      struct dv_arena *arena, struct meta_blob **ret, size_t *ret_n)
	DV_CHECK;

/*
 * The namespace gets the blob, whose file is in place; times are set here. DV_EXISTS: it has it.
 * @lease may be NULL; else the blob is attached to it, also on DV_EXISTS (commit then, too).
 */
struct dv_err *meta_blob_create(struct meta_tx *tx, const char *ns, const char *lease,
				const struct meta_blob *blob) DV_CHECK;

/* Labels only. A mask without paths replaces all. DV_NOT_FOUND, DV_INVALID. */
struct dv_err *meta_blob_update(struct meta_tx *tx, const char *ns, const struct meta_blob *blob,
				const struct dv_mask *mask, struct dv_arena *arena,
				struct meta_blob *ret) DV_CHECK;

/* The row; the file is the collector's. @lease, if any, lets it go. DV_NOT_FOUND. */
struct dv_err *meta_blob_delete(struct meta_tx *tx, const char *ns, const char *lease,
				const char *digest) DV_CHECK;

/*
 * Is the blob in any namespace (*ret_size: its size, -1: no)? @only_shareable: only in those whose
 * label containerd.io/namespace.shareable is "true".
 */
struct dv_err *meta_blob_find(struct meta_tx *tx, const char *digest, bool only_shareable,
			      int64_t *ret_size) DV_CHECK;

/* Has any namespace the blob, or does an ingest expect to get it from the store? */
struct dv_err *meta_blob_is_wanted(struct meta_tx *tx, const char *digest, bool *ret) DV_CHECK;

/* ---- Ingests ---- */

struct meta_ingest {
	const char *ref;
	int64_t id; /* never used again: names the directory */
	const char *
		expected; /* digest of the store's blob that this one shares; NULL: its own bytes */
	int64_t total; /* 0: not known */
	struct timespec expires_at; /* 0: never, a lease holds it */
	struct timespec started_at;
};

/* DV_NOT_FOUND. */
struct dv_err *meta_ingest_get(struct meta_tx *tx, const char *ns, const char *ref,
			       struct dv_arena *arena, struct meta_ingest *ret) DV_CHECK;
struct dv_err *meta_ingest_list(struct meta_tx *tx, const char *ns, struct dv_arena *arena,
				struct meta_ingest **ret, size_t *ret_n) DV_CHECK;

/*
 * Opens the ingest: makes the row or changes what is there (id and start stay). Without a lease it
 * expires after 24 hours. *ret is what there is now.
 */
struct dv_err *meta_ingest_open(struct meta_tx *tx, const char *ns, const char *lease,
				const struct meta_ingest *ingest, struct dv_arena *arena,
				struct meta_ingest *ret) DV_CHECK;

/* DV_NOT_FOUND. Also takes it off @lease, if there is one. */
struct dv_err *meta_ingest_delete(struct meta_tx *tx, const char *ns, const char *lease,
				  const char *ref) DV_CHECK;

/* Every row, of all namespaces, for the sweep of files that nothing knows. */
typedef struct dv_err *(*meta_blob_fn)(void *arg, const char *digest, int64_t size);
struct dv_err *meta_blob_each(struct meta_tx *tx, meta_blob_fn fn, void *arg) DV_CHECK;
typedef struct dv_err *(*meta_ingest_fn)(void *arg, const char *ns, const struct meta_ingest *in);
struct dv_err *meta_ingest_each(struct meta_tx *tx, meta_ingest_fn fn, void *arg) DV_CHECK;

/* For repairs: all rows of a blob whose file is gone; the size that its file has. */
struct dv_err *meta_blob_forget(struct meta_tx *tx, const char *digest) DV_CHECK;
struct dv_err *meta_blob_set_size(struct meta_tx *tx, const char *digest, int64_t size) DV_CHECK;
