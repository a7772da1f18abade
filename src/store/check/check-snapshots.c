/* SPDX-License-Identifier: Apache-2.0 */

/* The check of snapshots: rows and directories of our own drivers. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/str.h"
#include "check-private.h"
#include "store/meta-snapshot.h"
#include "store/snapshot.h"
#include "sys/file.h"

static const char *const drivers[] = { "overlayfs", "native" };

struct row {
	const char *ns, *key;
	int64_t id;
};

struct rows {
	struct check *ck;
	struct row *items;
	size_t n, size;
};

static struct dv_err *add(void *arg, const char *ns, const char *snapshotter,
			  const struct meta_snapshot *s)
{
	struct rows *rows = arg;
	struct dv_arena *arena = &rows->ck->arena;

	(void)snapshotter;
	if (rows->n == rows->size) {
		rows->size = rows->size ? rows->size * 2 : 64;
		rows->items = dv_realloc_n(rows->items, rows->size, sizeof(*rows->items));
	}
	rows->items[rows->n++] =
		(struct row){ dv_arena_strdup(arena, ns), dv_arena_strdup(arena, s->key), s->id };
	return NULL;
}

static struct dv_err *read_rows(struct rows *rows, const char *driver)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e;

	e = meta_begin(rows->ck->opts->meta, META_READ, &tx);
	return e ? e : meta_snapshot_each(tx, driver, add, rows);
}

/* *ret: the row is gone; false: something stands on it, or it went by itself. */
static struct dv_err *forget(struct check *ck, const char *driver, const struct row *row, bool *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e;
	int64_t id;

	*ret = false;
	e = meta_begin(ck->opts->meta, META_WRITE, &tx);
	if (!e)
		e = meta_snapshot_delete(tx, row->ns, driver, NULL, row->key, &id);
	if (e && (dv_err_code(e) == DV_PRECONDITION || dv_err_code(e) == DV_NOT_FOUND)) {
		dv_err_free(e);
		return NULL;
	}
	if (e || id != row->id)
		return e;
	*ret = true;
	return meta_commit(dv_steal(&tx));
}

static struct dv_err *check_row(struct check *ck, const char *dir, const char *driver,
				const struct row *row)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%lld", dir, (long long)row->id);
	struct store_finding f = {
		.kind = "snapshot",
		.ns = row->ns,
		.object = row->key,
		.problem = "its directory is missing",
		.action = "forget it, if nothing stands on it: layers are unpacked again when they "
			  "are needed",
		.can_repair = true,
	};
	struct stat st;
	int r;

	r = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		return NULL;
	if (r != -ENOENT)
		return dv_err_sys(r, "look at %s", path);
	if (ck->opts->is_repair) {
		struct dv_err *e = forget(ck, driver, row, &f.is_repaired);

		if (e)
			return e;
	}
	check_tell(ck, &f);
	return NULL;
}

static bool has_row(const struct rows *rows, int64_t id)
{
	/* In the order of ids. */
	size_t lo = 0, hi = rows->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (rows->items[mid].id == id)
			return true;
		if (rows->items[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

/* @names were read before the rows: what is being made now is not among them. */
static struct dv_err *check_names(struct check *ck, const char *dir, const struct rows *rows,
				  const struct check_list *names, bool *ret_has_strays)
{
	for (size_t i = 0; i < names->n; i++) {
		DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", dir, names->items[i]);
		struct store_finding f = {
			.kind = "file",
			.object = path,
			.problem = "no snapshot has this directory",
			.action = "remove it",
			.can_repair = true,
			.is_repaired = ck->opts->is_repair,
		};
		int64_t id;

		if (!dv_parse_i64(names->items[i], &id) || has_row(rows, id))
			continue;
		*ret_has_strays = true;
		check_tell(ck, &f);
	}
	return NULL;
}

static struct dv_err *check_driver(struct check *ck, const char *driver)
{
	DV_CLEANUP(dv_freep)
	char *dir =
		dv_printf("%s/io.containerd.snapshotter.v1.%s/snapshots", ck->opts->root, driver);
	DV_CLEANUP(check_list_fini) struct check_list names = { 0 };
	struct rows rows = { .ck = ck };
	bool has_strays = false;
	struct dv_err *e;

	e = check_read_dir(dir, &ck->arena, &names);
	if (!e)
		e = read_rows(&rows, driver);
	/* Children have higher ids, as a rule: from the end, so that one run is enough. */
	for (size_t i = rows.n; i-- > 0 && !e;)
		e = check_row(ck, dir, driver, &rows.items[i]);
	if (!e)
		e = check_names(ck, dir, &rows, &names, &has_strays);
	if (!e && has_strays && ck->opts->is_repair && ck->opts->snapshots)
		e = snapshots_cleanup(ck->opts->snapshots, driver);
	free(rows.items);
	return e;
}

struct dv_err *check_snapshots(struct check *ck)
{
	struct dv_err *e = NULL;

	for (size_t i = 0; i < DV_ARRAY_SIZE(drivers) && !e; i++)
		e = check_driver(ck, drivers[i]);
	return e;
}
