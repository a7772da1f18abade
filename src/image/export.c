/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive of an export. Documents come first, so that whoever reads it as a stream knows what a
 * layer is when it comes.
 */

#include "image/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "image/graph.h"
#include "spec/ref.h"
#include "sys/disk.h"
#include "sys/file.h"
#include "tar-write.h"

enum { PIECE = 256 << 10, IMAGES_MAX = 1000 };

struct export
{
	const struct image_env *env;
	const struct image_export *x;
	struct dv_arena *arena;
	struct image_graph *graphs; /* one for each image */
	const struct image_manifest **chosen; /* docker's, of each image; NULL: none */
	uint8_t *piece;
};

/* ---- names ----------------------------------------------------------------------------------------- */

/* "blobs/sha256/<hex>" of "sha256:<hex>"; digests are checked when they are parsed. */
static const char *path_of(const struct export *ex, const char *digest)
{
	char *path = dv_arena_printf(ex->arena, "blobs/%s", digest);
	char *colon = strchr(path, ':');

	if (colon)
		*colon = '/';
	return path;
}

/* A name that is not one of docker's is as it is. */
static bool parse(const struct export *ex, const char *name, struct spec_ref *ret)
{
	struct dv_err *e = spec_ref_parse(ex->arena, name, SPEC_REF_FULL, ret);

	dv_err_free(e);
	return e == NULL;
}

/* What is looked for by "oci-archive:file:tag". */
static const char *tag_of(const struct export *ex, const char *name)
{
	struct spec_ref ref;

	return parse(ex, name, &ref) && ref.tag ? ref.tag : name;
}

/* As docker's users write it; NULL: it is nothing for docker, which wants a name and a tag. */
static const char *familiar(const struct export *ex, const char *name)
{
	DV_CLEANUP(dv_freep) char *text = NULL;
	struct spec_ref ref;

	if (!parse(ex, name, &ref) || !ref.tag || ref.has_digest)
		return NULL;
	text = spec_ref_familiar(&ref);
	return dv_arena_strdup(ex->arena, text ? text : name);
}

/* ---- documents ------------------------------------------------------------------------------------- */

static void write_index(const struct export *ex, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_int(&w, "schemaVersion", 2);
	dv_jw_string(&w, "mediaType", "application/vnd.oci.image.index.v1+json");
	dv_jw_array_begin(&w, "manifests");
	for (size_t i = 0; i < ex->x->n_images; i++) {
		const struct meta_image *image = &ex->x->images[i];

		dv_jw_object_begin(&w, NULL);
		dv_jw_string(&w, "mediaType", image->target.media_type);
		dv_jw_string(&w, "digest", image->target.digest);
		dv_jw_int(&w, "size", image->target.size);
		dv_jw_object_begin(&w, "annotations");
		dv_jw_string(&w, "io.containerd.image.name", image->name);
		dv_jw_string(&w, "org.opencontainers.image.ref.name", tag_of(ex, image->name));
		dv_jw_object_end(&w);
		dv_jw_object_end(&w);
	}
	dv_jw_array_end(&w);
	dv_jw_object_end(&w);
}

static bool is_foreign(const char *media_type)
{
	return strstr(media_type, ".nondistributable.") || strstr(media_type, ".rootfs.foreign.");
}

static void write_docker_image(const struct export *ex, struct dv_jw *w, size_t first)
{
	const struct image_manifest *m = ex->chosen[first];

	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "Config", path_of(ex, m->manifest->config.digest_text));
	dv_jw_array_begin(w, "RepoTags");
	for (size_t i = first; i < ex->x->n_images; i++) {
		const char *name = familiar(ex, ex->x->images[i].name);

		if (name && ex->chosen[i] &&
		    dv_streq(ex->chosen[i]->descriptor.digest, m->descriptor.digest))
			dv_jw_string(w, NULL, name);
	}
	dv_jw_array_end(w);
	dv_jw_array_begin(w, "Layers");
	for (size_t i = 0; i < m->manifest->n_layers; i++)
		dv_jw_string(w, NULL, path_of(ex, m->manifest->layers[i].digest_text));
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

/* Has an image before it the same manifest? */
static bool is_repeated(const struct export *ex, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (ex->chosen[i] &&
		    dv_streq(ex->chosen[i]->descriptor.digest, ex->chosen[at]->descriptor.digest))
			return true;
	}
	return false;
}

static void write_docker(const struct export *ex, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_array_begin(&w, NULL);
	for (size_t i = 0; i < ex->x->n_images; i++) {
		if (ex->chosen[i] && !is_repeated(ex, i))
			write_docker_image(ex, &w, i);
	}
	dv_jw_array_end(&w);
}

static struct dv_err *write_documents(const struct export *ex)
{
	static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf index = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf docker = DV_STRBUF_INIT;
	const struct image_sink *to = ex->x->sink;
	struct dv_err *e;

	write_index(ex, &index);
	e = tar_write_file(to, "oci-layout", layout, strlen(layout));
	if (!e)
		e = tar_write_file(to, "index.json", index.data, index.len);
	if (e || ex->x->has_no_docker)
		return e;
	write_docker(ex, &docker);
	return docker.len > 2 ? tar_write_file(to, "manifest.json", docker.data, docker.len) : NULL;
}

/* ---- blobs ------------------------------------------------------------------------------------------ */

static void tell(const struct export *ex, const char *what, const struct meta_descriptor *d,
		 int64_t progress, int64_t total)
{
	struct image_event ev = { .kind = IMAGE_PROGRESS,
				  .what = what,
				  .name = d->digest,
				  .descriptor = d,
				  .progress = progress,
				  .total = total };

	if (ex->env->on_event)
		ex->env->on_event(ex->env->arg, &ev);
}

static struct dv_err *copy(const struct export *ex, const struct meta_descriptor *d, int fd,
			   int64_t size)
{
	const struct image_sink *to = ex->x->sink;
	DV_CLEANUP(dv_hash_freep) struct dv_hash *hash = NULL;
	struct dv_digest expected, got;
	struct dv_err *e;

	e = dv_digest_parse(d->digest, &expected);
	if (e)
		return e;
	hash = dv_hash_new(expected.alg);
	for (int64_t at = 0; at < size;) {
		ssize_t n = sys_pread(fd, ex->piece, (size_t)DV_MIN(size - at, (int64_t)PIECE), at);

		if (n < 0)
			return dv_err_sys((int)n, "read it");
		if (n == 0)
			return dv_err_new(DV_DATA_LOSS, "it has %lld bytes instead of %lld",
					  (long long)at, (long long)size);
		dv_hash_add(hash, ex->piece, (size_t)n);
		e = image_check_cancelled(ex->env);
		if (!e)
			e = to->write(to->arg, ex->piece, (size_t)n);
		if (e)
			return e;
		at += n;
		tell(ex, "exporting", d, at, size);
	}
	dv_hash_get(hash, &got);
	if (!dv_digest_eq(&got, &expected))
		return dv_err_new(DV_DATA_LOSS, "its bytes are not what its digest says: it is "
						"damaged (\"davit system check\" finds more)");
	return NULL;
}

static struct dv_err *write_blob(const struct export *ex, const struct meta_descriptor *d)
{
	const struct image_sink *to = ex->x->sink;
	DV_CLEANUP(sys_closep) int fd = -1;
	struct dv_err *e;
	int64_t size = 0;

	if (is_foreign(d->media_type) && ex->x->has_no_foreign)
		return NULL;
	e = content_open_blob(ex->env->content, ex->env->ns, d->digest, &fd, &size);
	if (e && dv_err_code(e) == DV_NOT_FOUND && is_foreign(d->media_type))
		return dv_err_free(e);
	if (!e)
		e = tar_write_head(to, path_of(ex, d->digest), (uint64_t)size);
	if (!e)
		e = copy(ex, d, fd, size);
	if (!e)
		e = tar_write_padding(to, (uint64_t)size);
	if (!e)
		tell(ex, "exported", d, size, size);
	return dv_err_wrap(e, "blob %s", d->digest);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Each once, in the order in which they were found. */
static struct dv_err *write_blobs(const struct export *ex)
{
	size_t n = 0, n_seen = 0;
	const char **seen;
	struct dv_err *e;

	for (size_t i = 0; i < ex->x->n_images; i++)
		n += ex->graphs[i].n_blobs;
	seen = dv_arena_new_n(ex->arena, const char *, n);
	e = tar_write_head(ex->x->sink, "blobs/", 0);
	if (!e)
		e = tar_write_head(ex->x->sink, "blobs/sha256/", 0);
	for (size_t i = 0; i < ex->x->n_images && !e; i++) {
		const struct image_graph *g = &ex->graphs[i];
		size_t n_before = n_seen;

		for (size_t k = 0; k < g->n_blobs && !e; k++) {
			const char *digest = g->blobs[k].digest;

			if (bsearch(&digest, seen, n_before, sizeof(*seen), compare))
				continue;
			seen[n_seen++] = digest;
			e = write_blob(ex, &g->blobs[k]);
		}
		qsort(seen, n_seen, sizeof(*seen), compare);
	}
	return e;
}

/* ---- the whole --------------------------------------------------------------------------------------- */

static struct dv_err *walk(struct export *ex)
{
	struct image_graph_opts opts = { .platforms = ex->x->platforms,
					 .n_platforms = ex->x->n_platforms,
					 .is_sparse = true };
	struct spec_platform host;
	struct dv_err *e = NULL;

	spec_platform_host(&host);
	for (size_t i = 0; i < ex->x->n_images && !e; i++) {
		const struct meta_image *image = &ex->x->images[i];

		e = image_graph_walk(ex->env, &image->target, &opts, ex->arena, &ex->graphs[i]);
		if (e)
			return dv_err_wrap(e, "image %s", image->name);
		ex->chosen[i] = image_graph_choose(
			&ex->graphs[i], ex->x->n_platforms ? &ex->x->platforms[0] : &host);
	}
	return NULL;
}

struct dv_err *image_export(const struct image_env *env, const struct image_export *x,
			    struct dv_arena *arena)
{
	DV_CLEANUP(dv_freep) uint8_t *piece = dv_alloc(PIECE);
	struct export ex = {
		.env = env,
		.x = x,
		.arena = arena,
		.graphs = dv_arena_new_n(arena, struct image_graph, x->n_images),
		.chosen = dv_arena_new_n(arena, const struct image_manifest *, x->n_images),
		.piece = piece,
	};
	struct dv_err *e;

	if (x->n_images == 0)
		return dv_err_new(DV_INVALID, "no image is named");
	if (x->n_images > IMAGES_MAX)
		return dv_err_new(DV_EXHAUSTED, "%zu images: at most %d fit an archive",
				  x->n_images, IMAGES_MAX);
	e = walk(&ex);
	if (!e)
		e = write_documents(&ex);
	if (!e)
		e = write_blobs(&ex);
	return e ? e : tar_write_end(x->sink);
}
