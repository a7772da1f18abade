/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Blobs of davitd's content store. */

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "client/client.h"

/* Adds the whole blob to @out. DV_EXHAUSTED: it has more than @max bytes; DV_NOT_FOUND. */
struct dv_err *client_content_read(struct client *c, const char *digest, size_t max,
				   struct dv_strbuf *out) DV_CHECK;
