/* SPDX-License-Identifier: Apache-2.0 */

/* The check: database, blobs and their files, images. */

#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/str.h"
#include "check-private.h"
#include "store/content.h"
#include "store/meta-check.h"
#include "store/meta-image.h"
#include "store/meta-namespace.h"
#include "sys/disk.h"
#include "sys/file.h"

void check_list_add(struct check_list *l, const char *item)
{
	if (l->n == l->size) {
		l->size = l->size ? l->size * 2 : 64;
		l->items = dv_realloc_n(l->items, l->size, sizeof(*l->items));
	}
	l->items[l->n++] = item;
}

void check_tell(struct check *ck, const struct store_finding *finding)
{
	struct store_finding f = *finding;

	f.ns = f.ns ? f.ns : "";
	f.action = f.action ? f.action : "";
	ck->opts->fn(ck->opts->arg, &f);
}

struct dv_err *check_read_dir(const char *path, struct dv_arena *arena, struct check_list *ret)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct sys_dirent entry;
	struct sys_dir dir;
	int r;

	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT)
		return NULL;
	if (fd < 0)
		return dv_err_sys(fd, "open %s", path);
	sys_dir_init(&dir, fd);
	while ((r = sys_dir_next(&dir, &entry)) > 0)
		check_list_add(ret, dv_arena_strdup(arena, entry.name));
	return r < 0 ? dv_err_sys(r, "read %s", path) : NULL;
}

static bool is_cancelled(const struct check *ck)
{
	return ck->opts->is_cancelled && ck->opts->is_cancelled(ck->opts->arg);
}

/* ---- The database ---- */

struct database {
	struct check *ck;
	bool is_asked; /* for a new one */
};

static void on_problem(void *arg, const char *text)
{
	struct database *db = arg;
	struct store_finding f = {
		.kind = "database",
		.object = "meta.db",
		.problem = text,
		.action = "restart davitd: what can be read is saved into a new database, the old "
			  "one is kept beside it",
		.can_repair = true,
	};

	if (db->ck->opts->is_repair) {
		struct dv_err *e = meta_ask_salvage(db->ck->opts->meta);

		db->is_asked = !e;
		dv_err_free(e);
	}
	f.is_repaired = false; /* by the next start only */
	check_tell(db->ck, &f);
}

/* ---- Blobs ---- */

struct blob_row {
	const char *digest;
	int64_t size;
};

struct blobs {
	struct check *ck;
	struct blob_row *rows;
	size_t n, size;
};

static struct dv_err *add_blob(void *arg, const char *digest, int64_t size)
{
	struct blobs *b = arg;

	if (b->n == b->size) {
		b->size = b->size ? b->size * 2 : 64;
		b->rows = dv_realloc_n(b->rows, b->size, sizeof(*b->rows));
	}
	b->rows[b->n++] = (struct blob_row){ dv_arena_strdup(&b->ck->arena, digest), size };
	return NULL;
}

static char *blob_path(const struct check *ck, const char *digest)
{
	char *path = dv_printf("%s/" CONTENT_DIR "/blobs/%s", ck->opts->root, digest);
	char *colon = strrchr(path, ':');

	*colon = '/';
	return path;
}

static struct dv_err *change_blob(struct check *ck, const struct blob_row *row, int64_t new_size)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e;

	e = meta_begin(ck->opts->meta, META_WRITE, &tx);
	if (!e)
		e = new_size < 0 ? meta_blob_forget(tx, row->digest)
				 : meta_blob_set_size(tx, row->digest, new_size);
	return e ? e : meta_commit(dv_steal(&tx));
}

/* A file that does not have the bytes of its name: rows first, then the file. */
static struct dv_err *drop_blob(struct check *ck, const struct blob_row *row)
{
	struct dv_err *e = change_blob(ck, row, -1);

	return e ? e : content_collect_blob(ck->opts->content, row->digest);
}

static struct dv_err *check_blob(struct check *ck, const struct blob_row *row)
{
	DV_CLEANUP(dv_freep) char *path = blob_path(ck, row->digest);
	struct store_finding f = { .kind = "blob", .object = row->digest, .can_repair = true };
	bool is_stand_in = row->size < 0, is_bad = false;
	struct dv_err *e = NULL;
	struct stat st;
	int r;

	r = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	if (r == -ENOENT) {
		f.problem = "its file is missing";
		f.action = "forget it: it is fetched again when it is needed";
		if (ck->opts->is_repair)
			e = change_blob(ck, row, -1);
	} else if (r < 0) {
		return dv_err_sys(r, "look at %s", path);
	} else {
		if (ck->opts->is_deep || is_stand_in || st.st_size != row->size) {
			e = content_verify(ck->opts->content, row->digest, st.st_size);
			is_bad = e && dv_err_code(e) == DV_DATA_LOSS;
			if (e && !is_bad)
				return e;
			e = dv_err_free(e);
		}
		if (is_bad) {
			f.problem = "its file has other bytes than its digest says";
			f.action = "remove it: it is fetched again when it is needed";
			if (ck->opts->is_repair)
				e = drop_blob(ck, row);
		} else if (st.st_size != row->size) {
			f.problem = "its size in the metadata is wrong";
			f.action = "take the size of the file, whose bytes are right";
			if (ck->opts->is_repair)
				e = change_blob(ck, row, st.st_size);
		} else {
			return NULL;
		}
	}
	if (e)
		return dv_err_wrap(e, "repair blob %s", row->digest);
	f.is_repaired = ck->opts->is_repair;
	check_tell(ck, &f);
	return NULL;
}

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct blob_row *)a)->digest, ((const struct blob_row *)b)->digest);
}

/* Files of which no row tells. A commit that is under way puts the file there first. */
static struct dv_err *check_blob_files(struct check *ck, const struct blobs *b, const char *alg)
{
	DV_CLEANUP(dv_freep)
	char *path = dv_printf("%s/" CONTENT_DIR "/blobs/%s", ck->opts->root, alg);
	DV_CLEANUP(check_list_fini) struct check_list names = { 0 };
	struct dv_err *e;

	e = check_read_dir(path, &ck->arena, &names);
	for (size_t i = 0; i < names.n && !e; i++) {
		struct blob_row key = { dv_arena_printf(&ck->arena, "%s:%s", alg, names.items[i]),
					0 };
		struct store_finding f = {
			.kind = "file",
			.object = key.digest,
			.problem = "no namespace has this blob",
			.action = "remove the file",
			.can_repair = true,
			.is_repaired = ck->opts->is_repair,
		};

		if (b->n && bsearch(&key, b->rows, b->n, sizeof(*b->rows), compare_rows))
			continue;
		if (ck->opts->is_repair)
			e = content_collect_blob(ck->opts->content, key.digest);
		if (!e)
			check_tell(ck, &f);
	}
	return e;
}

static struct dv_err *check_blobs(struct check *ck)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct blobs b = { .ck = ck };
	struct dv_err *e;

	e = meta_begin(ck->opts->meta, META_READ, &tx);
	if (!e)
		e = meta_blob_each(tx, add_blob, &b);
	tx = meta_rollback(tx);
	for (size_t i = 0; i < b.n && !e; i++) {
		if (is_cancelled(ck))
			e = dv_err_new(DV_CANCELLED, "the check was cancelled");
		else
			e = check_blob(ck, &b.rows[i]);
	}
	if (!e)
		e = check_blob_files(ck, &b, "sha256");
	if (!e)
		e = check_blob_files(ck, &b, "sha512");
	free(b.rows);
	return e;
}

/* ---- Images ---- */

static struct dv_err *check_images_of(struct check *ck, struct meta_tx *tx, const char *ns)
{
	struct meta_image *images;
	struct dv_err *e;
	size_t n;

	e = meta_image_list(tx, ns, NULL, &ck->arena, &images, &n);
	for (size_t i = 0; i < n && !e; i++) {
		struct store_finding f = {
			.kind = "image",
			.ns = ns,
			.object = images[i].name,
			.problem = "its content is missing",
			.action = "pull it again",
		};
		struct meta_blob blob;

		e = meta_blob_get(tx, ns, images[i].target.digest, &ck->arena, &blob);
		if (!e || dv_err_code(e) != DV_NOT_FOUND)
			continue;
		e = dv_err_free(e);
		check_tell(ck, &f);
	}
	return e;
}

static struct dv_err *check_images(struct check *ck)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_namespace *namespaces;
	struct dv_err *e;
	size_t n = 0;

	e = meta_begin(ck->opts->meta, META_READ, &tx);
	if (!e)
		e = meta_namespace_list(tx, &ck->arena, &namespaces, &n);
	for (size_t i = 0; i < n && !e; i++)
		e = check_images_of(ck, tx, namespaces[i].name);
	return e;
}

static struct dv_err *check_database(struct check *ck)
{
	struct database db = { .ck = ck };

	return meta_check(ck->opts->meta, on_problem, &db);
}

struct dv_err *store_check(const struct store_check_opts *opts)
{
	static struct dv_err *(*const parts[])(
		struct check * ck) = { check_database, check_blobs, check_snapshots, check_images };
	struct check ck = { .opts = opts };
	struct dv_err *e = NULL;

	for (size_t i = 0; i < DV_ARRAY_SIZE(parts) && !e; i++) {
		dv_arena_init(&ck.arena);
		e = parts[i](&ck);
		/* A damaged table was told of by the first part; the others go on. */
		if (e && dv_err_code(e) == DV_DATA_LOSS)
			e = dv_err_free(e);
		dv_arena_fini(&ck.arena);
	}
	return e;
}
