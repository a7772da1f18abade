/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The documents of an OCI image (image-spec 1.1, and docker's schema 2, whose documents have the
 * same form): index, manifest, configuration. They come from registries and archives: nothing in
 * them is trusted. Everything hangs in the caller's arena; what is missing is NULL or n_x == 0, as
 * in spec/runtime.h, and arrays of strings end with a NULL that n_x does not count.
 *
 * Errors of the parsers: DV_INVALID, which names the property, and DV_EXHAUSTED: larger than
 * SPEC_IMAGE_MAX_DOCUMENT.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "codec/digest.h"
#include "spec/runtime.h"

enum {
	SPEC_IMAGE_MAX_DOCUMENT = 8 * 1024 * 1024,
	SPEC_IMAGE_MAX_LAYERS = 512, /* overlayfs takes 500 */
};

/* What a media type says, in OCI's words or docker's. */
enum spec_media {
	SPEC_MEDIA_OTHER,
	SPEC_MEDIA_INDEX,
	SPEC_MEDIA_MANIFEST,
	SPEC_MEDIA_CONFIG,
	SPEC_MEDIA_LAYER, /* any compression */
};

/* NULL is SPEC_MEDIA_OTHER. */
enum spec_media spec_media_of(const char *media_type);

/* ---- platforms ---------------------------------------------------------------------- */

struct spec_platform {
	const char *os, *architecture, *variant, *os_version;
};

/* This program's own, with the variant of this processor ("v3" for amd64). Static strings. */
void spec_platform_host(struct spec_platform *ret);

/* "linux/arm64/v8", "arm64", "linux/x86_64"; the result is normalised. DV_INVALID: not understood. */
struct dv_err *spec_platform_parse(struct dv_arena *arena, const char *text,
				   struct spec_platform *ret) DV_CHECK;

/* "linux/arm64/v8"; heap, caller's. */
char *spec_platform_format(const struct spec_platform *p);

/*
 * How well a machine that is @want runs what was built for @have: 0 is its own platform, more is
 * worse (an older variant, a 32 bit one), -1 is not at all. Neither need be normalised.
 */
int spec_platform_rank(const struct spec_platform *want, const struct spec_platform *have);

/* ---- index and manifest ------------------------------------------------------------- */

struct spec_descriptor {
	const char *media_type;
	const char *artifact_type;
	const char *digest_text;
	struct dv_digest digest;
	int64_t size; /* not negative */
	struct spec_platform *platform;
	struct spec_string_pair *annotations;
	size_t n_annotations;
};

struct spec_index {
	const char *media_type;
	struct spec_descriptor *manifests;
	size_t n_manifests;
	struct spec_string_pair *annotations;
	size_t n_annotations;
};

struct spec_manifest {
	const char *media_type;
	const char *artifact_type;
	struct spec_descriptor config;
	struct spec_descriptor *layers; /* the lowest first */
	size_t n_layers;
	struct spec_string_pair *annotations;
	size_t n_annotations;
};

/*
 * A document that is an index and a manifest at once, or whose mediaType says that it is the other
 * one, is refused: its meaning would depend on the reader (CVE-2021-41190).
 */
struct dv_err *spec_index_parse(struct dv_arena *arena, const char *text, size_t len,
				struct spec_index **ret) DV_CHECK;
struct dv_err *spec_manifest_parse(struct dv_arena *arena, const char *text, size_t len,
				   struct spec_manifest **ret) DV_CHECK;

/*
 * The manifest to run on a machine that is @want: the best by spec_platform_rank(), the first of
 * equals; else the first one without a platform, which only its configuration can tell; else
 * NULL. What is neither manifest nor index by its media type is passed over.
 */
const struct spec_descriptor *spec_index_choose(const struct spec_index *index,
						const struct spec_platform *want);

/* NULL when there is none. For the annotations of all of the above, and for labels. */
const char *spec_pairs_find(const struct spec_string_pair *pairs, size_t n, const char *key);

/* ---- configuration ------------------------------------------------------------------ */

/* docker's; none when test[0] is "NONE". Times in nanoseconds, 0: not given. */
struct spec_healthcheck {
	const char **test;
	size_t n_test;
	int64_t interval, timeout, start_period;
	int64_t retries;
};

struct spec_image_history {
	const char *created, *created_by, *author, *comment;
	bool is_empty_layer;
};

struct spec_image {
	const char *created, *author;
	struct spec_platform platform;
	/* "config": how to run it. */
	const char *user, *working_dir, *stop_signal;
	const char **env; /* not checked: may lack "=" */
	size_t n_env;
	const char **entrypoint;
	size_t n_entrypoint;
	const char **cmd;
	size_t n_cmd;
	const char **exposed_ports; /* "80/tcp" */
	size_t n_exposed_ports;
	const char **volumes; /* paths inside */
	size_t n_volumes;
	struct spec_string_pair *labels;
	size_t n_labels;
	struct spec_i64 stop_timeout; /* seconds */
	struct spec_healthcheck *healthcheck;
	/* "rootfs" */
	struct dv_digest *diff_ids; /* of the layers' tar archives, the lowest first */
	size_t n_diff_ids;
	struct spec_image_history *history;
	size_t n_history;
};

struct dv_err *spec_image_parse(struct dv_arena *arena, const char *text, size_t len,
				struct spec_image **ret) DV_CHECK;

/* DV_INVALID: the manifest has another number of layers than the configuration. */
struct dv_err *spec_image_check_layers(const struct spec_image *image,
				       const struct spec_manifest *manifest) DV_CHECK;

/*
 * The name of the snapshot that the first @n layers make: the digest of the chain before and the
 * diff ID ("ChainID" of the specification). @n is not 0.
 */
void spec_image_chain_id(const struct dv_digest *diff_ids, size_t n, struct dv_digest *ret);
