/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sandboxes: records only. */

#include "store/meta.h"

struct meta_sandbox {
	const char *id;
	struct meta_labels labels;
	const char *sandboxer;
	const char *runtime_name;
	struct meta_any runtime_options;
	struct meta_any spec;
	struct timespec created_at, updated_at;
	const struct meta_extension *extensions;
	size_t n_extensions;
};

/* DV_NOT_FOUND. */
struct dv_err *meta_sandbox_get(struct meta_tx *tx, const char *ns, const char *id,
				struct dv_arena *arena, struct meta_sandbox *ret) DV_CHECK;

/* Filter fields: id, labels.<key>. */
struct dv_err *meta_sandbox_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
				 struct dv_arena *arena, struct meta_sandbox **ret, size_t *ret_n)
	DV_CHECK;

/* Times are set here. *ret may be NULL. DV_EXISTS, DV_INVALID. */
struct dv_err *meta_sandbox_create(struct meta_tx *tx, const char *ns,
				   const struct meta_sandbox *sandbox, struct dv_arena *arena,
				   struct meta_sandbox *ret) DV_CHECK;

/*
 * Paths: labels, labels.<key>, extensions, extensions.<key>, spec, runtime; none: all of these,
 * while the runtime's name must be the same. DV_NOT_FOUND, DV_INVALID.
 */
struct dv_err *meta_sandbox_update(struct meta_tx *tx, const char *ns,
				   const struct meta_sandbox *sandbox, const struct dv_mask *mask,
				   struct dv_arena *arena, struct meta_sandbox *ret) DV_CHECK;

/* DV_NOT_FOUND. */
struct dv_err *meta_sandbox_delete(struct meta_tx *tx, const char *ns, const char *id) DV_CHECK;
