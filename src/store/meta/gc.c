/* SPDX-License-Identifier: Apache-2.0 */

/* One collection. */

#include "gc-private.h"

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)meta_ns(ts);
}

/* From here on writers write to the log; *ret sees all that was written before. */
static struct dv_err *start(struct meta *m, struct meta_log *log, struct meta_tx **ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *writer = NULL, *reader = NULL;
	META_ROWS(rows);
	struct dv_err *e;
	bool is_row;

	e = meta_begin(m, META_WRITE, &writer);
	if (!e)
		e = meta_begin(m, META_READ, &reader);
	/* The view of a reader begins with the first thing that it reads. */
	if (!e)
		e = meta_query(reader, &rows, "SELECT count(*) FROM value", "");
	if (!e)
		e = meta_next(&rows, &is_row);
	meta_rows_end(&rows);
	if (e)
		return e;
	m->log = log;
	*ret = dv_steal(&reader);
	return NULL;
}

static void stop(struct meta *m)
{
	struct meta_tx *tx;
	struct dv_err *e;

	e = meta_begin(m, META_WRITE, &tx);
	if (!e) {
		m->log = NULL;
		meta_rollback(tx);
		return;
	}
	/* Also when nothing can be written any more. */
	dv_err_free(e);
	pthread_mutex_lock(&m->writer);
	m->log = NULL;
	pthread_mutex_unlock(&m->writer);
}

static struct dv_err *collect(struct meta *m, struct meta_tx *reader, struct gc_graph *g,
			      meta_gc_fn fn, void *arg, struct meta_gc_result *result)
{
	uint64_t began = clock_ns(), marked;
	struct dv_err *e;

	e = gc_load(g, reader);
	meta_rollback(reader);
	if (e)
		return dv_err_wrap(e, "collect garbage: mark");
	gc_mark_roots(g);
	for (size_t i = 0; i < g->n_nodes; i++)
		result->n_objects += g->nodes[i].is_there;
	marked = clock_ns();
	result->mark_ns = marked - began;
	e = gc_sweep(g, m, fn, arg, result);
	result->sweep_ns = clock_ns() - marked;
	result->is_again_useful = g->n_spared > 0;
	result->next_expiry =
		(struct timespec){ g->next_expiry / 1000000000, g->next_expiry % 1000000000 };
	return dv_err_wrap(e, "collect garbage: sweep");
}

struct dv_err *meta_gc(struct meta *m, meta_gc_fn fn, void *arg, struct meta_gc_result *ret)
{
	struct meta_gc_result result = { 0 };
	uint64_t deletions, mutations;
	struct meta_tx *reader;
	struct meta_log log;
	struct gc_graph g;
	struct dv_err *e;

	pthread_mutex_lock(&m->gc);
	meta_log_init(&log);
	e = start(m, &log, &reader);
	deletions = m->deletions;
	mutations = m->mutations;
	if (!e) {
		gc_graph_init(&g);
		e = collect(m, reader, &g, fn, arg, &result);
		stop(m);
		gc_graph_fini(&g);
	}
	/* What came meanwhile is counted for the next one. */
	if (!e) {
		m->deletions -= deletions;
		m->mutations -= mutations;
	}
	meta_log_fini(&log);
	pthread_mutex_unlock(&m->gc);
	*ret = result;
	return e;
}

void meta_gc_pressure(struct meta *m, struct meta_gc_pressure *ret)
{
	*ret = (struct meta_gc_pressure){ .deletions = m->deletions, .mutations = m->mutations };
}
