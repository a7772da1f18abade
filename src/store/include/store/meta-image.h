/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images: names for descriptors. */

#include "store/meta.h"

struct meta_descriptor {
	const char *media_type, *digest;
	int64_t size;
	struct meta_labels annotations;
};

struct meta_image {
	const char *name;
	struct meta_labels labels;
	struct meta_descriptor target;
	struct timespec created_at, updated_at;
};

/* DV_NOT_FOUND. */
struct dv_err *meta_image_get(struct meta_tx *tx, const char *ns, const char *name,
			      struct dv_arena *arena, struct meta_image *ret) DV_CHECK;

/* Filter fields: name, target.digest, target.mediatype, labels.<key>, annotations.<key>. */
struct dv_err *meta_image_list(struct meta_tx *tx, const char *ns, const struct meta_list *list,
			       struct dv_arena *arena, struct meta_image **ret, size_t *ret_n)
	DV_CHECK;

/*
 * @when: the time to be written (source_date_epoch), NULL: now. An image that may expire
 * (containerd.io/gc.expire) is attached to @lease, which may be NULL. *ret may be NULL.
 * DV_EXISTS; DV_INVALID: name, labels, digest, size or media type.
 */
struct dv_err *meta_image_create(struct meta_tx *tx, const char *ns, const char *lease,
				 const struct meta_image *image, const struct timespec *when,
				 struct dv_arena *arena, struct meta_image *ret) DV_CHECK;

/* Paths: labels, labels.<key>, target, annotations, annotations.<key>; none: all. DV_NOT_FOUND. */
struct dv_err *meta_image_update(struct meta_tx *tx, const char *ns, const char *lease,
				 const struct meta_image *image, const struct dv_mask *mask,
				 const struct timespec *when, struct dv_arena *arena,
				 struct meta_image *ret) DV_CHECK;

/* @digest may be NULL. DV_NOT_FOUND: no such image, or it has another target than @digest. */
struct dv_err *meta_image_delete(struct meta_tx *tx, const char *ns, const char *lease,
				 const char *name, const char *digest) DV_CHECK;
