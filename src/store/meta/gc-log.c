/* SPDX-License-Identifier: Apache-2.0 */

/* The write barrier of the collector: see gc-private.h. */

#include "gc-private.h"

void meta_touch(struct meta_tx *tx, enum meta_node_kind kind, int64_t ns, const char *snapshotter,
		const char *key)
{
	struct meta_log *log = tx->m->log;
	struct meta_log_item *item;

	if (!log)
		return;
	item = meta_vec_push(&log->items);
	*item = (struct meta_log_item){
		.kind = kind,
		.ns = ns,
		.snapshotter = dv_arena_strdup(&log->arena, snapshotter),
		.key = dv_arena_strdup(&log->arena, key),
	};
}
