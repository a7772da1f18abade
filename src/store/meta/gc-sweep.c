/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The collector's sweep: rows of nodes that are not marked are deleted in transactions of about two
 * milliseconds; then the rows of blobs that no namespace has. What was deleted is told after each
 * transaction is durable.
 */

#include <stdlib.h>

#include "gc-private.h"

/*
 * A transaction ends after so many deletions, or after some when its time is up: clocks of virtual
 * machines have been seen to jump between processors, and one deletion a sync takes forever.
 */
#define BATCH_MIN 64
#define BATCH_MAX 512
#define LOCK_NS	  2000000

struct removed {
	enum meta_gc_kind kind;
	const char *ns, *key, *snapshotter;
	int64_t id, size;
	const void *data;
	size_t n_data;
};

struct sweep {
	struct gc_graph *g;
	struct meta *m;
	meta_gc_fn fn;
	void *arg;
	struct meta_gc_result *result;
	struct meta_vec removed; /* of the transaction that is open */
	struct dv_arena arena; /* likewise */
};

static int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return meta_ns(ts);
}

/* What there is to delete, by kind; see enum meta_gc_kind. RETURNING: id, size, data. */
static const struct {
	enum meta_node_kind node;
	enum meta_gc_kind kind;
	const char *sql;
} deletions[] = {
	{ META_NODE_LEASE, META_GC_LEASE,
	  "DELETE FROM lease WHERE ns=?1 AND ?2='' AND name=?3 RETURNING id, 0, x''" },
	{ META_NODE_IMAGE, META_GC_IMAGE,
	  "DELETE FROM image WHERE ns=?1 AND ?2='' AND name=?3 RETURNING id, 0, x''" },
	{ META_NODE_SNAPSHOT, META_GC_SNAPSHOT,
	  "DELETE FROM snapshot WHERE ns=?1 AND snapshotter=?2 AND key=?3 AND NOT EXISTS"
	  " (SELECT 1 FROM snapshot c WHERE c.parent=snapshot.id) RETURNING id, size, x''" },
	{ META_NODE_CONTENT, META_GC_CONTENT,
	  "DELETE FROM blob_ns WHERE ns=?1 AND ?2='' AND digest=?3 RETURNING 0, 0, x''" },
	{ META_NODE_INGEST, META_GC_INGEST,
	  "DELETE FROM ingest WHERE ns=?1 AND ?2='' AND ref=?3 RETURNING id, total, x''" },
	{ META_NODE_MOUNT, META_GC_MOUNT,
	  "DELETE FROM mount WHERE ns=?1 AND ?2='' AND name=?3 RETURNING id, 0, data" },
};

static struct dv_err *delete_node(struct sweep *s, struct meta_tx *tx, size_t deletion,
				  const struct gc_node *node)
{
	META_ROWS(rows);
	const char *snapshotter = s->g->snapshotters[node->snapshotter];
	struct removed *r;
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows, deletions[deletion].sql, "iss", (int64_t)node->ns, snapshotter,
		       node->key);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (e || !is_row) /* somebody else was faster */
		return e;
	r = meta_vec_push(&s->removed);
	*r = (struct removed){
		.kind = deletions[deletion].kind,
		.ns = s->g->namespaces[node->ns],
		.key = node->key,
		.snapshotter = snapshotter,
		.id = meta_col_int(&rows, 0),
		.size = meta_col_int(&rows, 1),
	};
	r->data = meta_col_blob(&rows, 2, &s->arena, &r->n_data);
	return NULL;
}

static void tell(struct sweep *s)
{
	const struct removed *r = (const void *)s->removed.items;

	for (size_t i = 0; i < s->removed.n; i++) {
		struct meta_gc_item item = {
			.kind = r[i].kind,
			.ns = r[i].ns,
			.key = r[i].key,
			.snapshotter = r[i].snapshotter,
			.id = r[i].id,
			.size = r[i].size,
			.data = r[i].data,
			.n_data = r[i].n_data,
		};

		s->result->n_removed[item.kind]++;
		if (s->fn)
			s->fn(s->arg, &item);
	}
}

/* One transaction: @step is called until it says that there is no more, or the time is up. */
typedef struct dv_err *(*step_fn)(struct sweep *s, struct meta_tx *tx, void *state, bool *ret_done);

static struct dv_err *batch(struct sweep *s, step_fn step, void *state, bool *ret_done)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e;
	int64_t start, held;

	s->removed.n = 0;
	dv_arena_fini(&s->arena);
	dv_arena_init(&s->arena);
	e = meta_begin(s->m, META_WRITE, &tx);
	if (e)
		return e;
	tx->is_collector = true;
	start = clock_ns();
	e = gc_log_drain(s->g, tx);
	*ret_done = false;
	for (int n = 0; !e && !*ret_done && n < BATCH_MAX; n++) {
		if (n >= BATCH_MIN && clock_ns() - start >= LOCK_NS)
			break;
		e = step(s, tx, state, ret_done);
	}
	held = clock_ns() - start;
	if (held > (int64_t)s->result->longest_lock_ns)
		s->result->longest_lock_ns = (uint64_t)held;
	if (!e)
		e = meta_commit(dv_steal(&tx));
	if (!e)
		tell(s);
	return e;
}

struct candidate {
	uint32_t node;
	uint16_t deletion, depth;
};

struct rows_state {
	const struct candidate *candidates;
	size_t n, at;
};

static struct dv_err *rows_step(struct sweep *s, struct meta_tx *tx, void *arg, bool *ret_done)
{
	struct rows_state *st = arg;
	const struct candidate *c = &st->candidates[st->at];
	const struct gc_node *node = &s->g->nodes[c->node];
	struct dv_err *e = NULL;

	if (node->mark == GC_WHITE)
		e = delete_node(s, tx, c->deletion, node);
	*ret_done = ++st->at == st->n;
	return e;
}

/* By kind; within snapshots, children first. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->deletion != y->deletion)
		return x->deletion < y->deletion ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	return x->node < y->node ? -1 : 1;
}

/* Parents above the snapshot; a chain is never as long as the limit, which ends circles. */
static uint16_t depth_of(const struct gc_graph *g, uint32_t node)
{
	uint16_t depth = 0;

	while (g->nodes[node].part != GC_NONE && depth < 4096) {
		node = g->nodes[node].part;
		depth++;
	}
	return depth;
}

static struct dv_err *sweep_rows(struct sweep *s)
{
	META_VEC(vec, struct candidate);
	struct rows_state st = { 0 };
	struct dv_err *e = NULL;
	bool is_done = false;

	for (uint32_t i = 0; i < s->g->n_nodes; i++) {
		const struct gc_node *node = &s->g->nodes[i];

		if (!node->is_there || node->mark != GC_WHITE)
			continue;
		for (uint16_t d = 0; d < DV_ARRAY_SIZE(deletions); d++) {
			bool is_snapshot = node->kind == META_NODE_SNAPSHOT;

			if (deletions[d].node == node->kind)
				*(struct candidate *)meta_vec_push(&vec) = (struct candidate){
					i, d, is_snapshot ? depth_of(s->g, i) : (uint16_t)0
				};
		}
	}
	if (!vec.n)
		return NULL;
	qsort(vec.items, vec.n, sizeof(struct candidate), compare);
	st.candidates = (const void *)vec.items;
	st.n = vec.n;
	while (!e && !is_done)
		e = batch(s, rows_step, &st, &is_done);
	return e;
}

struct files_state {
	const char **digests;
	size_t n, at;
};

static struct dv_err *files_step(struct sweep *s, struct meta_tx *tx, void *arg, bool *ret_done)
{
	META_ROWS(rows);
	struct files_state *st = arg;
	struct dv_err *e;
	bool is_row;

	e = meta_query(tx, &rows,
		       "DELETE FROM blob WHERE digest=?1"
		       " AND NOT EXISTS (SELECT 1 FROM blob_ns n WHERE n.digest=blob.digest)"
		       " AND NOT EXISTS (SELECT 1 FROM ingest i WHERE i.expected=blob.digest)"
		       " RETURNING size",
		       "s", st->digests[st->at]);
	if (!e)
		e = meta_next(&rows, &is_row);
	if (!e && is_row)
		*(struct removed *)meta_vec_push(&s->removed) = (struct removed){
			.kind = META_GC_FILE,
			.key = st->digests[st->at],
			.size = meta_col_int(&rows, 0),
			.data = "",
		};
	*ret_done = ++st->at == st->n;
	return e;
}

/* Blobs that no namespace has any more, for whatever reason. */
static struct dv_err *find_files(struct sweep *s, struct dv_arena *arena, struct files_state *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	META_VEC(vec, const char *);
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_begin(s->m, META_READ, &tx);
	if (!e)
		e = meta_query(
			tx, &rows,
			"SELECT digest FROM blob"
			" WHERE NOT EXISTS (SELECT 1 FROM blob_ns n WHERE n.digest=blob.digest)",
			"");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		*(const char **)meta_vec_push(&vec) = meta_col_text(&rows, 0, arena);
	ret->digests = meta_vec_give(&vec, arena, &ret->n);
	meta_rows_end(&rows);
	return e;
}

static struct dv_err *sweep_files(struct sweep *s)
{
	DV_CLEANUP(dv_arena_fini) struct dv_arena arena;
	struct files_state st = { 0 };
	struct dv_err *e;
	bool is_done;

	dv_arena_init(&arena);
	e = find_files(s, &arena, &st);
	is_done = !st.n;
	while (!e && !is_done)
		e = batch(s, files_step, &st, &is_done);
	return e;
}

struct dv_err *gc_sweep(struct gc_graph *g, struct meta *m, meta_gc_fn fn, void *arg,
			struct meta_gc_result *result)
{
	struct sweep s = {
		.g = g,
		.m = m,
		.fn = fn,
		.arg = arg,
		.result = result,
		.removed.item_size = sizeof(struct removed),
	};
	struct dv_err *e;

	dv_arena_init(&s.arena);
	e = sweep_rows(&s);
	if (!e)
		e = sweep_files(&s);
	meta_vec_fini(&s.removed);
	dv_arena_fini(&s.arena);
	return e;
}
