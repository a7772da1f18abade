/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the documents of an image share. */

#include "codec/digest.h"
#include "table-private.h"

/* @ret_text may be NULL. */
struct dv_err *image_decode_digest(struct decoder *d, const struct dv_json *v,
				   const char **ret_text, struct dv_digest *ret) DV_CHECK;

/* spec_decode_document() with the limit of images. */
struct dv_err *image_decode_document(struct dv_arena *arena, const struct decode_object *o,
				     const char *text, size_t len, void *out) DV_CHECK;
