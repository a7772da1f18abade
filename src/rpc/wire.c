/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's encoding. See wire-private.h. */

#include "wire-private.h"

#include <string.h>

enum { FIELD_NUMBER_MAX = (1 << 29) - 1 };

static bool get_varint(struct wire_reader *r, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && r->p < r->end; shift += 7) {
		uint8_t b = *r->p++;

		/* The tenth byte has room for one bit. */
		if (shift == 63 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool get_fixed(struct wire_reader *r, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if ((size_t)(r->end - r->p) < n)
		return false;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)r->p[i] << 8 * i;
	r->p += n;
	*ret = v;
	return true;
}

static bool get_bytes(struct wire_reader *r, struct wire_field *f)
{
	uint64_t n;

	if (!get_varint(r, &n) || n > (uint64_t)(r->end - r->p))
		return false;
	f->bytes = r->p;
	f->n = (size_t)n;
	r->p += n;
	return true;
}

enum wire_next wire_next(struct wire_reader *r, struct wire_field *ret)
{
	uint64_t tag;
	bool is_good;

	if (r->p == r->end)
		return WIRE_END;
	if (!get_varint(r, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
		return WIRE_BROKEN;
	*ret = (struct wire_field){ .number = (uint32_t)(tag >> 3), .type = tag & 7 };
	switch (ret->type) {
	case WIRE_VARINT:
		is_good = get_varint(r, &ret->value);
		break;
	case WIRE_FIXED64:
		is_good = get_fixed(r, 8, &ret->value);
		break;
	case WIRE_FIXED32:
		is_good = get_fixed(r, 4, &ret->value);
		break;
	case WIRE_BYTES:
		is_good = get_bytes(r, ret);
		break;
	default: /* groups: proto3 has none */
		is_good = false;
		break;
	}
	return is_good ? WIRE_FIELD : WIRE_BROKEN;
}

/* Length of the character at @s, 0 when there is none. */
static size_t char_length(const uint8_t *s, size_t n)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = s[0];
	size_t len = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;

	if (len == 1)
		return c != 0;
	if (len == 0 || len > n)
		return 0;
	c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

/* Eight bytes of ASCII without NUL, which is most of all text? */
static bool is_plain(const uint8_t *s)
{
	const uint64_t low = UINT64_C(0x0101010101010101), high = low << 7;
	uint64_t v;

	memcpy(&v, s, sizeof(v));
	return !(v & high) && !((v - low) & high);
}

bool wire_is_text(const uint8_t *s, size_t n)
{
	while (n) {
		size_t len = n >= 8 && is_plain(s) ? 8 : char_length(s, n);

		if (!len)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

void wire_make_text(uint8_t *s, size_t n)
{
	while (n) {
		size_t len = char_length(s, n);

		if (!len) {
			*s = '?';
			len = 1;
		}
		s += len;
		n -= len;
	}
}

size_t wire_varint_size(uint64_t v)
{
	size_t n = 1;

	for (; v >= 0x80; v >>= 7)
		n++;
	return n;
}

uint8_t *wire_put_varint(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

uint8_t *wire_put_tag(uint8_t *p, uint32_t number, enum wire_type type)
{
	return wire_put_varint(p, (uint64_t)number << 3 | type);
}

size_t wire_bytes_size(size_t n)
{
	return n ? 1 + wire_varint_size(n) + n : 0;
}

uint8_t *wire_put_bytes_head(uint8_t *p, uint32_t number, size_t n)
{
	return n ? wire_put_varint(wire_put_tag(p, number, WIRE_BYTES), n) : p;
}

uint8_t *wire_put_bytes(uint8_t *p, uint32_t number, const void *bytes, size_t n)
{
	p = wire_put_bytes_head(p, number, n);
	if (n)
		memcpy(p, bytes, n);
	return p + n;
}
