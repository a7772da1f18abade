/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images to an archive that every tool reads: an OCI layout and docker's manifest.json in one. */

#include "image/env.h"
#include "image/sink.h"
#include "spec/image.h"

struct image_export {
	const struct image_sink *sink;
	const struct meta_image *images; /* names and targets */
	size_t n_images;
	/* What may run on one of these; none: all that is there. The first is docker's. */
	const struct spec_platform *platforms;
	size_t n_platforms;
	bool has_no_docker; /* no manifest.json */
	bool has_no_foreign; /* without layers that must not be distributed; see below */
};

/*
 * The archive: oci-layout, index.json, manifest.json, and the blobs, what is needed first first. The
 * same images give the same bytes. Layers of the "foreign" kinds that are not there are left out.
 *
 * DV_NOT_FOUND: a blob is missing, or nothing is for such a platform; DV_DATA_LOSS: a blob is damaged,
 * and the archive is not to be used.
 */
struct dv_err *image_export(const struct image_env *env, const struct image_export *x,
			    struct dv_arena *arena) DV_CHECK;
