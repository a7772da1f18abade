/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Containers: records only, nothing runs. */

#include "store/meta.h"

/* A label of ours: a name for people, unique in the namespace. */
#define META_LABEL_NAME "io.davit.name"

struct meta_container {
	const char *id;
	struct meta_labels labels;
	const char *image;
	const char *runtime_name;
	struct meta_any runtime_options;
	struct meta_any spec;
	const char *snapshotter, *snapshot_key;
	struct timespec created_at, updated_at;
	const struct meta_extension *extensions;
	size_t n_extensions;
	const char *sandbox;
};

/* DV_NOT_FOUND. */
struct dv_err *meta_container_get(struct meta_tx *tx, const char *ns, const char *id,
				  struct dv_arena *arena, struct meta_container *ret) DV_CHECK;

/* The id of the container with that io.davit.name. DV_NOT_FOUND. */
struct dv_err *meta_container_find_name(struct meta_tx *tx, const char *ns, const char *name,
					struct dv_arena *arena, const char **ret_id) DV_CHECK;

/* Filter fields: id, runtime.name, image, labels.<key>. */
struct dv_err *meta_container_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
				   struct dv_arena *arena, struct meta_container **ret,
				   size_t *ret_n) DV_CHECK;

/*
 * Times are set here. *ret, which may be NULL, is what was written.
 * DV_EXISTS: the id, or the label io.davit.name, whose holder the message names. DV_INVALID.
 */
struct dv_err *meta_container_create(struct meta_tx *tx, const char *ns,
				     const struct meta_container *container, struct dv_arena *arena,
				     struct meta_container *ret) DV_CHECK;

/*
 * Paths: labels, labels.<key>, spec, extensions, extensions.<key>, image, snapshotkey; none: all of
 * these, while snapshotter and runtime must be the same. DV_NOT_FOUND, DV_INVALID, DV_EXISTS.
 */
struct dv_err *meta_container_update(struct meta_tx *tx, const char *ns,
				     const struct meta_container *container,
				     const struct dv_mask *mask, struct dv_arena *arena,
				     struct meta_container *ret) DV_CHECK;

/* DV_NOT_FOUND. */
struct dv_err *meta_container_delete(struct meta_tx *tx, const char *ns, const char *id) DV_CHECK;
