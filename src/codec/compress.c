/* SPDX-License-Identifier: Apache-2.0 */

#include "codec/compress.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"

enum { GZIP_LEVEL = 1, ZSTD_LEVEL = 3 };

struct dv_compress {
	enum dv_compression kind;
	struct isal_zstream *gzip;
	uint8_t *level_buf;
	ZSTD_CCtx *zstd;
};

struct dv_compress *dv_compress_new(enum dv_compression kind)
{
	struct dv_compress *c = dv_new(struct dv_compress);

	c->kind = kind;
	if (kind == DV_GZIP) {
		c->gzip = dv_new(struct isal_zstream);
		c->level_buf = dv_alloc(ISAL_DEF_LVL1_DEFAULT);
		isal_deflate_init(c->gzip);
		c->gzip->gzip_flag = IGZIP_GZIP;
		c->gzip->level = GZIP_LEVEL;
		c->gzip->level_buf = c->level_buf;
		c->gzip->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
	} else if (kind == DV_ZSTD) {
		c->zstd = ZSTD_createCCtx();
		dv_assert(c->zstd);
		(void)ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
		(void)ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
	}
	return c;
}

struct dv_compress *dv_compress_free(struct dv_compress *c)
{
	if (!c)
		return NULL;
	ZSTD_freeCCtx(c->zstd);
	free(c->level_buf);
	free(c->gzip);
	free(c);
	return NULL;
}

static uint32_t size32(size_t n)
{
	return (uint32_t)DV_MIN(n, (size_t)1 << 30);
}

/* True: the stream is whole. */
static bool gzip_run(struct dv_compress *c, struct dv_compress_io *io, bool is_end)
{
	struct isal_zstream *s = c->gzip;

	do {
		uint32_t n_in = size32(io->n_in), n_out = size32(io->n_out);

		s->next_in = (uint8_t *)io->in;
		s->avail_in = n_in;
		s->next_out = io->out;
		s->avail_out = n_out;
		s->end_of_stream = is_end && n_in == io->n_in;
		/* It fails for parameters alone, which are ours. */
		dv_assert(isal_deflate(s) == COMP_OK);
		io->in += n_in - s->avail_in;
		io->n_in -= n_in - s->avail_in;
		io->out += n_out - s->avail_out;
		io->n_out -= n_out - s->avail_out;
	} while (io->n_in > 0 && io->n_out > 0);
	return s->internal_state.state == ZSTATE_END;
}

static bool zstd_run(struct dv_compress *c, struct dv_compress_io *io, bool is_end)
{
	ZSTD_EndDirective how = is_end ? ZSTD_e_end : ZSTD_e_continue;
	size_t left;

	do {
		ZSTD_inBuffer in = { io->in, io->n_in, 0 };
		ZSTD_outBuffer out = { io->out, io->n_out, 0 };

		left = ZSTD_compressStream2(c->zstd, &out, &in, how);
		dv_assert(!ZSTD_isError(left)); /* of memory alone */
		io->in += in.pos;
		io->n_in -= in.pos;
		io->out += out.pos;
		io->n_out -= out.pos;
	} while ((io->n_in > 0 || (is_end && left > 0)) && io->n_out > 0);
	return is_end && left == 0 && io->n_in == 0;
}

static void plain_run(struct dv_compress_io *io)
{
	size_t n = DV_MIN(io->n_in, io->n_out);

	if (n == 0)
		return;
	memcpy(io->out, io->in, n);
	io->in += n;
	io->n_in -= n;
	io->out += n;
	io->n_out -= n;
}

static bool run(struct dv_compress *c, struct dv_compress_io *io, bool is_end)
{
	switch (c->kind) {
	case DV_GZIP:
		return gzip_run(c, io, is_end);
	case DV_ZSTD:
		return zstd_run(c, io, is_end);
	default:
		plain_run(io);
		return io->n_in == 0;
	}
}

void dv_compress_run(struct dv_compress *c, struct dv_compress_io *io)
{
	if (io->n_in > 0)
		(void)run(c, io, false);
}

bool dv_compress_end(struct dv_compress *c, struct dv_compress_io *io)
{
	return run(c, io, true);
}
