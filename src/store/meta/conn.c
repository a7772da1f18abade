/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections to SQLite, prepared statements, and its errors as ours. A connection belongs to one
 * transaction at a time, so SQLite's own mutexes are off.
 */

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "meta-private.h"

/* A few pages: the page cache of the kernel is the cache. */
#define PRAGMAS \
	"PRAGMA foreign_keys=ON;" \
	"PRAGMA synchronous=NORMAL;" /* tx.c syncs the log */ \
	"PRAGMA wal_autocheckpoint=0;" /* tx.c does, outside of the lock */ \
	"PRAGMA journal_size_limit=5242880;" /* META_LOG_SIZE */ \
	"PRAGMA mmap_size=0;" \
	"PRAGMA temp_store=MEMORY;" \
	"PRAGMA trusted_schema=OFF;" \
	"PRAGMA cell_size_check=ON;"

struct dv_err *meta_sqlite_err(sqlite3 *db, int rc)
{
	const char *text = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
	int err = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return dv_err_new(DV_DATA_LOSS,
				  "the metadata database is damaged (%s): davit system repair "
				  "saves what can be read",
				  text);
	case SQLITE_FULL:
		return dv_err_new(DV_EXHAUSTED, "metadata: no space left on device");
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (err == ENOSPC || err == EDQUOT)
			return dv_err_sys(-ENOSPC, "metadata");
		if (err == EROFS)
			return dv_err_new(DV_PRECONDITION, "metadata: read-only file system");
		if (err)
			return dv_err_sys(-err, "metadata: %s", text);
		return dv_err_new(DV_INTERNAL, "metadata: %s", text);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return dv_err_new(DV_PRECONDITION, "the metadata database is read-only");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return dv_err_new(DV_UNAVAILABLE, "the metadata database is in use: %s", text);
	case SQLITE_NOMEM:
		return dv_err_new(DV_EXHAUSTED, "metadata: out of memory");
	case SQLITE_TOOBIG:
		return dv_err_new(DV_INVALID, "metadata: object too large");
	default:
		return dv_err_new(DV_INTERNAL, "metadata: %s", text);
	}
}

struct meta_conn *meta_conn_close(struct meta_conn *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < META_STATEMENTS; i++)
		sqlite3_finalize(c->cache[i].st);
	sqlite3_close(c->db);
	free(c);
	return NULL;
}

struct dv_err *meta_conn_script(struct meta_conn *c, const char *sql)
{
	int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? NULL : meta_sqlite_err(c->db, rc);
}

struct dv_err *meta_conn_open(const struct meta *m, bool is_writer, struct meta_conn **ret)
{
	DV_CLEANUP(meta_conn_closep) struct meta_conn *c = dv_new(struct meta_conn);
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
	struct dv_err *e;
	int rc;

	flags |= m->is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	if (is_writer && !m->is_read_only)
		flags |= SQLITE_OPEN_CREATE;
	rc = sqlite3_open_v2(m->path, &c->db, flags, NULL);
	if (rc != SQLITE_OK) {
		e = meta_sqlite_err(c->db, rc);
		return dv_err_wrap(e, "open %s", m->path);
	}
	/* Another process may look at the database; a checkpoint of its may be under way. */
	sqlite3_busy_timeout(c->db, 5000);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 512, 32);
	e = meta_conn_script(c, PRAGMAS);
	if (!e)
		e = meta_conn_script(c, is_writer ? "PRAGMA cache_size=-512"
						  : "PRAGMA cache_size=-192");
	if (!e && !is_writer)
		e = meta_conn_script(c, "PRAGMA query_only=ON");
	if (e)
		return dv_err_wrap(e, "open %s", m->path);
	*ret = dv_steal(&c);
	return NULL;
}

static struct dv_err *prepare(struct meta_conn *c, const char *sql, sqlite3_stmt **ret)
{
	size_t i = ((uintptr_t)sql >> 3) * 0x9e3779b97f4a7c15u >> 56;
	int rc;

	_Static_assert(META_STATEMENTS == 256, "the hash has 8 bits");
	while (c->cache[i].sql && c->cache[i].sql != sql)
		i = (i + 1) % META_STATEMENTS;
	if (!c->cache[i].sql) {
		rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &c->cache[i].st,
					NULL);
		if (rc != SQLITE_OK)
			return meta_sqlite_err(c->db, rc);
		c->cache[i].sql = sql;
	}
	*ret = c->cache[i].st;
	/* A statement runs once at a time: see meta_query(). */
	dv_assert(!sqlite3_stmt_busy(*ret));
	return NULL;
}

struct dv_err *meta_conn_run(struct meta_conn *c, const char *sql)
{
	sqlite3_stmt *st;
	struct dv_err *e;
	int rc;

	e = prepare(c, sql, &st);
	if (e)
		return e;
	rc = sqlite3_step(st);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		e = meta_sqlite_err(c->db, rc);
	sqlite3_reset(st);
	return e;
}

static int bind(sqlite3_stmt *st, const char *types, va_list ap)
{
	int rc = SQLITE_OK;

	for (int i = 1; *types && rc == SQLITE_OK; i++, types++) {
		const void *p;

		switch (*types) {
		case 's':
			rc = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
			break;
		case 'i':
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
			break;
		case 't':
			rc = sqlite3_bind_int64(st, i, meta_ns(va_arg(ap, struct timespec)));
			break;
		case 'b':
			p = va_arg(ap, const void *);
			/* An empty blob is none of SQLite's NULLs. */
			rc = sqlite3_bind_blob64(st, i, p ? p : "", va_arg(ap, size_t),
						 SQLITE_STATIC);
			break;
		default:
			dv_assert(!"known type of a parameter");
		}
	}
	return rc;
}

static struct dv_err *query(struct meta_tx *tx, struct meta_rows *rows, const char *sql,
			    const char *types, va_list ap)
{
	struct dv_err *e;
	int rc;

	rows->tx = tx;
	e = prepare(tx->conn, sql, &rows->st);
	if (e)
		return e;
	rc = bind(rows->st, types, ap);
	return rc == SQLITE_OK ? NULL : meta_sqlite_err(tx->conn->db, rc);
}

struct dv_err *meta_query(struct meta_tx *tx, struct meta_rows *rows, const char *sql,
			  const char *types, ...)
{
	struct dv_err *e;
	va_list ap;

	va_start(ap, types);
	e = query(tx, rows, sql, types, ap);
	va_end(ap);
	return e;
}

struct dv_err *meta_next(struct meta_rows *rows, bool *ret_is_row)
{
	int rc = sqlite3_step(rows->st);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return meta_sqlite_err(rows->tx->conn->db, rc);
	*ret_is_row = rc == SQLITE_ROW;
	if (rows->tx->mode == META_WRITE && !sqlite3_stmt_readonly(rows->st))
		rows->tx->is_changed = true;
	return NULL;
}

void meta_rows_end(struct meta_rows *rows)
{
	if (!rows->st)
		return;
	sqlite3_reset(rows->st);
	/* What was bound is the caller's and may go. */
	sqlite3_clear_bindings(rows->st);
	rows->st = NULL;
}

struct dv_err *meta_exec(struct meta_tx *tx, int *ret_n, const char *sql, const char *types, ...)
{
	META_ROWS(rows);
	struct dv_err *e;
	va_list ap;
	bool more;
	int n;

	dv_assert(tx->mode == META_WRITE);
	va_start(ap, types);
	e = query(tx, &rows, sql, types, ap);
	va_end(ap);
	if (!e)
		e = meta_next(&rows, &more);
	if (e)
		return e;
	n = sqlite3_changes(tx->conn->db);
	if (ret_n)
		*ret_n = n;
	return NULL;
}

const char *meta_col_borrow(const struct meta_rows *rows, int col)
{
	return (const char *)sqlite3_column_text(rows->st, col);
}

const char *meta_col_text(const struct meta_rows *rows, int col, struct dv_arena *arena)
{
	return dv_arena_strdup(arena, meta_col_borrow(rows, col));
}

int64_t meta_col_int(const struct meta_rows *rows, int col)
{
	return sqlite3_column_int64(rows->st, col);
}

struct timespec meta_col_time(const struct meta_rows *rows, int col)
{
	int64_t ns = meta_col_int(rows, col), rest = ns % 1000000000;

	if (rest < 0)
		rest += 1000000000;
	return (struct timespec){ .tv_sec = (ns - rest) / 1000000000, .tv_nsec = rest };
}

const void *meta_col_blob(const struct meta_rows *rows, int col, struct dv_arena *arena, size_t *n)
{
	const void *p = sqlite3_column_blob(rows->st, col);
	size_t size = (size_t)sqlite3_column_bytes(rows->st, col);
	void *copy;

	*n = size;
	/* One more byte: whoever takes it for text finds an end. */
	copy = dv_arena_alloc(arena, size + 1);
	if (size)
		memcpy(copy, p, size);
	return copy;
}
