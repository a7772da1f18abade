/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Namespaces. The first write of any object into one makes it, without labels. */

#include "store/meta.h"

struct meta_namespace {
	const char *name;
	struct meta_labels labels;
};

/* DV_NOT_FOUND. */
struct dv_err *meta_namespace_get(struct meta_tx *tx, const char *name, struct dv_arena *arena,
				  struct meta_namespace *ret) DV_CHECK;
struct dv_err *meta_namespace_list(struct meta_tx *tx, struct dv_arena *arena,
				   struct meta_namespace **ret, size_t *ret_n) DV_CHECK;

/* DV_EXISTS, DV_INVALID. */
struct dv_err *meta_namespace_create(struct meta_tx *tx, const struct meta_namespace *ns) DV_CHECK;

/* Paths: "labels", "labels.<key>". An empty mask sets the given labels and keeps the others. */
struct dv_err *meta_namespace_update(struct meta_tx *tx, const struct meta_namespace *ns,
				     const struct dv_mask *mask, struct dv_arena *arena,
				     struct meta_namespace *ret) DV_CHECK;

/*
 * With its leases, ingests, sandboxes and mounts. DV_NOT_FOUND; DV_PRECONDITION: it still has
 * images, blobs, containers or snapshots; the message lists which.
 */
struct dv_err *meta_namespace_delete(struct meta_tx *tx, const char *name) DV_CHECK;
