/* SPDX-License-Identifier: Apache-2.0 */
/* The walk. See image/graph.h. */

#include "image/graph.h"

#include <string.h>

#include "base/str.h"

enum { DEPTH_MAX = 4, MANIFESTS_MAX = 1000, BLOBS_MAX = 16384 };

struct walk {
	const struct image_env *env;
	const struct image_graph_opts *opts;
	struct dv_arena *arena;
	struct image_graph g;
	size_t room_manifests, room_blobs;
};

struct dv_err *image_check_cancelled(const struct image_env *env)
{
	if (env->is_cancelled && env->is_cancelled(env->arg))
		return dv_err_new(DV_CANCELLED, "the client has gone");
	return NULL;
}

struct meta_descriptor image_descriptor(const struct spec_descriptor *d, struct dv_arena *arena)
{
	struct meta_label *items = dv_arena_new_n(arena, struct meta_label, d->n_annotations);

	for (size_t i = 0; i < d->n_annotations; i++)
		items[i] = (struct meta_label){ d->annotations[i].key, d->annotations[i].value };
	return (struct meta_descriptor){ .media_type = d->media_type ? d->media_type : "",
					 .digest = d->digest_text,
					 .size = d->size,
					 .annotations = { items, d->n_annotations } };
}

/* ---- labels ---------------------------------------------------------------------------------- */

static struct dv_err *set_labels(const struct image_env *env, const char *digest,
				 const struct meta_label *items, size_t n, struct dv_arena *arena)
{
	struct meta_blob blob = { .digest = digest, .labels = { items, n } }, updated;
	const char **paths = dv_arena_new_n(arena, const char *, n);
	struct dv_mask mask = { paths, n };

	for (size_t i = 0; i < n; i++)
		paths[i] = dv_arena_printf(arena, "labels.%s", items[i].key);
	return n == 0 ? NULL : content_update(env->content, env->ns, &blob, &mask, arena, &updated);
}

struct dv_err *image_set_label(const struct image_env *env, const char *digest, const char *key,
			       const char *value)
{
	struct meta_label label = { key, value };
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = set_labels(env, digest, &label, 1, &arena);
	dv_arena_fini(&arena);
	return e;
}

/* ---- what was found ---------------------------------------------------------------------------- */

/* False: it was there already. */
static struct dv_err *add_blob(struct walk *w, const struct meta_descriptor *d, bool *ret_is_new)
{
	for (size_t i = 0; i < w->g.n_blobs; i++) {
		if (dv_streq(w->g.blobs[i].digest, d->digest)) {
			*ret_is_new = false;
			return NULL;
		}
	}
	if (w->g.n_blobs == BLOBS_MAX)
		return dv_err_new(DV_EXHAUSTED, "the image has more than %d blobs", BLOBS_MAX);
	if (w->g.n_blobs == w->room_blobs) {
		struct meta_descriptor *more;

		w->room_blobs = w->room_blobs ? 2 * w->room_blobs : 32;
		more = dv_arena_new_n(w->arena, struct meta_descriptor, w->room_blobs);
		if (w->g.n_blobs > 0)
			memcpy(more, w->g.blobs, w->g.n_blobs * sizeof(*more));
		w->g.blobs = more;
	}
	w->g.blobs[w->g.n_blobs++] = *d;
	*ret_is_new = true;
	return NULL;
}

static struct dv_err *add_manifest(struct walk *w, const struct image_manifest *m)
{
	if (w->g.n_manifests == MANIFESTS_MAX)
		return dv_err_new(DV_EXHAUSTED, "the image has more than %d manifests",
				  MANIFESTS_MAX);
	if (w->g.n_manifests == w->room_manifests) {
		struct image_manifest *more;

		w->room_manifests = w->room_manifests ? 2 * w->room_manifests : 8;
		more = dv_arena_new_n(w->arena, struct image_manifest, w->room_manifests);
		if (w->g.n_manifests > 0)
			memcpy(more, w->g.manifests, w->g.n_manifests * sizeof(*more));
		w->g.manifests = more;
	}
	w->g.manifests[w->g.n_manifests++] = *m;
	return NULL;
}

static bool is_wanted(const struct walk *w, const struct spec_platform *p)
{
	for (size_t i = 0; i < w->opts->n_platforms; i++) {
		if (spec_platform_rank(&w->opts->platforms[i], p) >= 0)
			return true;
	}
	return w->opts->n_platforms == 0;
}

/* ---- documents ---------------------------------------------------------------------------------- */

static struct dv_err *load(struct walk *w, const struct meta_descriptor *d, const char **ret,
			   size_t *ret_n)
{
	struct dv_err *e = content_load(w->env->content, w->env->ns, d->digest,
					SPEC_IMAGE_MAX_DOCUMENT, w->arena, ret, ret_n);

	if (!e && d->size > 0 && (uint64_t)d->size != *ret_n)
		e = dv_err_new(DV_INVALID, "it has %zu bytes, but its descriptor says %lld", *ret_n,
			       (long long)d->size);
	return dv_err_wrap(e, "%s", d->digest);
}

static struct dv_err *check_layer(struct walk *w, const struct meta_descriptor *d)
{
	struct meta_blob blob;
	struct dv_err *e;

	if (!w->opts->has_layers)
		return NULL;
	e = content_info(w->env->content, w->env->ns, d->digest, w->arena, &blob);
	if (!e && d->size > 0 && blob.size != d->size)
		e = dv_err_new(DV_INVALID, "it has %lld bytes, but its descriptor says %lld",
			       (long long)blob.size, (long long)d->size);
	return dv_err_wrap(e, "layer %s", d->digest);
}

static struct dv_err *read_config(struct walk *w, struct image_manifest *m)
{
	struct meta_descriptor d = image_descriptor(&m->manifest->config, w->arena);
	struct spec_image *image = NULL;
	const char *text = NULL;
	bool is_new = false;
	struct dv_err *e;
	size_t n = 0;

	e = load(w, &d, &text, &n);
	if (!e)
		e = add_blob(w, &d, &is_new);
	if (e || spec_media_of(d.media_type) != SPEC_MEDIA_CONFIG)
		return e;
	e = spec_image_parse(w->arena, text, n, &image);
	if (!e)
		e = spec_image_check_layers(image, m->manifest);
	if (e)
		return dv_err_wrap(e, "configuration %s", d.digest);
	m->config = image;
	m->platform = image->platform;
	return NULL;
}

static struct dv_err *label_manifest(struct walk *w, const struct image_manifest *m)
{
	const struct spec_manifest *doc = m->manifest;
	struct meta_label *items = dv_arena_new_n(w->arena, struct meta_label, doc->n_layers + 1);

	items[0] = (struct meta_label){ "containerd.io/gc.ref.content.config",
					doc->config.digest_text };
	for (size_t i = 0; i < doc->n_layers; i++)
		items[i + 1] = (struct meta_label){
			dv_arena_printf(w->arena, "containerd.io/gc.ref.content.l.%zu", i),
			doc->layers[i].digest_text
		};
	return set_labels(w->env, m->descriptor.digest, items, doc->n_layers + 1, w->arena);
}

static struct dv_err *walk_manifest(struct walk *w, const struct meta_descriptor *d,
				    const char *text, size_t n)
{
	struct image_manifest m = { .descriptor = *d };
	struct spec_manifest *doc = NULL;
	struct dv_err *e;
	bool is_new;

	e = spec_manifest_parse(w->arena, text, n, &doc);
	m.manifest = doc;
	if (!e)
		e = read_config(w, &m);
	if (e)
		return dv_err_wrap(e, "manifest %s", d->digest);
	if (m.config && !is_wanted(w, &m.platform))
		return NULL;
	for (size_t i = 0; i < doc->n_layers && !e; i++) {
		struct meta_descriptor layer = image_descriptor(&doc->layers[i], w->arena);

		e = check_layer(w, &layer);
		if (!e)
			e = add_blob(w, &layer, &is_new);
	}
	if (!e && w->opts->has_labels)
		e = label_manifest(w, &m);
	return e ? dv_err_wrap(e, "manifest %s", d->digest) : add_manifest(w, &m);
}

static struct dv_err *walk_any(struct walk *w, const struct meta_descriptor *d, unsigned depth);

/* Is it there? What hangs on it has to be, then. */
static struct dv_err *is_there(struct walk *w, const char *digest, bool *ret)
{
	struct meta_blob blob;
	struct dv_err *e;

	*ret = true;
	e = content_info(w->env->content, w->env->ns, digest, w->arena, &blob);
	if (e && dv_err_code(e) == DV_NOT_FOUND && w->opts->is_sparse) {
		dv_err_free(e);
		*ret = false;
		return NULL;
	}
	return e;
}

static struct dv_err *walk_index(struct walk *w, const struct meta_descriptor *d, const char *text,
				 size_t n, unsigned depth)
{
	struct spec_index *index = NULL;
	struct meta_label *items;
	struct dv_err *e;

	e = spec_index_parse(w->arena, text, n, &index);
	if (e)
		return dv_err_wrap(e, "index %s", d->digest);
	items = dv_arena_new_n(w->arena, struct meta_label, index->n_manifests);
	for (size_t i = 0; i < index->n_manifests && !e; i++) {
		const struct spec_descriptor *child = &index->manifests[i];
		struct meta_descriptor m = image_descriptor(child, w->arena);
		bool is_here = false;

		items[i] = (struct meta_label){
			dv_arena_printf(w->arena, "containerd.io/gc.ref.content.m.%zu", i),
			child->digest_text
		};
		if (child->platform && !is_wanted(w, child->platform))
			continue;
		e = is_there(w, m.digest, &is_here);
		if (!e && is_here)
			e = walk_any(w, &m, depth + 1);
	}
	if (!e && w->opts->has_labels)
		e = set_labels(w->env, d->digest, items, index->n_manifests, w->arena);
	return e;
}

static struct dv_err *walk_any(struct walk *w, const struct meta_descriptor *d, unsigned depth)
{
	enum spec_media media = spec_media_of(d->media_type);
	const char *text = NULL;
	bool is_new = false;
	struct dv_err *e;
	size_t n = 0;

	if (depth > DEPTH_MAX)
		return dv_err_new(DV_EXHAUSTED, "%s: an index in an index in ...: too deep",
				  d->digest);
	e = image_check_cancelled(w->env);
	if (!e)
		e = add_blob(w, d, &is_new);
	if (e || !is_new)
		return e;
	if (media != SPEC_MEDIA_INDEX && media != SPEC_MEDIA_MANIFEST)
		return depth == 0
			       ? dv_err_new(DV_INVALID,
					    "%s: media type \"%s\" is neither of an index nor of "
					    "a manifest",
					    d->digest, d->media_type)
			       : NULL;
	e = load(w, d, &text, &n);
	if (e)
		return e;
	return media == SPEC_MEDIA_INDEX ? walk_index(w, d, text, n, depth)
					 : walk_manifest(w, d, text, n);
}

struct dv_err *image_graph_walk(const struct image_env *env, const struct meta_descriptor *root,
				const struct image_graph_opts *opts, struct dv_arena *arena,
				struct image_graph *ret)
{
	struct walk w = { .env = env, .opts = opts, .arena = arena };
	struct dv_err *e = walk_any(&w, root, 0);

	if (!e && w.g.n_manifests == 0)
		e = dv_err_new(DV_NOT_FOUND, "%s: no manifest%s", root->digest,
			       opts->n_platforms ? " for a platform that is wanted" : " is there");
	if (!e)
		*ret = w.g;
	return e;
}

const struct image_manifest *image_graph_choose(const struct image_graph *g,
						const struct spec_platform *want)
{
	const struct image_manifest *best = NULL;
	int best_rank = -1;

	for (size_t i = 0; i < g->n_manifests; i++) {
		const struct image_manifest *m = &g->manifests[i];
		int rank = m->config ? spec_platform_rank(want, &m->platform) : -1;

		if (rank >= 0 && (!best || rank < best_rank)) {
			best = m;
			best_rank = rank;
		}
	}
	return best;
}
