/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/compress.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"

enum { SIZE = 3 << 20 };

/* Text that repeats, and noise. */
static uint8_t *sample(size_t n)
{
	uint8_t *p = dv_alloc(n + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = i / 4096 % 2 ? (uint8_t)(x >> 24) : (uint8_t)('a' + i % 7);
	}
	return p;
}

/* In pieces of @step bytes, into room of @room bytes. */
static void compress(enum dv_compression kind, const uint8_t *p, size_t n, size_t step, size_t room,
		     struct dv_strbuf *out)
{
	DV_CLEANUP(dv_compress_freep) struct dv_compress *c = dv_compress_new(kind);
	DV_CLEANUP(dv_freep) uint8_t *buf = dv_alloc(room);
	bool is_whole = false;

	for (size_t at = 0; at < n;) {
		struct dv_compress_io io = { p + at, DV_MIN(step, n - at), buf, room };
		size_t given = io.n_in;

		dv_compress_run(c, &io);
		at += given - io.n_in;
		dv_strbuf_add_n(out, buf, room - io.n_out);
	}
	while (!is_whole) {
		struct dv_compress_io io = { NULL, 0, buf, room };

		is_whole = dv_compress_end(c, &io);
		dv_strbuf_add_n(out, buf, room - io.n_out);
	}
}

static void check(enum dv_compression kind, const uint8_t *p, size_t n, const struct dv_strbuf *got)
{
	DV_CLEANUP(dv_decompress_freep) struct dv_decompress *d = dv_decompress_new(kind);
	DV_CLEANUP(dv_freep) uint8_t *back = dv_alloc(n + 1);
	struct dv_decompress_io io = { (const uint8_t *)got->data, got->len, back, n + 1 };

	cr_assert_null(dv_decompress_run(d, &io));
	T_INT(io.n_in, ==, 0);
	T_INT(n + 1 - io.n_out, ==, n);
	cr_assert(memcmp(back, p, n) == 0);
	cr_assert(dv_decompress_is_complete(d));
}

static const enum dv_compression kinds[] = { DV_PLAIN, DV_GZIP, DV_ZSTD };

Test(compress, there_and_back)
{
	static const struct {
		size_t n, step, room;
	} cases[] = { { SIZE, SIZE, 2 * SIZE }, { SIZE, 4096, 512 }, { 100000, 1, 65536 },
		      { 70000, 70000, 1 },	{ 1, 1, 1 },	     { 0, 1, 3 } };
	DV_CLEANUP(dv_freep) uint8_t *p = sample(SIZE);

	for (size_t k = 0; k < DV_ARRAY_SIZE(kinds); k++) {
		for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
			DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

			compress(kinds[k], p, cases[i].n, cases[i].step, cases[i].room, &out);
			check(kinds[k], p, cases[i].n, &out);
			if (out.len > 0 && cases[i].n > 0)
				T_INT(dv_compression_of(out.data, out.len), ==, kinds[k]);
		}
	}
}

/* Layers are named by what comes out. */
Test(compress, same_pieces_same_bytes)
{
	DV_CLEANUP(dv_freep) uint8_t *p = sample(SIZE);

	for (size_t k = 0; k < DV_ARRAY_SIZE(kinds); k++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf a = DV_STRBUF_INIT, b = DV_STRBUF_INIT;

		compress(kinds[k], p, SIZE, 65536, 65536, &a);
		compress(kinds[k], p, SIZE, 65536, 65536, &b);
		T_INT(a.len, ==, b.len);
		cr_assert(memcmp(a.data, b.data, a.len) == 0);
		if (kinds[k] != DV_PLAIN)
			T_INT(a.len, <, SIZE * 3 / 4);
	}
}
