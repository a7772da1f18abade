/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Streams that are compressed by gzip (ISA-L) or zstd, or not at all. Nothing here needs a
 * descriptor or blocks. Output is made only into the room that the caller gives: how much is too
 * much is the caller's business.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

enum dv_compression { DV_PLAIN, DV_GZIP, DV_ZSTD };

/* What the first bytes of a stream say; six are enough. */
enum dv_compression dv_compression_of(const void *p, size_t n);

struct dv_decompress;

struct dv_decompress *dv_decompress_new(enum dv_compression kind);
struct dv_decompress *dv_decompress_free(struct dv_decompress *d); /* accepts NULL */
DV_DEFINE_CLEANUP(struct dv_decompress *, dv_decompress_free);

struct dv_decompress_io {
	const uint8_t *in; /* both are moved on over what was taken */
	size_t n_in;
	uint8_t *out;
	size_t n_out; /* room; what is left of it afterwards */
};

/*
 * Takes input until there is none, or no room. Several streams behind each other are one, as with
 * gunzip and zstd; padding of zeros behind the last one is taken as well.
 * DV_INVALID: not such a stream, or damaged; DV_EXHAUSTED: a window of more than 128 MiB.
 */
struct dv_err *dv_decompress_run(struct dv_decompress *d, struct dv_decompress_io *io) DV_CHECK;

/* The input may end here; otherwise it was cut off. */
bool dv_decompress_is_complete(const struct dv_decompress *d);
