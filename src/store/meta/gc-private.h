/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the files of the collector share.
 *
 *	gc-load.c	the rows become a graph in memory: nodes, edges, roots
 *	gc-labels.c	what labels add to it
 *	gc-graph.c	the graph, and marking
 *	gc-log.c	the write barrier: what writers touch meanwhile becomes a root
 *	gc-sweep.c	rows of unmarked nodes are deleted, some at a time
 *	gc.c		one collection
 *
 * Why nothing that is in use is deleted: a node that the marking did not reach can only become
 * reachable by a write, and the row that was written then is in the log, with all it refers to.
 * Each transaction of the sweep first marks from what the log has got by then; no writer can add
 * to it meanwhile, since the sweep's transaction is the writer.
 */

#include "meta-private.h"
#include "store/meta-gc.h"

/* What a writer has touched since marking began. */
struct meta_log_item {
	enum meta_node_kind kind;
	int64_t ns;
	const char *snapshotter, *key;
};

struct meta_log {
	struct meta_vec items; /* struct meta_log_item */
	struct dv_arena arena;
};

void meta_log_init(struct meta_log *log);
void meta_log_fini(struct meta_log *log);
void meta_log_clear(struct meta_log *log);

enum gc_mark {
	GC_WHITE, /* not reached */
	GC_FLAT, /* held by a flat lease: itself and what it is made of, not what its labels name */
	GC_BLACK, /* reached, with all it refers to */
};

#define GC_NONE UINT32_MAX

struct gc_node {
	const char *key;
	uint32_t ns; /* id of the namespace */
	uint32_t part; /* node of the parent or the target: part of it even if flat; or GC_NONE */
	uint32_t edges; /* first link; GC_NONE */
	uint16_t snapshotter; /* index of its name */
	uint8_t kind; /* enum meta_node_kind */
	uint8_t mark; /* enum gc_mark */
	bool is_there : 1; /* has a row; others are the ends of dead references */
	bool is_root : 1;
	bool is_flat : 1; /* a lease that holds only what it names */
	bool has_edges : 1; /* has been loaded */
};

struct gc_link {
	uint32_t to, next;
};

/* An edge that exists as long as a condition on the value of its end holds. */
struct gc_condition {
	uint32_t from, to;
	int64_t limit_ns; /* age */
	bool is_younger; /* holds below the limit; else above it */
};

/* "used at" of a snapshot. */
struct gc_value {
	uint32_t node;
	int64_t used_at;
};

struct gc_graph {
	struct dv_arena arena; /* keys */
	struct gc_node *nodes;
	size_t n_nodes, nodes_size;
	struct gc_link *links;
	size_t n_links, links_size;
	uint32_t *table; /* hash of kind, ns, snapshotter and key: node + 1, 0 is empty */
	size_t table_size;
	const char **snapshotters;
	size_t n_snapshotters;
	const char **namespaces; /* by id; NULL: none */
	size_t n_namespaces;
	struct meta_vec conditions, values;
	uint32_t *stack; /* nodes whose edges are to be followed */
	size_t n_stack, stack_size;
	int64_t now; /* ns since 1970: the time of the whole collection */
	int64_t next_expiry; /* 0: none */
	uint64_t n_spared; /* nodes of old that only the log has marked */
};

/* ---- gc-graph.c ---- */

void gc_graph_init(struct gc_graph *g);
void gc_graph_fini(struct gc_graph *g);

/* The node, made if need be. @snapshotter has @n_snapshotter bytes. */
uint32_t gc_node(struct gc_graph *g, enum meta_node_kind kind, int64_t ns, const char *snapshotter,
		 size_t n_snapshotter, const char *key);
void gc_edge(struct gc_graph *g, uint32_t from, uint32_t to);
/* Conditions that hold become edges. */
void gc_conditions_resolve(struct gc_graph *g);
void gc_mark(struct gc_graph *g, uint32_t node, enum gc_mark mark);
/* Marks from all roots. */
void gc_mark_roots(struct gc_graph *g);
/* @at is the time of an expiry; has it passed? Remembers the next one. */
bool gc_is_expired(struct gc_graph *g, int64_t at);

/* ---- gc-labels.c ---- */

/* What the labels of the node (packed, @n bytes) mean. False: they are damaged. */
bool gc_labels(struct gc_graph *g, uint32_t node, const char *packed, size_t n) DV_CHECK;

/* ---- gc-load.c ---- */

struct dv_err *gc_load(struct gc_graph *g, struct meta_tx *tx) DV_CHECK;
/* The node's row as it is now: its edges are added. Nothing if there is none. */
struct dv_err *gc_load_one(struct gc_graph *g, struct meta_tx *tx, const struct meta_log_item *item,
			   uint32_t node) DV_CHECK;

/* ---- gc-log.c ---- */

/* Marks what is in the log and empties it; within the transaction that writes. */
struct dv_err *gc_log_drain(struct gc_graph *g, struct meta_tx *tx) DV_CHECK;

/* ---- gc-sweep.c ---- */

struct dv_err *gc_sweep(struct gc_graph *g, struct meta *m, meta_gc_fn fn, void *arg,
			struct meta_gc_result *result) DV_CHECK;
