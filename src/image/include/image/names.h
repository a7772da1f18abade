/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What images out of archives are called. Results are in the arena. */

#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "store/meta.h"

/* containerd.types.transfer.ImageReference: what becomes of the names in an archive. */
struct image_reference {
	const char *name;
	bool is_prefix; /* put before a tag that comes without a name */
	bool allows_other; /* allow_overwrite: names without the prefix are taken, too */
	bool adds_digest; /* also as name@digest... */
	bool skips_named; /* ...but only what has no name otherwise */
};

/*
 * What a manifest of an archive's index is to be called by @r, at most two names. @annotations are
 * those of its descriptor.
 */
void image_reference_apply(const struct image_reference *r, const struct meta_labels *annotations,
			   const char *digest, struct dv_arena *arena, const char *ret[2],
			   size_t *ret_n);
