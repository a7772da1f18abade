/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of a JSON text, checked against RFC 8259.
 *
 * json-c 0.16 in its strict mode still takes 'x', NaN, [1.], [-01], raw control characters
 * and overlong UTF-8, cuts keys at \u0000 and bends integers that do not fit to the nearest
 * one that does. A configuration that two readers understand differently is how checks are
 * got around, so all of it is refused here, before json-c sees the text. No allocation, one
 * pass, no state outside the call.
 */

#include "json-private.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* White space, punctuation, and the letters of true, false and null. */
static const bool is_plain[256] = {
	[' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, ['{'] = true,
	['}'] = true, ['['] = true,  [']'] = true,  [':'] = true,  [','] = true,
	['a'] = true, ['e'] = true,  ['f'] = true,  ['l'] = true,  ['n'] = true,
	['r'] = true, ['s'] = true,  ['t'] = true,  ['u'] = true,
};

struct lexer {
	const char *text; /* the whole document */
	const char *end;
	const char *p;
};

size_t json_line_at(const char *text, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

static struct dv_err *fail(const struct lexer *lx, const char *what)
{
	return dv_err_new(DV_INVALID, "line %zu: %s",
			  json_line_at(lx->text, (size_t)(lx->p - lx->text)), what);
}

static bool is_digit(const struct lexer *lx)
{
	return lx->p < lx->end && *lx->p >= '0' && *lx->p <= '9';
}

static bool skip(struct lexer *lx, char c)
{
	if (lx->p == lx->end || *lx->p != c)
		return false;
	lx->p++;
	return true;
}

static bool skip_digits(struct lexer *lx)
{
	if (!is_digit(lx))
		return false;
	while (is_digit(lx))
		lx->p++;
	return true;
}

/* Does the integer at [@start, lx->p) fit int64 or uint64? */
static bool int_fits(const struct lexer *lx, const char *start)
{
	size_t len = (size_t)(lx->p - start);
	char copy[24];

	if (len < 19) /* INT64_MAX has 19 digits */
		return true;
	if (len >= sizeof(copy))
		return false;
	memcpy(copy, start, len);
	copy[len] = '\0';
	errno = 0;
	if (copy[0] == '-')
		strtoll(copy, NULL, 10);
	else
		strtoull(copy, NULL, 10);
	return errno == 0;
}

static struct dv_err *number(struct lexer *lx)
{
	const char *start = lx->p;
	bool is_int = true;

	skip(lx, '-');
	if (!skip(lx, '0') && !skip_digits(lx))
		return fail(lx, "a digit is missing in a number");
	if (is_digit(lx))
		return fail(lx, "a number begins with 0");
	if (skip(lx, '.')) {
		is_int = false;
		if (!skip_digits(lx))
			return fail(lx, "a digit is missing after the point of a number");
	}
	if (skip(lx, 'e') || skip(lx, 'E')) {
		is_int = false;
		if (!skip(lx, '+'))
			skip(lx, '-');
		if (!skip_digits(lx))
			return fail(lx, "a digit is missing in the exponent of a number");
	}
	if (is_int && !int_fits(lx, start))
		return fail(lx, "an integer does not fit 64 bits");
	return NULL;
}

/* The length of the sequence that begins with @c, and the range of its second byte. */
static size_t utf8_head(unsigned char c, unsigned char *lo, unsigned char *hi)
{
	*lo = 0x80;
	*hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef) {
		if (c == 0xe0)
			*lo = 0xa0; /* below: overlong */
		else if (c == 0xed)
			*hi = 0x9f; /* above: surrogates */
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (c == 0xf0)
			*lo = 0x90;
		else if (c == 0xf4)
			*hi = 0x8f; /* above: beyond U+10FFFF */
		return 4;
	}
	return 0;
}

/* Table 3-7 of the Unicode standard. */
static bool skip_utf8(struct lexer *lx)
{
	const unsigned char *p = (const unsigned char *)lx->p;
	unsigned char lo, hi;
	size_t n = utf8_head(p[0], &lo, &hi);

	if (n == 0 || (size_t)(lx->end - lx->p) < n || p[1] < lo || p[1] > hi)
		return false;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return false;
	}
	lx->p += n;
	return true;
}

/* A name with a NUL would be another name to whoever reads it as a C string. */
static struct dv_err *after_nul_string(const struct lexer *lx)
{
	const char *p = lx->p;

	while (p < lx->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	if (p < lx->end && *p == ':')
		return fail(lx, "a property name contains \\u0000");
	return NULL;
}

/* lx->p is behind the opening quote. Escapes are left to json-c, except \u0000. */
static struct dv_err *string(struct lexer *lx)
{
	bool has_nul = false;

	while (lx->p < lx->end) {
		unsigned char c = (unsigned char)*lx->p;

		if (c == '"') {
			lx->p++;
			return has_nul ? after_nul_string(lx) : NULL;
		}
		if (c < 0x20)
			return fail(lx, "a control character in a string");
		if (c >= 0x80) {
			if (!skip_utf8(lx))
				return fail(lx, "a string is not UTF-8");
			continue;
		}
		if (c == '\\') {
			if (lx->end - lx->p >= 6 && memcmp(lx->p, "\\u0000", 6) == 0)
				has_nul = true;
			lx->p++;
			if (lx->p == lx->end)
				break;
			/* The escaped character is plain ASCII or json-c's to refuse. */
			if ((unsigned char)*lx->p < 0x20 || (unsigned char)*lx->p >= 0x80)
				return fail(lx, "invalid string sequence");
		}
		lx->p++;
	}
	return fail(lx, "the document ends inside a string");
}

static struct dv_err *nesting(const struct lexer *lx, unsigned *depth)
{
	if (*lx->p == '{' || *lx->p == '[')
		++*depth;
	else if ((*lx->p == '}' || *lx->p == ']') && *depth > 0)
		--*depth;
	if (*depth > JSON_MAX_DEPTH)
		return dv_err_new(DV_EXHAUSTED, "nested deeper than %d levels", JSON_MAX_DEPTH);
	return NULL;
}

struct dv_err *json_lex_check(const char *text, size_t len)
{
	struct lexer lx = { .text = text, .end = text + len, .p = text };
	unsigned depth = 0;
	struct dv_err *e;

	while (lx.p < lx.end) {
		unsigned char c = (unsigned char)*lx.p;

		if (c == '"') {
			lx.p++;
			e = string(&lx);
		} else if (c == '-' || (c >= '0' && c <= '9')) {
			e = number(&lx);
		} else if (is_plain[c]) {
			e = nesting(&lx, &depth);
			lx.p++;
		} else {
			e = fail(&lx, "unexpected character");
		}
		if (e)
			return e;
	}
	return NULL;
}
