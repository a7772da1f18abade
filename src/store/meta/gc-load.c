/* SPDX-License-Identifier: Apache-2.0 */

/* From rows to the graph: each kind of object, all of them or one. */

#include <string.h>

#include "base/str.h"
#include "gc-private.h"

/*
 * How each kind is read. The columns of a query: ns, snapshotter, key, labels, part_kind (0: none),
 * part_snapshotter, part_key, number (see `finish`). With an argument (ns, snapshotter, key): that
 * one alone.
 */
struct kind {
	enum meta_node_kind kind;
	const char *all, *one;
};

#define CONTENT "SELECT ns, '', digest, labels, 0, '', '', 0 FROM blob_ns"
#define IMAGE	"SELECT ns, '', name, labels, 1, '', digest, 0 FROM image"
#define SNAPSHOT \
	"SELECT s.ns, s.snapshotter, s.key, s.labels, iif(p.id IS NULL, 0, 2), p.snapshotter, p.key, 0" \
	" FROM snapshot s LEFT JOIN snapshot p ON p.id=s.parent"
#define CONTAINER \
	"SELECT ns, '', name, labels, iif(snapshotter='', 0, 2), snapshotter, snapshot_key, 0" \
	" FROM container"
#define SANDBOX "SELECT ns, '', name, labels, 0, '', '', 0 FROM sandbox"
#define LEASE	"SELECT ns, '', name, labels, 0, '', '', 0 FROM lease"
#define INGEST \
	"SELECT ns, '', ref, x'', iif(expected IS NULL, 0, 1), '', expected, expires FROM ingest"
#define MOUNT "SELECT ns, '', name, labels, iif(lease IS NULL, 0, 6), '', lease, 0 FROM mount"

_Static_assert(META_NODE_CONTENT == 1 && META_NODE_SNAPSHOT == 2 && META_NODE_LEASE == 6,
	       "part_kind in the queries");

/* Leases come first: mounts look at theirs. */
static const struct kind kinds[] = {
	{ META_NODE_LEASE, LEASE, LEASE " WHERE ns=?1 AND ?2='' AND name=?3" },
	{ META_NODE_CONTENT, CONTENT, CONTENT " WHERE ns=?1 AND ?2='' AND digest=?3" },
	{ META_NODE_IMAGE, IMAGE, IMAGE " WHERE ns=?1 AND ?2='' AND name=?3" },
	{ META_NODE_SNAPSHOT, SNAPSHOT,
	  SNAPSHOT " WHERE s.ns=?1 AND s.snapshotter=?2 AND s.key=?3" },
	{ META_NODE_CONTAINER, CONTAINER, CONTAINER " WHERE ns=?1 AND ?2='' AND name=?3" },
	{ META_NODE_SANDBOX, SANDBOX, SANDBOX " WHERE ns=?1 AND ?2='' AND name=?3" },
	{ META_NODE_INGEST, INGEST, INGEST " WHERE ns=?1 AND ?2='' AND ref=?3" },
	{ META_NODE_MOUNT, MOUNT, MOUNT " WHERE ns=?1 AND ?2='' AND name=?3" },
};

/* Is an object of the kind a root before its labels say otherwise? */
static bool is_root(const struct gc_graph *g, enum meta_node_kind kind)
{
	(void)g;
	return kind == META_NODE_LEASE || kind == META_NODE_IMAGE || kind == META_NODE_CONTAINER ||
	       kind == META_NODE_SANDBOX || kind == META_NODE_MOUNT;
}

static void add_part(struct gc_graph *g, uint32_t node, const struct meta_rows *rows)
{
	enum meta_node_kind part_kind = (enum meta_node_kind)meta_col_int(rows, 4);
	const char *snapshotter = meta_col_borrow(rows, 5);
	uint32_t part;

	part = gc_node(g, part_kind, g->nodes[node].ns, snapshotter ? snapshotter : "",
		       snapshotter ? strlen(snapshotter) : 0, meta_col_borrow(rows, 6));
	if (g->nodes[node].kind != META_NODE_MOUNT) {
		g->nodes[node].part = part;
		return;
	}
	/* The lease holds the mount. */
	gc_edge(g, part, node);
	g->nodes[node].is_root = false;
}

static struct dv_err *load_row(struct gc_graph *g, enum meta_node_kind kind,
			       const struct meta_rows *rows)
{
	const char *snapshotter = meta_col_borrow(rows, 1), *labels;
	uint32_t node;

	node = gc_node(g, kind, meta_col_int(rows, 0), snapshotter, strlen(snapshotter),
		       meta_col_borrow(rows, 2));
	g->nodes[node].is_there = true;
	g->nodes[node].is_root = is_root(g, kind);
	if (meta_col_int(rows, 4))
		add_part(g, node, rows);
	if (kind == META_NODE_INGEST) {
		int64_t expires = meta_col_int(rows, 7);

		/* Without an end it is held by a lease, or by nothing. */
		g->nodes[node].is_root = expires && !gc_is_expired(g, expires);
	}
	labels = sqlite3_column_blob(rows->st, 3);
	if (!gc_labels(g, node, labels ? labels : "", (size_t)sqlite3_column_bytes(rows->st, 3)))
		return dv_err_new(
			DV_DATA_LOSS,
			"the metadata database is damaged (labels of %s): davit system repair "
			"saves what can be read",
			g->nodes[node].key);
	return NULL;
}

static struct dv_err *load_resource(struct gc_graph *g, const struct meta_rows *rows)
{
	int64_t ns = meta_col_int(rows, 0);
	const char *snapshotter = meta_col_borrow(rows, 3);
	uint32_t lease, to;

	lease = gc_node(g, META_NODE_LEASE, ns, "", 0, meta_col_borrow(rows, 1));
	to = gc_node(g, (enum meta_node_kind)meta_col_int(rows, 2), ns, snapshotter,
		     strlen(snapshotter), meta_col_borrow(rows, 4));
	gc_edge(g, lease, to);
	return NULL;
}

static struct dv_err *load_namespaces(struct gc_graph *g, struct meta_tx *tx)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, "SELECT id, name FROM namespace ORDER BY id", "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row) {
		size_t id = (size_t)meta_col_int(&rows, 0);

		g->namespaces = dv_realloc_n(g->namespaces, id + 1, sizeof(char *));
		while (g->n_namespaces <= id)
			g->namespaces[g->n_namespaces++] = NULL;
		g->namespaces[id] = dv_arena_strdup(&g->arena, meta_col_borrow(&rows, 1));
	}
	return e;
}

static struct dv_err *load_kind(struct gc_graph *g, struct meta_tx *tx, const struct kind *kind)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, kind->all, "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		e = load_row(g, kind->kind, &rows);
	return e;
}

static struct dv_err *load_resources(struct gc_graph *g, struct meta_tx *tx)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "SELECT l.ns, l.name, r.kind, r.snapshotter, r.key"
		       " FROM lease_resource r JOIN lease l ON l.id=r.lease",
		       "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		e = load_resource(g, &rows);
	return e;
}

struct dv_err *gc_load(struct gc_graph *g, struct meta_tx *tx)
{
	struct dv_err *e;

	e = load_namespaces(g, tx);
	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds) && !e; i++)
		e = load_kind(g, tx, &kinds[i]);
	if (!e)
		e = load_resources(g, tx);
	gc_conditions_resolve(g);
	return e;
}

static struct dv_err *load_one_resources(struct gc_graph *g, struct meta_tx *tx,
					 const struct meta_log_item *item)
{
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_query(
		tx, &rows,
		"SELECT l.ns, l.name, r.kind, r.snapshotter, r.key"
		" FROM lease_resource r JOIN lease l ON l.id=r.lease WHERE l.ns=?1 AND l.name=?2",
		"is", item->ns, item->key);
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		e = load_resource(g, &rows);
	return e;
}

struct dv_err *gc_load_one(struct gc_graph *g, struct meta_tx *tx, const struct meta_log_item *item,
			   uint32_t node)
{
	META_ROWS(rows);
	struct dv_err *e = NULL;
	bool is_row;

	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds) && !e; i++) {
		if (kinds[i].kind != item->kind)
			continue;
		e = meta_query(tx, &rows, kinds[i].one, "iss", item->ns, item->snapshotter,
			       item->key);
		if (!e)
			e = meta_next(&rows, &is_row);
		if (!e && is_row)
			e = load_row(g, item->kind, &rows);
	}
	if (!e && item->kind == META_NODE_LEASE)
		e = load_one_resources(g, tx, item);
	/* Whatever the condition, for now it holds: the value may be of a row that was not read. */
	for (size_t i = 0; i < g->conditions.n; i++) {
		const struct gc_condition *c =
			(const struct gc_condition *)(void *)g->conditions.items + i;

		gc_edge(g, c->from, c->to);
	}
	g->conditions.n = g->values.n = 0;
	(void)node;
	return e;
}
