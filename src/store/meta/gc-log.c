/* SPDX-License-Identifier: Apache-2.0 */

/* The write barrier of the collector: see gc-private.h. */

#include <string.h>

#include "gc-private.h"

void meta_log_init(struct meta_log *log)
{
	*log = (struct meta_log){ .items.item_size = sizeof(struct meta_log_item) };
	dv_arena_init(&log->arena);
}

void meta_log_fini(struct meta_log *log)
{
	meta_vec_fini(&log->items);
	dv_arena_fini(&log->arena);
}

void meta_log_clear(struct meta_log *log)
{
	log->items.n = 0;
	dv_arena_fini(&log->arena);
	dv_arena_init(&log->arena);
}

/* Also by transactions that are rolled back later: then something is spared in vain, once. */
void meta_touch(struct meta_tx *tx, enum meta_node_kind kind, int64_t ns, const char *snapshotter,
		const char *key)
{
	struct meta_log *log = tx->m->log;

	if (!log)
		return;
	*(struct meta_log_item *)meta_vec_push(&log->items) = (struct meta_log_item){
		.kind = kind,
		.ns = ns,
		.snapshotter = dv_arena_strdup(&log->arena, snapshotter),
		.key = dv_arena_strdup(&log->arena, key),
	};
}

static void mark(struct gc_graph *g, uint32_t node)
{
	if (g->nodes[node].mark == GC_WHITE && g->nodes[node].is_there)
		g->n_spared++;
	/* Its edges may be new: they are followed even if it was marked before. */
	g->nodes[node].mark = GC_WHITE;
	gc_mark(g, node, GC_BLACK);
}

struct dv_err *gc_log_drain(struct gc_graph *g, struct meta_tx *tx)
{
	struct meta_log *log = tx->m->log;
	const struct meta_log_item *items = (const void *)log->items.items;
	struct dv_err *e = NULL;

	for (size_t i = 0; i < log->items.n && !e; i++) {
		uint32_t node = gc_node(g, items[i].kind, items[i].ns, items[i].snapshotter,
					strlen(items[i].snapshotter), items[i].key);
		/* A row that is newer than the marking is none of the sweep's. */
		bool was_there = g->nodes[node].is_there;

		e = gc_load_one(g, tx, &items[i], node);
		g->nodes[node].is_there = was_there;
		mark(g, node);
	}
	meta_log_clear(log);
	return e;
}
