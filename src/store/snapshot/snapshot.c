/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: keys, parents and labels in rows, the rest by the drivers. */

#include "store/snapshot.h"

#include "base/fault.h"
#include "base/str.h"
#include "snapshot-private.h"
#include "store/meta-lease.h"

#define LABEL_REF    "containerd.io/snapshot.ref"
#define LABEL_PREFIX "containerd.io/snapshot/"

struct meta_labels snapshot_driver_labels(const struct meta_labels *labels, struct dv_arena *arena)
{
	struct meta_label *items = dv_arena_new_n(arena, struct meta_label, labels->n_items);
	size_t n = 0;

	for (size_t i = 0; i < labels->n_items; i++)
		if (dv_streq(labels->items[i].key, LABEL_REF) ||
		    dv_starts_with(labels->items[i].key, LABEL_PREFIX))
			items[n++] = labels->items[i];
	return (struct meta_labels){ .items = items, .n_items = n };
}

/* The row, its chain of parents, and both in the form for drivers. */
static struct dv_err *load_node(struct snapshots *s, const struct snapshot_at *at, const char *key,
				struct dv_arena *arena, struct meta_snapshot *ret_row,
				struct snapshot_node *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_snapshot *chain;
	struct dv_err *e;
	size_t n;

	e = meta_begin(s->meta, META_READ, &tx);
	if (!e)
		e = meta_snapshot_chain(tx, at->ns, at->snapshotter, key, arena, &chain, &n);
	if (e)
		return e;
	*ret_row = chain[0];
	*ret = (struct snapshot_node){
		.ns = at->ns,
		.key = chain[0].key,
		.id = chain[0].id,
		.kind = chain[0].kind,
		.labels = snapshot_driver_labels(&chain[0].labels, arena),
		.parents = chain + 1,
		.n_parents = n - 1,
	};
	return NULL;
}

static struct dv_err *is_there(struct meta_tx *tx, const struct snapshot_at *at, const char *key,
			       struct dv_arena *arena, bool *ret)
{
	struct meta_snapshot row;
	struct dv_err *e = meta_snapshot_get(tx, at->ns, at->snapshotter, key, arena, &row);

	*ret = !e;
	return e && dv_err_code(e) == DV_NOT_FOUND ? dv_err_free(e) : e;
}

/* Somebody else made it: whoever asks gets it on the lease, and DV_EXISTS. */
static struct dv_err *lease_existing(struct snapshots *s, const struct snapshot_at *at,
				     const char *key, const char *what)
{
	DV_CLEANUP(dv_freep) char *type = dv_printf("snapshots/%s", at->snapshotter);
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_resource resource = { .id = key, .type = type };
	struct dv_err *e = NULL;

	if (at->lease) {
		e = meta_begin(s->meta, META_WRITE, &tx);
		if (!e)
			e = meta_lease_add(tx, at->ns, at->lease, &resource);
		if (!e)
			e = meta_commit(dv_steal(&tx));
	}
	return e ? e : dv_err_new(DV_EXISTS, "%s \"%s\": already exists", what, key);
}

/* What can be said before anything is made. */
static struct dv_err *check_new(struct snapshots *s, const struct snapshot_at *at,
				const struct snapshot_new *new, struct dv_arena *arena,
				struct snapshot_node *ret)
{
	const char *target = meta_label_get(&new->labels, LABEL_REF);
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_snapshot *chain = NULL;
	bool has_target = false, has_key = false;
	struct dv_err *e;
	size_t n = 0;

	if (!new->key || !*new->key)
		return dv_err_new(DV_INVALID, "snapshot key must not be empty: invalid argument");
	e = meta_labels_check("info.Labels", &new->labels);
	if (!e)
		e = meta_begin(s->meta, META_READ, &tx);
	if (!e && target && *target)
		e = is_there(tx, at, target, arena, &has_target);
	if (!e)
		e = is_there(tx, at, new->key, arena, &has_key);
	if (!e && !has_target && !has_key && new->parent &&*new->parent) {
		e = meta_snapshot_chain(tx, at->ns, at->snapshotter, new->parent, arena, &chain,
					&n);
		if (e && dv_err_code(e) == DV_NOT_FOUND)
			e = dv_err_wrap(e, "parent");
	}
	tx = meta_rollback(tx);
	if (e)
		return e;
	if (has_target)
		return lease_existing(s, at, target, "target snapshot");
	if (has_key)
		return lease_existing(s, at, new->key, "snapshot");
	if (chain && chain[0].kind != META_SNAPSHOT_COMMITTED)
		return dv_err_new(DV_INVALID,
				  "parent \"%s\" is not committed snapshot: invalid argument",
				  new->parent);
	*ret = (struct snapshot_node){
		.ns = at->ns,
		.key = new->key,
		.id = meta_snapshot_next_id(s->meta),
		.kind = new->is_view ? META_SNAPSHOT_VIEW : META_SNAPSHOT_ACTIVE,
		.labels = snapshot_driver_labels(&new->labels, arena),
		.parents = chain,
		.n_parents = n,
	};
	return NULL;
}

static struct dv_err *write_new(struct snapshots *s, const struct snapshot_at *at,
				const struct snapshot_new *new, const struct snapshot_node *node)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_snapshot row = {
		.id = node->id,
		.key = new->key,
		.parent = new->parent ? new->parent : "",
		.kind = node->kind,
		.labels = new->labels,
		.size = -1,
		.inodes = -1,
	};
	struct dv_err *e = meta_begin(s->meta, META_WRITE, &tx);

	if (!e)
		e = meta_snapshot_create(tx, at->ns, at->snapshotter, at->lease, &row);
	return e ? e : meta_commit(dv_steal(&tx));
}

struct dv_err *snapshot_prepare(struct snapshots *s, const struct snapshot_at *at,
				const struct snapshot_new *new, struct dv_arena *arena,
				struct snapshot_mounts *ret)
{
	struct snapshot_slot *slot;
	struct snapshot_node node;
	struct dv_err *e;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (!e)
		e = check_new(s, at, new, arena, &node);
	if (e)
		return e;
	snapshot_making(s, slot, node.id);
	e = slot->driver->ops->create(slot->driver, &node);
	DV_FAULT("snapshot.prepare.directory-made");
	if (!e)
		e = write_new(s, at, new, &node);
	DV_FAULT("snapshot.prepare.row-written");
	if (e)
		snapshot_doom(s, slot, node.id);
	snapshot_made(s, slot, node.id);
	return e ? e : slot->driver->ops->mounts(slot->driver, &node, arena, ret);
}

struct dv_err *snapshot_mounts(struct snapshots *s, const struct snapshot_at *at, const char *key,
			       struct dv_arena *arena, struct snapshot_mounts *ret)
{
	struct snapshot_slot *slot;
	struct snapshot_node node;
	struct meta_snapshot row;
	struct dv_err *e;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (!e)
		e = load_node(s, at, key, arena, &row, &node);
	if (e)
		return e;
	if (row.kind == META_SNAPSHOT_COMMITTED)
		return dv_err_new(DV_PRECONDITION,
				  "requested snapshot %s not active or view: failed precondition",
				  key);
	return slot->driver->ops->mounts(slot->driver, &node, arena, ret);
}

/* What can be said before the tree is looked at. */
static struct dv_err *check_commit(struct snapshots *s, const struct snapshot_at *at,
				   const struct snapshot_commit *cm, struct dv_arena *arena,
				   const struct snapshot_slot *slot, struct snapshot_node *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	bool has_parent = cm->parent && *cm->parent, has_name;
	struct meta_snapshot row;
	struct dv_err *e;

	if (!cm->name || !*cm->name)
		return dv_err_new(DV_INVALID, "snapshot name must not be empty: invalid argument");
	e = meta_labels_check("info.Labels", &cm->labels);
	if (!e)
		e = meta_begin(s->meta, META_READ, &tx);
	if (!e)
		e = is_there(tx, at, cm->name, arena, &has_name);
	tx = meta_rollback(tx);
	if (!e && has_name)
		e = lease_existing(s, at, cm->name, "snapshot");
	if (!e)
		e = load_node(s, at, cm->key, arena, &row, ret);
	if (e)
		return e;
	if (row.kind != META_SNAPSHOT_ACTIVE)
		return dv_err_new(DV_PRECONDITION,
				  "snapshot \"%s\" is not active: failed precondition", cm->key);
	if (!has_parent || dv_streq(row.parent, cm->parent))
		return NULL;
	if (*row.parent)
		return dv_err_new(DV_INVALID,
				  "cannot change parent of active snapshot \"%s\" on commit: "
				  "invalid argument",
				  cm->key);
	if (!slot->driver->can_rebase)
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: a parent at commit with snapshotter %s",
				  at->snapshotter);
	return NULL;
}

static struct dv_err *write_commit(struct snapshots *s, const struct snapshot_at *at,
				   const struct snapshot_commit *cm,
				   const struct snapshot_slot *slot,
				   const struct snapshot_usage *usage, int64_t *ret_id)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_snapshot row = {
		.key = cm->name,
		.parent = cm->parent && *cm->parent ? cm->parent : NULL,
		.labels = cm->labels,
		.size = usage->size,
		.inodes = usage->inodes,
		.unsynced_boot = slot->driver->ops->sync ? s->boot_id : NULL,
	};
	struct dv_err *e = meta_begin(s->meta, META_WRITE, &tx);

	if (!e)
		e = meta_snapshot_commit(tx, at->ns, at->snapshotter, at->lease, cm->key, &row,
					 ret_id);
	return e ? e : meta_commit(dv_steal(&tx));
}

struct dv_err *snapshot_commit(struct snapshots *s, const struct snapshot_at *at,
			       const struct snapshot_commit *commit)
{
	struct snapshot_usage usage;
	struct snapshot_slot *slot;
	struct snapshot_node node;
	struct dv_arena arena;
	struct dv_err *e;
	int64_t id;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (e)
		return e;
	dv_arena_init(&arena);
	e = check_commit(s, at, commit, &arena, slot, &node);
	if (!e)
		e = slot->driver->ops->commit(slot->driver, &node, &usage);
	if (!e)
		e = write_commit(s, at, commit, slot, &usage, &id);
	DV_FAULT("snapshot.commit.row-written");
	dv_arena_fini(&arena);
	if (!e)
		snapshot_unsynced(s, slot, id);
	return e;
}

struct dv_err *snapshot_remove(struct snapshots *s, const struct snapshot_at *at, const char *key)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct snapshot_slot *slot;
	struct dv_err *e;
	int64_t id;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (!e)
		e = meta_begin(s->meta, META_WRITE, &tx);
	if (!e)
		e = meta_snapshot_delete(tx, at->ns, at->snapshotter, at->lease, key, &id);
	if (!e)
		e = meta_commit(dv_steal(&tx));
	DV_FAULT("snapshot.remove.row-deleted");
	if (!e)
		snapshot_doom(s, slot, id);
	return e;
}

struct dv_err *snapshot_stat(struct snapshots *s, const struct snapshot_at *at, const char *key,
			     struct dv_arena *arena, struct meta_snapshot *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct snapshot_slot *slot;
	struct dv_err *e;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (!e)
		e = meta_begin(s->meta, META_READ, &tx);
	return e ? e : meta_snapshot_get(tx, at->ns, at->snapshotter, key, arena, ret);
}

struct dv_err *snapshot_update(struct snapshots *s, const struct snapshot_at *at,
			       const struct meta_snapshot *snapshot, const struct dv_mask *mask,
			       struct dv_arena *arena, struct meta_snapshot *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct snapshot_slot *slot;
	struct dv_err *e;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (!e)
		e = meta_begin(s->meta, META_WRITE, &tx);
	if (!e)
		e = meta_snapshot_update(tx, at->ns, at->snapshotter, snapshot, mask, arena, ret);
	return e ? e : meta_commit(dv_steal(&tx));
}

struct dv_err *snapshot_list(struct snapshots *s, const struct snapshot_at *at,
			     const struct meta_list *list, struct dv_arena *arena,
			     struct meta_snapshot **ret, size_t *ret_n)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct snapshot_slot *slot;
	struct dv_err *e;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (!e)
		e = meta_begin(s->meta, META_READ, &tx);
	return e ? e : meta_snapshot_list(tx, at->ns, at->snapshotter, list, arena, ret, ret_n);
}

struct dv_err *snapshot_usage(struct snapshots *s, const struct snapshot_at *at, const char *key,
			      struct snapshot_usage *ret)
{
	struct snapshot_slot *slot;
	struct snapshot_node node;
	struct meta_snapshot row;
	struct dv_arena arena;
	struct dv_err *e;

	e = snapshot_slot_find(s, at->snapshotter, &slot);
	if (e)
		return e;
	dv_arena_init(&arena);
	e = load_node(s, at, key, &arena, &row, &node);
	if (!e && row.kind == META_SNAPSHOT_COMMITTED && row.size >= 0)
		*ret = (struct snapshot_usage){ .size = row.size, .inodes = row.inodes };
	else if (!e)
		e = slot->driver->ops->usage(slot->driver, &node, ret);
	dv_arena_fini(&arena);
	return e;
}
