/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers, the states of ids that are not rows, and the work in the background. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/str.h"
#include "snapshot-private.h"
#include "sys/file.h"

void snapshot_ids_add(struct snapshot_ids *set, int64_t id)
{
	if (set->n == set->room) {
		set->room = set->room ? 2 * set->room : 16;
		set->items = dv_realloc_n(set->items, set->room, sizeof(*set->items));
	}
	set->items[set->n++] = id;
}

bool snapshot_ids_remove(struct snapshot_ids *set, int64_t id)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->items[i] == id) {
			set->items[i] = set->items[--set->n];
			return true;
		}
	}
	return false;
}

bool snapshot_ids_have(const struct snapshot_ids *set, int64_t id)
{
	for (size_t i = 0; i < set->n; i++)
		if (set->items[i] == id)
			return true;
	return false;
}

void snapshot_ids_fini(struct snapshot_ids *set)
{
	free(set->items);
	*set = (struct snapshot_ids){ 0 };
}

struct dv_err *snapshot_slot_find(struct snapshots *s, const char *name, struct snapshot_slot **ret)
{
	if (!name || !*name)
		return dv_err_new(DV_INVALID, "snapshotter argument missing: invalid argument");
	for (size_t i = 0; i < s->n_slots; i++) {
		const struct snapshot_driver_info *info = &s->slots[i].driver->info;

		if (!dv_streq(info->name, name))
			continue;
		if (info->problem)
			return dv_err_new(DV_INVALID, "snapshotter not loaded: %s: %s", name,
					  info->problem);
		*ret = &s->slots[i];
		return NULL;
	}
	return dv_err_new(DV_INVALID, "snapshotter not loaded: %s: invalid argument", name);
}

void snapshot_making(struct snapshots *s, struct snapshot_slot *slot, int64_t id)
{
	pthread_mutex_lock(&s->lock);
	snapshot_ids_add(&slot->making, id);
	pthread_mutex_unlock(&s->lock);
}

void snapshot_made(struct snapshots *s, struct snapshot_slot *slot, int64_t id)
{
	pthread_mutex_lock(&s->lock);
	snapshot_ids_remove(&slot->making, id);
	pthread_mutex_unlock(&s->lock);
}

/* With the lock held; true: the caller calls wake() when it has let go of it. */
static bool must_wake(struct snapshots *s, enum snapshots_work kind)
{
	bool is_first = !s->is_woken[kind] && s->wake;

	s->is_woken[kind] = true;
	return is_first;
}

static void queue(struct snapshots *s, struct snapshot_ids *set, int64_t id,
		  enum snapshots_work kind)
{
	bool is_first;

	pthread_mutex_lock(&s->lock);
	snapshot_ids_add(set, id);
	is_first = must_wake(s, kind);
	pthread_mutex_unlock(&s->lock);
	if (is_first)
		s->wake(s->arg, kind);
}

void snapshot_doom(struct snapshots *s, struct snapshot_slot *slot, int64_t id)
{
	queue(s, &slot->doomed, id, SNAPSHOTS_REMOVE);
}

void snapshot_unsynced(struct snapshots *s, struct snapshot_slot *slot, int64_t id)
{
	if (slot->driver->ops->sync)
		queue(s, &slot->unsynced, id, SNAPSHOTS_SYNC);
}

void snapshots_collect(struct snapshots *s, const char *ns, const char *snapshotter,
		       const char *key, int64_t id)
{
	(void)ns;
	(void)key;
	for (size_t i = 0; i < s->n_slots; i++)
		if (dv_streq(s->slots[i].driver->info.name, snapshotter))
			snapshot_doom(s, &s->slots[i], id);
}

/* Takes one id. It stays "doomed" until its directory is gone, so that no sweep adds it again. */
static bool next_doomed(struct snapshots *s, const struct snapshot_ids *failed,
			struct snapshot_slot **ret, int64_t *ret_id)
{
	bool is_found = false;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_slots && !is_found; i++) {
		struct snapshot_slot *slot = &s->slots[i];

		for (size_t k = slot->doomed.n; k-- > 0 && !is_found;) {
			*ret = slot;
			*ret_id = slot->doomed.items[k];
			is_found = !snapshot_ids_have(failed, *ret_id);
		}
		if (is_found) {
			snapshot_ids_remove(&slot->doomed, *ret_id);
			snapshot_ids_add(&slot->making, *ret_id);
		}
	}
	/* Until then whoever is at work takes what is new: one worker is enough. */
	if (!is_found)
		s->is_woken[SNAPSHOTS_REMOVE] = false;
	pthread_mutex_unlock(&s->lock);
	return is_found;
}

/* What cannot be removed (something is mounted in it) is tried again the next time. */
static struct dv_err *remove_doomed(struct snapshots *s)
{
	struct snapshot_ids failed = { 0 };
	struct dv_err *first = NULL;
	struct snapshot_slot *slot;
	int64_t id;

	while (next_doomed(s, &failed, &slot, &id)) {
		struct dv_err *e = slot->driver->ops->remove(slot->driver, id);

		DV_FAULT("snapshot.remove.tree-removed");
		pthread_mutex_lock(&s->lock);
		snapshot_ids_remove(&slot->making, id);
		if (e) {
			snapshot_ids_add(&slot->doomed, id);
			snapshot_ids_add(&failed, id);
		}
		pthread_mutex_unlock(&s->lock);
		if (!first)
			first = e;
		else
			dv_err_free(e);
	}
	snapshot_ids_fini(&failed);
	return first;
}

/* All that one driver has to sync; false: no driver has anything. */
static bool take_unsynced(struct snapshots *s, struct snapshot_slot **ret, struct snapshot_ids *ids)
{
	bool is_found = false;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_slots && !is_found; i++) {
		struct snapshot_slot *slot = &s->slots[i];

		is_found = slot->unsynced.n > 0;
		if (is_found) {
			*ret = slot;
			*ids = slot->unsynced;
			slot->unsynced = (struct snapshot_ids){ 0 };
		}
	}
	if (!is_found)
		s->is_woken[SNAPSHOTS_SYNC] = false;
	pthread_mutex_unlock(&s->lock);
	return is_found;
}

static struct dv_err *mark_synced(struct snapshots *s, const struct snapshot_ids *ids)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e = meta_begin(s->meta, META_WRITE, &tx);

	if (!e)
		e = meta_snapshot_set_synced(tx, ids->items, ids->n);
	return e ? e : meta_commit(dv_steal(&tx));
}

/* While one sync runs, more is committed; all of that is one more sync. */
static struct dv_err *sync_committed(struct snapshots *s)
{
	struct dv_err *first = NULL;
	struct snapshot_slot *slot;
	struct snapshot_ids ids;

	while (take_unsynced(s, &slot, &ids)) {
		struct dv_err *e = slot->driver->ops->sync(slot->driver);

		if (!e)
			e = mark_synced(s, &ids);
		snapshot_ids_fini(&ids);
		if (!first)
			first = e;
		else
			dv_err_free(e);
	}
	return first;
}

struct dv_err *snapshots_work(struct snapshots *s, enum snapshots_work kind)
{
	return kind == SNAPSHOTS_REMOVE ? remove_doomed(s) : sync_committed(s);
}

bool snapshots_driver_info(struct snapshots *s, size_t i, struct snapshot_driver_info *ret)
{
	if (i >= s->n_slots)
		return false;
	*ret = s->slots[i].driver->info;
	return true;
}

const char *snapshots_default(struct snapshots *s)
{
	for (size_t i = 0; i < s->n_slots; i++) {
		if (!s->slots[i].driver->info.problem)
			return s->slots[i].driver->info.name;
	}
	return NULL;
}

const char *snapshots_driver_problem(struct snapshots *s, const char *name)
{
	for (size_t i = 0; i < s->n_slots; i++)
		if (dv_streq(s->slots[i].driver->info.name, name))
			return s->slots[i].driver->info.problem;
	return "there is no such snapshotter";
}

void snapshots_add_driver(struct snapshots *s, struct snapshot_driver *take)
{
	dv_assert(s->n_slots < SNAPSHOT_DRIVERS_MAX);
	s->slots[s->n_slots++].driver = take;
}

static struct dv_err *add_own_drivers(struct snapshots *s, const struct snapshots_opts *opts)
{
	struct snapshot_overlay_opts overlay = {
		.root = opts->root,
		.is_rootless = opts->is_rootless,
		.mount_options = opts->overlay_options,
		.n_mount_options = opts->n_overlay_options,
	};
	struct snapshot_driver *d;
	struct dv_err *e;

	e = snapshot_overlay_new(&overlay, &d);
	if (e)
		return e;
	snapshots_add_driver(s, d);
	e = snapshot_native_new(opts->root, &d);
	if (e)
		return e;
	snapshots_add_driver(s, d);
	return NULL;
}

struct dv_err *snapshots_open(const struct snapshots_opts *opts, struct snapshots **ret)
{
	DV_CLEANUP(snapshots_closep) struct snapshots *s = dv_new(struct snapshots);
	struct dv_err *e;
	ssize_t n;

	s->meta = opts->meta;
	s->wake = opts->wake;
	s->arg = opts->arg;
	s->is_woken[SNAPSHOTS_REMOVE] = s->is_woken[SNAPSHOTS_SYNC] = true;
	pthread_mutex_init(&s->lock, NULL);
	n = sys_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", s->boot_id,
			     sizeof(s->boot_id));
	if (n == -EFBIG) /* the newline behind it */
		n = SNAPSHOT_BOOT_ID;
	if (n < 0)
		return dv_err_sys((int)n, "read the boot id");
	s->boot_id[SNAPSHOT_BOOT_ID - 1] = '\0';
	e = add_own_drivers(s, opts);
	if (!e)
		e = snapshots_recover(s);
	if (e)
		return dv_err_wrap(e, "open the snapshots");
	*ret = dv_steal(&s);
	return NULL;
}

struct snapshots *snapshots_close(struct snapshots *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->n_slots; i++) {
		struct snapshot_slot *slot = &s->slots[i];

		slot->driver->ops->free(slot->driver);
		snapshot_ids_fini(&slot->making);
		snapshot_ids_fini(&slot->doomed);
		snapshot_ids_fini(&slot->unsynced);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}
