/* SPDX-License-Identifier: Apache-2.0 */
/* A subset of RFC 3986, read as Go's net/url does. */

#include "stdio-uri.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define ATTACH "attach:"

enum { PARAMS_MAX = 64, URI_MAX = 16 * 1024 };

static const struct {
	const char *name;
	enum stdio_scheme scheme;
} schemes[] = {
	{ "fifo", STDIO_FIFO },		  { "file", STDIO_FILE }, { "binary", STDIO_BINARY },
	{ "binary-v2", STDIO_BINARY_V2 }, { "cri", STDIO_CRI },	  { "json", STDIO_JSON },
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL: malformed. Heap. */
static char *unescape(const char *s, size_t n, bool has_plus)
{
	char *text = dv_alloc(n + 1), *to = text;

	for (size_t i = 0; i < n; i++) {
		int high, low;

		if (s[i] != '%') {
			*to++ = (char)(has_plus && s[i] == '+' ? ' ' : s[i]);
			continue;
		}
		high = i + 2 < n ? hex_digit(s[i + 1]) : -1;
		low = high >= 0 ? hex_digit(s[i + 2]) : -1;
		/* A NUL would end the text for everybody but us. */
		if (low < 0 || (high == 0 && low == 0)) {
			free(text);
			return NULL;
		}
		*to++ = (char)(high << 4 | low);
		i += 2;
	}
	return text;
}

static bool has_key(const struct stdio_uri *u, const char *key)
{
	for (size_t i = 0; i < u->n_params; i++) {
		if (dv_streq(u->params[i].key, key))
			return true;
	}
	return false;
}

static bool add_param(struct stdio_uri *u, const char *s, size_t n)
{
	const char *equals = memchr(s, '=', n);
	size_t n_key = equals ? (size_t)(equals - s) : n;
	char *key = unescape(s, n_key, true);
	char *value = equals ? unescape(equals + 1, n - n_key - 1, true) : dv_strdup("");

	if (!key || !value || u->n_params == PARAMS_MAX) {
		free(key);
		free(value);
		return false;
	}
	if (has_key(u, key)) {
		free(key);
		free(value);
		return true;
	}
	u->params = dv_realloc_n(u->params, u->n_params + 1, sizeof(*u->params));
	u->params[u->n_params++] = (struct stdio_param){ key, value };
	return true;
}

static bool parse_query(struct stdio_uri *u, const char *s, size_t n)
{
	while (n > 0) {
		const char *end = memchr(s, '&', n);
		size_t length = end ? (size_t)(end - s) : n;

		if (length > 0 && !add_param(u, s, length))
			return false;
		s += length + (end != NULL);
		n -= length + (end != NULL);
	}
	return true;
}

/* What follows "scheme://". */
static bool parse_rest(struct stdio_uri *u, const char *s)
{
	size_t n = strcspn(s, "#"), n_path = strcspn(s, "?#");

	u->path = unescape(s, n_path, false);
	return u->path && (n_path == n || parse_query(u, s + n_path + 1, n - n_path - 1));
}

static struct dv_err *find_scheme(const char *text, size_t n, enum stdio_scheme *ret)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(schemes); i++) {
		if (strlen(schemes[i].name) == n && strncmp(text, schemes[i].name, n) == 0) {
			*ret = schemes[i].scheme;
			return NULL;
		}
	}
	return dv_err_new(DV_INVALID,
			  "stdio: unknown scheme %.*s: fifo, file, binary, binary-v2, cri, json "
			  "and attach are known",
			  (int)DV_MIN(n, (size_t)64), text);
}

static struct dv_err *malformed(const char *text)
{
	return dv_err_new(DV_INVALID, "stdio: malformed: %s", text);
}

/* It has no path: "attach:", or "attach:?K=V". */
static struct dv_err *parse_attach(struct stdio_uri *u, const char *text)
{
	const char *s = text + strlen(ATTACH);
	size_t n = strcspn(s, "#");

	u->scheme = STDIO_ATTACH;
	if (n > 0 && (*s != '?' || !parse_query(u, s + 1, n - 1)))
		return malformed(text);
	return NULL;
}

static struct dv_err *parse(const char *text, struct stdio_uri *u)
{
	const char *colon = strstr(text, "://");
	struct dv_err *e;

	if (strlen(text) > URI_MAX)
		return dv_err_new(DV_INVALID, "stdio: longer than %d bytes", URI_MAX);
	if (dv_starts_with(text, ATTACH))
		return parse_attach(u, text);
	/* A path may have "://" in it, too. */
	if (*text == '/' || !colon) {
		u->scheme = STDIO_PATH;
		u->path = dv_strdup(text);
	} else {
		e = find_scheme(text, (size_t)(colon - text), &u->scheme);
		if (e)
			return e;
		if (!parse_rest(u, colon + 3))
			return malformed(text);
	}
	if (*u->path != '/')
		return dv_err_new(DV_INVALID, "stdio: not an absolute path: %s", text);
	if (strlen(u->path) >= PATH_MAX)
		return dv_err_new(DV_INVALID, "stdio: a path longer than %d bytes", PATH_MAX - 1);
	return NULL;
}

struct dv_err *stdio_uri_parse(const char *text, struct stdio_uri *ret)
{
	struct stdio_uri u = { .scheme = STDIO_NULL };
	struct dv_err *e = text && *text ? parse(text, &u) : NULL;

	if (e)
		stdio_uri_fini(&u);
	else
		*ret = u;
	return e;
}

void stdio_uri_fini(struct stdio_uri *u)
{
	for (size_t i = 0; i < u->n_params; i++) {
		free(u->params[i].key);
		free(u->params[i].value);
	}
	free(u->params);
	free(u->path);
	*u = (struct stdio_uri){ .scheme = STDIO_NULL };
}
