/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Field masks: which fields an update changes. Paths are as "labels", "labels.<key>". */

#include <stdbool.h>
#include <stddef.h>

/* Borrowed strings. A mask of NULL is an empty one. */
struct dv_mask {
	const char *const *paths;
	size_t n_paths;
};

static inline bool dv_mask_is_empty(const struct dv_mask *mask)
{
	return !mask || mask->n_paths == 0;
}

/* What is behind "@field." in @path, dots included; NULL when @path is something else. */
const char *dv_mask_key(const char *path, const char *field);
