/* SPDX-License-Identifier: Apache-2.0 */

/* Small values, and numbers about the whole. */

#include <sys/stat.h>

#include "meta-private.h"

struct dv_err *meta_value_get(struct meta_tx *tx, const char *key, struct dv_arena *arena,
			      const char **ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, "SELECT value FROM value WHERE key=?1", "s", key);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e)
		*ret = is_row ? meta_col_text(&rows, 0, arena) : NULL;
	return e;
}

struct dv_err *meta_value_set(struct meta_tx *tx, const char *key, const char *value)
{
	if (!value)
		return meta_exec(tx, NULL, "DELETE FROM value WHERE key=?1", "s", key);
	return meta_exec(tx, NULL,
			 "INSERT INTO value (key, value) VALUES (?1, ?2)"
			 " ON CONFLICT (key) DO UPDATE SET value=?2",
			 "ss", key, value);
}

static uint64_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

struct dv_err *meta_stats(struct meta_tx *tx, struct meta_stats *ret)
{
	META_ROWS(rows);
	DV_CLEANUP(dv_freep) char *wal = dv_printf("%s-wal", tx->m->path);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT (SELECT count(*) FROM namespace), (SELECT count(*) FROM lease),"
		       " (SELECT count(*) FROM image), (SELECT count(*) FROM container),"
		       " (SELECT count(*) FROM sandbox), (SELECT count(*) FROM blob),"
		       " (SELECT count(*) FROM ingest), (SELECT count(*) FROM snapshot)",
		       "");
	if (!e)
		e = meta_next(&rows, &is_row);
	if (e)
		return e;
	*ret = (struct meta_stats){
		.bytes = file_size(tx->m->path) + file_size(wal),
		.namespaces = (uint64_t)meta_col_int(&rows, 0),
		.leases = (uint64_t)meta_col_int(&rows, 1),
		.images = (uint64_t)meta_col_int(&rows, 2),
		.containers = (uint64_t)meta_col_int(&rows, 3),
		.sandboxes = (uint64_t)meta_col_int(&rows, 4),
		.blobs = (uint64_t)meta_col_int(&rows, 5),
		.ingests = (uint64_t)meta_col_int(&rows, 6),
		.snapshots = (uint64_t)meta_col_int(&rows, 7),
	};
	return NULL;
}
