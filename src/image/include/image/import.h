/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images from archives: OCI layouts, and what docker save writes. */

#include "image/env.h"

struct image_import {
	const struct image_source *source; /* plain, gzip or zstd */
};

/*
 * All blobs are in the content store then, and *ret describes the index of what was in the archive:
 * its own, or one that was made from docker's manifest.json, with io.containerd.image.name and
 * org.opencontainers.image.ref.name as annotations of the manifests. Strings are in @arena.
 *
 * DV_INVALID: no such archive, or damaged; the error names the entry. DV_EXHAUSTED: limits.
 */
struct dv_err *image_import(const struct image_env *env, const struct image_import *import,
			    struct dv_arena *arena, struct meta_descriptor *ret) DV_CHECK;
