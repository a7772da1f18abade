/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/attach.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"

/* "1:abc 2: " for what @n bytes are, given in chunks of @chunk; a piece that is not the last one has + */
static char *read_all(const uint8_t *p, size_t n, size_t chunk)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_attach_reader r = { 0 };

	while (n > 0) {
		size_t left = DV_MIN(n, chunk);
		struct dv_attach_piece piece;
		enum dv_attach_next next;

		n -= left;
		while ((next = dv_attach_read(&r, &p, &left, &piece)) == DV_ATTACH_PIECE)
			dv_strbuf_addf(&out, "%u:%.*s%s ", piece.type, (int)piece.n,
				       (const char *)piece.bytes, piece.is_last ? "" : "+");
		if (next == DV_ATTACH_BAD) {
			dv_strbuf_add(&out, "bad");
			return dv_strbuf_steal(&out);
		}
		T_INT(left, ==, 0);
	}
	dv_strbuf_add(&out, dv_attach_is_between(&r) ? "." : "(more)");
	return dv_strbuf_steal(&out);
}

#define T_READ(bytes, chunk, expected) \
	do { \
		DV_CLEANUP(dv_freep) \
		char *t_r_ = read_all((const uint8_t *)(bytes), sizeof(bytes) - 1, (chunk)); \
		T_STR(t_r_, (expected)); \
	} while (0)

#define TWO_FRAMES \
	"\x01\0\0\0\x03" \
	"abc" \
	"\x02\0\0\0\0"

Test(attach, frames)
{
	T_READ(TWO_FRAMES, 100, "1:abc 2: .");
	T_READ(TWO_FRAMES TWO_FRAMES, 100, "1:abc 2: 1:abc 2: .");
}

Test(attach, in_pieces)
{
	T_READ(TWO_FRAMES, 1, "1:a+ 1:b+ 1:c 2: .");
	T_READ(TWO_FRAMES, 7, "1:ab+ 1:c 2: .");
	T_READ(TWO_FRAMES, 8, "1:abc 2: .");
}

Test(attach, unfinished)
{
	T_READ("\x01\0\0", 100, "(more)");
	T_READ("\x01\0\0\0\x03", 100, "(more)");
	T_READ("\x01\0\0\0\x03"
	       "ab",
	       100, "1:ab+ (more)");
}

Test(attach, unread)
{
	const uint8_t *p = (const uint8_t *)TWO_FRAMES;
	size_t n = sizeof(TWO_FRAMES) - 1;
	struct dv_attach_reader r = { 0 };
	struct dv_attach_piece piece;

	T_INT(dv_attach_read(&r, &p, &n, &piece), ==, DV_ATTACH_PIECE);
	T_TRUE(piece.is_last && dv_attach_is_between(&r));
	dv_attach_unread(&r, &piece, 1);
	T_FALSE(dv_attach_is_between(&r));
	n += piece.n - 1;
	p = piece.bytes + 1;
	T_INT(dv_attach_read(&r, &p, &n, &piece), ==, DV_ATTACH_PIECE);
	T_TRUE(piece.is_last && piece.n == 2 && memcmp(piece.bytes, "bc", 2) == 0);
	T_INT(dv_attach_read(&r, &p, &n, &piece), ==, DV_ATTACH_PIECE);
	T_INT(piece.type, ==, 2);
	T_INT(dv_attach_read(&r, &p, &n, &piece), ==, DV_ATTACH_MORE);
}

Test(attach, too_long)
{
	T_READ("\x01\0\x01\0\x01xyz", 100, "bad");
	T_READ("\x01\xff\xff\xff\xff", 1, "bad");
	T_READ("\x01\0\x01\0\0xyz", 100, "1:xyz+ (more)");
}

Test(attach, header)
{
	uint8_t buf[DV_ATTACH_HEADER];

	dv_attach_header(DV_ATTACH_STDERR, DV_ATTACH_MAX, buf);
	T_INT(memcmp(buf, "\x02\0\x01\0\0", sizeof(buf)), ==, 0);
	dv_attach_header(DV_ATTACH_END, 0, buf);
	T_INT(memcmp(buf, "\x03\0\0\0\0", sizeof(buf)), ==, 0);
}
