/* SPDX-License-Identifier: Apache-2.0 */
/* The string buffer and strict parsing. See base/str.h. */

#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static void reserve(struct dv_strbuf *b, size_t more)
{
	size_t need = b->len + more + 1;

	if (need <= b->size)
		return;
	need = DV_MAX(need, b->size * 2);
	need = DV_MAX(need, (size_t)64);
	b->data = dv_realloc_n(b->size ? b->data : NULL, need, 1);
	b->size = need;
}

void dv_strbuf_add_n(struct dv_strbuf *b, const void *p, size_t n)
{
	reserve(b, n);
	memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void dv_strbuf_add(struct dv_strbuf *b, const char *s)
{
	dv_strbuf_add_n(b, s, strlen(s));
}

void dv_strbuf_addc(struct dv_strbuf *b, char c)
{
	dv_strbuf_add_n(b, &c, 1);
}

void dv_strbuf_addv(struct dv_strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	dv_assert(n >= 0);
	reserve(b, (size_t)n);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void dv_strbuf_addf(struct dv_strbuf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	dv_strbuf_addv(b, fmt, ap);
	va_end(ap);
}

void dv_strbuf_clear(struct dv_strbuf *b)
{
	b->len = 0;
	if (b->size)
		b->data[0] = '\0';
}

char *dv_strbuf_steal(struct dv_strbuf *b)
{
	char *s = b->size ? b->data : dv_strdup("");

	*b = (struct dv_strbuf)DV_STRBUF_INIT;
	return s;
}

void dv_strbuf_fini(struct dv_strbuf *b)
{
	if (b->size)
		free(b->data);
	*b = (struct dv_strbuf)DV_STRBUF_INIT;
}

/* Length of the valid UTF-8 sequence at @s, 0 when there is none (RFC 3629, table 3-7). */
static size_t utf8_len(const unsigned char *s)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;

	if (s[0] == 0xe0)
		lo = 0xa0; /* overlong */
	if (s[0] == 0xed)
		hi = 0x9f; /* surrogates */
	if (s[0] == 0xf0)
		lo = 0x90;
	if (s[0] == 0xf4)
		hi = 0x8f;
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static void add_json_char(struct dv_strbuf *b, unsigned char c)
{
	switch (c) {
	case '"':
		dv_strbuf_add(b, "\\\"");
		break;
	case '\\':
		dv_strbuf_add(b, "\\\\");
		break;
	case '\n':
		dv_strbuf_add(b, "\\n");
		break;
	case '\r':
		dv_strbuf_add(b, "\\r");
		break;
	case '\t':
		dv_strbuf_add(b, "\\t");
		break;
	default:
		if (c < 0x20 || c == 0x7f)
			dv_strbuf_addf(b, "\\u%04x", c);
		else
			dv_strbuf_addc(b, (char)c);
	}
}

void dv_strbuf_add_json(struct dv_strbuf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	dv_strbuf_addc(b, '"');
	while (*p) {
		size_t n = utf8_len(p);

		if (n == 0) {
			dv_strbuf_add(b, "\xef\xbf\xbd");
			n = 1;
		} else if (n == 1) {
			add_json_char(b, *p);
		} else {
			dv_strbuf_add_n(b, p, n);
		}
		p += n;
	}
	dv_strbuf_addc(b, '"');
}

bool dv_ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && dv_streq(s + n - m, suffix);
}

bool dv_parse_u64(const char *s, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)s[0]))
		return false;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || *end)
		return false;
	*ret = v;
	return true;
}

bool dv_parse_i64(const char *s, int64_t *ret)
{
	long long v;
	char *end;

	if (!isdigit((unsigned char)s[s[0] == '-']))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end)
		return false;
	*ret = v;
	return true;
}

bool dv_parse_u32(const char *s, uint32_t *ret)
{
	uint64_t v;

	if (!dv_parse_u64(s, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

bool dv_parse_bool(const char *s, bool *ret)
{
	static const char *const words[2][6] = {
		{ "0", "f", "F", "false", "FALSE", "False" },
		{ "1", "t", "T", "true", "TRUE", "True" },
	};

	for (int v = 0; v < 2; v++) {
		for (size_t i = 0; i < DV_ARRAY_SIZE(words[v]); i++) {
			if (dv_streq(s, words[v][i])) {
				*ret = v;
				return true;
			}
		}
	}
	return false;
}

bool dv_parse_size(const char *s, int64_t *ret)
{
	static const char units[] = "bkmgtp";
	const char *unit;
	double v, scale = 1;
	char *end;

	if (dv_streq(s, "-1")) {
		*ret = -1;
		return true;
	}
	if (!isdigit((unsigned char)s[0]))
		return false;
	if (dv_parse_i64(s, ret))
		return true;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return false;
	errno = 0;
	v = strtod(s, &end);
	if (errno || end == s)
		return false;
	while (*end == ' ')
		end++;
	if (*end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (!unit)
			return false;
		scale = exp2(10.0 * (double)(unit - units));
		end++;
		if (unit != units && (*end == 'i' || *end == 'I'))
			end++;
		if (unit != units && (*end == 'b' || *end == 'B'))
			end++;
	}
	if (*end || v * scale >= 9.2e18)
		return false;
	*ret = (int64_t)(v * scale);
	return true;
}

bool dv_parse_duration(const char *s, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 },  { "us", 1e3 }, { "ms", 1e6 },
		      { "s", 1e9 }, { "m", 6e10 }, { "h", 3.6e12 } };
	double total = 0;
	size_t i, n;
	char *end;
	double v;

	if (!*s)
		return false;
	if (dv_streq(s, "0")) {
		*ret_ns = 0;
		return true;
	}
	while (*s) {
		n = strspn(s, "0123456789.");
		v = strtod(s, &end);
		if (n == 0 || end != s + n) /* strtod would take "1e3", too */
			return false;
		n = strcspn(end, "0123456789.");
		for (i = 0; i < DV_ARRAY_SIZE(units); i++) {
			if (strlen(units[i].name) == n && strncmp(end, units[i].name, n) == 0)
				break;
		}
		if (i == DV_ARRAY_SIZE(units))
			return false;
		total += v * units[i].ns;
		s = end + n;
	}
	if (total >= 9.2e18)
		return false;
	*ret_ns = (int64_t)total;
	return true;
}

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
	       s[2] <= '7';
}

void dv_unescape_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s + 1)) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

bool dv_path_has_dotdot(const char *path)
{
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.')
			return true;
		p += n;
		p += strspn(p, "/");
	}
	return false;
}

char *dv_path_clean(const char *path)
{
	bool is_absolute = path[0] == '/';
	size_t depth = 0; /* components in out that ".." may remove */
	size_t len = 0;
	char *out = dv_alloc(strlen(path) + 3);

	if (is_absolute)
		out[len++] = '/';
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		bool is_dotdot = n == 2 && p[0] == '.' && p[1] == '.';

		if (n == 0 || (n == 1 && p[0] == '.')) {
			/* nothing to add */
		} else if (is_dotdot && depth > 0) {
			while (len > 0 && out[len - 1] != '/')
				len--;
			if (len > 1 || (len == 1 && !is_absolute))
				len--;
			depth--;
		} else if (!is_dotdot || !is_absolute) {
			if (len > 0 && out[len - 1] != '/')
				out[len++] = '/';
			memcpy(out + len, p, n);
			len += n;
			depth += !is_dotdot;
		}
		p += n;
		p += strspn(p, "/");
	}
	if (len == 0)
		out[len++] = '.';
	out[len] = '\0';
	return out;
}
