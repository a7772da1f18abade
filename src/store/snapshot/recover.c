/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start: what another boot left unsynced is dropped, what this boot left unsynced is synced,
 * directories that no row knows are doomed, and rows of active snapshots get their directories.
 */

#include <stdlib.h>

#include "base/str.h"
#include "snapshot-private.h"

/* Nothing to be done: their directories are not known to any row from now on. */
static struct dv_err *dropped(void *arg, const char *ns, const char *snapshotter,
			      const struct meta_snapshot *row)
{
	(void)arg;
	(void)ns;
	(void)snapshotter;
	(void)row;
	return NULL;
}

static struct dv_err *drop_unsynced(struct snapshots *s)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e = meta_begin(s->meta, META_WRITE, &tx);

	if (!e)
		e = meta_snapshot_drop_unsynced(tx, s->boot_id, dropped, NULL);
	return e ? e : meta_commit(dv_steal(&tx));
}

struct sweep {
	struct snapshots *s;
	struct snapshot_slot *slot;
	struct meta_tx *tx;
	struct snapshot_ids on_disk, rows;
	bool is_start;
};

static void note_id(void *arg, int64_t id)
{
	snapshot_ids_add(arg, id);
}

static struct dv_err *repair(struct sweep *w, const char *ns, const char *snapshotter,
			     const struct meta_snapshot *row)
{
	struct snapshot_driver *d = w->slot->driver;
	struct meta_snapshot *chain = NULL;
	struct snapshot_node node;
	struct dv_arena arena;
	struct dv_err *e = NULL;
	size_t n = 0;

	dv_arena_init(&arena);
	if (*row->parent)
		e = meta_snapshot_chain(w->tx, ns, snapshotter, row->parent, &arena, &chain, &n);
	if (!e) {
		node = (struct snapshot_node){
			.ns = ns,
			.key = row->key,
			.id = row->id,
			.kind = row->kind,
			.labels = snapshot_driver_labels(&row->labels, &arena),
			.parents = chain,
			.n_parents = n,
		};
		e = d->ops->repair(d, &node);
	}
	dv_arena_fini(&arena);
	/* One snapshot that cannot be repaired must not keep the daemon from starting. */
	dv_err_free(e);
	return NULL;
}

static struct dv_err *on_row(void *arg, const char *ns, const char *snapshotter,
			     const struct meta_snapshot *row)
{
	struct sweep *w = arg;

	snapshot_ids_add(&w->rows, row->id);
	if (!w->is_start)
		return NULL;
	if (row->unsynced_boot)
		snapshot_unsynced(w->s, w->slot, row->id);
	if (row->kind != META_SNAPSHOT_COMMITTED && w->slot->driver->ops->repair)
		return repair(w, ns, snapshotter, row);
	return NULL;
}

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void doom_unknown(struct sweep *w, const struct snapshot_ids *busy)
{
	if (w->rows.n > 0)
		qsort(w->rows.items, w->rows.n, sizeof(int64_t), compare_ids);
	for (size_t i = 0; i < w->on_disk.n; i++) {
		int64_t *id = &w->on_disk.items[i];

		if (w->rows.n > 0 &&
		    bsearch(id, w->rows.items, w->rows.n, sizeof(*id), compare_ids))
			continue;
		if (!snapshot_ids_have(busy, *id))
			snapshot_doom(w->s, w->slot, *id);
	}
}

/*
 * The order matters: first what is on the disk, then what is being made, then the rows. Whatever
 * was on the disk is a row by then, or is still being made, or is garbage.
 */
static struct dv_err *sweep_slot(struct snapshots *s, struct snapshot_slot *slot, bool is_start)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct sweep w = { .s = s, .slot = slot, .is_start = is_start };
	struct snapshot_ids busy = { 0 };
	struct dv_err *e;

	e = slot->driver->ops->each(slot->driver, note_id, &w.on_disk);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < slot->making.n; i++)
		snapshot_ids_add(&busy, slot->making.items[i]);
	for (size_t i = 0; i < slot->doomed.n; i++)
		snapshot_ids_add(&busy, slot->doomed.items[i]);
	pthread_mutex_unlock(&s->lock);
	if (!e)
		e = meta_begin(s->meta, META_READ, &tx);
	w.tx = tx;
	if (!e)
		e = meta_snapshot_each(tx, slot->driver->info.name, on_row, &w);
	if (!e)
		doom_unknown(&w, &busy);
	snapshot_ids_fini(&busy);
	snapshot_ids_fini(&w.on_disk);
	snapshot_ids_fini(&w.rows);
	return e;
}

struct dv_err *snapshots_recover(struct snapshots *s)
{
	struct dv_err *e = drop_unsynced(s);

	for (size_t i = 0; i < s->n_slots && !e; i++)
		if (!s->slots[i].driver->info.problem)
			e = sweep_slot(s, &s->slots[i], true);
	return e;
}

struct dv_err *snapshots_cleanup(struct snapshots *s, const char *snapshotter)
{
	struct snapshot_slot *slot;
	struct dv_err *e;

	e = snapshot_slot_find(s, snapshotter, &slot);
	if (!e)
		e = sweep_slot(s, slot, false);
	return e ? e : snapshots_work(s, SNAPSHOTS_REMOVE);
}
