/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text is cut from its end, where nothing is ambiguous: the digest behind the first '@', the
 * tag behind a ':' with no '/' after it, the host before the first '/'. Each part is then checked
 * by itself.
 */

#include "spec/ref.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

#define DEFAULT_HOST "docker.io"
#define DEFAULT_PATH "library/"

/* Longer texts are not even looked at: host, path, tag, digest and what is between them. */
enum { TEXT_MAX = SPEC_REF_MAX_HOST + SPEC_REF_MAX_PATH + SPEC_REF_MAX_TAG + 160 };

/* ---- Characters, without a locale ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_alnum(char c)
{
	return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* ---- Parts ---- */

/* ":port" or nothing. */
static bool is_port(const char *p)
{
	size_t n = 0;

	if (!*p)
		return true;
	if (*p++ != ':')
		return false;
	while (is_digit(p[n]))
		n++;
	return n > 0 && n <= 5 && !p[n];
}

/* The end of the components, "a-b.c", at @p; NULL if there is none, or it is broken. */
static const char *domain_end(const char *p)
{
	for (;;) {
		const char *start = p;

		while (is_alnum(*p) || *p == '-')
			p++;
		if (p == start || *start == '-' || p[-1] == '-')
			return NULL;
		if (*p != '.')
			return p;
		p++;
	}
}

bool spec_ref_is_host(const char *text)
{
	const char *end;

	if (strlen(text) > SPEC_REF_MAX_HOST)
		return false;
	if (*text == '[') {
		for (end = text + 1; is_hex(*end) || *end == ':'; end++)
			;
		return end > text + 1 && *end == ']' && is_port(end + 1);
	}
	end = domain_end(text);
	return end && is_port(end);
}

/* '.', '_', "__" or any number of '-' at @p: what is behind it; @p itself if it is none. */
static const char *separator_end(const char *p)
{
	if (*p == '.')
		return p + 1;
	if (*p == '_')
		return p + (p[1] == '_' ? 2 : 1);
	while (*p == '-')
		p++;
	return p;
}

bool spec_ref_is_path(const char *text)
{
	const char *p = text;

	if (strlen(text) > SPEC_REF_MAX_PATH)
		return false;
	for (;;) {
		const char *start = p;

		while (is_lower(*p) || is_digit(*p))
			p++;
		if (p == start)
			return false;
		if (!*p)
			return true;
		start = p;
		p = *p == '/' ? p + 1 : separator_end(p);
		if (p == start)
			return false;
	}
}

bool spec_ref_is_tag(const char *text)
{
	size_t n = 0;

	while (is_alnum(text[n]) || text[n] == '_' || (n && (text[n] == '.' || text[n] == '-')))
		n++;
	return n > 0 && n <= SPEC_REF_MAX_TAG && !text[n];
}

/* ---- The whole ---- */

static bool is_image_id(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");

	return n == 64 && !text[n];
}

/* Docker's rule for what stands before the first slash. */
static bool looks_like_host(const char *part)
{
	if (strpbrk(part, ".:") || dv_streq(part, "localhost"))
		return true;
	for (; *part; part++) {
		if (*part >= 'A' && *part <= 'Z')
			return true;
	}
	return false;
}

/* @name without tag and digest. */
static struct dv_err *split_familiar(struct dv_arena *arena, char *name, struct spec_ref *ret)
{
	char *slash = strchr(name, '/');

	ret->host = DEFAULT_HOST;
	ret->path = name;
	if (is_image_id(name))
		return dv_err_new(DV_INVALID, "64 hex digits are the ID of an image, not a name");
	if (slash) {
		*slash = '\0';
		if (looks_like_host(name)) {
			ret->host = dv_streq(name, "index.docker.io") ? DEFAULT_HOST : name;
			ret->path = slash + 1;
		} else {
			*slash = '/';
		}
	}
	if (dv_streq(ret->host, DEFAULT_HOST) && !strchr(ret->path, '/'))
		ret->path = dv_arena_printf(arena, DEFAULT_PATH "%s", ret->path);
	return NULL;
}

static struct dv_err *split_full(char *name, struct spec_ref *ret)
{
	char *slash = strchr(name, '/');

	if (!slash)
		return dv_err_new(DV_INVALID, "a host is needed, as in docker.io/library/%s",
				  spec_ref_is_path(name) ? name : "busybox");
	*slash = '\0';
	ret->host = name;
	ret->path = slash + 1;
	return NULL;
}

static struct dv_err *check_path(const char *path)
{
	if (!*path)
		return dv_err_new(DV_INVALID, "the name of the repository is missing");
	if (strlen(path) > SPEC_REF_MAX_PATH)
		return dv_err_new(DV_INVALID, "the name of the repository is longer than %d",
				  SPEC_REF_MAX_PATH);
	if (spec_ref_is_path(path))
		return NULL;
	for (const char *p = path; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			return dv_err_new(DV_INVALID,
					  "the name of the repository must be lower case");
	}
	return dv_err_new(DV_INVALID, "the name of the repository is lower case letters and "
				      "digits, separated by /, ., _, __ or -");
}

static struct dv_err *parse(struct dv_arena *arena, char *text, enum spec_ref_form form,
			    struct spec_ref *ret)
{
	char *at = strchr(text, '@'), *colon;
	struct dv_err *e;

	if (at) {
		*at = '\0';
		e = dv_digest_parse(at + 1, &ret->digest);
		if (e)
			return e;
		ret->has_digest = true;
	}
	colon = strrchr(text, ':');
	if (colon && !strchr(colon, '/')) {
		*colon = '\0';
		if (!spec_ref_is_tag(colon + 1))
			return dv_err_new(DV_INVALID,
					  "a tag is at most %d letters, digits, _, . "
					  "and -, and begins with none of the last two",
					  SPEC_REF_MAX_TAG);
		ret->tag = colon + 1;
	}
	e = form == SPEC_REF_FULL ? split_full(text, ret) : split_familiar(arena, text, ret);
	if (e)
		return e;
	if (!spec_ref_is_host(ret->host))
		return dv_err_new(DV_INVALID, "not a host, with or without a port, before the /");
	return check_path(ret->path);
}

struct dv_err *spec_ref_parse(struct dv_arena *arena, const char *text, enum spec_ref_form form,
			      struct spec_ref *ret)
{
	struct spec_ref ref = { 0 };
	struct dv_err *e;
	int shown;

	if (strlen(text) > TEXT_MAX)
		return dv_err_new(DV_INVALID, "image name \"%.40s...\": longer than %d", text,
				  TEXT_MAX);
	/* Not to be cut in the middle of a character that is quoted. */
	for (shown = 0; text[shown] && isprint((unsigned char)text[shown]); shown++)
		;
	e = parse(arena, dv_arena_strdup(arena, text), form, &ref);
	if (e)
		return dv_err_wrap(e, "image name \"%.*s\"", shown, text);
	*ret = ref;
	return NULL;
}

void spec_ref_default_tag(struct spec_ref *ref)
{
	if (!ref->tag && !ref->has_digest)
		ref->tag = "latest";
}

static void add_tail(struct dv_strbuf *b, const struct spec_ref *ref)
{
	char digest[DV_DIGEST_STR];

	if (ref->tag)
		dv_strbuf_addf(b, ":%s", ref->tag);
	if (ref->has_digest)
		dv_strbuf_addf(b, "@%s", dv_digest_str(&ref->digest, digest));
}

char *spec_ref_format(const struct spec_ref *ref)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	dv_strbuf_addf(&b, "%s/%s", ref->host, ref->path);
	add_tail(&b, ref);
	return dv_strbuf_steal(&b);
}

/* Would the part before the first slash be taken for a host? */
static bool is_ambiguous(const char *path)
{
	size_t n = strcspn(path, "/");
	DV_CLEANUP(dv_freep) char *first = dv_strndup(path, n);

	return path[n] && looks_like_host(first);
}

char *spec_ref_familiar(const struct spec_ref *ref)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	const char *path = ref->path;

	if (dv_streq(ref->host, DEFAULT_HOST) && dv_starts_with(path, DEFAULT_PATH)) {
		const char *rest = path + strlen(DEFAULT_PATH);

		if (!strchr(rest, '/') && !is_image_id(rest))
			path = rest;
	} else if (!dv_streq(ref->host, DEFAULT_HOST) || is_ambiguous(path)) {
		dv_strbuf_addf(&b, "%s/", ref->host);
	}
	dv_strbuf_add(&b, path);
	add_tail(&b, ref);
	return dv_strbuf_steal(&b);
}

bool spec_host_is_local(const char *host)
{
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (dv_starts_with(host, "127.") && strspn(host, "0123456789.") >= n)
		return true;
	return (n == 9 && strncmp(host, "localhost", 9) == 0) ||
	       (n == 5 && strncmp(host, "[::1]", 5) == 0);
}
