/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start's part of managed.h. What was written after this daemon started is somebody's who works
 * right now, and is left alone.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"
#include "container-data.h"
#include "managed.h"
#include "store/meta-namespace.h"
#include "sys/file.h"

struct sweep {
	struct daemon *d;
	const char *tasks_dir;
	struct dv_arena arena;
};

static bool is_older(const struct timespec *at, const struct timespec *than)
{
	return at->tv_sec != than->tv_sec ? at->tv_sec < than->tv_sec : at->tv_nsec < than->tv_nsec;
}

static void log_error(struct sweep *s, const char *ns, const char *id, struct dv_err *take_e)
{
	if (take_e)
		dv_log(s->d->log, DV_WARN, "container %s/%s: %s", ns, id, dv_err_message(take_e));
	dv_err_free(take_e);
}

static bool has_bundle(const struct sweep *s, const char *ns, const char *id)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s/%s", s->tasks_dir, ns, id);
	struct stat st;

	return sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- records --------------------------------------------------------------------------------------- */

/* It had a task, which nobody saw the end of. */
static void finish(struct sweep *s, const char *ns, const char *id)
{
	struct managed_mark mark;
	struct timespec at;
	struct dv_err *e;

	if (!managed_mark_get(s->d, ns, id, &mark, &at) || !is_older(&at, &s->d->started_at))
		return;
	/* One that was created and never started has no end. */
	e = mark.started.tv_sec ? managed_record(s->d, ns, id, NULL) : NULL;
	if (!e)
		managed_mark_remove(s->d, ns, id);
	log_error(s, ns, id, e);
}

static void sweep_record(struct sweep *s, const char *ns, const struct meta_container *c)
{
	if (!managed_is(&c->labels) || has_bundle(s, ns, c->id))
		return;
	finish(s, ns, c->id);
	log_error(s, ns, c->id, managed_remove(s->d, ns, c->id));
}

/* ---- directories ----------------------------------------------------------------------------------- */

static bool has_record(const struct meta_container *items, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++) {
		if (dv_streq(items[i].id, id))
			return true;
	}
	return false;
}

static bool is_old(const struct sweep *s, int dir, const char *name)
{
	struct stat st;

	return sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       is_older(&st.st_ctim, &s->d->started_at);
}

/* The names of a directory; the dots apart. */
static char **list(struct sweep *s, const char *path, size_t *ret_n)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL;
	size_t n = 0, size = 0;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (dv_streq(entry->d_name, ".") || dv_streq(entry->d_name, ".."))
			continue;
		if (n == size) {
			size = size ? size * 2 : 64;
			names = dv_realloc_n(names, size, sizeof(*names));
		}
		names[n++] = dv_arena_strdup(&s->arena, entry->d_name);
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		sys_close(fd);
	*ret_n = n;
	return names;
}

/* @names were read before the records: one that has none has lost it. */
static void sweep_directories(struct sweep *s, const char *ns, const char *path, char *const *names,
			      size_t n, const struct meta_container *items, size_t n_items)
{
	DV_CLEANUP(sys_closep) int dir = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);

	for (size_t i = 0; i < n && dir >= 0; i++) {
		if (*names[i] == '.') /* a removal that was interrupted */
			(void)sys_remove_tree(dir, names[i]);
		else if (!has_record(items, n_items, names[i]) && is_old(s, dir, names[i]))
			container_data_remove(s->d, ns, names[i]);
	}
}

static void sweep_ns(struct sweep *s, const char *ns)
{
	DV_CLEANUP(dv_freep)
	char *path = dv_printf("%s/%s/%s", s->d->config->root, CONTAINER_DATA_DIR, ns);
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_list brief = { .is_brief = true };
	struct meta_container *items = NULL;
	size_t n_items = 0, n_names = 0;
	char **names = list(s, path, &n_names);
	struct dv_err *e;

	e = meta_begin(s->d->meta, META_READ, &tx);
	if (!e)
		e = meta_container_list(tx, ns, &brief, &s->arena, &items, &n_items);
	tx = meta_rollback(tx);
	if (!e)
		sweep_directories(s, ns, path, names, n_names, items, n_items);
	for (size_t i = 0; i < n_items && !e; i++)
		sweep_record(s, ns, &items[i]);
	log_error(s, ns, "*", e);
	free(names);
}

void managed_sweep(struct daemon *d, const char *tasks_dir)
{
	DV_CLEANUP(dv_freep)
	char *path = dv_printf("%s/%s", d->config->root, CONTAINER_DATA_DIR);
	struct sweep s = { .d = d, .tasks_dir = tasks_dir };
	size_t n = 0;
	char **names;

	dv_arena_init(&s.arena);
	names = list(&s, path, &n);
	for (size_t i = 0; i < n; i++) {
		struct dv_err *e = meta_id_check("namespace", names[i]);

		if (!e)
			sweep_ns(&s, names[i]);
		dv_err_free(e);
	}
	free(names);
	dv_arena_fini(&s.arena);
}
