/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of meta/ share: connections, statements, packed columns. */

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "store/meta.h"

#define META_APPLICATION_ID 0x44766974 /* "Dvit" */
#define META_STATEMENTS	    256 /* slots of the table of prepared statements; a power of two */
#define META_IDLE_READERS   4 /* connections that stay open without work */

/* Of the log: where it is carried over into the database, and what it may need until that is done. */
#define META_LOG_FRAMES 1000
#define META_LOG_SIZE	(5 << 20)
#define META_SHM_SIZE	(64 << 10)
_Static_assert(META_LOG_FRAMES *(4096 + 24) < META_LOG_SIZE, "room behind the checkpoint");

struct meta_log; /* what writers touch while the collector marks */

/* A connection and its prepared statements, found by the address of the text. */
struct meta_conn {
	sqlite3 *db;
	struct {
		const char *sql;
		sqlite3_stmt *st;
	} cache[META_STATEMENTS];
};

struct meta {
	char *dir, *path; /* of meta.db */
	int lock_fd, wal_fd;
	bool is_read_only;

	pthread_mutex_t writer; /* held by the transaction that writes */
	struct meta_conn *writer_conn;
	struct meta_log *log; /* under writer; NULL: nobody marks */
	unsigned wal_frames; /* under writer: pages in the log after the last commit */

	pthread_mutex_t pool;
	struct meta_conn *idle[META_IDLE_READERS]; /* under pool */
	size_t n_idle;

	/* Group commit, see tx.c. */
	pthread_mutex_t sync;
	pthread_cond_t synced_cond;
	uint64_t n_committed, n_synced; /* under sync */
	bool is_syncing;
	int sync_errno; /* of the sync that failed: nothing is written any more */

	pthread_mutex_t checkpoint; /* one at a time */
	pthread_mutex_t gc; /* one at a time */
	_Atomic int64_t next_snapshot;
	_Atomic uint64_t deletions, mutations;
};

struct meta_tx {
	struct meta *m;
	struct meta_conn *conn;
	enum meta_mode mode;
	bool is_changed;
	bool is_collector; /* counts for nothing in meta_gc_pressure() */
	unsigned n_deletions; /* references that were taken away */
};

/* ---- reserve.c: space on a full disk; without it, all is as on any disk ---- */

void meta_reserve_take(const char *dir); /* before the database is opened */
void meta_reserve_log(int wal_fd); /* while it is open */
void meta_reserve_give(const char *dir); /* once it is closed */

/* ---- conn.c ---- */

struct dv_err *meta_conn_open(const struct meta *m, bool is_writer, struct meta_conn **ret)
	DV_CHECK;
struct meta_conn *meta_conn_close(struct meta_conn *c);
DV_DEFINE_CLEANUP(struct meta_conn *, meta_conn_close);

/* What SQLite says as an error of ours. @rc is no success. */
struct dv_err *meta_sqlite_err(sqlite3 *db, int rc) DV_CHECK;

/* Statements without parameters, not cached. */
struct dv_err *meta_conn_script(struct meta_conn *c, const char *sql) DV_CHECK;

/* Cached: BEGIN and its like. */
struct dv_err *meta_conn_run(struct meta_conn *c, const char *sql) DV_CHECK;

/*
 * A statement that runs. @sql must be a literal: it is cached by its address. The letters of
 * @types tell the arguments that are bound, in order: s const char * (NULL is NULL), i int64_t,
 * t struct timespec, b const void * and size_t.
 */
struct meta_rows {
	struct meta_tx *tx;
	sqlite3_stmt *st;
};
struct dv_err *meta_query(struct meta_tx *tx, struct meta_rows *rows, const char *sql,
			  const char *types, ...) DV_CHECK;
struct dv_err *meta_next(struct meta_rows *rows, bool *ret_is_row) DV_CHECK;
void meta_rows_end(struct meta_rows *rows); /* for DV_CLEANUP */

#define META_ROWS(name) DV_CLEANUP(meta_rows_end) struct meta_rows name = { NULL, NULL }

/* Runs a statement that gives no rows. *ret_n, which may be NULL: rows that were changed. */
struct dv_err *meta_exec(struct meta_tx *tx, int *ret_n, const char *sql, const char *types, ...)
	DV_CHECK;

/* Columns of the current row; texts are copied to the arena, NULL stays NULL. */
const char *meta_col_text(const struct meta_rows *rows, int col, struct dv_arena *arena);
const char *meta_col_borrow(const struct meta_rows *rows, int col); /* until the next step */
int64_t meta_col_int(const struct meta_rows *rows, int col);
struct timespec meta_col_time(const struct meta_rows *rows, int col);
const void *meta_col_blob(const struct meta_rows *rows, int col, struct dv_arena *arena, size_t *n);

/* ---- pack.c ---- */

/* Labels as a column: key NUL value NUL, sorted, without empty values. */
void meta_labels_pack(const struct meta_labels *labels, struct dv_arena *arena, const void **ret,
		      size_t *ret_n);
/* DV_DATA_LOSS. */
struct dv_err *meta_col_labels(const struct meta_rows *rows, int col, struct dv_arena *arena,
			       struct meta_labels *ret) DV_CHECK;
/* Removes what a column would not keep, sorted: what is written is what is answered. */
void meta_labels_normalise(struct meta_labels *labels, struct dv_arena *arena);

void meta_extensions_pack(const struct meta_extension *items, size_t n, struct dv_arena *arena,
			  const void **ret, size_t *ret_n);
struct dv_err *meta_col_extensions(const struct meta_rows *rows, int col, struct dv_arena *arena,
				   const struct meta_extension **ret, size_t *ret_n) DV_CHECK;
/* "extensions", "extensions.<key>"; see meta_labels_mask(). */
bool meta_extensions_mask(const struct meta_extension **io, size_t *io_n,
			  const struct meta_extension *given, size_t n_given, const char *path,
			  struct dv_arena *arena);
/* Two columns: URL and value. */
struct meta_any meta_col_any(const struct meta_rows *rows, int col, struct dv_arena *arena);

/* Labels only: what blobs and snapshots may update. DV_INVALID for other paths. */
struct dv_err *meta_labels_update(struct meta_labels *io_labels, const struct meta_labels *given,
				  const struct dv_mask *mask, const char *what, const char *id,
				  struct dv_arena *arena) DV_CHECK;

/* "sha256:" and 64 digits, "sha512:" and 128; DV_INVALID. */
struct dv_err *meta_digest_check(const char *what, const char *digest) DV_CHECK;

static inline int64_t meta_ns(struct timespec ts)
{
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* A result that grows; the items are moved to the arena at the end. */
struct meta_vec {
	char *items;
	size_t n, size, item_size;
};
#define META_VEC(name, type) \
	DV_CLEANUP(meta_vec_fini) struct meta_vec name = { NULL, 0, 0, sizeof(type) }
void *meta_vec_push(struct meta_vec *v); /* zeroed; valid until the next push */
void *meta_vec_give(struct meta_vec *v, struct dv_arena *arena, size_t *ret_n);
void meta_vec_fini(struct meta_vec *v);

/* ---- namespace.c, lease.c ---- */

/* The row's id; 0 when there is none. */
struct dv_err *meta_namespace_id(struct meta_tx *tx, const char *name, int64_t *ret) DV_CHECK;
/* Makes the namespace if need be. DV_INVALID. */
struct dv_err *meta_namespace_need(struct meta_tx *tx, const char *name, int64_t *ret) DV_CHECK;

/* Kinds of nodes of the collector; some are lease_resource.kind and must not change. */
enum meta_node_kind {
	META_NODE_CONTENT = 1,
	META_NODE_SNAPSHOT = 2,
	META_NODE_IMAGE = 3,
	META_NODE_INGEST = 4,
	META_NODE_CONTAINER,
	META_NODE_LEASE,
	META_NODE_SANDBOX,
	META_NODE_MOUNT,
	META_NODE__N
};

/* @lease NULL or "": nothing to do. DV_NOT_FOUND "lease does not exist". */
struct dv_err *meta_lease_attach(struct meta_tx *tx, int64_t ns, const char *lease,
				 enum meta_node_kind kind, const char *snapshotter, const char *key)
	DV_CHECK;
struct dv_err *meta_lease_detach(struct meta_tx *tx, int64_t ns, const char *lease,
				 enum meta_node_kind kind, const char *snapshotter, const char *key)
	DV_CHECK;

/* ---- gc-log.c: the write barrier ---- */

/* The object was made, or what it refers to has changed. @snapshotter "" if it has none. */
void meta_touch(struct meta_tx *tx, enum meta_node_kind kind, int64_t ns, const char *snapshotter,
		const char *key);
/* A reference was taken away. */
static inline void meta_untie(struct meta_tx *tx)
{
	tx->n_deletions++;
}

/* ---- schema.c ---- */

/* Brings the database to the version of this program. DV_PRECONDITION: it is newer. */
struct dv_err *meta_schema_migrate(struct meta_conn *c) DV_CHECK;
