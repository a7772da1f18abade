/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of mounts, who is at work on which name, undoing, and the start. */

#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "base/str.h"
#include "mounts-private.h"
#include "store/meta-namespace.h"
#include "sys/disk.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/mountfd.h"

static bool is_claimed(const struct mounts *m, const char *ns, const char *name)
{
	for (const struct mounts_claim *c = m->claims; c; c = c->next)
		if (dv_streq(c->name, name) && dv_streq(c->ns, ns))
			return true;
	return false;
}

void mounts_claim(struct mounts_claim *c, struct mounts *m, const char *ns, const char *name)
{
	pthread_mutex_lock(&m->lock);
	while (is_claimed(m, ns, name))
		pthread_cond_wait(&m->is_released, &m->lock);
	*c = (struct mounts_claim){ .m = m, .ns = ns, .name = name, .next = m->claims };
	m->claims = c;
	pthread_mutex_unlock(&m->lock);
}

void mounts_releasep(struct mounts_claim *c)
{
	struct mounts *m = c->m;

	if (!m)
		return;
	pthread_mutex_lock(&m->lock);
	for (struct mounts_claim **at = &m->claims; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	pthread_cond_broadcast(&m->is_released);
	pthread_mutex_unlock(&m->lock);
}

/* ---- Undoing ---- */

/* The link goes before somebody else can get the device. */
static void undo_loop(int dir, const char *name)
{
	DV_CLEANUP(sys_closep) int loop = -1;
	char device[PATH_MAX];

	if (sys_readlinkat(dir, name, device, sizeof(device)) < 0 ||
	    !dv_starts_with(device, "/dev/loop"))
		return;
	loop = sys_openat(AT_FDCWD, device, O_RDONLY | O_NONBLOCK, 0);
	if (loop >= 0)
		(void)sys_loop_set_autoclear(loop, true);
	(void)sys_unlinkat(dir, name, 0);
}

static void undo_one(struct mounts *m, int dir, int64_t id, const char *name)
{
	DV_CLEANUP(dv_freep) char *point = NULL;
	struct stat st;

	if (sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISLNK(st.st_mode)) {
		undo_loop(dir, name);
		return;
	}
	point = dv_printf("%s/%lld/%s", m->path, (long long)id, name);
	while (sys_umount2(point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	(void)sys_unlinkat(dir, name, AT_REMOVEDIR);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

void mounts_undo(struct mounts *m, int64_t id)
{
	DV_CLEANUP(sys_closep) int dir = -1;
	DV_CLEANUP(dv_freep) char(*names)[16] = NULL;
	struct sys_dirent entry;
	struct sys_dir d;
	char text[24];
	size_t n = 0;

	snprintf(text, sizeof(text), "%lld", (long long)id);
	dir = sys_openat(m->dir, text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return;
	sys_dir_init(&d, dir);
	while (sys_dir_next(&d, &entry) > 0) {
		names = dv_realloc_n(names, n + 1, sizeof(*names));
		snprintf(names[n++], sizeof(*names), "%s", entry.name);
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++)
		undo_one(m, dir, id, names[i]);
	/* Does not remove what is still mounted, nor what is in it. */
	(void)sys_unlinkat(m->dir, text, AT_REMOVEDIR);
}

void mounts_collect(struct mounts *m, const void *data, size_t n)
{
	struct mounts_state state;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = mounts_unpack(data, n, &arena, &state);
	if (!e)
		mounts_undo(m, state.id);
	dv_err_free(e);
	dv_arena_fini(&arena);
}

/* ---- Looking ---- */

static struct dv_err *read_row(const struct meta_mount *row, struct dv_arena *arena,
			       struct mounts_info *ret)
{
	struct mounts_state state;
	struct dv_err *e = mounts_unpack(row->data, row->n_data, arena, &state);

	if (e)
		return dv_err_wrap(e, "mount \"%s\"", row->name);
	*ret = state.info;
	ret->name = row->name;
	ret->labels = row->labels;
	return NULL;
}

struct dv_err *mounts_info(struct mounts *m, const char *ns, const char *name,
			   struct dv_arena *arena, struct mounts_info *ret)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_mount row;
	struct dv_err *e;

	e = meta_begin(m->d->meta, META_READ, &tx);
	if (!e)
		e = meta_mount_get(tx, ns, name, arena, &row);
	return e ? e : read_row(&row, arena, ret);
}

struct dv_err *mounts_list(struct mounts *m, const char *ns, const struct meta_list *list,
			   struct dv_arena *arena, struct mounts_info **ret, size_t *ret_n)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct mounts_info *infos;
	struct meta_mount *rows;
	struct dv_err *e;
	size_t n;

	e = meta_begin(m->d->meta, META_READ, &tx);
	if (!e)
		e = meta_mount_list(tx, ns, list, arena, &rows, &n);
	if (e)
		return e;
	infos = dv_arena_new_n(arena, struct mounts_info, n + 1);
	for (size_t i = 0; i < n && !e; i++)
		e = read_row(&rows[i], arena, &infos[i]);
	if (e)
		return e;
	*ret = infos;
	*ret_n = n;
	return NULL;
}

/* ---- The start ---- */

struct ids {
	int64_t *items;
	size_t n;
};

static bool have(const struct ids *ids, int64_t id)
{
	for (size_t i = 0; i < ids->n; i++)
		if (ids->items[i] == id)
			return true;
	return false;
}

/* A row whose directory is gone, by a reboot, or that was never finished, is deleted. */
static struct dv_err *check_row(struct mounts *m, struct meta_tx *tx, const char *ns,
				const struct meta_mount *row, struct dv_arena *arena,
				struct ids *known)
{
	struct mounts_state state;
	struct dv_err *e = mounts_unpack(row->data, row->n_data, arena, &state);
	char name[24];
	struct stat st;
	bool is_good;

	is_good = !e && state.is_complete;
	dv_err_free(e);
	if (is_good) {
		snprintf(name, sizeof(name), "%lld", (long long)state.id);
		is_good = sys_fstatat(m->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	}
	if (!is_good)
		return meta_mount_delete(tx, ns, row->name);
	known->items = dv_realloc_n(known->items, known->n + 1, sizeof(*known->items));
	known->items[known->n++] = state.id;
	return NULL;
}

static struct dv_err *check_rows(struct mounts *m, struct dv_arena *arena, struct ids *known)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_namespace *namespaces;
	struct dv_err *e;
	size_t n;

	e = meta_begin(m->d->meta, META_WRITE, &tx);
	if (!e)
		e = meta_namespace_list(tx, arena, &namespaces, &n);
	if (e)
		return e;
	for (size_t i = 0; i < n && !e; i++) {
		struct meta_mount *rows;
		size_t n_rows = 0;

		e = meta_mount_list(tx, namespaces[i].name, &(struct meta_list){ 0 }, arena, &rows,
				    &n_rows);
		for (size_t k = 0; k < n_rows && !e; k++)
			e = check_row(m, tx, namespaces[i].name, &rows[k], arena, known);
	}
	return e ? e : meta_commit(dv_steal(&tx));
}

static struct dv_err *recover(struct mounts *m)
{
	struct ids known = { 0 }, unknown = { 0 };
	struct sys_dirent entry;
	struct dv_arena arena;
	struct sys_dir d;
	struct dv_err *e;
	int64_t id;

	dv_arena_init(&arena);
	e = check_rows(m, &arena, &known);
	dv_arena_fini(&arena);
	if (!e) {
		sys_dir_init(&d, m->dir);
		while (sys_dir_next(&d, &entry) > 0) {
			if (!dv_parse_i64(entry.name, &id) || have(&known, id))
				continue;
			unknown.items = dv_realloc_n(unknown.items, unknown.n + 1, sizeof(id));
			unknown.items[unknown.n++] = id;
		}
		for (size_t i = 0; i < unknown.n; i++)
			mounts_undo(m, unknown.items[i]);
	}
	free(unknown.items);
	free(known.items);
	return e;
}

struct dv_err *mounts_new(struct daemon *d, struct mounts **ret)
{
	struct mounts *m = dv_new(struct mounts);
	DV_CLEANUP(sys_closep) int root = -1, dir = -1;
	struct dv_err *e = NULL;

	m->d = d;
	m->path = dv_printf("%s/%s", d->config->state, MOUNTS_DIR);
	m->dir = -1;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->is_released, NULL);
	root = sys_openat(AT_FDCWD, d->config->state, O_PATH | O_DIRECTORY, 0);
	dir = root < 0 ? root : sys_mkdir_in_root(root, MOUNTS_DIR, 0700);
	if (dir >= 0)
		m->dir = sys_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 || m->dir < 0)
		e = dv_err_sys(dir < 0 ? dir : m->dir, "make %s", m->path);
	if (!e)
		e = recover(m);
	if (e) {
		mounts_free(m);
		return e;
	}
	*ret = m;
	return NULL;
}

struct mounts *mounts_free(struct mounts *m)
{
	if (!m)
		return NULL;
	sys_close(m->dir);
	pthread_cond_destroy(&m->is_released);
	pthread_mutex_destroy(&m->lock);
	free(m->path);
	free(m);
	return NULL;
}
