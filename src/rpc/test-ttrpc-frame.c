/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: whole, in pieces, too long, without memory. */

#include "base/str.h"
#include "base/test.h"
#include "ttrpc-private.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

struct frame_case {
	const char *name;
	const uint8_t *bytes;
	size_t n;
	const char *want; /* one letter per result; frames: stream, type, flags, payload */
};

static const struct frame_case cases[] = {
	{ "nothing", BYTES(""), "" },
	{ "half a header", BYTES("\0\0\0\1\0\0\0\1\1"), "" },
	{ "empty payload", BYTES("\0\0\0\0\0\0\0\1\1\2"), "[1 1 2 ]" },
	{ "one", BYTES("\0\0\0\2\0\0\0\3\2\0hi"), "[3 2 0 hi]" },
	{ "payload cut off", BYTES("\0\0\0\3\0\0\0\3\2\0hi"), "" },
	{ "two", BYTES("\0\0\0\1\0\0\0\1\1\0a\0\0\0\2\xff\xff\xff\xff\3\5bc"),
	  "[1 1 0 a][4294967295 3 5 bc]" },
	{ "empty ones", BYTES("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\2\0\0\0\0\0\1\0\0\0\3\0\0z"),
	  "[1 0 0 ][2 0 0 ][3 0 0 z]" },
};

static void add_frame(struct dv_strbuf *b, const struct ttrpc_frame *f)
{
	dv_strbuf_addf(b, "[%u %u %u %.*s]", f->stream, f->type, f->flags, (int)f->length,
		       (const char *)f->payload);
}

/* Feeds @n bytes, at most @piece at a time. */
static void feed(struct ttrpc_reader *r, const uint8_t *p, size_t n, size_t piece,
		 struct dv_strbuf *b)
{
	while (n) {
		size_t some = DV_MIN(n, piece);
		uint8_t *copy = dv_new_n(uint8_t, some); /* so that ASan sees reads beyond */
		const uint8_t *at = copy;
		size_t left = some;
		struct ttrpc_frame f;
		enum ttrpc_read read;

		memcpy(copy, p, some);
		while ((read = ttrpc_reader_next(r, &at, &left, &f)) != TTRPC_READ_MORE) {
			if (read == TTRPC_READ_FRAME)
				add_frame(b, &f);
			else
				dv_strbuf_addf(b, "(%s %u %u)",
					       read == TTRPC_READ_TOO_LONG ? "long" : "short",
					       f.stream, f.length);
		}
		T_INT(left, ==, 0);
		free(copy);
		p += some;
		n -= some;
	}
}

Test(ttrpc_frame, whole_and_in_pieces)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		for (size_t piece = 1; piece <= cases[i].n + 1; piece++) {
			struct ttrpc_budget budget = { .max = 1 << 20 };
			struct ttrpc_reader r = { .budget = &budget };
			struct dv_strbuf b = DV_STRBUF_INIT;

			feed(&r, cases[i].bytes, cases[i].n, piece, &b);
			cr_expect(dv_streq(b.data, cases[i].want), "%s by %zu: %s", cases[i].name,
				  piece, b.data);
			dv_strbuf_fini(&b);
			ttrpc_reader_fini(&r);
			T_INT(budget.used, ==, 0);
		}
	}
}

static void put_head(uint8_t h[TTRPC_HEADER], uint32_t length, uint32_t stream)
{
	struct ttrpc_chunk *c = ttrpc_chunk_new(stream, TTRPC_REQUEST, 0, 0);

	memcpy(h, c->data, TTRPC_HEADER);
	for (int i = 0; i < 4; i++)
		h[i] = (uint8_t)(length >> (24 - 8 * i));
	free(c);
}

Test(ttrpc_frame, too_long_is_skipped)
{
	enum { LONG = TTRPC_PAYLOAD_MAX + 1 };
	DV_CLEANUP(dv_freep) uint8_t *bytes = dv_alloc(2 * TTRPC_HEADER + (size_t)LONG);
	struct ttrpc_budget budget = { .max = 1 << 20 };
	struct ttrpc_reader r = { .budget = &budget };
	struct dv_strbuf b = DV_STRBUF_INIT;

	put_head(bytes, LONG, 5);
	put_head(bytes + TTRPC_HEADER + LONG, 0, 7);
	feed(&r, bytes, 2 * TTRPC_HEADER + (size_t)LONG, 65537, &b);
	T_STR(b.data, "(long 5 4194305)[7 1 0 ]");
	T_INT(budget.used, ==, 0);
	T_FALSE(ttrpc_reader_is_midway(&r));
	dv_strbuf_fini(&b);
	ttrpc_reader_fini(&r);
}

Test(ttrpc_frame, largest)
{
	enum { N = TTRPC_PAYLOAD_MAX };
	DV_CLEANUP(dv_freep) uint8_t *bytes = dv_alloc(TTRPC_HEADER + (size_t)N);
	struct ttrpc_budget budget = { .max = (size_t)2 * N };
	struct ttrpc_reader r = { .budget = &budget };
	const uint8_t *p = bytes;
	size_t n = TTRPC_HEADER + 8192;
	struct ttrpc_frame f;

	put_head(bytes, N, 5);
	T_INT(ttrpc_reader_next(&r, &p, &n, &f), ==, TTRPC_READ_MORE);
	/* Memory as the bytes come, not as the header promises. */
	T_INT(budget.used, <=, 16384);
	T_TRUE(ttrpc_reader_is_midway(&r));
	n = (size_t)N - 8192;
	T_INT(ttrpc_reader_next(&r, &p, &n, &f), ==, TTRPC_READ_FRAME);
	T_INT(f.length, ==, N);
	T_INT(n, ==, 0);
	T_INT(ttrpc_reader_next(&r, &p, &n, &f), ==, TTRPC_READ_MORE);
	T_INT(budget.used, ==, 0);
	ttrpc_reader_fini(&r);
}

Test(ttrpc_frame, memory_is_short)
{
	uint8_t bytes[TTRPC_HEADER + 10000 + TTRPC_HEADER] = { 0 };
	struct ttrpc_budget budget = { .max = 5000 };
	struct ttrpc_reader r = { .budget = &budget };
	struct dv_strbuf b = DV_STRBUF_INIT;

	put_head(bytes, 10000, 1);
	put_head(bytes + TTRPC_HEADER + 10000, 0, 3);
	feed(&r, bytes, sizeof(bytes), 1000, &b);
	T_STR(b.data, "(short 1 10000)[3 1 0 ]");
	dv_strbuf_fini(&b);
	T_INT(budget.used, ==, 0);
	ttrpc_reader_fini(&r);
}

Test(ttrpc_frame, budget)
{
	struct ttrpc_budget b = { .max = 10 };

	T_TRUE(ttrpc_budget_take(&b, 7));
	T_FALSE(ttrpc_budget_take(&b, 4));
	T_TRUE(ttrpc_budget_take(&b, 3));
	T_FALSE(ttrpc_budget_take(&b, SIZE_MAX));
	ttrpc_budget_give(&b, 10);
	T_INT(b.used, ==, 0);
}

Test(ttrpc_frame, chunk)
{
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *c = ttrpc_chunk_new(0x01020304, TTRPC_DATA, 5, 3);

	T_INT(c->n, ==, 13);
	T_INT(memcmp(c->data, "\0\0\0\3\1\2\3\4\3\5", 10), ==, 0);
	ttrpc_chunk_set_stream(c, 7);
	T_INT(memcmp(c->data, "\0\0\0\3\0\0\0\7\3\5", 10), ==, 0);
}
