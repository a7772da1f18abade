/* SPDX-License-Identifier: Apache-2.0 */
#include <isa-l/igzip_lib.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/decompress.h"

enum { SIZE = 3 << 20, SMALL = 100 << 10 };

/* Text that repeats, and noise. */
static uint8_t *sample(size_t n)
{
	uint8_t *p = dv_alloc(n);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = i / 4096 % 2 ? (uint8_t)(x >> 24) : (uint8_t)('a' + i % 7);
	}
	return p;
}

static size_t gzip(const uint8_t *p, size_t n, uint8_t *to, size_t room)
{
	struct isal_zstream s;

	isal_deflate_init(&s);
	s.gzip_flag = IGZIP_GZIP;
	s.end_of_stream = 1;
	s.next_in = (uint8_t *)p;
	s.avail_in = (uint32_t)n;
	s.next_out = to;
	s.avail_out = (uint32_t)room;
	cr_assert_eq(isal_deflate(&s), COMP_OK);
	return s.total_out;
}

struct outcome {
	struct dv_strbuf out;
	enum dv_code code; /* 0: it went well */
	bool is_complete;
};

/* In pieces of @step bytes, into room of @room bytes. */
static void run(enum dv_compression kind, const uint8_t *p, size_t n, size_t step, size_t room,
		struct outcome *ret)
{
	DV_CLEANUP(dv_decompress_freep) struct dv_decompress *d = dv_decompress_new(kind);
	DV_CLEANUP(dv_freep) uint8_t *buf = dv_alloc(room);
	size_t at = 0;

	*ret = (struct outcome){ .out = DV_STRBUF_INIT };
	while (at < n) {
		struct dv_decompress_io io = { p + at, DV_MIN(step, n - at), buf, room };
		size_t given = io.n_in;

		for (;;) {
			struct dv_err *e = dv_decompress_run(d, &io);
			bool was_full = io.n_out == 0;

			dv_strbuf_add_n(&ret->out, buf, room - io.n_out);
			if (e) {
				ret->code = dv_err_code(e);
				dv_err_free(e);
				return;
			}
			io.out = buf;
			io.n_out = room;
			if (!was_full)
				break;
		}
		cr_assert_eq(io.n_in, 0, "input is left");
		at += given;
	}
	ret->is_complete = dv_decompress_is_complete(d);
}

static void check_all_steps(enum dv_compression kind, const uint8_t *p, size_t n,
			    const uint8_t *expected, size_t n_expected)
{
	/* Byte by byte where that is no matter of minutes under a sanitizer. */
	const size_t steps[] = { n_expected <= SMALL ? 1 : 999, 1000, 65536, SIZE * 2 };
	struct outcome got;

	cr_assert_eq(dv_compression_of(p, n), kind);
	for (size_t i = 0; i < DV_ARRAY_SIZE(steps); i++) {
		run(kind, p, n, steps[i], i % 2 ? 777 : 1 << 20, &got);
		T_INT(got.code, ==, 0);
		T_TRUE(got.is_complete);
		cr_assert_eq(got.out.len, n_expected);
		cr_assert_eq(memcmp(got.out.data, expected, n_expected), 0);
		dv_strbuf_fini(&got.out);
	}
}

static void check_damage(enum dv_compression kind, uint8_t *p, size_t n)
{
	struct outcome got;

	run(kind, p, n - 5, 65536, 65536, &got);
	T_TRUE(got.code != 0 || !got.is_complete);
	dv_strbuf_fini(&got.out);
	p[n / 2] ^= 0x55;
	p[n / 2 + 1] ^= 0x55;
	run(kind, p, n, 65536, 65536, &got);
	T_TRUE(got.code == DV_INVALID || !got.is_complete);
	dv_strbuf_fini(&got.out);
}

static void check_gzip(size_t size)
{
	DV_CLEANUP(dv_freep) uint8_t *p = sample(size);
	DV_CLEANUP(dv_freep) uint8_t *z = dv_alloc(size * 2);
	size_t n = gzip(p, size, z, size * 2);

	check_all_steps(DV_GZIP, z, n, p, size);
	check_damage(DV_GZIP, z, n);
}

Test(decompress, gzip)
{
	check_gzip(SMALL);
	check_gzip(SIZE);
}

/* As pigz and tar make them: members in a row, zeros behind the last one. */
static void check_gzip_members(size_t size)
{
	DV_CLEANUP(dv_freep) uint8_t *p = sample(size);
	DV_CLEANUP(dv_freep) uint8_t *z = dv_alloc(size * 2);
	size_t n = gzip(p, size / 2, z, size * 2);

	n += gzip(p + size / 2, size / 2, z + n, size * 2 - n);
	check_all_steps(DV_GZIP, z, n, p, size);
	check_all_steps(DV_GZIP, z, n + 512, p, size);
	z[n + 100] = 'x';
	{
		struct outcome got;

		run(DV_GZIP, z, n + 512, 65536, 65536, &got);
		T_INT(got.code, ==, DV_INVALID);
		dv_strbuf_fini(&got.out);
	}
}

Test(decompress, gzip_members)
{
	check_gzip_members(SMALL);
	check_gzip_members(SIZE);
}

static void check_zstd(size_t size)
{
	DV_CLEANUP(dv_freep) uint8_t *p = sample(size);
	DV_CLEANUP(dv_freep) uint8_t *z = dv_alloc(size * 2);
	size_t n = ZSTD_compress(z, size * 2, p, size / 2, 3);

	cr_assert(!ZSTD_isError(n));
	n += ZSTD_compress(z + n, size * 2 - n, p + size / 2, size / 2, 3);
	check_all_steps(DV_ZSTD, z, n, p, size);
	check_damage(DV_ZSTD, z, n);
}

Test(decompress, zstd)
{
	check_zstd(SMALL);
	check_zstd(SIZE);
}

Test(decompress, plain_and_empty)
{
	static const uint8_t text[] = "hello";
	struct outcome got;

	check_all_steps(DV_PLAIN, text, 5, text, 5);
	run(DV_PLAIN, text, 0, 1, 1, &got);
	T_TRUE(got.is_complete);
}
