/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What hangs together: indexes, manifests, configurations, layers. The documents are in the content
 * store, from wherever they came, and nothing in them is trusted.
 */

#include "image/env.h"
#include "spec/image.h"

/* A manifest and what it says. */
struct image_manifest {
	struct meta_descriptor descriptor;
	const struct spec_manifest *manifest;
	const struct spec_image *config; /* NULL: no image, but some artifact */
	struct spec_platform platform; /* of the configuration; an artifact has none */
};

struct image_graph_opts {
	const struct spec_platform *platforms; /* those that may run on one of these; none: all */
	size_t n_platforms;
	/*
	 * The labels containerd.io/gc.ref.content.* are set, so that what hangs on a document stays as
	 * long as the document does.
	 */
	bool has_labels;
	/* Manifests of an index that the namespace does not have are passed over: the index is of more
	 * platforms than were taken. At least one must be there. */
	bool is_sparse;
	bool has_layers; /* layers must be there */
};

struct image_graph {
	struct image_manifest *manifests;
	size_t n_manifests;
	struct meta_descriptor *blobs; /* all, documents first, each once */
	size_t n_blobs;
};

/*
 * Walks from @root. DV_NOT_FOUND: something is missing, or no manifest is for such a platform;
 * DV_INVALID: a document is nonsense; DV_EXHAUSTED: too deep, or too many.
 */
struct dv_err *image_graph_walk(const struct image_env *env, const struct meta_descriptor *root,
				const struct image_graph_opts *opts, struct dv_arena *arena,
				struct image_graph *ret) DV_CHECK;

/* The one to run on @want: NULL if there is none. */
const struct image_manifest *image_graph_choose(const struct image_graph *g,
						const struct spec_platform *want);

/* The stores' form of a document's descriptor; digest and strings in @arena or borrowed. */
struct meta_descriptor image_descriptor(const struct spec_descriptor *d, struct dv_arena *arena);

/* One label of a blob. */
struct dv_err *image_set_label(const struct image_env *env, const char *digest, const char *key,
			       const char *value) DV_CHECK;

/* DV_CANCELLED if somebody wants that. */
struct dv_err *image_check_cancelled(const struct image_env *env) DV_CHECK;
