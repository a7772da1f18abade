/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small things of gRPC's wire: timeouts, messages of errors, and the codes of what is no
 * answer. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "grpc-private.h"
#include "wire-private.h"

/* Clients allow 8 KiB for all headers of an answer. */
enum { MESSAGE_MAX = 4 << 10 };

static const struct {
	char unit;
	uint64_t ns;
} units[] = {
	{ 'n', 1 },
	{ 'u', 1000 },
	{ 'm', 1000000 },
	{ 'S', UINT64_C(1000000000) },
	{ 'M', UINT64_C(60000000000) },
	{ 'H', UINT64_C(3600000000000) },
};

bool grpc_timeout_parse(struct grpc_text t, uint64_t *ret_ns)
{
	uint64_t v = 0;

	if (t.n < 2 || t.n > 9)
		return false;
	for (size_t i = 0; i < t.n - 1; i++) {
		if (t.s[i] < '0' || t.s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(t.s[i] - '0');
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(units); i++) {
		if (t.s[t.n - 1] != units[i].unit)
			continue;
		if (__builtin_mul_overflow(v, units[i].ns, ret_ns) || *ret_ns > INT64_MAX)
			*ret_ns = INT64_MAX;
		return true;
	}
	return false;
}

void grpc_timeout_format(uint64_t ns, char buf[12])
{
	size_t i = 0;
	uint64_t v = ns;

	while (v > 99999999 && i < DV_ARRAY_SIZE(units) - 1) {
		i++;
		v = ns / units[i].ns + (ns % units[i].ns != 0);
	}
	snprintf(buf, 12, "%u%c", (unsigned)DV_MIN(v, UINT64_C(99999999)), units[i].unit);
}

bool grpc_is_content_type(struct grpc_text t)
{
	static const char type[] = "application/grpc";
	size_t n = sizeof(type) - 1;

	if (t.n < n || memcmp(t.s, type, n) != 0)
		return false;
	return t.n == n || t.s[n] == '+' || t.s[n] == ';' || t.s[n] == ' ';
}

char *grpc_message_encode(const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	struct dv_strbuf b = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *text = dv_strdup(s);
	size_t n = strlen(text);

	wire_make_text((uint8_t *)text, n);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)text[i];

		/* Cut between characters. */
		if (b.len > MESSAGE_MAX && (c & 0xc0) != 0x80) {
			dv_strbuf_add(&b, "...");
			break;
		}
		if (c >= 0x20 && c < 0x7f && c != '%') {
			dv_strbuf_addc(&b, (char)c);
		} else {
			char esc[3] = { '%', hex[c >> 4], hex[c & 15] };

			dv_strbuf_add_n(&b, esc, sizeof(esc));
		}
	}
	return dv_strbuf_steal(&b);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *grpc_message_decode(struct grpc_text t)
{
	char *out = dv_alloc(t.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < t.n; i++) {
		int high = -1, low = -1;

		if (t.s[i] == '%' && t.n - i > 2) {
			high = hex_digit(t.s[i + 1]);
			low = hex_digit(t.s[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			out[n++] = (char)(high << 4 | low);
			i += 2;
		} else { /* what is malformed is taken as it is */
			out[n++] = t.s[i];
		}
	}
	wire_make_text((uint8_t *)out, n);
	return out;
}

/* ---- Bytes in headers ---- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool grpc_is_binary_key(struct grpc_text name)
{
	return name.n > 4 && memcmp(name.s + name.n - 4, "-bin", 4) == 0;
}

char *grpc_base64_encode(const void *p, size_t n)
{
	const uint8_t *from = p;
	char *out = dv_alloc(n / 3 * 4 + 5), *to = out;
	uint32_t bits = 0;
	unsigned n_bits = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | from[i];
		for (n_bits += 8; n_bits >= 6; n_bits -= 6)
			*to++ = base64[bits >> (n_bits - 6) & 63];
	}
	if (n_bits)
		*to++ = base64[bits << (6 - n_bits) & 63];
	*to = '\0';
	return out;
}

uint8_t *grpc_base64_decode(struct grpc_text t, size_t *ret_n)
{
	DV_CLEANUP(dv_freep) uint8_t *out = NULL;
	size_t n = t.n, n_out = 0;
	uint32_t bits = 0;
	unsigned n_bits = 0;

	while (n > 0 && t.n - n < 2 && t.s[n - 1] == '=')
		n--;
	if (n % 4 == 1 || (n < t.n && t.n % 4))
		return NULL;
	out = dv_alloc(n / 4 * 3 + 4);
	for (size_t i = 0; i < n; i++) {
		const char *at = t.s[i] ? strchr(base64, t.s[i]) : NULL;

		if (!at)
			return NULL;
		bits = bits << 6 | (uint32_t)(at - base64);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n_out++] = (uint8_t)(bits >> n_bits);
		}
	}
	out[n_out] = 0;
	*ret_n = n_out;
	return dv_steal(&out);
}

/* ---- Codes ---- */

enum dv_code grpc_code_of_http(uint32_t status)
{
	switch (status) {
	case 400:
		return DV_INTERNAL;
	case 401:
		return DV_UNAUTHENTICATED;
	case 403:
		return DV_PERMISSION;
	case 404:
		return DV_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return DV_UNAVAILABLE;
	default:
		return DV_UNKNOWN;
	}
}

enum dv_code grpc_code_of_h2(uint32_t error_code)
{
	switch (error_code) {
	case NGHTTP2_REFUSED_STREAM:
		return DV_UNAVAILABLE;
	case NGHTTP2_CANCEL:
		return DV_CANCELLED;
	case NGHTTP2_ENHANCE_YOUR_CALM:
		return DV_EXHAUSTED;
	case NGHTTP2_INADEQUATE_SECURITY:
		return DV_PERMISSION;
	default:
		return DV_INTERNAL;
	}
}

bool grpc_budget_take(struct grpc_budget *b, size_t n)
{
	if (grpc_budget_left(b) < n)
		return false;
	grpc_budget_force(b, n);
	return true;
}

void grpc_budget_force(struct grpc_budget *b, size_t n)
{
	for (; b; b = b->parent)
		b->used += n;
}

void grpc_budget_give(struct grpc_budget *b, size_t n)
{
	for (; b; b = b->parent) {
		dv_assert(b->used >= n);
		b->used -= n;
	}
}

size_t grpc_budget_left(const struct grpc_budget *b)
{
	size_t left = SIZE_MAX;

	for (; b; b = b->parent)
		left = DV_MIN(left, b->max - DV_MIN(b->used, b->max));
	return left;
}
