/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The other way of decompress.h: one stream of gzip (ISA-L, fast rather than small) or zstd, or the
 * bytes as they are. The same input gives the same output: no time and no name is in it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "codec/decompress.h"

struct dv_compress;

struct dv_compress *dv_compress_new(enum dv_compression kind);
struct dv_compress *dv_compress_free(struct dv_compress *c); /* accepts NULL */
DV_DEFINE_CLEANUP(struct dv_compress *, dv_compress_free);

struct dv_compress_io {
	const uint8_t *in; /* both are moved on over what was taken */
	size_t n_in;
	uint8_t *out;
	size_t n_out; /* room; what is left of it afterwards */
};

/* Takes input until there is none, or no room; what comes out may be held back. */
void dv_compress_run(struct dv_compress *c, struct dv_compress_io *io);

/* There is no more input: true when the stream is whole, else there was no room: call again. */
bool dv_compress_end(struct dv_compress *c, struct dv_compress_io *io) DV_CHECK;
