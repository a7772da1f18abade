/* SPDX-License-Identifier: Apache-2.0 */
/* TOML's four kinds of strings, and writing them. */

#include <string.h>

#include "base/str.h"
#include "toml-private.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void add_utf8(struct dv_strbuf *b, uint32_t u)
{
	if (u < 0x80) {
		dv_strbuf_addc(b, (char)u);
		return;
	}
	if (u < 0x800) {
		dv_strbuf_addc(b, (char)(0xc0 | u >> 6));
	} else {
		if (u < 0x10000) {
			dv_strbuf_addc(b, (char)(0xe0 | u >> 12));
		} else {
			dv_strbuf_addc(b, (char)(0xf0 | u >> 18));
			dv_strbuf_addc(b, (char)(0x80 | (u >> 12 & 0x3f)));
		}
		dv_strbuf_addc(b, (char)(0x80 | (u >> 6 & 0x3f)));
	}
	dv_strbuf_addc(b, (char)(0x80 | (u & 0x3f)));
}

static struct dv_err *unicode(struct toml_parser *s, unsigned n_digits, struct dv_strbuf *b)
{
	uint32_t u = 0;

	for (unsigned i = 0; i < n_digits; i++, s->p++) {
		int digit = s->p < s->end ? hex_digit(*s->p) : -1;

		if (digit < 0)
			return toml_error(s, "%u hexadecimal digits expected", n_digits);
		u = u << 4 | (uint32_t)digit;
	}
	if (u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
		return toml_error(s, "U+%X is no character", u);
	add_utf8(b, u);
	return NULL;
}

/* Behind a backslash at the end of a line: the line's end and all white space go. */
static bool line_continues(struct toml_parser *s)
{
	const char *p = s->p;

	while (p < s->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == s->end || (*p != '\n' && *p != '\r'))
		return false;
	s->p = p;
	while (s->p < s->end) {
		if (*s->p == ' ' || *s->p == '\t')
			s->p++;
		else if (!toml_newline(s))
			break;
	}
	return true;
}

static struct dv_err *escape(struct toml_parser *s, bool is_multiline, struct dv_strbuf *b)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *found;
	char c;

	s->p++;
	if (s->p == s->end)
		return toml_error(s, "the string does not end");
	if (is_multiline && line_continues(s))
		return NULL;
	c = *s->p;
	if (c == 'u' || c == 'U') {
		s->p++;
		return unicode(s, c == 'u' ? 4 : 8, b);
	}
	found = c ? strchr(from, c) : NULL;
	if (!found)
		return toml_error(s, "no such escape sequence");
	s->p++;
	dv_strbuf_addc(b, to[found - from]);
	return NULL;
}

/* Three quotes; up to two more in front of them belong to the text. */
static bool multiline_ends(struct toml_parser *s, char quote, struct dv_strbuf *b)
{
	size_t n = 0;

	while (n < 5 && s->p + n < s->end && s->p[n] == quote)
		n++;
	if (n < 3) {
		dv_strbuf_add_n(b, s->p, n);
		s->p += n;
		return false;
	}
	dv_strbuf_add_n(b, s->p, n - 3);
	s->p += n;
	return true;
}

static struct dv_err *string_body(struct toml_parser *s, char quote, bool is_multiline,
				  struct dv_strbuf *b)
{
	struct dv_err *e;

	while (s->p < s->end) {
		char c = *s->p;

		if (c == quote) {
			if (!is_multiline) {
				s->p++;
				return NULL;
			}
			if (multiline_ends(s, quote, b))
				return NULL;
		} else if (c == '\\' && quote == '"') {
			e = escape(s, is_multiline, b);
			if (e)
				return e;
		} else if (is_multiline && toml_newline(s)) {
			dv_strbuf_addc(b, '\n');
		} else if (c == '\n' || c == '\r') {
			return toml_error(s, "the string does not end on its line");
		} else if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f) {
			return toml_error(s, "a control character in a string");
		} else {
			dv_strbuf_addc(b, c);
			s->p++;
		}
	}
	return toml_error(s, "the string does not end");
}

struct dv_err *toml_string(struct toml_parser *s, bool may_be_multiline, const char **ret,
			   size_t *ret_n)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	char quote = *s->p, triple[] = { quote, quote, quote };
	bool is_multiline = toml_starts(s, triple, 3);
	struct dv_err *e;
	char *copy;

	if (is_multiline && !may_be_multiline)
		return toml_error(s, "a key cannot have several lines");
	s->p += is_multiline ? 3 : 1;
	if (is_multiline)
		(void)toml_newline(s); /* the first one is not part of it */
	e = string_body(s, quote, is_multiline, &b);
	if (e)
		return e;
	copy = dv_arena_alloc(s->arena, b.len + 1);
	memcpy(copy, b.data, b.len);
	*ret = copy;
	*ret_n = b.len;
	return NULL;
}

void dv_toml_add_string(struct dv_strbuf *b, const char *s)
{
	dv_strbuf_addc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			dv_strbuf_addf(b, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			dv_strbuf_addf(b, "\\u%04X", c);
		else
			dv_strbuf_addc(b, *s);
	}
	dv_strbuf_addc(b, '"');
}

void dv_toml_add_key(struct dv_strbuf *b, const char *key)
{
	size_t n = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	if (n > 0 && !key[n])
		dv_strbuf_add(b, key);
	else
		dv_toml_add_string(b, key);
}
