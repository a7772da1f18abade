/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of blobs. */

#include <inttypes.h>
#include <stdio.h>

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-blob.h"

static struct dv_err *not_found(const char *digest)
{
	return dv_err_new(DV_NOT_FOUND, "content digest %s: not found", digest);
}

/* digest, size, created, updated, labels */
static struct dv_err *read_row(const struct meta_rows *rows, struct dv_arena *arena,
			       struct meta_blob *ret)
{
	*ret = (struct meta_blob){
		.digest = meta_col_text(rows, 0, arena),
		.size = meta_col_int(rows, 1),
		.created_at = meta_col_time(rows, 2),
		.updated_at = meta_col_time(rows, 3),
	};
	return meta_col_labels(rows, 4, arena, &ret->labels);
}

struct dv_err *meta_blob_get(struct meta_tx *tx, const char *ns, const char *digest,
			     struct dv_arena *arena, struct meta_blob *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT b.digest, b.size, bn.created, bn.updated, bn.labels"
		       " FROM blob_ns bn JOIN blob b ON b.digest=bn.digest"
		       " WHERE bn.ns=(SELECT id FROM namespace WHERE name=?1) AND bn.digest=?2",
		       "ss", ns, digest);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(digest);
	if (!e)
		e = read_row(&rows, arena, ret);
	return dv_err_wrap(e, "content digest %s", digest);
}

/* What the filter sees; the size as text is made when it is asked for. */
struct seen {
	const struct meta_blob *blob;
	char *size;
};

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const struct seen *seen = object;

	if (dv_streq(path->parts[0], "digest"))
		return seen->blob->digest;
	if (dv_streq(path->parts[0], "size")) {
		snprintf(seen->size, 24, "%" PRId64, seen->blob->size);
		return seen->size;
	}
	if (dv_streq(path->parts[0], "labels"))
		return meta_labels_field(&seen->blob->labels, path);
	return NULL;
}

struct dv_err *meta_blob_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			      struct dv_arena *arena, struct meta_blob **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_blob);
	struct dv_err *e;
	char size[24];
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT b.digest, b.size, bn.created, bn.updated, bn.labels"
		       " FROM blob_ns bn JOIN blob b ON b.digest=bn.digest"
		       " WHERE bn.ns=(SELECT id FROM namespace WHERE name=?1) AND bn.digest>?2"
		       " ORDER BY bn.digest",
		       "ss", ns, list && list->after ? list->after : "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_blob blob;
		struct seen seen = { &blob, size };

		e = read_row(&rows, arena, &blob);
		if (e || !dv_filter_match(list ? list->filter : NULL, field, &seen))
			continue;
		*(struct meta_blob *)meta_vec_push(&vec) = blob;
		if (list && vec.n == list->limit)
			break;
	}
	if (e)
		return dv_err_wrap(e, "list content");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

struct dv_err *meta_blob_create(struct meta_tx *tx, const char *ns, const char *lease,
				const struct meta_blob *blob)
{
	struct timespec now = meta_now();
	struct dv_arena arena;
	const void *packed;
	struct dv_err *e;
	int64_t ns_id;
	size_t size;
	int n;

	e = meta_digest_check("digest", blob->digest);
	if (!e)
		e = meta_labels_check("info.Labels", &blob->labels);
	if (!e)
		e = meta_namespace_need(tx, ns, &ns_id);
	if (!e)
		e = meta_lease_attach(tx, ns_id, lease, META_NODE_CONTENT, "", blob->digest);
	if (!e)
		e = meta_exec(
			tx, NULL,
			"INSERT INTO blob (digest, size) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
			"si", blob->digest, blob->size);
	if (e)
		return e;
	dv_arena_init(&arena);
	meta_labels_pack(&blob->labels, &arena, &packed, &size);
	e = meta_exec(tx, &n,
		      "INSERT INTO blob_ns (ns, digest, created, updated, labels)"
		      " VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT DO NOTHING",
		      "istb", ns_id, blob->digest, now, packed, size);
	dv_arena_fini(&arena);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "content %s: already exists", blob->digest);
	meta_touch(tx, META_NODE_CONTENT, ns_id, "", blob->digest);
	return NULL;
}

struct dv_err *meta_blob_update(struct meta_tx *tx, const char *ns, const struct meta_blob *blob,
				const struct dv_mask *mask, struct dv_arena *arena,
				struct meta_blob *ret)
{
	struct meta_blob updated;
	const void *packed;
	struct dv_err *e;
	int64_t ns_id;
	size_t size;

	e = meta_blob_get(tx, ns, blob->digest, arena, &updated);
	if (!e)
		e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = meta_labels_update(&updated.labels, &blob->labels, mask, "content info",
				       blob->digest, arena);
	if (e)
		return e;
	updated.updated_at = meta_now();
	meta_labels_pack(&updated.labels, arena, &packed, &size);
	e = meta_exec(tx, NULL,
		      "UPDATE blob_ns SET labels=?3, updated=?4 WHERE ns=?1 AND digest=?2", "isbt",
		      ns_id, blob->digest, packed, size, updated.updated_at);
	if (e)
		return e;
	meta_touch(tx, META_NODE_CONTENT, ns_id, "", blob->digest);
	*ret = updated;
	return NULL;
}

struct dv_err *meta_blob_delete(struct meta_tx *tx, const char *ns, const char *lease,
				const char *digest)
{
	struct dv_err *e;
	int64_t ns_id;
	int n;

	e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = meta_exec(tx, &n, "DELETE FROM blob_ns WHERE ns=?1 AND digest=?2", "is", ns_id,
			      digest);
	if (e)
		return e;
	if (!n)
		return not_found(digest);
	meta_untie(tx);
	return meta_lease_detach(tx, ns_id, lease, META_NODE_CONTENT, "", digest);
}

struct dv_err *meta_blob_find(struct meta_tx *tx, const char *digest, bool only_shareable,
			      int64_t *ret_size)
{
	META_ROWS(rows);
	struct dv_arena arena;
	struct dv_err *e;
	bool is_row;

	dv_arena_init(&arena);
	*ret_size = -1;
	e = meta_query(tx, &rows,
		       "SELECT b.size, n.labels FROM blob_ns bn JOIN blob b ON b.digest=bn.digest"
		       " JOIN namespace n ON n.id=bn.ns WHERE bn.digest=?1",
		       "s", digest);
	while (!e && *ret_size < 0 && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_labels labels;
		const char *value = "true";

		if (only_shareable) {
			e = meta_col_labels(&rows, 1, &arena, &labels);
			if (e)
				break;
			value = meta_label_get(&labels, "containerd.io/namespace.shareable");
		}
		if (value && dv_streq(value, "true"))
			*ret_size = meta_col_int(&rows, 0);
	}
	dv_arena_fini(&arena);
	return e;
}

struct dv_err *meta_blob_is_wanted(struct meta_tx *tx, const char *digest, bool *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT 1 WHERE EXISTS (SELECT 1 FROM blob_ns WHERE digest=?1)"
		       " OR EXISTS (SELECT 1 FROM ingest WHERE expected=?1)",
		       "s", digest);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e)
		*ret = is_row;
	return e;
}

struct dv_err *meta_blob_each(struct meta_tx *tx, meta_blob_fn fn, void *arg)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, "SELECT digest, size FROM blob ORDER BY digest", "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		e = fn(arg, meta_col_borrow(&rows, 0), meta_col_int(&rows, 1));
	return e;
}

struct dv_err *meta_blob_forget(struct meta_tx *tx, const char *digest)
{
	struct dv_err *e;

	e = meta_exec(tx, NULL, "DELETE FROM blob_ns WHERE digest=?1", "s", digest);
	if (!e)
		e = meta_exec(tx, NULL, "DELETE FROM blob WHERE digest=?1", "s", digest);
	meta_untie(tx);
	return e;
}

struct dv_err *meta_blob_set_size(struct meta_tx *tx, const char *digest, int64_t size)
{
	return meta_exec(tx, NULL, "UPDATE blob SET size=?2 WHERE digest=?1", "si", digest, size);
}
