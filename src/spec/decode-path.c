/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of the decoder. Paths are put together only when something is wrong:
 * "mounts[3].options[0]", and linux.sysctl["net.ipv4.ip_forward"] for keys that do not
 * read as names.
 */

#include "decode-private.h"

#include <ctype.h>

/* Deeper than JSON may nest, twice for the steps inside an object or array. */
enum { MAX_STEPS = 160 };

static bool is_plain(const char *key)
{
	if (!*key)
		return false;
	for (const char *p = key; *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	}
	return true;
}

static void add_step(struct dv_strbuf *b, const struct decode_path *step)
{
	if (!step->key) {
		dv_strbuf_addf(b, "[%zu]", step->index);
	} else if (is_plain(step->key)) {
		dv_strbuf_addf(b, "%s%s", b->len ? "." : "", step->key);
	} else {
		dv_strbuf_addc(b, '[');
		dv_strbuf_add_json(b, step->key);
		dv_strbuf_addc(b, ']');
	}
}

static void add_path(struct dv_strbuf *b, const struct decode_path *path)
{
	const struct decode_path *steps[MAX_STEPS];
	size_t n = 0;

	for (; path && n < MAX_STEPS; path = path->up)
		steps[n++] = path;
	while (n > 0)
		add_step(b, steps[--n]);
	if (b->len == 0)
		dv_strbuf_add(b, "document");
}

static struct dv_err *error_at(const struct decode_path *path, const char *text)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	struct dv_err *e;

	add_path(&b, path);
	e = dv_err_new(DV_INVALID, "%s: %s", b.data, text);
	dv_strbuf_fini(&b);
	return e;
}

struct dv_err *spec_decode_error(const struct decoder *d, const char *fmt, ...)
{
	struct dv_strbuf text = DV_STRBUF_INIT;
	struct dv_err *e;
	va_list ap;

	va_start(ap, fmt);
	dv_strbuf_addv(&text, fmt, ap);
	va_end(ap);
	e = error_at(d->path, text.data);
	dv_strbuf_fini(&text);
	return e;
}

struct dv_err *spec_decode_missing(const struct decoder *d, const char *key)
{
	const struct decode_path here = { .up = d->path, .key = key };

	return error_at(&here, "required property is missing");
}

struct dv_err *spec_decode_expected(const struct decoder *d, const struct dv_json *v,
				    const char *fmt, ...)
{
	struct dv_strbuf text = DV_STRBUF_INIT;
	char *excerpt = dv_json_excerpt(v);
	struct dv_err *e;
	va_list ap;

	dv_strbuf_add(&text, "expected ");
	va_start(ap, fmt);
	dv_strbuf_addv(&text, fmt, ap);
	va_end(ap);
	dv_strbuf_addf(&text, ", got %s", excerpt);
	e = error_at(d->path, text.data);
	dv_strbuf_fini(&text);
	free(excerpt);
	return e;
}
