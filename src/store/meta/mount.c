/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of mounts that the daemon holds. */

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-mount.h"

static struct dv_err *not_found(const char *name)
{
	return dv_err_new(DV_NOT_FOUND, "mount \"%s\": not found", name);
}

/* name, lease, created, labels, data */
static struct dv_err *read_row(const struct meta_rows *rows, struct dv_arena *arena,
			       struct meta_mount *ret)
{
	*ret = (struct meta_mount){
		.name = meta_col_text(rows, 0, arena),
		.lease = meta_col_text(rows, 1, arena),
		.created_at = meta_col_time(rows, 2),
	};
	ret->data = meta_col_blob(rows, 4, arena, &ret->n_data);
	return meta_col_labels(rows, 3, arena, &ret->labels);
}

struct dv_err *meta_mount_get(struct meta_tx *tx, const char *ns, const char *name,
			      struct dv_arena *arena, struct meta_mount *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT name, lease, created, labels, data FROM mount"
		       " WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name=?2",
		       "ss", ns, name);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(name);
	if (!e)
		e = read_row(&rows, arena, ret);
	return dv_err_wrap(e, "mount \"%s\"", name);
}

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const struct meta_mount *mount = object;

	if (dv_streq(path->parts[0], "name"))
		return mount->name;
	if (dv_streq(path->parts[0], "labels"))
		return meta_labels_field(&mount->labels, path);
	return NULL;
}

struct dv_err *meta_mount_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			       struct dv_arena *arena, struct meta_mount **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_mount);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"SELECT name, lease, created, labels, data FROM mount"
		" WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name>?2 ORDER BY name",
		"ss", ns, list && list->after ? list->after : "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_mount mount;

		e = read_row(&rows, arena, &mount);
		if (e || !dv_filter_match(list ? list->filter : NULL, field, &mount))
			continue;
		*(struct meta_mount *)meta_vec_push(&vec) = mount;
		if (list && vec.n == list->limit)
			break;
	}
	if (e)
		return dv_err_wrap(e, "list mounts");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

static struct dv_err *check_lease(struct meta_tx *tx, int64_t ns, const char *lease)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	if (!lease)
		return NULL;
	e = meta_query(tx, &rows, "SELECT 1 FROM lease WHERE ns=?1 AND name=?2", "is", ns, lease);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return dv_err_new(DV_NOT_FOUND, "lease does not exist: not found");
	return e;
}

struct dv_err *meta_mount_create(struct meta_tx *tx, const char *ns, const struct meta_mount *mount)
{
	DV_CLEANUP(dv_arena_fini) struct dv_arena arena;
	const char *lease = mount->lease && mount->lease[0] ? mount->lease : NULL;
	const void *packed;
	struct dv_err *e;
	int64_t ns_id;
	size_t size;
	int n;

	dv_arena_init(&arena);
	if (!mount->name[0])
		return dv_err_new(DV_INVALID, "mount name must not be empty: invalid argument");
	e = meta_labels_check("mount.Labels", &mount->labels);
	if (!e)
		e = meta_namespace_need(tx, ns, &ns_id);
	if (!e)
		e = check_lease(tx, ns_id, lease);
	if (e)
		return e;
	meta_labels_pack(&mount->labels, &arena, &packed, &size);
	e = meta_exec(tx, &n,
		      "INSERT INTO mount (ns, name, lease, created, labels, data)"
		      " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
		      "isstbb", ns_id, mount->name, lease, meta_now(), packed, size, mount->data,
		      mount->n_data);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "mount \"%s\": already exists", mount->name);
	meta_touch(tx, META_NODE_MOUNT, ns_id, "", mount->name);
	return NULL;
}

struct dv_err *meta_mount_update(struct meta_tx *tx, const char *ns, const struct meta_mount *mount)
{
	DV_CLEANUP(dv_arena_fini) struct dv_arena arena;
	const void *packed;
	struct dv_err *e;
	int64_t ns_id;
	size_t size;
	int n;

	dv_arena_init(&arena);
	e = meta_labels_check("mount.Labels", &mount->labels);
	if (!e)
		e = meta_namespace_id(tx, ns, &ns_id);
	if (e)
		return e;
	meta_labels_pack(&mount->labels, &arena, &packed, &size);
	e = meta_exec(tx, &n, "UPDATE mount SET labels=?3, data=?4 WHERE ns=?1 AND name=?2", "isbb",
		      ns_id, mount->name, packed, size, mount->data, mount->n_data);
	if (e)
		return e;
	if (!n)
		return not_found(mount->name);
	meta_touch(tx, META_NODE_MOUNT, ns_id, "", mount->name);
	return NULL;
}

struct dv_err *meta_mount_delete(struct meta_tx *tx, const char *ns, const char *name)
{
	struct dv_err *e;
	int n;

	e = meta_exec(tx, &n,
		      "DELETE FROM mount WHERE ns=(SELECT id FROM namespace WHERE name=?1)"
		      " AND name=?2",
		      "ss", ns, name);
	if (!e && !n)
		return not_found(name);
	return e;
}
