/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of ingests. */

#include "meta-private.h"

#include "store/meta-blob.h"

/* An ingest that no lease holds is forgotten after a day. */
#define EXPIRY_S 86400

#define COLUMNS "id, ref, expected, total, expires, started"

static struct dv_err *not_found(const char *ref)
{
	return dv_err_new(DV_NOT_FOUND, "reference %s: not found", ref);
}

static struct meta_ingest read_row(const struct meta_rows *rows, struct dv_arena *arena)
{
	return (struct meta_ingest){
		.id = meta_col_int(rows, 0),
		.ref = meta_col_text(rows, 1, arena),
		.expected = meta_col_text(rows, 2, arena),
		.total = meta_col_int(rows, 3),
		.expires_at = meta_col_time(rows, 4),
		.started_at = meta_col_time(rows, 5),
	};
}

struct dv_err *meta_ingest_get(struct meta_tx *tx, const char *ns, const char *ref,
			       struct dv_arena *arena, struct meta_ingest *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS " FROM ingest"
		       " WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND ref=?2",
		       "ss", ns, ref);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(ref);
	if (!e)
		*ret = read_row(&rows, arena);
	return e;
}

struct dv_err *meta_ingest_list(struct meta_tx *tx, const char *ns, struct dv_arena *arena,
				struct meta_ingest **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_ingest);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS " FROM ingest"
		       " WHERE ns=(SELECT id FROM namespace WHERE name=?1) ORDER BY ref",
		       "s", ns);
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		*(struct meta_ingest *)meta_vec_push(&vec) = read_row(&rows, arena);
	if (e)
		return dv_err_wrap(e, "list ingests");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

struct dv_err *meta_ingest_open(struct meta_tx *tx, const char *ns, const char *lease,
				const struct meta_ingest *ingest, struct dv_arena *arena,
				struct meta_ingest *ret)
{
	struct timespec now = meta_now(), expires = { 0 };
	struct dv_err *e;
	int64_t ns_id;

	if (!ingest->ref[0])
		return dv_err_new(DV_INVALID, "ref must not be empty: invalid argument");
	if (!lease || !lease[0])
		expires = (struct timespec){ now.tv_sec + EXPIRY_S, now.tv_nsec };
	e = meta_namespace_need(tx, ns, &ns_id);
	if (!e)
		e = meta_lease_attach(tx, ns_id, lease, META_NODE_INGEST, "", ingest->ref);
	if (!e)
		e = meta_exec(tx, NULL,
			      "INSERT INTO ingest (ns, ref, expected, total, expires, started)"
			      " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (ns, ref) DO UPDATE"
			      " SET expected=?3, total=max(total, ?4), expires=?5",
			      "issitt", ns_id, ingest->ref, ingest->expected, ingest->total,
			      expires, now);
	if (e)
		return e;
	meta_touch(tx, META_NODE_INGEST, ns_id, "", ingest->ref);
	return meta_ingest_get(tx, ns, ingest->ref, arena, ret);
}

struct dv_err *meta_ingest_delete(struct meta_tx *tx, const char *ns, const char *lease,
				  const char *ref)
{
	struct dv_err *e;
	int64_t ns_id;
	int n;

	e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = meta_exec(tx, &n, "DELETE FROM ingest WHERE ns=?1 AND ref=?2", "is", ns_id,
			      ref);
	if (e)
		return e;
	if (!n)
		return not_found(ref);
	return meta_lease_detach(tx, ns_id, lease, META_NODE_INGEST, "", ref);
}

struct dv_err *meta_ingest_each(struct meta_tx *tx, meta_ingest_fn fn, void *arg)
{
	META_ROWS(rows);
	struct dv_arena arena;
	struct dv_err *e;
	bool is_row;

	dv_arena_init(&arena);
	e = meta_query(tx, &rows,
		       "SELECT i.id, i.ref, i.expected, i.total, i.expires, i.started, n.name"
		       " FROM ingest i JOIN namespace n ON n.id=i.ns ORDER BY i.id",
		       "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_ingest in = read_row(&rows, &arena);

		e = fn(arg, meta_col_borrow(&rows, 6), &in);
	}
	dv_arena_fini(&arena);
	return e;
}
