/* SPDX-License-Identifier: Apache-2.0 */
/* The content store as a whole: its directories, the locks of digests, the sweep at the start. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "content-private.h"
#include "sys/disk.h"
#include "sys/file.h"

static struct content_digest_lock *holder(struct content *c, const struct dv_digest *d)
{
	struct content_digest_lock *l = c->digests;

	while (l && !dv_digest_eq(l->digest, d))
		l = l->next;
	return l;
}

void content_digest_lock(struct content_digest_lock *l, struct content *c,
			 const struct dv_digest *d)
{
	pthread_mutex_lock(&c->lock);
	while (holder(c, d))
		pthread_cond_wait(&c->is_unlocked, &c->lock);
	*l = (struct content_digest_lock){ .c = c, .digest = d, .next = c->digests };
	c->digests = l;
	pthread_mutex_unlock(&c->lock);
}

void content_digest_unlockp(struct content_digest_lock *l)
{
	struct content *c = l->c;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	for (struct content_digest_lock **at = &c->digests; *at; at = &(*at)->next) {
		if (*at == l) {
			*at = l->next;
			break;
		}
	}
	pthread_cond_broadcast(&c->is_unlocked);
	pthread_mutex_unlock(&c->lock);
	l->c = NULL;
}

static struct dv_err *open_dir(int at, const char *name, int *ret)
{
	int r = sys_mkdirat(at, name, 0755);

	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make directory %s", name);
	r = sys_openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r < 0)
		return dv_err_sys(r, "open directory %s", name);
	*ret = r;
	return NULL;
}

static struct dv_err *open_dirs(struct content *c, const char *dir)
{
	struct dv_err *e;
	int r;

	r = sys_mkdirat(AT_FDCWD, dir, 0755);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make %s", dir);
	c->root = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (c->root < 0)
		return dv_err_sys(c->root, "open %s", dir);
	e = open_dir(c->root, "blobs", &c->blobs);
	if (!e)
		e = open_dir(c->root, "ingest", &c->ingest);
	for (unsigned i = 0; i < DV_DIGEST__N && !e; i++)
		e = open_dir(c->blobs, dv_digest_alg_name(i), &c->alg[i]);
	if (e)
		return dv_err_wrap(e, "%s", dir);
	/* The names of the directories; those in them are synced by each commit. */
	r = sys_fsync(c->blobs);
	if (r >= 0)
		r = sys_fsync(c->root);
	return r < 0 ? dv_err_sys(r, "sync %s", dir) : NULL;
}

/* Files that no row knows: what a crash left between a blob's name and its row. */
static struct dv_err *sweep_blobs(struct content *c, struct meta_tx *tx, enum dv_digest_alg alg)
{
	char text[DV_DIGEST_STR + NAME_MAX];
	struct sys_dir dir;
	struct sys_dirent entry;
	struct dv_digest d;
	bool is_wanted;
	int r;

	sys_dir_init(&dir, c->alg[alg]);
	while ((r = sys_dir_next(&dir, &entry)) > 0) {
		DV_CLEANUP(dv_err_freep) struct dv_err *no_digest = NULL;
		struct dv_err *e;

		snprintf(text, sizeof(text), "%s:%s", dv_digest_alg_name(alg), entry.name);
		no_digest = dv_digest_parse(text, &d);
		if (no_digest)
			continue; /* not ours */
		e = meta_blob_is_wanted(tx, text, &is_wanted);
		if (e)
			return e;
		if (is_wanted)
			continue;
		r = sys_unlinkat(c->alg[alg], entry.name, 0);
		if (r < 0 && r != -ENOENT)
			return dv_err_sys(r, "remove blob %s, which nothing refers to", text);
	}
	return r < 0 ? dv_err_sys(r, "read directory of blobs") : NULL;
}

struct names {
	char (*items)[CONTENT_NAME];
	size_t n, room;
};

static struct dv_err *add_name(void *arg, const char *ns, const struct meta_ingest *in)
{
	struct names *names = arg;

	if (names->n == names->room) {
		names->room = names->room ? 2 * names->room : 16;
		names->items = dv_realloc_n(names->items, names->room, sizeof(*names->items));
	}
	content_ingest_name(ns, in->id, in->ref, names->items[names->n++]);
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static struct dv_err *sweep_ingests(struct content *c, const struct names *names)
{
	struct sys_dir dir;
	struct sys_dirent entry;
	int r;

	sys_dir_init(&dir, c->ingest);
	while ((r = sys_dir_next(&dir, &entry)) > 0) {
		struct dv_err *e;

		if (names->n > 0 && bsearch(entry.name, names->items, names->n,
					    sizeof(*names->items), compare_names))
			continue;
		e = content_ingest_remove(c, entry.name);
		if (e)
			return e;
	}
	return r < 0 ? dv_err_sys(r, "read directory of ingests") : NULL;
}

static struct dv_err *sweep(struct content *c)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct names names = { 0 };
	struct dv_err *e;

	e = meta_begin(c->meta, META_READ, &tx);
	for (unsigned i = 0; i < DV_DIGEST__N && !e; i++)
		e = sweep_blobs(c, tx, i);
	if (!e)
		e = meta_ingest_each(tx, add_name, &names);
	if (!e) {
		if (names.n > 0)
			qsort(names.items, names.n, sizeof(*names.items), compare_names);
		e = sweep_ingests(c, &names);
	}
	free(names.items);
	return e;
}

struct dv_err *content_open(const struct content_opts *opts, struct content **ret)
{
	DV_CLEANUP(content_closep) struct content *c = dv_new(struct content);
	struct dv_err *e;

	c->meta = opts->meta;
	c->is_isolated = opts->is_isolated;
	c->has_verity = opts->has_verity;
	c->root = c->blobs = c->ingest = -1;
	for (unsigned i = 0; i < DV_DIGEST__N; i++)
		c->alg[i] = -1;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->is_unlocked, NULL);
	e = open_dirs(c, opts->dir);
	if (!e)
		e = sweep(c);
	if (e)
		return dv_err_wrap(e, "open the content store");
	*ret = dv_steal(&c);
	return NULL;
}

struct content *content_close(struct content *c)
{
	if (!c)
		return NULL;
	dv_assert(c->open == NULL);
	for (unsigned i = 0; i < DV_DIGEST__N; i++)
		sys_close(c->alg[i]);
	sys_close(c->ingest);
	sys_close(c->blobs);
	sys_close(c->root);
	pthread_cond_destroy(&c->is_unlocked);
	pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}
