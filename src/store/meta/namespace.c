/* SPDX-License-Identifier: Apache-2.0 */

/* Namespaces. */

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-namespace.h"

static struct dv_err *not_found(const char *name)
{
	return dv_err_new(DV_NOT_FOUND, "namespace \"%s\": not found", name);
}

struct dv_err *meta_namespace_id(struct meta_tx *tx, const char *name, int64_t *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, "SELECT id FROM namespace WHERE name=?1", "s", name);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (e)
		return e;
	*ret = is_row ? meta_col_int(&rows, 0) : 0;
	return NULL;
}

static struct dv_err *insert(struct meta_tx *tx, const char *name, const struct meta_labels *labels,
			     int *ret_n)
{
	struct dv_arena arena;
	const void *packed;
	struct dv_err *e;
	size_t n;

	dv_arena_init(&arena);
	meta_labels_pack(labels, &arena, &packed, &n);
	e = meta_exec(tx, ret_n,
		      "INSERT INTO namespace (name, labels) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
		      "sb", name, packed, n);
	dv_arena_fini(&arena);
	return e;
}

struct dv_err *meta_namespace_need(struct meta_tx *tx, const char *name, int64_t *ret)
{
	static const struct meta_labels none;
	struct dv_err *e;

	e = meta_namespace_id(tx, name, ret);
	if (e || *ret)
		return e;
	e = meta_id_check("namespace", name);
	if (!e)
		e = insert(tx, name, &none, NULL);
	if (!e)
		*ret = sqlite3_last_insert_rowid(tx->conn->db);
	return e;
}

struct dv_err *meta_namespace_get(struct meta_tx *tx, const char *name, struct dv_arena *arena,
				  struct meta_namespace *ret)
{
	META_ROWS(rows);
	struct meta_namespace ns = { .name = dv_arena_strdup(arena, name) };
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, "SELECT labels FROM namespace WHERE name=?1", "s", name);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(name);
	if (!e)
		e = meta_col_labels(&rows, 0, arena, &ns.labels);
	if (e)
		return dv_err_wrap(e, "namespace \"%s\"", name);
	*ret = ns;
	return NULL;
}

struct dv_err *meta_namespace_list(struct meta_tx *tx, struct dv_arena *arena,
				   struct meta_namespace **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_namespace);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, "SELECT name, labels FROM namespace ORDER BY name", "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_namespace *ns = meta_vec_push(&vec);

		ns->name = meta_col_text(&rows, 0, arena);
		e = meta_col_labels(&rows, 1, arena, &ns->labels);
	}
	if (e)
		return dv_err_wrap(e, "list namespaces");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

struct dv_err *meta_namespace_create(struct meta_tx *tx, const struct meta_namespace *ns)
{
	struct dv_err *e;
	int n;

	e = meta_id_check("namespace", ns->name);
	if (!e)
		e = meta_labels_check("namespace.Labels", &ns->labels);
	if (!e)
		e = insert(tx, ns->name, &ns->labels, &n);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "namespace \"%s\": already exists", ns->name);
	return NULL;
}

/* Without a mask the given labels are set one by one: containerd keeps the others. */
static struct dv_err *update_labels(struct meta_labels *labels, const struct meta_namespace *ns,
				    const struct dv_mask *mask, struct dv_arena *arena)
{
	bool hit;

	if (dv_mask_is_empty(mask)) {
		for (size_t i = 0; i < ns->labels.n_items; i++) {
			const char *path =
				dv_arena_printf(arena, "labels.%s", ns->labels.items[i].key);

			meta_labels_mask(labels, &ns->labels, "labels", path, arena, &hit);
		}
		return NULL;
	}
	for (size_t i = 0; i < mask->n_paths; i++) {
		meta_labels_mask(labels, &ns->labels, "labels", mask->paths[i], arena, &hit);
		if (!hit)
			return dv_err_new(
				DV_INVALID,
				"cannot update \"%s\" field on namespace: invalid argument",
				mask->paths[i]);
	}
	return NULL;
}

struct dv_err *meta_namespace_update(struct meta_tx *tx, const struct meta_namespace *ns,
				     const struct dv_mask *mask, struct dv_arena *arena,
				     struct meta_namespace *ret)
{
	struct meta_namespace updated;
	const void *packed;
	struct dv_err *e;
	size_t n;

	e = meta_namespace_get(tx, ns->name, arena, &updated);
	if (!e)
		e = update_labels(&updated.labels, ns, mask, arena);
	if (e)
		return e;
	meta_labels_normalise(&updated.labels, arena);
	e = meta_labels_check("namespace.Labels", &updated.labels);
	if (e)
		return e;
	meta_labels_pack(&updated.labels, arena, &packed, &n);
	e = meta_exec(tx, NULL, "UPDATE namespace SET labels=?2 WHERE name=?1", "sb", ns->name,
		      packed, n);
	if (!e)
		*ret = updated;
	return e;
}

/* What keeps it from being deleted, as "images, containers"; "" for nothing. */
static struct dv_err *list_contents(struct meta_tx *tx, int64_t id, struct dv_strbuf *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"SELECT 1, 'images' WHERE EXISTS (SELECT 1 FROM image WHERE ns=?1)"
		" UNION ALL SELECT 2, 'blobs' WHERE EXISTS (SELECT 1 FROM blob_ns WHERE ns=?1)"
		" UNION ALL SELECT 3, 'containers'"
		" WHERE EXISTS (SELECT 1 FROM container WHERE ns=?1)"
		" UNION ALL SELECT DISTINCT 4, 'snapshots on \"' || snapshotter || '\" snapshotter'"
		" FROM snapshot WHERE ns=?1",
		"i", id);
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		dv_strbuf_addf(ret, "%s%s", ret->len ? ", " : "", meta_col_borrow(&rows, 1));
	return e;
}

struct dv_err *meta_namespace_delete(struct meta_tx *tx, const char *name)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf contents = DV_STRBUF_INIT;
	struct dv_err *e;
	int64_t id;

	e = meta_namespace_id(tx, name, &id);
	if (!e && !id)
		return not_found(name);
	if (!e)
		e = list_contents(tx, id, &contents);
	if (e)
		return e;
	if (contents.len)
		return dv_err_new(DV_PRECONDITION,
				  "namespace \"%s\" must be empty, but it still has %s: failed "
				  "precondition",
				  name, contents.data);
	meta_untie(tx);
	return meta_exec(tx, NULL, "DELETE FROM namespace WHERE id=?1", "i", id);
}
