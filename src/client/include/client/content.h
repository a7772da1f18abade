/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Blobs of davitd's content store. */

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "client/client.h"
#include "codec/digest.h"
#include "spec/runtime.h"

/* Adds the whole blob to @out. DV_EXHAUSTED: it has more than @max bytes; DV_NOT_FOUND. */
struct dv_err *client_content_read(struct client *c, const char *digest, size_t max,
				   struct dv_strbuf *out) DV_CHECK;

/* ---- Making one ---- */

struct client_blob;

/* @lease holds it. The strings are borrowed until the end. */
struct client_blob *client_blob_new(struct client *c, const char *lease);
/* Appends; waits until davitd has it. */
struct dv_err *client_blob_write(struct client_blob *b, const void *p, size_t n) DV_CHECK;
/* Makes the blob; it is fine if it is there already, which then keeps its own labels. */
struct dv_err *client_blob_commit(struct client_blob *b, const struct spec_string_pair *labels,
				  size_t n_labels, struct dv_digest *ret) DV_CHECK;
/* Without a commit nothing stays. Accepts NULL; always returns NULL. */
struct client_blob *client_blob_free(struct client_blob *b);
DV_DEFINE_CLEANUP(struct client_blob *, client_blob_free);

/* All of that for a document. */
struct dv_err *client_content_put(struct client *c, const char *lease, const struct dv_strbuf *text,
				  const struct spec_string_pair *labels, size_t n_labels,
				  struct dv_digest *ret) DV_CHECK;
