/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything in the archive that could be a blob becomes one as it passes, whatever it is good for: in
 * which order things come, and which documents name them, is only known at the end. What nothing
 * names goes with the lease. See image/import.h.
 */

#include "image/import.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "archive-private.h"
#include "base/str.h"
#include "codec/digest.h"
#include "image/graph.h"
#include "import-private.h"

#define INDEX_TYPE "application/vnd.oci.image.index.v1+json"

enum { PIECE = 256 << 10, LINKS_MAX = 16 };

/* ---- names ----------------------------------------------------------------------------------- */

static int compare_files(const void *a, const void *b)
{
	const struct import_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

const struct import_file *import_find(const struct import *im, const char *name)
{
	for (int i = 0; i < LINKS_MAX; i++) {
		struct import_file key = { .name = name };
		const struct import_file *f = im->n_files ? bsearch(&key, im->files, im->n_files,
								    sizeof(key), compare_files)
							  : NULL;

		if (!f || !f->link)
			return f;
		name = f->link;
	}
	return NULL;
}

static struct dv_err *add_file(struct import *im, const struct import_file *f)
{
	if (im->n_files == IMPORT_FILES_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d files", IMPORT_FILES_MAX);
	if (im->n_files == im->room) {
		im->room = im->room ? 2 * im->room : 64;
		im->files = dv_realloc_n(im->files, im->room, sizeof(*im->files));
	}
	im->files[im->n_files++] = *f;
	return NULL;
}

static char *clean(const char *name, struct dv_arena *arena)
{
	DV_CLEANUP(dv_freep) char *text = dv_path_clean(name);

	return dv_arena_strdup(arena, *text == '/' ? text + 1 : text);
}

/* docker save has links to layers that it has written before. */
static struct dv_err *add_link(struct import *im, const char *name, const struct image_entry *entry)
{
	struct import_file f = { .name = name };
	const char *slash = strrchr(name, '/');
	int n_dir = slash ? (int)(slash - name) : 0;

	if (entry->is_hard)
		f.link = clean(entry->link, im->arena);
	else
		f.link = clean(dv_arena_printf(im->arena, "%.*s/%s", n_dir, name, entry->link),
			       im->arena);
	return add_file(im, &f);
}

/* ---- bytes ------------------------------------------------------------------------------------- */

static struct dv_err *copy(struct image_archive *a, struct content_ingest *in)
{
	char *buf = dv_alloc(PIECE);
	struct dv_err *e = NULL;
	size_t n = 1;

	while (!e && n > 0) {
		e = image_archive_read(a, buf, PIECE, &n);
		if (!e && n > 0)
			e = content_ingest_write(in, buf, n);
	}
	free(buf);
	return e;
}

/*
 * Who names a blob that another namespace has, gets an ingest that is whole already: the bytes of the
 * archive are passed over then. What an earlier import left is not looked at.
 */
static struct dv_err *fill(struct image_archive *a, struct content_ingest *in, int64_t size)
{
	struct content_status status;
	struct dv_err *e = NULL;

	content_ingest_status(in, &status);
	if (*status.expected && status.offset > 0 && status.offset == size)
		return NULL;
	if (status.offset > 0)
		e = content_ingest_truncate(in);
	return e ? e : copy(a, in);
}

/* @expected: digest that the name says; NULL: it says none. */
static struct dv_err *add_blob(struct import *im, struct image_archive *a,
			       const struct image_entry *entry, const char *name,
			       const char *expected)
{
	struct import_file f = { .name = name, .digest = expected, .size = entry->size };
	DV_CLEANUP(content_ingest_closep) struct content_ingest *in = NULL;
	struct content_ingest_opts opts = { .ns = im->env->ns,
					    .lease = im->env->lease,
					    .total = entry->size,
					    .expected = expected };
	struct content_commit commit = { .expected = expected };
	struct dv_digest digest;
	struct dv_err *e;

	opts.ref = dv_arena_printf(im->arena, "%s-%zu", im->ref, im->n_files);
	e = content_ingest_open(im->env->content, &opts, &in);
	if (e && dv_err_code(e) == DV_EXISTS) { /* on our lease now */
		dv_err_free(e);
		return add_file(im, &f);
	}
	if (e)
		return e;
	e = fill(a, in, entry->size);
	if (e) {
		in = content_ingest_close(in);
		dv_err_free(content_ingest_abort(im->env->content, im->env->ns, im->env->lease,
						 opts.ref));
		return e;
	}
	content_ingest_digest(in, &digest);
	if (!expected)
		f.digest = dv_digest_str(&digest, dv_arena_alloc(im->arena, DV_DIGEST_STR));
	e = content_ingest_commit(dv_steal(&in), &commit, im->arena, NULL);
	if (e && dv_err_code(e) == DV_EXISTS)
		e = dv_err_free(e);
	return e ? e : add_file(im, &f);
}

static struct dv_err *read_document(struct import *im, struct image_archive *a,
				    const struct image_entry *entry, const char **ret,
				    size_t *ret_n)
{
	size_t at = 0, n = 1;
	struct dv_err *e = NULL;
	char *text;

	if (*ret)
		return dv_err_new(DV_INVALID, "it is there twice");
	if (entry->size > IMPORT_DOCUMENT_MAX)
		return dv_err_new(DV_EXHAUSTED, "it has %lld bytes; %d are allowed",
				  (long long)entry->size, IMPORT_DOCUMENT_MAX);
	text = dv_arena_alloc(im->arena, (size_t)entry->size + 1);
	while (!e && n > 0) {
		e = image_archive_read(a, text + at, (size_t)entry->size - at, &n);
		at += n;
	}
	*ret = text;
	*ret_n = at;
	return e;
}

/* "blobs/sha256/<hex>" as "sha256:<hex>"; NULL: another name. */
static const char *digest_of(const char *name, struct dv_arena *arena)
{
	const char *slash;
	struct dv_digest d;
	struct dv_err *e;
	char *text;

	if (!dv_starts_with(name, "blobs/"))
		return NULL;
	slash = strchr(name + 6, '/');
	if (!slash)
		return NULL;
	text = dv_arena_printf(arena, "%.*s:%s", (int)(slash - name - 6), name + 6, slash + 1);
	e = dv_digest_parse(text, &d);
	if (!e)
		return text;
	dv_err_free(e);
	return NULL;
}

/* docker's old layout has these beside each layer; nothing needs them. */
static bool is_useless(const char *name)
{
	return dv_ends_with(name, "/VERSION") || dv_ends_with(name, "/json") ||
	       dv_streq(name, "repositories");
}

static struct dv_err *take_entry(struct import *im, struct image_archive *a,
				 const struct image_entry *entry)
{
	const char *name = clean(entry->name, im->arena);
	size_t n_layout = 0;

	if (entry->link)
		return add_link(im, name, entry);
	if (dv_streq(name, "oci-layout"))
		return read_document(im, a, entry, &im->layout, &n_layout);
	if (dv_streq(name, "index.json"))
		return read_document(im, a, entry, &im->index, &im->n_index);
	if (dv_streq(name, "manifest.json"))
		return read_document(im, a, entry, &im->manifest, &im->n_manifest);
	if (is_useless(name))
		return NULL;
	return add_blob(im, a, entry, name, digest_of(name, im->arena));
}

static void progress(const struct import *im, const char *name, int64_t size)
{
	struct image_event ev = { .kind = IMAGE_PROGRESS,
				  .name = name,
				  .what = "importing",
				  .progress = size,
				  .total = size };

	if (im->env->on_event)
		im->env->on_event(im->env->arg, &ev);
}

static struct dv_err *take_all(struct import *im, struct image_archive *a)
{
	struct image_entry entry = {};
	bool is_end = false;
	struct dv_err *e;

	for (;;) {
		e = image_check_cancelled(im->env);
		if (!e)
			e = image_archive_next(a, &entry, &is_end);
		if (e || is_end)
			return e;
		e = take_entry(im, a, &entry);
		if (e)
			return dv_err_wrap(e, "%s", entry.name);
		progress(im, entry.name, entry.size);
	}
}

/* ---- what it was ----------------------------------------------------------------------------------- */

struct dv_err *import_put(const struct import *im, const char *media_type, const char *text,
			  size_t n, struct meta_descriptor *ret)
{
	struct content_ingest_opts opts = { .ns = im->env->ns,
					    .lease = im->env->lease,
					    .total = (int64_t)n };
	struct dv_digest digest;
	struct dv_err *e;

	dv_digest_of(DV_SHA256, text, n, &digest);
	*ret = (struct meta_descriptor){ .media_type = media_type,
					 .digest = dv_digest_str(
						 &digest, dv_arena_alloc(im->arena, DV_DIGEST_STR)),
					 .size = (int64_t)n };
	opts.ref = dv_arena_printf(im->arena, "%s-%s", im->ref, ret->digest);
	opts.expected = ret->digest;
	e = content_put(im->env->content, &opts, NULL, text, n, NULL);
	return dv_err_wrap(e, "store a document");
}

static struct dv_err *check_layout(const struct import *im)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(im->layout, strlen(im->layout), &doc);
	const char *version;

	if (e)
		return dv_err_wrap(e, "oci-layout");
	version = dv_json_string(dv_json_get(doc, "imageLayoutVersion"), NULL);
	if (!version || !dv_streq(version, "1.0.0"))
		return dv_err_new(DV_INVALID, "oci-layout: version \"%s\"; 1.0.0 is known",
				  version ? version : "");
	if (!im->index)
		return dv_err_new(DV_INVALID, "an OCI layout without index.json");
	return NULL;
}

static struct dv_err *understand(struct import *im, struct meta_descriptor *ret)
{
	struct dv_err *e;

	if (im->n_files > 0)
		qsort(im->files, im->n_files, sizeof(*im->files), compare_files);
	if (im->layout) {
		e = check_layout(im);
		return e ? e : import_put(im, INDEX_TYPE, im->index, im->n_index, ret);
	}
	if (im->manifest)
		return import_docker(im, ret);
	return dv_err_new(DV_INVALID,
			  "no image is in it: neither oci-layout nor manifest.json; a root file "
			  "system becomes an image by `davit import`");
}

struct dv_err *image_import(const struct image_env *env, const struct image_import *import,
			    struct dv_arena *arena, struct meta_descriptor *ret)
{
	DV_CLEANUP(image_archive_closep) struct image_archive *a = NULL;
	static atomic_uint counter;
	struct import im = { .env = env, .arena = arena };
	struct timespec now = meta_now();
	struct dv_err *e;

	/* Two at a time may be on one lease, and what an earlier one left is none of this one's. */
	im.ref = dv_arena_printf(arena, "import-%lld-%ld-%u", (long long)now.tv_sec, now.tv_nsec,
				 atomic_fetch_add(&counter, 1));

	e = image_archive_open(env, import->source, &a);
	if (!e)
		e = take_all(&im, a);
	if (!e)
		e = understand(&im, ret);
	free(im.files);
	return dv_err_wrap(e, "import");
}
