/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rows of mounts that the daemon made for somebody (the Mounts service). */

#include "store/meta.h"

struct meta_mount {
	const char *name;
	struct meta_labels labels;
	const void *data; /* what the service keeps with it, in its own form */
	size_t n_data;
	const char *lease; /* NULL: none; with one, it goes when the lease goes */
	struct timespec created_at;
};

/* DV_NOT_FOUND. */
struct dv_err *meta_mount_get(struct meta_tx *tx, const char *ns, const char *name,
			      struct dv_arena *arena, struct meta_mount *ret) DV_CHECK;

/* Filter fields: name, labels.<key>. */
struct dv_err *meta_mount_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			       struct dv_arena *arena, struct meta_mount **ret, size_t *ret_n)
	DV_CHECK;

/* DV_EXISTS; DV_NOT_FOUND: the lease. */
struct dv_err *meta_mount_create(struct meta_tx *tx, const char *ns, const struct meta_mount *mount)
	DV_CHECK;

/* Replaces labels and data. DV_NOT_FOUND. */
struct dv_err *meta_mount_update(struct meta_tx *tx, const char *ns, const struct meta_mount *mount)
	DV_CHECK;

/* DV_NOT_FOUND. */
struct dv_err *meta_mount_delete(struct meta_tx *tx, const char *ns, const char *name) DV_CHECK;
