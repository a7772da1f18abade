/* SPDX-License-Identifier: Apache-2.0 */
/* Index, manifest and their descriptors: the tables, and the choice of a manifest. */

#include "spec/image.h"

#include <string.h>

#include "image-private.h"

enum spec_media spec_media_of(const char *media_type)
{
	static const struct {
		const char *name;
		enum spec_media media;
	} names[] = {
		{ "application/vnd.oci.image.index.v1+json", SPEC_MEDIA_INDEX },
		{ "application/vnd.docker.distribution.manifest.list.v2+json", SPEC_MEDIA_INDEX },
		{ "application/vnd.oci.image.manifest.v1+json", SPEC_MEDIA_MANIFEST },
		{ "application/vnd.docker.distribution.manifest.v2+json", SPEC_MEDIA_MANIFEST },
		{ "application/vnd.oci.image.config.v1+json", SPEC_MEDIA_CONFIG },
		{ "application/vnd.docker.container.image.v1+json", SPEC_MEDIA_CONFIG },
	};
	static const char *const layers[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar",
	};

	if (!media_type)
		return SPEC_MEDIA_OTHER;
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++) {
		if (dv_streq(media_type, names[i].name))
			return names[i].media;
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(layers); i++) {
		if (dv_starts_with(media_type, layers[i]))
			return SPEC_MEDIA_LAYER;
	}
	return SPEC_MEDIA_OTHER;
}

const char *spec_pairs_find(const struct spec_string_pair *pairs, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++) {
		if (dv_streq(pairs[i].key, key))
			return pairs[i].value;
	}
	return NULL;
}

/* ---- tables ------------------------------------------------------------------------- */

static struct dv_err *decode_digest(struct decoder *d, const struct dv_json *v, void *out)
{
	struct spec_descriptor *desc = out;

	return image_decode_digest(d, v, &desc->digest_text, &desc->digest);
}

#define T struct spec_platform
static const struct decode_field platform_fields[] = {
	{ STRING("architecture", architecture) },
	{ STRING("os", os) },
	{ STRING("os.version", os_version) },
	{ STRING("variant", variant) },
};
static const struct decode_object platform_object = { DECODE_OBJECT_OF(platform_fields) };
#undef T

#define T struct spec_descriptor
static const struct decode_field descriptor_fields[] = {
	{ STRING("mediaType", media_type) },
	{ CUSTOM("digest", decode_digest), REQUIRED },
	{ INT("size", size, 0, INT64_MAX), REQUIRED },
	{ OBJECT_NEW("platform", platform, platform_object) },
	{ PAIRS("annotations", annotations, n_annotations), MANY },
	{ STRING("artifactType", artifact_type) },
};
static const struct decode_object descriptor_object = { DECODE_OBJECT_OF(descriptor_fields) };
#undef T

static struct dv_err *refuse_layers(struct decoder *d, const struct dv_json *v, void *out)
{
	(void)v;
	(void)out;
	return spec_decode_error(d, "an index has no such property");
}

static struct dv_err *refuse_manifests(struct decoder *d, const struct dv_json *v, void *out)
{
	(void)v;
	(void)out;
	return spec_decode_error(d, "a manifest has no such property");
}

static struct dv_err *finish_index(struct decoder *d, void *out)
{
	const struct spec_index *index = out;

	if (spec_media_of(index->media_type) == SPEC_MEDIA_MANIFEST)
		return spec_decode_error(d, "an index was expected, mediaType is %s",
					 index->media_type);
	return NULL;
}

static struct dv_err *finish_manifest(struct decoder *d, void *out)
{
	const struct spec_manifest *manifest = out;

	if (spec_media_of(manifest->media_type) == SPEC_MEDIA_INDEX)
		return spec_decode_error(d, "a manifest was expected, mediaType is %s",
					 manifest->media_type);
	return NULL;
}

#define T struct spec_index
static const struct decode_field index_fields[] = {
	{ STRING("mediaType", media_type) },
	{ LIST("manifests", manifests, n_manifests, descriptor_object), REQUIRED },
	{ PAIRS("annotations", annotations, n_annotations), MANY },
	{ CUSTOM("config", refuse_layers) },
	{ CUSTOM("layers", refuse_layers) },
};
static const struct decode_object index_object = {
	DECODE_OBJECT_OF(index_fields),
	.finish = finish_index,
};
#undef T

#define T struct spec_manifest
static const struct decode_field manifest_fields[] = {
	{ STRING("mediaType", media_type) },
	{ OBJECT("config", config, descriptor_object), REQUIRED },
	{ LIST("layers", layers, n_layers, descriptor_object), .max_items = SPEC_IMAGE_MAX_LAYERS },
	{ PAIRS("annotations", annotations, n_annotations), MANY },
	{ STRING("artifactType", artifact_type) },
	{ CUSTOM("manifests", refuse_manifests) },
};
static const struct decode_object manifest_object = {
	DECODE_OBJECT_OF(manifest_fields),
	.finish = finish_manifest,
};
#undef T

/* ---- parsing ------------------------------------------------------------------------ */

struct dv_err *image_decode_digest(struct decoder *d, const struct dv_json *v,
				   const char **ret_text, struct dv_digest *ret)
{
	const char *text;
	struct dv_err *e;

	e = spec_decode_text(d, v, true, &text);
	if (e)
		return e;
	e = dv_digest_parse(text, ret);
	if (e) {
		dv_err_free(e);
		return spec_decode_expected(d, v, "a digest like sha256:<64 hex digits>");
	}
	if (ret_text)
		*ret_text = text;
	return NULL;
}

struct dv_err *image_decode_document(struct dv_arena *arena, const struct decode_object *o,
				     const char *text, size_t len, void *out)
{
	if (len > SPEC_IMAGE_MAX_DOCUMENT)
		return dv_err_new(DV_EXHAUSTED, "%zu bytes are more than the limit of %d", len,
				  SPEC_IMAGE_MAX_DOCUMENT);
	return spec_decode_document(arena, o, text, len, out);
}

struct dv_err *spec_index_parse(struct dv_arena *arena, const char *text, size_t len,
				struct spec_index **ret)
{
	struct spec_index *index = dv_arena_new(arena, struct spec_index);
	struct dv_err *e;

	e = image_decode_document(arena, &index_object, text, len, index);
	if (e)
		return e;
	*ret = index;
	return NULL;
}

struct dv_err *spec_manifest_parse(struct dv_arena *arena, const char *text, size_t len,
				   struct spec_manifest **ret)
{
	struct spec_manifest *manifest = dv_arena_new(arena, struct spec_manifest);
	struct dv_err *e;

	e = image_decode_document(arena, &manifest_object, text, len, manifest);
	if (e)
		return e;
	*ret = manifest;
	return NULL;
}

static bool is_candidate(const struct spec_descriptor *desc)
{
	enum spec_media media = spec_media_of(desc->media_type);

	return media == SPEC_MEDIA_MANIFEST || media == SPEC_MEDIA_INDEX;
}

const struct spec_descriptor *spec_index_choose(const struct spec_index *index,
						const struct spec_platform *want)
{
	const struct spec_descriptor *best = NULL, *without = NULL;
	int best_rank = -1, rank;

	for (size_t i = 0; i < index->n_manifests; i++) {
		const struct spec_descriptor *desc = &index->manifests[i];

		if (!is_candidate(desc))
			continue;
		if (!desc->platform) {
			without = without ? without : desc;
			continue;
		}
		rank = spec_platform_rank(want, desc->platform);
		if (rank >= 0 && (best_rank < 0 || rank < best_rank)) {
			best = desc;
			best_rank = rank;
		}
	}
	return best ? best : without;
}
