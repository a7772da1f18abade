/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's encoding, field by field. */

#include "base/macros.h"
#include "base/test.h"
#include "wire-private.h"

struct field_case {
	const char *name, *bytes;
	size_t n;
	enum wire_next want;
	uint32_t number;
	enum wire_type type;
	uint64_t value;
	size_t n_bytes;
};

#define BYTES(s) s, sizeof(s) - 1

static const struct field_case field_cases[] = {
	{ "nothing", BYTES(""), WIRE_END },
	{ "varint", BYTES("\x08\x96\x01"), WIRE_FIELD, 1, WIRE_VARINT, 150, 0 },
	{ "largest", BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), WIRE_FIELD, 1,
	  WIRE_VARINT, UINT64_MAX, 0 },
	{ "larger", BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), WIRE_BROKEN },
	{ "endless", BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), WIRE_BROKEN },
	{ "varint cut off", BYTES("\x08\x96"), WIRE_BROKEN },
	{ "no value", BYTES("\x08"), WIRE_BROKEN },
	{ "fixed64", BYTES("\x11\x01\x00\x00\x00\x00\x00\x00\x80"), WIRE_FIELD, 2, WIRE_FIXED64,
	  UINT64_C(0x8000000000000001), 0 },
	{ "fixed64 cut off", BYTES("\x11\x01\x00\x00\x00\x00\x00\x00"), WIRE_BROKEN },
	{ "fixed32", BYTES("\x1d\x78\x56\x34\x12"), WIRE_FIELD, 3, WIRE_FIXED32, 0x12345678, 0 },
	{ "fixed32 cut off", BYTES("\x1d\x78\x56\x34"), WIRE_BROKEN },
	{ "bytes", BYTES("\x22\x02hi"), WIRE_FIELD, 4, WIRE_BYTES, 0, 2 },
	{ "no bytes", BYTES("\x22\x00"), WIRE_FIELD, 4, WIRE_BYTES, 0, 0 },
	{ "bytes cut off", BYTES("\x22\x03hi"), WIRE_BROKEN },
	{ "a length beyond all", BYTES("\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	  WIRE_BROKEN },
	{ "field 0", BYTES("\x00\x00"), WIRE_BROKEN },
	{ "largest field", BYTES("\xf8\xff\xff\xff\x0f\x01"), WIRE_FIELD, (1 << 29) - 1,
	  WIRE_VARINT, 1, 0 },
	{ "larger field", BYTES("\x80\x80\x80\x80\x10\x01"), WIRE_BROKEN },
	{ "group", BYTES("\x0b\x0c"), WIRE_BROKEN },
	{ "type 7", BYTES("\x0f\x01"), WIRE_BROKEN },
};

Test(wire, fields)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(field_cases); i++) {
		const struct field_case *c = &field_cases[i];
		struct wire_reader r = { .p = (const uint8_t *)c->bytes,
					 .end = (const uint8_t *)c->bytes + c->n };
		struct wire_field f = { 0 };
		enum wire_next got = wire_next(&r, &f);

		cr_expect(got == c->want, "%s: got %d, expected %d", c->name, got, c->want);
		if (c->want != WIRE_FIELD)
			continue;
		cr_expect(f.number == c->number && f.type == c->type && f.value == c->value &&
				  f.n == c->n_bytes,
			  "%s: differs", c->name);
		cr_expect(wire_next(&r, &f) == WIRE_END, "%s: something is left", c->name);
	}
}

static const struct {
	const char *bytes;
	size_t n;
	bool is_text;
	const char *made;
} texts[] = {
	{ BYTES(""), true, "" },
	{ BYTES("abc"), true, "abc" },
	{ BYTES("\x7f"), true, "\x7f" },
	{ BYTES("a\0c"), false, "a?c" },
	{ BYTES("\xc3\xa4"), true, "\xc3\xa4" },
	{ BYTES("\xe2\x82\xac"), true, "\xe2\x82\xac" },
	{ BYTES("\xf0\x9f\x98\x80"), true, "\xf0\x9f\x98\x80" },
	{ BYTES("\xf4\x8f\xbf\xbf"), true, "\xf4\x8f\xbf\xbf" },
	{ BYTES("\xf4\x90\x80\x80"), false, "????" },
	{ BYTES("\xc0\x80"), false, "??" },
	{ BYTES("\xe0\x80\x80"), false, "???" },
	{ BYTES("\xed\xa0\x80"), false, "???" }, /* a surrogate */
	{ BYTES("\x80"), false, "?" },
	{ BYTES("\xff"), false, "?" },
	{ BYTES("\xc3"), false, "?" },
	{ BYTES("x\xe2\x82"), false, "x??" },
	{ BYTES("\xc3("), false, "?(" },
};

Test(wire, text)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		uint8_t copy[16] = { 0 };

		memcpy(copy, texts[i].bytes, texts[i].n);
		cr_expect(wire_is_text(copy, texts[i].n) == texts[i].is_text, "text %zu", i);
		wire_make_text(copy, texts[i].n);
		T_STR((char *)copy, texts[i].made);
		T_TRUE(wire_is_text(copy, texts[i].n));
	}
}

/* Words of eight bytes are looked at at once. */
Test(wire, text_at_each_place)
{
	static const uint8_t bad[] = { 0, 0x80, 0xc3, 0xff };
	uint8_t text[40];

	for (size_t n = 1; n <= sizeof(text); n++) {
		memset(text, 'x', sizeof(text));
		T_TRUE(wire_is_text(text, n));
		for (size_t i = 0; i < n; i++) {
			for (size_t k = 0; k < sizeof(bad); k++) {
				text[i] = bad[k];
				cr_expect(!wire_is_text(text, n), "%zu of %zu", i, n);
				text[i] = 1; /* the smallest, and the largest: */
				T_TRUE(wire_is_text(text, n));
				text[i] = 0x7f;
				T_TRUE(wire_is_text(text, n));
			}
			text[i] = 'x';
		}
	}
}

Test(wire, varints_come_back)
{
	uint8_t buf[WIRE_VARINT_MAX + 1];
	struct wire_field f;

	for (unsigned shift = 0; shift < 64; shift++) {
		for (int d = -1; d <= 1; d++) {
			uint64_t v = (UINT64_C(1) << shift) + (uint64_t)d;
			uint8_t *end = wire_put_varint(wire_put_tag(buf, 1, WIRE_VARINT), v);
			struct wire_reader r = { .p = buf, .end = end };

			T_INT(end - buf - 1, ==, wire_varint_size(v));
			T_INT(wire_next(&r, &f), ==, WIRE_FIELD);
			cr_expect(f.value == v);
		}
	}
}

Test(wire, bytes_come_back)
{
	uint8_t buf[16];
	struct wire_field f;
	uint8_t *end = wire_put_bytes(buf, 3, "abc", 3);
	struct wire_reader r = { .p = buf, .end = end };

	T_INT(end - buf, ==, wire_bytes_size(3));
	T_INT(wire_next(&r, &f), ==, WIRE_FIELD);
	T_INT(f.number, ==, 3);
	T_INT(memcmp(f.bytes, "abc", 3), ==, 0);
	/* What is empty is left out. */
	T_INT(wire_bytes_size(0), ==, 0);
	T_TRUE(wire_put_bytes(buf, 3, NULL, 0) == buf);
	T_TRUE(wire_put_bytes_head(buf, 3, 0) == buf);
}
