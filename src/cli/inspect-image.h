/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Images as docker's objects, for "image inspect" and "inspect". */

#include "cli-private.h"
#include "spec/image.h"

/* One object. @platform: NULL is this machine's. DV_NOT_FOUND: no such image. */
struct dv_err *cli_inspect_image(struct cli *cli, const char *ref,
				 const struct spec_platform *platform, struct dv_strbuf *json)
	DV_CHECK;
