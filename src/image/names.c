/* SPDX-License-Identifier: Apache-2.0 */
/* Names. See image/names.h. */

#include "image/names.h"

#include <string.h>

#include "base/str.h"
#include "codec/digest.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyz0123456789"

enum { REPOSITORY_MAX = 255, TAG_MAX = 128 };

/* ---- the grammar ------------------------------------------------------------------------------- */

/* Letters and digits in groups, joined by ".", "_", "__" or dashes. */
static bool is_component(const char *s, size_t n)
{
	size_t at = 0;

	for (;;) {
		size_t word = strspn(s + at, ALNUM), joint;

		at += DV_MIN(word, n - at);
		if (word == 0 || at == n)
			return word > 0;
		joint = strspn(s + at, "-");
		if (joint == 0 && s[at] == '_')
			joint = s[at + 1] == '_' ? 2 : 1;
		if (joint == 0)
			joint = s[at] == '.';
		if (joint == 0 || at + joint >= n)
			return false;
		at += joint;
	}
}

static bool is_path(const char *s, size_t n)
{
	const char *end = s + n;

	while (s < end) {
		const char *slash = memchr(s, '/', (size_t)(end - s));
		size_t part = slash ? (size_t)(slash - s) : (size_t)(end - s);

		if (part == 0 || !is_component(s, part))
			return false;
		if (!slash)
			return true;
		s = slash + 1;
	}
	return false;
}

/* "host", "host:port", "[::1]:5000" */
static bool is_host(const char *s, size_t n)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-.:[]";

	return n > 0 && strspn(s, chars) >= n && s[0] != '-' && s[0] != '.' && s[n - 1] != ':';
}

static bool is_tag(const char *s)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_.-";
	size_t n = strlen(s);

	return n > 0 && n <= TAG_MAX && strspn(s, chars) == n && *s != '.' && *s != '-';
}

/* The first part is a registry's if it looks like a host, as docker decides it. */
static bool has_host(const char *s, size_t n)
{
	return memchr(s, '.', n) || memchr(s, ':', n) ||
	       (n == strlen("localhost") && strncmp(s, "localhost", n) == 0) ||
	       strcspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") < n;
}

const char *image_name_tag(const char *name)
{
	const char *slash = strrchr(name, '/');
	const char *colon = strrchr(slash ? slash : name, ':');

	return colon && !strchr(name, '@') ? colon + 1 : name + strlen(name);
}

static struct dv_err *bad(const char *text)
{
	return dv_err_new(DV_INVALID,
			  "\"%s\" is not the name of an image; names are like "
			  "registry.example.com:5000/group/name:tag",
			  text);
}

struct dv_err *image_name_normalize(const char *text, struct dv_arena *arena, const char **ret)
{
	const char *at = strchr(text, '@'), *slash = strchr(text, '/');
	const char *host = "docker.io", *path = text, *tag, *prefix = "";
	size_t n_host = strlen(host), n_path;
	struct dv_digest digest;

	if (at) {
		struct dv_err *e = dv_digest_parse(at + 1, &digest);

		if (e)
			return dv_err_wrap(e, "image name \"%s\"", text);
	}
	if (slash && (!at || slash < at) && has_host(text, (size_t)(slash - text))) {
		host = text;
		n_host = (size_t)(slash - text);
		path = slash + 1;
	}
	if (n_host == strlen("index.docker.io") && strncmp(host, "index.docker.io", n_host) == 0) {
		host = "docker.io";
		n_host = strlen(host);
	}
	n_path = at ? (size_t)(at - path) : strlen(path);
	tag = memchr(path, ':', n_path);
	if (tag) {
		size_t n_tag = n_path - (size_t)(tag - path) - 1;

		n_path = (size_t)(tag - path);
		tag = dv_arena_strndup(arena, tag + 1, n_tag);
	}
	if (n_host == 9 && strncmp(host, "docker.io", 9) == 0 && !memchr(path, '/', n_path))
		prefix = "library/";
	if (!is_host(host, n_host) || n_path == 0 || n_path > REPOSITORY_MAX ||
	    !is_path(path, n_path) || (tag && !is_tag(tag)))
		return bad(text);
	*ret = dv_arena_printf(arena, "%.*s/%s%.*s%s%s%s", (int)n_host, host, prefix, (int)n_path,
			       path, tag || !at ? ":" : "",
			       tag  ? tag
			       : at ? ""
				    : "latest",
			       at ? at : "");
	return NULL;
}

/* ---- of archives --------------------------------------------------------------------------------- */

static bool has_prefix(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 && strchr("/:@", name[n]) != NULL;
}

/* The name that an annotation of the archive makes; NULL: none. */
static const char *name_of(const struct image_reference *r, const struct meta_labels *annotations,
			   struct dv_arena *arena)
{
	const char *full = meta_label_get(annotations, "io.containerd.image.name");
	const char *ref = meta_label_get(annotations, "org.opencontainers.image.ref.name");
	const char *name = full && *full ? full : ref;

	if (!name || !*name)
		return NULL;
	if (!strpbrk(name, "/:@"))
		return dv_arena_printf(arena, "%s:%s", r->name, name);
	return r->allows_other || name == full || has_prefix(name, r->name) ? name : NULL;
}

void image_reference_apply(const struct image_reference *r, const struct meta_labels *annotations,
			   const char *digest, struct dv_arena *arena, const char *ret[2],
			   size_t *ret_n)
{
	const char *name = name_of(r, annotations, arena);

	*ret_n = 0;
	if (name)
		ret[(*ret_n)++] = name;
	if (r->adds_digest && !(name && r->skips_named))
		ret[(*ret_n)++] = dv_arena_printf(arena, "%s@%s", r->name, digest);
}
