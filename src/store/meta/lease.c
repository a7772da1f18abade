/* SPDX-License-Identifier: Apache-2.0 */

/* Leases and what is attached to them. */

#include <string.h>

#include "meta-private.h"

#include "base/str.h"
#include "store/meta-lease.h"

static struct dv_err *not_found(const char *id)
{
	return dv_err_new(DV_NOT_FOUND, "lease \"%s\": not found", id);
}

/* 0 when there is none. */
static struct dv_err *lease_id(struct meta_tx *tx, int64_t ns, const char *name, int64_t *ret)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, "SELECT id FROM lease WHERE ns=?1 AND name=?2", "is", ns, name);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (e)
		return e;
	*ret = is_row ? meta_col_int(&rows, 0) : 0;
	return NULL;
}

static struct dv_err *lookup(struct meta_tx *tx, const char *ns, const char *name, int64_t *ret_ns,
			     int64_t *ret)
{
	struct dv_err *e;

	*ret = 0;
	e = meta_namespace_id(tx, ns, ret_ns);
	if (!e && *ret_ns)
		e = lease_id(tx, *ret_ns, name, ret);
	if (!e && !*ret)
		return not_found(name);
	return e;
}

static struct dv_err *attach(struct meta_tx *tx, int64_t lease, enum meta_node_kind kind,
			     const char *snapshotter, const char *key)
{
	return meta_exec(tx, NULL,
			 "INSERT INTO lease_resource (lease, kind, snapshotter, key)"
			 " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
			 "iiss", lease, (int64_t)kind, snapshotter, key);
}

struct dv_err *meta_lease_attach(struct meta_tx *tx, int64_t ns, const char *lease,
				 enum meta_node_kind kind, const char *snapshotter, const char *key)
{
	struct dv_err *e;
	int64_t id;

	if (!lease || !lease[0])
		return NULL;
	e = lease_id(tx, ns, lease, &id);
	if (e)
		return e;
	if (!id)
		return dv_err_new(DV_NOT_FOUND, "lease does not exist: not found");
	meta_touch(tx, kind, ns, snapshotter, key);
	return attach(tx, id, kind, snapshotter, key);
}

struct dv_err *meta_lease_detach(struct meta_tx *tx, int64_t ns, const char *lease,
				 enum meta_node_kind kind, const char *snapshotter, const char *key)
{
	if (!lease || !lease[0])
		return NULL;
	return meta_exec(tx, NULL,
			 "DELETE FROM lease_resource WHERE kind=?3 AND snapshotter=?4 AND key=?5"
			 " AND lease=(SELECT id FROM lease WHERE ns=?1 AND name=?2)",
			 "isiss", ns, lease, (int64_t)kind, snapshotter, key);
}

struct dv_err *meta_lease_get(struct meta_tx *tx, const char *ns, const char *id,
			      struct dv_arena *arena, struct meta_lease *ret)
{
	META_ROWS(rows);
	struct meta_lease lease = { .id = dv_arena_strdup(arena, id) };
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT l.labels, l.created FROM lease l JOIN namespace n ON n.id=l.ns"
		       " WHERE n.name=?1 AND l.name=?2",
		       "ss", ns, id);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && !is_row)
		return not_found(id);
	if (!e)
		e = meta_col_labels(&rows, 0, arena, &lease.labels);
	if (e)
		return dv_err_wrap(e, "lease \"%s\"", id);
	lease.created_at = meta_col_time(&rows, 1);
	*ret = lease;
	return NULL;
}

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const struct meta_lease *lease = object;

	if (dv_streq(path->parts[0], "id"))
		return lease->id;
	if (dv_streq(path->parts[0], "labels"))
		return meta_labels_field(&lease->labels, path);
	return NULL;
}

struct dv_err *meta_lease_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			       struct dv_arena *arena, struct meta_lease **ret, size_t *ret_n)
{
	META_ROWS(rows);
	META_VEC(vec, struct meta_lease);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"SELECT name, labels, created FROM lease"
		" WHERE ns=(SELECT id FROM namespace WHERE name=?1) AND name>?2 ORDER BY name",
		"ss", ns, list && list->after ? list->after : "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_lease lease = { .id = meta_col_text(&rows, 0, arena),
					    .created_at = meta_col_time(&rows, 2) };

		e = meta_col_labels(&rows, 1, arena, &lease.labels);
		if (e || !dv_filter_match(list ? list->filter : NULL, field, &lease))
			continue;
		*(struct meta_lease *)meta_vec_push(&vec) = lease;
		if (list && vec.n == list->limit)
			break;
	}
	if (e)
		return dv_err_wrap(e, "list leases");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

struct dv_err *meta_lease_create(struct meta_tx *tx, const char *ns, struct meta_lease *lease)
{
	struct timespec now = meta_now();
	struct dv_arena arena;
	const void *packed;
	struct dv_err *e;
	int64_t ns_id;
	size_t size;
	int n;

	/* containerd takes any text for the id, and so clients make ids of all sorts. */
	if (!lease->id[0])
		return dv_err_new(DV_INVALID, "lease id must be provided: invalid argument");
	e = meta_labels_check("lease.Labels", &lease->labels);
	if (!e)
		e = meta_namespace_need(tx, ns, &ns_id);
	if (e)
		return e;
	dv_arena_init(&arena);
	meta_labels_pack(&lease->labels, &arena, &packed, &size);
	e = meta_exec(tx, &n,
		      "INSERT INTO lease (ns, name, labels, created) VALUES (?1, ?2, ?3, ?4)"
		      " ON CONFLICT DO NOTHING",
		      "isbt", ns_id, lease->id, packed, size, now);
	dv_arena_fini(&arena);
	if (e)
		return e;
	if (!n)
		return dv_err_new(DV_EXISTS, "lease \"%s\": already exists", lease->id);
	meta_touch(tx, META_NODE_LEASE, ns_id, "", lease->id);
	lease->created_at = now;
	return NULL;
}

struct dv_err *meta_lease_delete(struct meta_tx *tx, const char *ns, const char *id)
{
	int64_t ns_id, lease;
	struct dv_err *e;

	e = lookup(tx, ns, id, &ns_id, &lease);
	if (e)
		return e;
	meta_untie(tx);
	return meta_exec(tx, NULL, "DELETE FROM lease WHERE id=?1", "i", lease);
}

/* Type and id as columns. */
static struct dv_err *parse_resource(const struct meta_resource *r, enum meta_node_kind *ret_kind,
				     const char **ret_snapshotter)
{
	static const struct {
		const char *name;
		enum meta_node_kind kind;
	} kinds[] = {
		{ "content", META_NODE_CONTENT },
		{ "ingests", META_NODE_INGEST },
		{ "images", META_NODE_IMAGE },
		{ "snapshots", META_NODE_SNAPSHOT },
	};
	size_t n = strcspn(r->type, "/");
	const char *rest = r->type[n] ? r->type + n + 1 : NULL;

	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		bool is_snapshot = kinds[i].kind == META_NODE_SNAPSHOT;

		if (strlen(kinds[i].name) != n || strncmp(r->type, kinds[i].name, n) != 0)
			continue;
		if (is_snapshot ? !rest || strchr(rest, '/') : rest != NULL)
			return dv_err_new(DV_INVALID,
					  "invalid %sresource type %s: invalid argument",
					  is_snapshot ? "snapshot " : "", r->type);
		*ret_kind = kinds[i].kind;
		*ret_snapshotter = rest ? rest : "";
		if (kinds[i].kind == META_NODE_CONTENT)
			return meta_digest_check("content resource id", r->id);
		return NULL;
	}
	return dv_err_new(DV_UNIMPLEMENTED, "resource type %s not supported yet: not implemented",
			  r->type);
}

struct dv_err *meta_lease_add(struct meta_tx *tx, const char *ns, const char *id,
			      const struct meta_resource *resource)
{
	enum meta_node_kind kind;
	const char *snapshotter;
	int64_t ns_id, lease;
	struct dv_err *e;

	e = lookup(tx, ns, id, &ns_id, &lease);
	if (!e)
		e = parse_resource(resource, &kind, &snapshotter);
	if (e)
		return e;
	meta_touch(tx, kind, ns_id, snapshotter, resource->id);
	return attach(tx, lease, kind, snapshotter, resource->id);
}

struct dv_err *meta_lease_remove(struct meta_tx *tx, const char *ns, const char *id,
				 const struct meta_resource *resource)
{
	enum meta_node_kind kind;
	const char *snapshotter;
	int64_t ns_id, lease;
	struct dv_err *e;

	e = lookup(tx, ns, id, &ns_id, &lease);
	if (!e)
		e = parse_resource(resource, &kind, &snapshotter);
	if (e)
		return e;
	meta_untie(tx);
	return meta_exec(tx, NULL,
			 "DELETE FROM lease_resource"
			 " WHERE lease=?1 AND kind=?2 AND snapshotter=?3 AND key=?4",
			 "iiss", lease, (int64_t)kind, snapshotter, resource->id);
}

struct dv_err *meta_lease_resources(struct meta_tx *tx, const char *ns, const char *id,
				    struct dv_arena *arena, struct meta_resource **ret,
				    size_t *ret_n)
{
	static const char *const types[] = {
		[META_NODE_CONTENT] = "content",
		[META_NODE_IMAGE] = "images",
		[META_NODE_INGEST] = "ingests",
	};
	META_ROWS(rows);
	META_VEC(vec, struct meta_resource);
	int64_t ns_id, lease;
	struct dv_err *e;
	bool is_row;

	e = lookup(tx, ns, id, &ns_id, &lease);
	if (!e)
		e = meta_query(tx, &rows,
			       "SELECT kind, snapshotter, key FROM lease_resource WHERE lease=?1",
			       "i", lease);
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		struct meta_resource *r = meta_vec_push(&vec);
		size_t kind = (size_t)meta_col_int(&rows, 0);

		r->id = meta_col_text(&rows, 2, arena);
		if (kind == META_NODE_SNAPSHOT)
			r->type = dv_arena_printf(arena, "snapshots/%s", meta_col_borrow(&rows, 1));
		else
			r->type = kind < DV_ARRAY_SIZE(types) && types[kind] ? types[kind]
									     : "unknown";
	}
	if (e)
		return e;
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}
