/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `commit --change`: instructions of a Dockerfile that say how an image is to be run. */

#include "base/mem.h"
#include "spec/image.h"

struct image_change {
	struct dv_arena *arena;
	struct spec_image *config; /* is changed; what it gets is in @arena, or the text's */
	bool has_cmd; /* an ENTRYPOINT after it does not take the command away */
};

/* DV_INVALID: not understood; DV_UNIMPLEMENTED: an instruction that is not here yet. */
struct dv_err *image_change_apply(struct image_change *c, const char *instruction) DV_CHECK;
