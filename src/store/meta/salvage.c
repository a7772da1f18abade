/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Saving what can be read of a damaged database: each table is read from its beginning until it
 * breaks, then from its end, so that one bad page costs no more than its rows. Rows that refer to
 * lost ones get something to refer to.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "meta-private.h"
#include "store/meta-check.h"

#include "base/fault.h"
#include "base/str.h"
#include "sys/disk.h"
#include "sys/file.h"

#define ASIDE "meta.db.damaged-"

/* In the order of their references. The key is what both directions are sorted by. */
static const struct table {
	const char *name, *key;
} tables[] = {
	{ "value", "key" },	     { "namespace", "id" },
	{ "lease", "id" },	     { "lease_resource", "lease, kind, snapshotter, key" },
	{ "image", "id" },	     { "container", "id" },
	{ "sandbox", "id" },	     { "blob", "digest" },
	{ "blob_ns", "ns, digest" }, { "ingest", "id" },
	{ "snapshot", "id" },	     { "mount", "id" },
};

/* Stand-ins for lost rows, in the order in which they need each other. */
static const char *const invent[] = {
	/* Lost parents; again and again until there are none, see mend(). */
	"INSERT INTO snapshot (id, ns, snapshotter, key, kind, created, updated, size, inodes, labels)"
	" SELECT parent, min(ns), min(snapshotter), 'recovered-' || parent, 3, 0, 0, -1, -1, x''"
	" FROM snapshot WHERE parent NOT IN (SELECT id FROM snapshot) GROUP BY parent",
	"INSERT INTO blob (digest, size) SELECT DISTINCT digest, -1 FROM blob_ns"
	" WHERE digest NOT IN (SELECT digest FROM blob)",
	"INSERT INTO namespace (id, name, labels)"
	" SELECT ns, 'recovered-' || ns, x'' FROM (SELECT ns FROM lease UNION SELECT ns FROM image"
	" UNION SELECT ns FROM container UNION SELECT ns FROM sandbox UNION SELECT ns FROM blob_ns"
	" UNION SELECT ns FROM ingest UNION SELECT ns FROM snapshot UNION SELECT ns FROM mount)"
	" WHERE ns NOT IN (SELECT id FROM namespace)",
	"DELETE FROM lease_resource WHERE lease NOT IN (SELECT id FROM lease)",
};

static char *columns_of(sqlite3 *db, const char *table, int *ret_n)
{
	DV_CLEANUP(dv_freep) char *sql = dv_printf("PRAGMA table_info(%s)", table);
	struct dv_strbuf b = DV_STRBUF_INIT;
	sqlite3_stmt *st;

	*ret_n = 0;
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		return NULL;
	while (sqlite3_step(st) == SQLITE_ROW)
		dv_strbuf_addf(&b, "%s%s", (*ret_n)++ ? ", " : "",
			       (const char *)sqlite3_column_text(st, 1));
	sqlite3_finalize(st);
	return dv_strbuf_steal(&b);
}

static char *insert_text(const char *table, const char *columns, int n)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	dv_strbuf_addf(&b, "INSERT OR IGNORE INTO %s (%s) VALUES (?", table, columns);
	for (int i = 1; i < n; i++)
		dv_strbuf_add(&b, ", ?");
	dv_strbuf_add(&b, ")");
	return dv_strbuf_steal(&b);
}

static int copy_row(sqlite3 *to, sqlite3_stmt *from, sqlite3_stmt *put, int n, uint64_t *io_rows)
{
	int rc;

	for (int i = 0; i < n; i++)
		sqlite3_bind_value(put, i + 1, sqlite3_column_value(from, i));
	rc = sqlite3_step(put);
	if (rc == SQLITE_DONE)
		*io_rows += (uint64_t)sqlite3_changes(to);
	sqlite3_reset(put);
	/* A row that the new table does not want (a column of another type) is damage, too. */
	return rc == SQLITE_DONE || (rc & 0xff) == SQLITE_CONSTRAINT ? SQLITE_OK : rc;
}

/* One direction. *ret_is_whole: nothing stopped it. Errors are those of the new database. */
static struct dv_err *copy_from(sqlite3 *from, sqlite3 *to, const struct table *t, bool is_reverse,
				uint64_t *io_rows, bool *ret_is_whole)
{
	DV_CLEANUP(dv_freep) char *columns = NULL;
	DV_CLEANUP(dv_freep) char *select = NULL;
	DV_CLEANUP(dv_freep) char *insert = NULL;
	DV_CLEANUP(dv_freep) char *order = NULL;
	sqlite3_stmt *get = NULL, *put = NULL;
	int n, rc, rc_put = SQLITE_OK;

	*ret_is_whole = false;
	columns = columns_of(to, t->name, &n);
	if (!columns || !n)
		return dv_err_new(DV_INTERNAL, "no table %s", t->name);
	order = dv_strdup(t->key);
	if (is_reverse) {
		struct dv_strbuf b = DV_STRBUF_INIT;

		for (const char *p = order; *p; p++)
			*p == ',' ? dv_strbuf_add(&b, " DESC,") : dv_strbuf_addc(&b, *p);
		dv_strbuf_add(&b, " DESC");
		free(order);
		order = dv_strbuf_steal(&b);
	}
	select = dv_printf("SELECT %s FROM %s NOT INDEXED ORDER BY %s", columns, t->name, order);
	insert = insert_text(t->name, columns, n);
	if (sqlite3_prepare_v2(to, insert, -1, &put, NULL) != SQLITE_OK)
		return meta_sqlite_err(to, sqlite3_errcode(to));
	rc = sqlite3_prepare_v2(from, select, -1, &get, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(get)) == SQLITE_ROW) {
		rc_put = copy_row(to, get, put, n, io_rows);
		rc = rc_put == SQLITE_OK ? SQLITE_OK : SQLITE_ABORT;
	}
	*ret_is_whole = rc == SQLITE_DONE;
	sqlite3_finalize(get);
	sqlite3_finalize(put);
	return rc_put == SQLITE_OK ? NULL : meta_sqlite_err(to, rc_put);
}

static struct dv_err *mend(struct meta_conn *to, uint64_t *io_invented)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(invent); i++) {
		struct dv_err *e = meta_conn_script(to, invent[i]);

		if (e)
			return e;
		*io_invented += (uint64_t)sqlite3_changes(to->db);
	}
	return NULL;
}

static struct dv_err *copy_all(sqlite3 *from, struct meta_conn *to,
			       struct meta_salvage_result *result)
{
	struct dv_err *e;

	e = meta_conn_script(to, "PRAGMA foreign_keys=OFF; BEGIN IMMEDIATE");
	for (size_t i = 0; i < DV_ARRAY_SIZE(tables) && !e; i++) {
		bool is_whole, is_whole_back;

		e = copy_from(from, to->db, &tables[i], false, &result->n_rows, &is_whole);
		if (e || is_whole)
			continue;
		result->n_tables_hurt++;
		e = copy_from(from, to->db, &tables[i], true, &result->n_rows, &is_whole_back);
	}
	if (!e)
		e = mend(to, &result->n_invented);
	if (!e)
		e = meta_conn_script(to, "COMMIT; PRAGMA foreign_keys=ON; PRAGMA wal_checkpoint");
	return e;
}

/* Whether it is to be done, and once it has begun the old database's new name. */
static char *record_path(const char *dir)
{
	return dv_printf("%s/meta.db.salvage", dir);
}

static struct dv_err *remove_file(const char *dir, const char *name)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", dir, name);
	int r = sys_unlinkat(AT_FDCWD, path, 0);

	return r < 0 && r != -ENOENT ? dv_err_sys(r, "remove %s", path) : NULL;
}

/*
 * The name that the old database gets is on record before it has it, so that whoever is
 * interrupted finds it again: until the record goes, every start begins anew from the old one.
 */
static struct dv_err *name_aside(const char *dir, char *aside, size_t size)
{
	DV_CLEANUP(dv_freep) char *path = record_path(dir);
	DV_CLEANUP(sys_closep) int fd = -1;
	char text[64];
	ssize_t n;
	int r;

	n = sys_read_file_at(AT_FDCWD, path, text, sizeof(text));
	if (n > 0 && dv_starts_with(text, ASIDE) && !strchr(text, '/')) {
		snprintf(aside, size, "%s/%s", dir, text);
		return NULL;
	}
	r = snprintf(text, sizeof(text), ASIDE "%lld", (long long)meta_now().tv_sec);
	snprintf(aside, size, "%s/%s", dir, text);
	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", path);
	r = sys_pwrite_all(fd, text, (size_t)r, 0);
	if (r == 0)
		r = sys_fsync(fd);
	return r < 0 ? dv_err_sys(r, "write %s", path) : NULL;
}

/* The log is part of the database, and goes first: once the database is there, both are. */
static struct dv_err *move_aside(const char *dir, const char *aside)
{
	static const char *const suffixes[] = { "-wal", "" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(suffixes); i++) {
		DV_CLEANUP(dv_freep) char *from = dv_printf("%s/meta.db%s", dir, suffixes[i]);
		DV_CLEANUP(dv_freep) char *to = dv_printf("%s%s", aside, suffixes[i]);
		int r = sys_renameat(AT_FDCWD, from, AT_FDCWD, to);

		if (r < 0 && (r != -ENOENT || i == 1))
			return dv_err_sys(r, "rename %s", from);
	}
	DV_FAULT("salvage.aside-moved");
	return NULL;
}

static struct dv_err *put_aside(const char *dir, char *aside, size_t size)
{
	static const char *const begun[] = { "meta.db-wal", "meta.db-shm", "meta.db" };
	DV_CLEANUP(dv_freep) char *lock = dv_printf("%s/lock", dir);
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;
	struct stat st;

	fd = sys_openat(AT_FDCWD, lock, O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", lock);
	if (sys_try_lock(fd) < 0)
		return dv_err_new(DV_UNAVAILABLE, "%s is in use by another process", dir);
	e = name_aside(dir, aside, size);
	if (e)
		return e;
	if (sys_fstatat(AT_FDCWD, aside, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		e = remove_file(dir, "meta.db-shm");
		return e ? e : move_aside(dir, aside);
	}
	/* A new one that was not done. */
	for (size_t i = 0; i < DV_ARRAY_SIZE(begun) && !e; i++)
		e = remove_file(dir, begun[i]);
	return e;
}

struct dv_err *meta_salvage(const char *dir, struct meta_salvage_result *ret)
{
	DV_CLEANUP(meta_closep) struct meta *m = NULL;
	struct meta_salvage_result result = { 0 };
	struct meta_opts opts = { .dir = dir };
	sqlite3 *from = NULL;
	struct dv_err *e;

	e = put_aside(dir, result.aside, sizeof(result.aside));
	if (!e)
		e = meta_open(&opts, &m);
	if (e)
		return dv_err_wrap(e, "save the metadata");
	if (sqlite3_open_v2(result.aside, &from, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK)
		e = copy_all(from, m->writer_conn, &result);
	sqlite3_close(from);
	if (e)
		return dv_err_wrap(e, "save the metadata; the old database is %s", result.aside);
	DV_FAULT("salvage.rows-saved");
	result.is_done = true;
	*ret = result;
	return NULL;
}

struct dv_err *meta_salvage_if_asked(const char *dir, struct meta_salvage_result *ret)
{
	DV_CLEANUP(dv_freep) char *path = record_path(dir);
	struct stat st;

	*ret = (struct meta_salvage_result){ 0 };
	return sys_fstatat(AT_FDCWD, path, &st, 0) < 0 ? NULL : meta_salvage(dir, ret);
}

struct dv_err *meta_salvage_done(const char *dir)
{
	return remove_file(dir, "meta.db.salvage");
}
