/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between blob.c, one stream, and blob-ranges.c, several for one blob. */

#include "registry/fetch.h"
#include "request.h"

/* The bytes [opts->offset, end); @is_part: as a range, or not at all (DV_UNIMPLEMENTED). */
struct registry_request *blob_start(struct registry_repo *repo,
				    const struct registry_blob_opts *opts, int64_t end,
				    bool is_part, registry_done_fn done, void *arg);

struct registry_request *ranges_start(struct registry_repo *repo,
				      const struct registry_blob_opts *opts, registry_done_fn done,
				      void *arg);
void ranges_resume(struct registry_request *r);
