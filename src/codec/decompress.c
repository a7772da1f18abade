/* SPDX-License-Identifier: Apache-2.0 */

#include "codec/decompress.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"

enum { WINDOW_LOG_MAX = 27 };

struct dv_decompress {
	enum dv_compression kind;
	bool is_between; /* streams: at the start, or behind one's end */
	bool is_padding; /* zeros behind the last stream */
	bool has_begun; /* some stream was seen */
	struct inflate_state *gzip;
	ZSTD_DStream *zstd;
};

enum dv_compression dv_compression_of(const void *p, size_t n)
{
	static const uint8_t gzip[] = { 0x1f, 0x8b, 0x08 };
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	const uint8_t *b = p;

	if (n >= sizeof(gzip) && memcmp(b, gzip, sizeof(gzip)) == 0)
		return DV_GZIP;
	if (n >= sizeof(zstd) && memcmp(b, zstd, sizeof(zstd)) == 0)
		return DV_ZSTD;
	/* zstd's skippable frames: 0x184d2a50 to 0x184d2a5f, little-endian (RFC 8878, 3.1.2). */
	if (n >= 4 && (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18)
		return DV_ZSTD;
	return DV_PLAIN;
}

static void gzip_begin(struct dv_decompress *d)
{
	isal_inflate_init(d->gzip);
	d->gzip->crc_flag = ISAL_GZIP;
}

struct dv_decompress *dv_decompress_new(enum dv_compression kind)
{
	struct dv_decompress *d = dv_new(struct dv_decompress);

	d->kind = kind;
	d->is_between = true;
	if (kind == DV_GZIP) {
		d->gzip = dv_new(struct inflate_state);
		gzip_begin(d);
	} else if (kind == DV_ZSTD) {
		d->zstd = ZSTD_createDStream();
		dv_assert(d->zstd);
		(void)ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	}
	return d;
}

struct dv_decompress *dv_decompress_free(struct dv_decompress *d)
{
	if (!d)
		return NULL;
	ZSTD_freeDStream(d->zstd);
	free(d->gzip);
	free(d);
	return NULL;
}

/* ---- gzip ------------------------------------------------------------------------------------- */

static uint32_t size32(size_t n)
{
	return (uint32_t)DV_MIN(n, (size_t)1 << 30);
}

static struct dv_err *gzip_piece(struct dv_decompress *d, struct dv_decompress_io *io)
{
	struct inflate_state *s = d->gzip;
	uint32_t n_in = size32(io->n_in), n_out = size32(io->n_out);
	int r;

	s->next_in = (uint8_t *)io->in;
	s->avail_in = n_in;
	s->next_out = io->out;
	s->avail_out = n_out;
	r = isal_inflate(s);
	if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT && r != ISAL_OUT_OVERFLOW)
		return dv_err_new(DV_INVALID, "damaged gzip stream (%d)", r);
	io->in += n_in - s->avail_in;
	io->n_in -= n_in - s->avail_in;
	io->out += n_out - s->avail_out;
	io->n_out -= n_out - s->avail_out;
	d->is_between = s->block_state == ISAL_BLOCK_FINISH;
	d->has_begun = true;
	if (d->is_between)
		gzip_begin(d);
	return NULL;
}

/* Behind a member: another one, or zeros to the end. */
static struct dv_err *gzip_run(struct dv_decompress *d, struct dv_decompress_io *io)
{
	struct dv_err *e = NULL;

	while (!e && io->n_in > 0 && io->n_out > 0) {
		if (d->is_between && d->has_begun && (*io->in == 0 || d->is_padding)) {
			d->is_padding = true;
			if (*io->in != 0)
				return dv_err_new(DV_INVALID, "garbage behind a gzip stream");
			io->in++;
			io->n_in--;
			continue;
		}
		e = gzip_piece(d, io);
	}
	/* Output that the state still holds, for input that was taken before. */
	if (!e && !d->is_between && io->n_in == 0 && io->n_out > 0)
		e = gzip_piece(d, io);
	return e;
}

/* ---- zstd ------------------------------------------------------------------------------------- */

static struct dv_err *zstd_run(struct dv_decompress *d, struct dv_decompress_io *io)
{
	ZSTD_inBuffer in = { io->in, io->n_in, 0 };
	ZSTD_outBuffer out = { io->out, io->n_out, 0 };
	size_t before, r = 0;

	do {
		before = in.pos + out.pos;
		r = ZSTD_decompressStream(d->zstd, &out, &in);
		if (ZSTD_isError(r))
			return dv_err_new(ZSTD_getErrorCode(r) ==
							  ZSTD_error_frameParameter_windowTooLarge
						  ? DV_EXHAUSTED
						  : DV_INVALID,
					  "zstd stream: %s", ZSTD_getErrorName(r));
		d->is_between = r == 0;
	} while (in.pos + out.pos > before && in.pos < in.size && out.pos < out.size);
	io->in += in.pos;
	io->n_in -= in.pos;
	io->out += out.pos;
	io->n_out -= out.pos;
	return NULL;
}

static void plain_run(struct dv_decompress_io *io)
{
	size_t n = DV_MIN(io->n_in, io->n_out);

	if (n > 0)
		memcpy(io->out, io->in, n);
	io->in += n;
	io->n_in -= n;
	io->out += n;
	io->n_out -= n;
}

struct dv_err *dv_decompress_run(struct dv_decompress *d, struct dv_decompress_io *io)
{
	if (d->kind == DV_GZIP)
		return gzip_run(d, io);
	if (d->kind == DV_ZSTD)
		return zstd_run(d, io);
	plain_run(io);
	return NULL;
}

bool dv_decompress_is_complete(const struct dv_decompress *d)
{
	return d->kind == DV_PLAIN || d->is_between;
}
