/* SPDX-License-Identifier: Apache-2.0 */

/* The collector's graph: nodes found by what names them, edges as lists, and marking. */

#include <string.h>

#include "base/str.h"
#include "gc-private.h"

void gc_graph_init(struct gc_graph *g)
{
	*g = (struct gc_graph){
		.conditions.item_size = sizeof(struct gc_condition),
		.values.item_size = sizeof(struct gc_value),
		.now = meta_ns(meta_now()),
	};
	dv_arena_init(&g->arena);
}

void gc_graph_fini(struct gc_graph *g)
{
	dv_arena_fini(&g->arena);
	free(g->nodes);
	free(g->links);
	free(g->table);
	free(g->snapshotters);
	free(g->namespaces);
	free(g->stack);
	meta_vec_fini(&g->conditions);
	meta_vec_fini(&g->values);
}

static uint16_t snapshotter_index(struct gc_graph *g, const char *name, size_t n)
{
	for (size_t i = 0; i < g->n_snapshotters; i++)
		if (strncmp(g->snapshotters[i], name, n) == 0 && !g->snapshotters[i][n])
			return (uint16_t)i;
	/* Names come from labels, too: whoever invents many shares the last one, which is harmless. */
	if (g->n_snapshotters == UINT16_MAX)
		return UINT16_MAX - 1;
	g->snapshotters = dv_realloc_n(g->snapshotters, g->n_snapshotters + 1, sizeof(char *));
	g->snapshotters[g->n_snapshotters] = dv_arena_strndup(&g->arena, name, n);
	return (uint16_t)g->n_snapshotters++;
}

static size_t hash(enum meta_node_kind kind, uint32_t ns, uint16_t snapshotter, const char *key)
{
	uint64_t h = 0xcbf29ce484222325u ^ kind ^ (uint64_t)ns << 8 ^ (uint64_t)snapshotter << 40;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	return (size_t)(h ^ h >> 29);
}

static void table_grow(struct gc_graph *g)
{
	free(g->table);
	g->table_size = g->table_size ? g->table_size * 2 : 1024;
	g->table = dv_alloc(g->table_size * sizeof(*g->table));
	for (uint32_t i = 0; i < g->n_nodes; i++) {
		const struct gc_node *node = &g->nodes[i];
		size_t slot = hash(node->kind, node->ns, node->snapshotter, node->key);

		while (g->table[slot & (g->table_size - 1)])
			slot++;
		g->table[slot & (g->table_size - 1)] = i + 1;
	}
}

uint32_t gc_node(struct gc_graph *g, enum meta_node_kind kind, int64_t ns, const char *snapshotter,
		 size_t n_snapshotter, const char *key)
{
	uint16_t sn = snapshotter_index(g, snapshotter, n_snapshotter);
	size_t slot, mask;

	if (g->n_nodes * 2 >= g->table_size)
		table_grow(g);
	mask = g->table_size - 1;
	for (slot = hash(kind, (uint32_t)ns, sn, key); g->table[slot & mask]; slot++) {
		const struct gc_node *node = &g->nodes[g->table[slot & mask] - 1];

		if (node->kind == kind && node->ns == (uint32_t)ns && node->snapshotter == sn &&
		    dv_streq(node->key, key))
			return g->table[slot & mask] - 1;
	}
	if (g->n_nodes == g->nodes_size) {
		g->nodes_size = g->nodes_size ? g->nodes_size * 2 : 512;
		g->nodes = dv_realloc_n(g->nodes, g->nodes_size, sizeof(*g->nodes));
	}
	g->nodes[g->n_nodes] = (struct gc_node){
		.key = dv_arena_strdup(&g->arena, key),
		.ns = (uint32_t)ns,
		.part = GC_NONE,
		.edges = GC_NONE,
		.snapshotter = sn,
		.kind = (uint8_t)kind,
	};
	g->table[slot & mask] = (uint32_t)++g->n_nodes;
	return (uint32_t)g->n_nodes - 1;
}

void gc_edge(struct gc_graph *g, uint32_t from, uint32_t to)
{
	if (g->n_links == g->links_size) {
		g->links_size = g->links_size ? g->links_size * 2 : 512;
		g->links = dv_realloc_n(g->links, g->links_size, sizeof(*g->links));
	}
	g->links[g->n_links] = (struct gc_link){ to, g->nodes[from].edges };
	g->nodes[from].edges = (uint32_t)g->n_links++;
}

bool gc_is_expired(struct gc_graph *g, int64_t at)
{
	if (at < g->now)
		return true;
	if (!g->next_expiry || at < g->next_expiry)
		g->next_expiry = at;
	return false;
}

static bool condition_holds(const struct gc_graph *g, const struct gc_condition *c)
{
	const struct gc_value *values = (const void *)g->values.items;

	for (size_t i = 0; i < g->values.n; i++) {
		int64_t age = g->now - values[i].used_at;

		if (values[i].node == c->to &&
		    (c->is_younger ? age < c->limit_ns : age > c->limit_ns))
			return true;
	}
	return false;
}

void gc_conditions_resolve(struct gc_graph *g)
{
	const struct gc_condition *conditions = (const void *)g->conditions.items;

	for (size_t i = 0; i < g->conditions.n; i++)
		if (condition_holds(g, &conditions[i]))
			gc_edge(g, conditions[i].from, conditions[i].to);
	g->conditions.n = g->values.n = 0;
}

static void push(struct gc_graph *g, uint32_t node, enum gc_mark mark)
{
	if (g->nodes[node].mark >= mark)
		return;
	g->nodes[node].mark = (uint8_t)mark;
	if (g->n_stack == g->stack_size) {
		g->stack_size = g->stack_size ? g->stack_size * 2 : 256;
		g->stack = dv_realloc_n(g->stack, g->stack_size, sizeof(*g->stack));
	}
	g->stack[g->n_stack++] = node;
}

/* A flat lease holds its ingests as any lease does: what they expect is part of them. */
static enum gc_mark mark_of_edge(const struct gc_graph *g, const struct gc_node *from, uint32_t to)
{
	if (!from->is_flat || g->nodes[to].kind == META_NODE_INGEST)
		return GC_BLACK;
	return GC_FLAT;
}

void gc_mark(struct gc_graph *g, uint32_t first, enum gc_mark mark)
{
	push(g, first, mark);
	while (g->n_stack) {
		const struct gc_node *node = &g->nodes[g->stack[--g->n_stack]];

		if (node->part != GC_NONE)
			push(g, node->part, node->mark);
		if (node->mark != GC_BLACK)
			continue;
		for (uint32_t i = node->edges; i != GC_NONE; i = g->links[i].next)
			push(g, g->links[i].to, mark_of_edge(g, node, g->links[i].to));
	}
}

void gc_mark_roots(struct gc_graph *g)
{
	for (uint32_t i = 0; i < g->n_nodes; i++)
		if (g->nodes[i].is_root)
			gc_mark(g, i, GC_BLACK);
}
