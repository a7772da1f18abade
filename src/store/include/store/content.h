/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Content: blobs by digest, and the ingests that become blobs. The bytes are files below @root,
 * the rest are rows of the metadata (meta-blob.h):
 *
 *	blobs/sha256/<hex>	0444; one file for all namespaces
 *	ingest/<hex>/data	what has arrived; <hex> is the sha256 of "<ns>/<id>/<ref>"
 *	ingest/<hex>/ref	that text, for people
 *
 * A reader sees no blob or a whole one, also after a power cut: bytes are synced before the name
 * appears, the name before the row. Whatever a crash leaves behind is an ingest that can be
 * resumed, or a file that no row knows, which content_open() removes.
 *
 * Threads: all functions may be called from any thread and may block on the disk; an ingest that
 * is open belongs to one thread at a time. Results are allocated in the arena of the caller.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "codec/digest.h"
#include "store/meta-blob.h"
#include "store/meta.h"

struct content;

/* Below the root directory of the daemon. */
#define CONTENT_DIR "io.containerd.content.v1.content"

struct content_opts {
	const char *dir; /* made if it does not exist */
	struct meta *meta; /* borrowed */
	/*
	 * False: whoever names the digest of a blob that another namespace has, gets it.
	 * True: only what comes from namespaces with the label containerd.io/namespace.shareable.
	 */
	bool is_isolated;
	bool has_verity; /* protects blobs by fs-verity where the file system can */
};

/* Removes files that no row knows. The directory is used by one process at a time. */
struct dv_err *content_open(const struct content_opts *opts, struct content **ret) DV_CHECK;

/* No ingest may be open. Accepts NULL; always returns NULL. */
struct content *content_close(struct content *c);
DV_DEFINE_CLEANUP(struct content *, content_close);

/* ---- Blobs. Digests are text and are checked: DV_INVALID. ---- */

/* DV_NOT_FOUND: this namespace does not have it. */
struct dv_err *content_info(struct content *c, const char *ns, const char *digest,
			    struct dv_arena *arena, struct meta_blob *ret) DV_CHECK;

struct dv_err *content_list(struct content *c, const char *ns, const struct meta_list *list,
			    struct dv_arena *arena, struct meta_blob **ret, size_t *ret_n) DV_CHECK;

/* Labels. DV_NOT_FOUND, DV_INVALID. */
struct dv_err *content_update(struct content *c, const char *ns, const struct meta_blob *blob,
			      const struct dv_mask *mask, struct dv_arena *arena,
			      struct meta_blob *ret) DV_CHECK;

/* The namespace gives it up; the file is the collector's. @lease may be NULL. DV_NOT_FOUND. */
struct dv_err *content_delete(struct content *c, const char *ns, const char *lease,
			      const char *digest) DV_CHECK;

/*
 * A descriptor of the bytes, which stay readable whatever happens to the name. *ret_size may be
 * NULL. DV_NOT_FOUND; DV_DATA_LOSS: the file is missing, or has another size than was committed.
 */
struct dv_err *content_open_blob(struct content *c, const char *ns, const char *digest, int *ret_fd,
				 int64_t *ret_size) DV_CHECK;

/*
 * The whole blob, for documents: *ret has a NUL behind its end. DV_EXHAUSTED: more than @max
 * bytes. DV_DATA_LOSS: the bytes do not hash to @digest.
 */
struct dv_err *content_load(struct content *c, const char *ns, const char *digest, size_t max,
			    struct dv_arena *arena, const char **ret, size_t *ret_n) DV_CHECK;

/* The collector found that no row names the blob (META_GC_FILE): removes the file if that holds. */
struct dv_err *content_collect_blob(struct content *c, const char *digest) DV_CHECK;

/* Reads and hashes a blob's file. DV_NOT_FOUND, DV_DATA_LOSS. For `davit system check`. */
struct dv_err *content_verify(struct content *c, const char *digest, int64_t size) DV_CHECK;

/* ---- Ingests ---- */

struct content_status {
	const char *ref;
	int64_t offset;
	int64_t total; /* 0: not known */
	const char *expected; /* "": not known */
	struct timespec started_at, updated_at;
};

/* DV_NOT_FOUND. */
struct dv_err *content_ingest_stat(struct content *c, const char *ns, const char *ref,
				   struct dv_arena *arena, struct content_status *ret) DV_CHECK;

/* Filter field: ref. @filter may be NULL. */
struct dv_err *content_ingest_list(struct content *c, const char *ns,
				   const struct dv_filter *filter, struct dv_arena *arena,
				   struct content_status **ret, size_t *ret_n) DV_CHECK;

/* DV_NOT_FOUND. A writer that has it open finds out when it commits. @lease may be NULL. */
struct dv_err *content_ingest_abort(struct content *c, const char *ns, const char *lease,
				    const char *ref) DV_CHECK;

/* The collector deleted the row (META_GC_INGEST): removes the directory. */
struct dv_err *content_collect_ingest(struct content *c, const char *ns, int64_t id,
				      const char *ref) DV_CHECK;

struct content_ingest_opts {
	const char *ns;
	const char *lease; /* NULL: the ingest expires after a day */
	const char *ref;
	int64_t total; /* 0: not known */
	const char *expected; /* digest; NULL or "": not known */
};

struct content_ingest;

/*
 * Opens the ingest @ref: a new one, or what an earlier writer left, whose bytes are hashed again
 * (which takes its time). Nobody else can open it until it is closed.
 *
 * DV_UNAVAILABLE: somebody has it open. DV_EXISTS: the namespace has the expected blob, which is
 * on the lease now. DV_INVALID: no ref; not a digest. DV_NOT_FOUND: the lease.
 */
struct dv_err *content_ingest_open(struct content *c, const struct content_ingest_opts *opts,
				   struct content_ingest **ret) DV_CHECK;

/* What has arrived stays, to be resumed. Accepts NULL; always returns NULL. */
struct content_ingest *content_ingest_close(struct content_ingest *in);
DV_DEFINE_CLEANUP(struct content_ingest *, content_ingest_close);

/* Appends. */
struct dv_err *content_ingest_write(struct content_ingest *in, const void *p, size_t n) DV_CHECK;

/* Starts from nothing. */
struct dv_err *content_ingest_truncate(struct content_ingest *in) DV_CHECK;

/* Strings are borrowed from @in. */
void content_ingest_status(const struct content_ingest *in, struct content_status *ret);

/* Of what has arrived. */
void content_ingest_digest(const struct content_ingest *in, struct dv_digest *ret);

struct content_commit {
	int64_t size; /* 0: any */
	const char *expected; /* digest; NULL or "": any */
	const struct meta_labels *labels; /* may be NULL */
};

/*
 * Makes the blob, and ends the ingest. Consumes @take on success and on failure; after one it can
 * be opened again, except after DV_EXISTS, which ends it, too: the namespace has the blob already
 * and it is on the lease now.
 *
 * DV_PRECONDITION: another size or digest than expected. DV_INVALID: labels.
 * *ret, which may be NULL, is what was written; ret->digest and labels are in @arena.
 */
struct dv_err *content_ingest_commit(struct content_ingest *take,
				     const struct content_commit *commit, struct dv_arena *arena,
				     struct meta_blob *ret) DV_CHECK;

/*
 * All of the above for bytes that are in memory. DV_EXISTS is success here: the namespace has the
 * blob. *ret_digest is written in both cases (may be NULL).
 */
struct dv_err *content_put(struct content *c, const struct content_ingest_opts *opts,
			   const struct meta_labels *labels, const void *p, size_t n,
			   struct dv_digest *ret_digest) DV_CHECK;
