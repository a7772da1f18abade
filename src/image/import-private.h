/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an import has seen of the archive, by name. */

#include "codec/json.h"
#include "image/env.h"
#include "image/import.h"

enum { IMPORT_FILES_MAX = 65536, IMPORT_DOCUMENT_MAX = 8 << 20 };

struct import_file {
	const char *name; /* clean: no "./", no ".." */
	const char *link; /* the name, clean, that this is another name of; NULL: a blob */
	const char *digest;
	int64_t size;
};

struct import {
	const struct image_env *env;
	struct dv_arena *arena;
	const char *ref; /* of its ingests, to be continued: nobody else has them */
	struct import_file *files;
	size_t n_files, room;
	/* Documents that are not blobs; NULL: not there. */
	const char *layout, *index, *manifest;
	size_t n_index, n_manifest;
};

/* Follows links. NULL: no such file, or links without end. */
const struct import_file *import_find(const struct import *im, const char *name);

/* A document of ours becomes a blob. */
struct dv_err *import_put(const struct import *im, const char *media_type, const char *text,
			  size_t n, struct meta_descriptor *ret) DV_CHECK;

/* docker's manifest.json as manifests and an index. */
struct dv_err *import_docker(const struct import *im, struct meta_descriptor *ret) DV_CHECK;
