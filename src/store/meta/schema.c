/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The tables, as a list of steps: PRAGMA user_version is the number of those that were taken.
 * A step is never changed once it was released; a change is one more step.
 *
 * Times are nanoseconds since 1970. labels, annotations, extensions: see pack.c. Big columns come
 * last in a row, so that lists without them do not read their pages. Ids that name files are
 * never used twice (AUTOINCREMENT).
 */

#include "meta-private.h"

static const char step_1[] =
	"CREATE TABLE value (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

	"CREATE TABLE namespace (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
	" labels BLOB NOT NULL) STRICT;"

	"CREATE TABLE lease (id INTEGER PRIMARY KEY,"
	" ns INTEGER NOT NULL REFERENCES namespace ON DELETE CASCADE, name TEXT NOT NULL,"
	" labels BLOB NOT NULL, created INTEGER NOT NULL, UNIQUE (ns, name)) STRICT;"

	/* kind: enum meta_node_kind. snapshotter is '' for all but snapshots. */
	"CREATE TABLE lease_resource (lease INTEGER NOT NULL REFERENCES lease ON DELETE CASCADE,"
	" kind INTEGER NOT NULL, snapshotter TEXT NOT NULL, key TEXT NOT NULL,"
	" PRIMARY KEY (lease, kind, snapshotter, key)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE image (id INTEGER PRIMARY KEY, ns INTEGER NOT NULL REFERENCES namespace,"
	" name TEXT NOT NULL, media_type TEXT NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,"
	" created INTEGER NOT NULL, updated INTEGER NOT NULL, labels BLOB NOT NULL,"
	" annotations BLOB NOT NULL, UNIQUE (ns, name)) STRICT;"

	/* name is the container's id, nick the label io.davit.name. */
	"CREATE TABLE container (id INTEGER PRIMARY KEY, ns INTEGER NOT NULL REFERENCES namespace,"
	" name TEXT NOT NULL, nick TEXT, image TEXT NOT NULL, runtime TEXT NOT NULL,"
	" snapshotter TEXT NOT NULL, snapshot_key TEXT NOT NULL, sandbox TEXT NOT NULL,"
	" created INTEGER NOT NULL, updated INTEGER NOT NULL, labels BLOB NOT NULL, options_url TEXT,"
	" options BLOB, extensions BLOB NOT NULL, spec_url TEXT, spec BLOB, UNIQUE (ns, name)) STRICT;"
	"CREATE UNIQUE INDEX container_nick ON container (ns, nick) WHERE nick IS NOT NULL;"

	"CREATE TABLE sandbox (id INTEGER PRIMARY KEY,"
	" ns INTEGER NOT NULL REFERENCES namespace ON DELETE CASCADE, name TEXT NOT NULL,"
	" sandboxer TEXT NOT NULL, runtime TEXT NOT NULL, created INTEGER NOT NULL,"
	" updated INTEGER NOT NULL, labels BLOB NOT NULL, options_url TEXT, options BLOB,"
	" extensions BLOB NOT NULL, spec_url TEXT, spec BLOB, UNIQUE (ns, name)) STRICT;"

	/* One row for the file, one for each namespace that has it. */
	"CREATE TABLE blob (digest TEXT PRIMARY KEY, size INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE blob_ns (ns INTEGER NOT NULL REFERENCES namespace,"
	" digest TEXT NOT NULL REFERENCES blob, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
	" labels BLOB NOT NULL, PRIMARY KEY (ns, digest)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX blob_ns_digest ON blob_ns (digest);"

	"CREATE TABLE ingest (id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" ns INTEGER NOT NULL REFERENCES namespace ON DELETE CASCADE, ref TEXT NOT NULL,"
	" expected TEXT, total INTEGER NOT NULL, expires INTEGER NOT NULL, started INTEGER NOT NULL,"
	" UNIQUE (ns, ref)) STRICT;"
	"CREATE INDEX ingest_expected ON ingest (expected) WHERE expected IS NOT NULL;"

	"CREATE TABLE snapshot (id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" ns INTEGER NOT NULL REFERENCES namespace, snapshotter TEXT NOT NULL, key TEXT NOT NULL,"
	" parent INTEGER REFERENCES snapshot, kind INTEGER NOT NULL, created INTEGER NOT NULL,"
	" updated INTEGER NOT NULL, size INTEGER NOT NULL, inodes INTEGER NOT NULL,"
	" unsynced_boot TEXT, labels BLOB NOT NULL, UNIQUE (ns, snapshotter, key)) STRICT;"
	"CREATE INDEX snapshot_parent ON snapshot (parent);"
	"CREATE INDEX snapshot_unsynced ON snapshot (unsynced_boot) WHERE unsynced_boot IS NOT NULL;"

	"CREATE TABLE mount (id INTEGER PRIMARY KEY,"
	" ns INTEGER NOT NULL REFERENCES namespace ON DELETE CASCADE, name TEXT NOT NULL,"
	" lease TEXT, created INTEGER NOT NULL, labels BLOB NOT NULL, data BLOB NOT NULL,"
	" UNIQUE (ns, name)) STRICT;";

static const char *const steps[] = { step_1 };

static struct dv_err *pragma_get(struct meta_conn *c, const char *sql, int64_t *ret)
{
	sqlite3_stmt *st;
	int rc;

	rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return meta_sqlite_err(c->db, rc);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? NULL : meta_sqlite_err(c->db, rc);
}

static struct dv_err *take_step(struct meta_conn *c, size_t version)
{
	DV_CLEANUP(dv_freep)
	char *sql =
		dv_printf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%zu;"
			  "COMMIT;",
			  steps[version], META_APPLICATION_ID, version + 1);
	struct dv_err *e = meta_conn_script(c, sql);

	if (e)
		sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
	return dv_err_wrap(e, "bring the metadata database to version %zu", version + 1);
}

struct dv_err *meta_schema_migrate(struct meta_conn *c)
{
	int64_t version, application, n_tables;
	struct dv_err *e;

	e = pragma_get(c, "PRAGMA user_version", &version);
	if (!e)
		e = pragma_get(c, "PRAGMA application_id", &application);
	if (!e)
		e = pragma_get(c, "SELECT count(*) FROM sqlite_schema", &n_tables);
	if (e)
		return e;
	if (application != META_APPLICATION_ID && n_tables > 0)
		return dv_err_new(DV_PRECONDITION, "this is not a database of Davit's");
	if (version > (int64_t)DV_ARRAY_SIZE(steps))
		return dv_err_new(
			DV_PRECONDITION,
			"the metadata database has version %lld, this davitd knows those up "
			"to %zu: a newer davitd has been here; start that one again",
			(long long)version, DV_ARRAY_SIZE(steps));
	for (size_t v = (size_t)DV_MAX(version, 0); v < DV_ARRAY_SIZE(steps); v++) {
		e = take_step(c, v);
		if (e)
			return e;
	}
	return NULL;
}
