/* SPDX-License-Identifier: Apache-2.0 */

/* Rows of snapshots: look-ups, lists, and the steps of one snapshot's life. */

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-snapshot.h"

/* Longer chains are taken for damage: the protocol's clients stop at 127 layers. */
#define CHAIN_MAX 1024

#define COLUMNS \
	"s.id, s.key, p.key, s.parent, s.kind, s.created, s.updated, s.size, s.inodes," \
	" s.unsynced_boot, s.labels"
#define TABLES "snapshot s LEFT JOIN snapshot p ON p.id=s.parent"

static struct dv_err *not_found(const char *key)
{
	return dv_err_new(DV_NOT_FOUND, "snapshot %s does not exist: not found", key);
}

int64_t meta_snapshot_next_id(struct meta *m)
{
	return m->next_snapshot++;
}

static struct dv_err *read_row(const struct meta_rows *rows, struct dv_arena *arena,
			       struct meta_snapshot *ret)
{
	const char *parent = meta_col_text(rows, 2, arena);

	*ret = (struct meta_snapshot){
		.id = meta_col_int(rows, 0),
		.key = meta_col_text(rows, 1, arena),
		.parent = parent ? parent : "",
		.parent_id = meta_col_int(rows, 3),
		.kind = (enum meta_snapshot_kind)meta_col_int(rows, 4),
		.created_at = meta_col_time(rows, 5),
		.updated_at = meta_col_time(rows, 6),
		.size = meta_col_int(rows, 7),
		.inodes = meta_col_int(rows, 8),
		.unsynced_boot = meta_col_text(rows, 9, arena),
	};
	return meta_col_labels(rows, 10, arena, &ret->labels);
}

struct dv_err *meta_snapshot_get(struct meta_tx *tx, const char *ns, const char *snapshotter,
				 const char *key, struct dv_arena *arena, struct meta_snapshot *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS " FROM " TABLES
		       " WHERE s.ns=(SELECT id FROM namespace WHERE name=?1)"
		       " AND s.snapshotter=?2 AND s.key=?3",
		       "sss", ns, snapshotter, key);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(key);
	if (!e)
		e = read_row(&rows, arena, ret);
	return dv_err_wrap(e, "snapshot %s", key);
}

static const char *field(const void *object, const struct dv_filter_path *path)
{
	static const char *const kinds[] = {
		[META_SNAPSHOT_VIEW] = "view",
		[META_SNAPSHOT_ACTIVE] = "active",
		[META_SNAPSHOT_COMMITTED] = "committed",
	};
	const struct meta_snapshot *s = object;

	if (dv_streq(path->parts[0], "kind"))
		return (unsigned)s->kind < DV_ARRAY_SIZE(kinds) ? kinds[s->kind] : NULL;
	if (dv_streq(path->parts[0], "name"))
		return s->key;
	if (dv_streq(path->parts[0], "parent"))
		return s->parent;
	if (dv_streq(path->parts[0], "labels"))
		return meta_labels_field(&s->labels, path);
	return NULL;
}

struct dv_err *meta_snapshot_list(struct meta_tx *tx, const char *ns, const char *snapshotter,
				  const struct meta_list *list, struct dv_arena *arena,
				  struct meta_snapshot **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_snapshot);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS " FROM " TABLES
		       " WHERE s.ns=(SELECT id FROM namespace WHERE name=?1)"
		       " AND s.snapshotter=?2 AND s.key>?3 ORDER BY s.key",
		       "sss", ns, snapshotter, list && list->after ? list->after : "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_snapshot s;

		e = read_row(&rows, arena, &s);
		if (e || !dv_filter_match(list ? list->filter : NULL, field, &s))
			continue;
		*(struct meta_snapshot *)meta_vec_push(&vec) = s;
		if (list && vec.n == list->limit)
			break;
	}
	if (e)
		return dv_err_wrap(e, "list snapshots");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

struct dv_err *meta_snapshot_chain(struct meta_tx *tx, const char *ns, const char *snapshotter,
				   const char *key, struct dv_arena *arena,
				   struct meta_snapshot **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_snapshot);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"WITH RECURSIVE chain (id, depth) AS ("
		" SELECT id, 0 FROM snapshot WHERE ns=(SELECT id FROM namespace WHERE name=?1)"
		" AND snapshotter=?2 AND key=?3"
		" UNION ALL SELECT t.parent, depth+1 FROM chain c JOIN snapshot t ON t.id=c.id"
		" WHERE t.parent IS NOT NULL AND depth<?4)"
		" SELECT " COLUMNS " FROM chain c JOIN " TABLES " WHERE s.id=c.id ORDER BY depth",
		"sssi", ns, snapshotter, key, (int64_t)CHAIN_MAX);
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		e = read_row(&rows, arena, meta_vec_push(&vec));
	if (e)
		return dv_err_wrap(e, "snapshot %s", key);
	if (!vec.n)
		return not_found(key);
	if (vec.n > CHAIN_MAX)
		return dv_err_new(DV_DATA_LOSS,
				  "snapshot %s: more than %d parents: davit system repair", key,
				  CHAIN_MAX);
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

/* The parent's id; 0 for @key NULL or "". DV_NOT_FOUND, DV_INVALID. */
static struct dv_err *parent_id(struct meta_tx *tx, int64_t ns, const char *snapshotter,
				const char *key, int64_t *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	*ret = 0;
	if (!key || !key[0])
		return NULL;
	e = meta_query(tx, &rows,
		       "SELECT id, kind FROM snapshot WHERE ns=?1 AND snapshotter=?2 AND key=?3",
		       "iss", ns, snapshotter, key);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (e)
		return e;
	if (!is_row)
		return dv_err_new(DV_NOT_FOUND, "parent snapshot %s does not exist: not found",
				  key);
	if (meta_col_int(&rows, 1) != META_SNAPSHOT_COMMITTED)
		return dv_err_new(DV_INVALID,
				  "parent \"%s\" is not a committed snapshot: invalid argument",
				  key);
	*ret = meta_col_int(&rows, 0);
	return NULL;
}

struct dv_err *meta_snapshot_create(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const char *lease, const struct meta_snapshot *snapshot)
{
	int64_t ns_id, parent;
	struct dv_arena arena;
	const void *packed;
	struct dv_err *e;
	size_t size;
	int n;

	e = meta_labels_check("info.Labels", &snapshot->labels);
	if (!e)
		e = meta_namespace_need(tx, ns, &ns_id);
	if (!e)
		e = meta_lease_attach(tx, ns_id, lease, META_NODE_SNAPSHOT, snapshotter,
				      snapshot->key);
	if (!e)
		e = parent_id(tx, ns_id, snapshotter, snapshot->parent, &parent);
	if (e)
		return e;
	dv_arena_init(&arena);
	meta_labels_pack(&snapshot->labels, &arena, &packed, &size);
	e = meta_exec(
		tx, &n,
		"INSERT INTO snapshot (id, ns, snapshotter, key, parent, kind, created, updated,"
		" size, inodes, labels)"
		" VALUES (?1, ?2, ?3, ?4, nullif(?5, 0), ?6, ?7, ?7, -1, -1, ?8)"
		" ON CONFLICT (ns, snapshotter, key) DO NOTHING",
		"iissiitb", snapshot->id, ns_id, snapshotter, snapshot->key, parent,
		(int64_t)snapshot->kind, meta_now(), packed, size);
	dv_arena_fini(&arena);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "snapshot \"%s\": already exists", snapshot->key);
	meta_touch(tx, META_NODE_SNAPSHOT, ns_id, snapshotter, snapshot->key);
	return NULL;
}

/* What Commit needs to know of the active one, all checked. */
static struct dv_err *check_commit(struct meta_tx *tx, const char *ns, const char *snapshotter,
				   const char *key, const char *name, struct dv_arena *arena,
				   struct meta_snapshot *ret)
{
	struct meta_snapshot other;
	struct dv_err *e;

	e = meta_snapshot_get(tx, ns, snapshotter, name, arena, &other);
	if (!e)
		return dv_err_new(DV_EXISTS, "snapshot \"%s\": already exists", name);
	if (dv_err_code(e) != DV_NOT_FOUND)
		return e;
	dv_err_free(e);
	e = meta_snapshot_get(tx, ns, snapshotter, key, arena, ret);
	if (e)
		return e;
	if (ret->kind != META_SNAPSHOT_ACTIVE)
		return dv_err_new(DV_PRECONDITION, "snapshot %s is not active: failed precondition",
				  key);
	return NULL;
}

static struct dv_err *commit(struct meta_tx *tx, const char *ns, const char *snapshotter,
			     const char *lease, const char *key, const struct meta_snapshot *given,
			     struct dv_arena *arena, int64_t *ret_id)
{
	struct meta_snapshot active;
	int64_t ns_id, parent;
	const void *packed;
	struct dv_err *e;
	size_t size;

	e = meta_namespace_need(tx, ns, &ns_id);
	if (!e)
		e = meta_lease_attach(tx, ns_id, lease, META_NODE_SNAPSHOT, snapshotter,
				      given->key);
	if (!e)
		e = check_commit(tx, ns, snapshotter, key, given->key, arena, &active);
	if (e)
		return e;
	parent = active.parent_id;
	if (!parent)
		e = parent_id(tx, ns_id, snapshotter, given->parent, &parent);
	if (e)
		return e;
	meta_labels_pack(&given->labels, arena, &packed, &size);
	e = meta_exec(tx, NULL,
		      "UPDATE snapshot SET key=?2, parent=nullif(?3, 0), kind=?4, created=?5,"
		      " updated=?5, size=?6, inodes=?7, unsynced_boot=?8, labels=?9 WHERE id=?1",
		      "isiitiisb", active.id, given->key, parent, (int64_t)META_SNAPSHOT_COMMITTED,
		      meta_now(), given->size, given->inodes, given->unsynced_boot, packed, size);
	if (!e)
		e = meta_lease_detach(tx, ns_id, lease, META_NODE_SNAPSHOT, snapshotter, key);
	if (e)
		return e;
	meta_touch(tx, META_NODE_SNAPSHOT, ns_id, snapshotter, given->key);
	*ret_id = active.id;
	return NULL;
}

struct dv_err *meta_snapshot_commit(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const char *lease, const char *key,
				    const struct meta_snapshot *given, int64_t *ret_id)
{
	struct dv_arena arena;
	struct dv_err *e;

	e = meta_labels_check("info.Labels", &given->labels);
	if (e)
		return e;
	dv_arena_init(&arena);
	e = commit(tx, ns, snapshotter, lease, key, given, &arena, ret_id);
	dv_arena_fini(&arena);
	return e;
}

struct dv_err *meta_snapshot_update(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const struct meta_snapshot *snapshot,
				    const struct dv_mask *mask, struct dv_arena *arena,
				    struct meta_snapshot *ret)
{
	struct meta_snapshot updated;
	const void *packed;
	struct dv_err *e;
	int64_t ns_id;
	size_t size;

	e = meta_snapshot_get(tx, ns, snapshotter, snapshot->key, arena, &updated);
	if (!e)
		e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = meta_labels_update(&updated.labels, &snapshot->labels, mask, "snapshot",
				       snapshot->key, arena);
	if (e)
		return e;
	updated.updated_at = meta_now();
	meta_labels_pack(&updated.labels, arena, &packed, &size);
	e = meta_exec(tx, NULL, "UPDATE snapshot SET labels=?2, updated=?3 WHERE id=?1", "ibt",
		      updated.id, packed, size, updated.updated_at);
	if (e)
		return e;
	meta_touch(tx, META_NODE_SNAPSHOT, ns_id, snapshotter, snapshot->key);
	*ret = updated;
	return NULL;
}

struct dv_err *meta_snapshot_delete(struct meta_tx *tx, const char *ns, const char *snapshotter,
				    const char *lease, const char *key, int64_t *ret_id)
{
	META_ROWS(rows);
	int64_t ns_id, id;
	struct dv_err *e;
	bool is_row;

	e = meta_namespace_id(tx, ns, &ns_id);
	if (!e)
		e = meta_query(tx, &rows,
			       "SELECT s.id, EXISTS (SELECT 1 FROM snapshot c WHERE c.parent=s.id)"
			       " FROM snapshot s WHERE s.ns=?1 AND s.snapshotter=?2 AND s.key=?3",
			       "iss", ns_id, snapshotter, key);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (e)
		return e;
	if (!is_row)
		return not_found(key);
	if (meta_col_int(&rows, 1))
		return dv_err_new(DV_PRECONDITION,
				  "cannot remove snapshot with child: failed precondition");
	id = meta_col_int(&rows, 0);
	e = meta_exec(tx, NULL, "DELETE FROM snapshot WHERE id=?1", "i", id);
	if (!e)
		e = meta_lease_detach(tx, ns_id, lease, META_NODE_SNAPSHOT, snapshotter, key);
	if (e)
		return e;
	meta_untie(tx);
	*ret_id = id;
	return NULL;
}

struct dv_err *meta_snapshot_set_synced(struct meta_tx *tx, const int64_t *ids, size_t n_ids)
{
	struct dv_err *e = NULL;

	for (size_t i = 0; i < n_ids && !e; i++)
		e = meta_exec(tx, NULL, "UPDATE snapshot SET unsynced_boot=NULL WHERE id=?1", "i",
			      ids[i]);
	return e;
}

/* One more column each: the namespace's name, the snapshotter. */
static struct dv_err *each(struct meta_rows *rows, meta_snapshot_fn fn, void *arg)
{
	struct dv_arena arena;
	struct dv_err *e = NULL;
	bool is_row;

	while (!e && !(e = meta_next(rows, &is_row)) && is_row) {
		struct meta_snapshot s;

		dv_arena_init(&arena);
		e = read_row(rows, &arena, &s);
		if (!e)
			e = fn(arg, meta_col_borrow(rows, 11), meta_col_borrow(rows, 12), &s);
		dv_arena_fini(&arena);
	}
	return e;
}

/* A snapshot, and how many unsynced ones are below it at most: children have more. */
#define WITH_BAD \
	"WITH RECURSIVE bad (id, depth) AS (" \
	" SELECT id, 0 FROM snapshot WHERE unsynced_boot IS NOT NULL AND unsynced_boot<>?1" \
	" UNION SELECT c.id, depth+1 FROM snapshot c JOIN bad b ON c.parent=b.id) "

struct dv_err *meta_snapshot_drop_unsynced(struct meta_tx *tx, const char *boot_id,
					   meta_snapshot_fn fn, void *arg)
{
	META_ROWS(rows);
	struct dv_err *e;

	e = meta_query(tx, &rows,
		       WITH_BAD "SELECT " COLUMNS ", n.name, s.snapshotter FROM " TABLES
				" JOIN namespace n ON n.id=s.ns"
				" JOIN (SELECT id, max(depth) AS depth FROM bad GROUP BY id) b"
				" ON b.id=s.id ORDER BY b.depth DESC",
		       "s", boot_id);
	if (!e)
		e = each(&rows, fn, arg);
	if (e)
		return e;
	/* Within this transaction a parent may go before its children. */
	e = meta_conn_run(tx->conn, "PRAGMA defer_foreign_keys=ON");
	if (e)
		return e;
	return meta_exec(tx, NULL, WITH_BAD "DELETE FROM snapshot WHERE id IN (SELECT id FROM bad)",
			 "s", boot_id);
}

struct dv_err *meta_snapshot_each(struct meta_tx *tx, const char *snapshotter, meta_snapshot_fn fn,
				  void *arg)
{
	META_ROWS(rows);
	struct dv_err *e;

	e = meta_query(tx, &rows,
		       "SELECT " COLUMNS ", n.name, s.snapshotter FROM " TABLES
		       " JOIN namespace n ON n.id=s.ns"
		       " WHERE ?1 IS NULL OR s.snapshotter=?1 ORDER BY s.id",
		       "s", snapshotter);
	return e ? e : each(&rows, fn, arg);
}
