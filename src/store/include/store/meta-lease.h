/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Leases: what is attached to one is not collected. See meta-gc.h for their labels. */

#include "store/meta.h"

struct meta_lease {
	const char *id;
	struct meta_labels labels;
	struct timespec created_at;
};

struct meta_resource {
	const char *id;
	const char *type; /* "content", "ingests", "images", "snapshots/<snapshotter>" */
};

/* DV_NOT_FOUND. */
struct dv_err *meta_lease_get(struct meta_tx *tx, const char *ns, const char *id,
			      struct dv_arena *arena, struct meta_lease *ret) DV_CHECK;

/* Filter fields: id, labels.<key>. */
struct dv_err *meta_lease_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			       struct dv_arena *arena, struct meta_lease **ret, size_t *ret_n)
	DV_CHECK;

/* The time is set here, in *@lease too. DV_EXISTS, DV_INVALID. */
struct dv_err *meta_lease_create(struct meta_tx *tx, const char *ns, struct meta_lease *lease)
	DV_CHECK;

/* DV_NOT_FOUND. */
struct dv_err *meta_lease_delete(struct meta_tx *tx, const char *ns, const char *id) DV_CHECK;

/*
 * DV_NOT_FOUND: no such lease. DV_UNIMPLEMENTED: no such type of resource. DV_INVALID: not a
 * digest. Adding what is there, and deleting what is not, succeeds.
 */
struct dv_err *meta_lease_add(struct meta_tx *tx, const char *ns, const char *id,
			      const struct meta_resource *resource) DV_CHECK;
struct dv_err *meta_lease_remove(struct meta_tx *tx, const char *ns, const char *id,
				 const struct meta_resource *resource) DV_CHECK;
struct dv_err *meta_lease_resources(struct meta_tx *tx, const char *ns, const char *id,
				    struct dv_arena *arena, struct meta_resource **ret,
				    size_t *ret_n) DV_CHECK;
