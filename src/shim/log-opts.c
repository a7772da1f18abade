/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a log, from its URI. See shim/README.md. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "log-file.h"

enum { MAX_LINE = 16 * 1024, LINE_MIN = 4, FILES_MAX = 1000 };

static bool parse_max_line(struct log_opts *o, const char *value)
{
	uint32_t n;

	if (!dv_parse_u32(value, &n) || n < LINE_MIN || n > LOG_LINE_MAX)
		return false;
	o->max_line = n;
	return true;
}

static bool parse_max_size(struct log_opts *o, const char *value)
{
	int64_t n;

	if (!dv_parse_size(value, &n) || n < 1)
		return false;
	o->max_size = (uint64_t)n;
	return true;
}

static bool parse_max_file(struct log_opts *o, const char *value)
{
	uint32_t n;

	if (!dv_parse_u32(value, &n) || n < 1 || n > FILES_MAX)
		return false;
	o->max_file = n;
	return true;
}

/* Readers of both formats know no other. */
static bool parse_stream(struct log_opts *o, const char *value)
{
	if (!dv_streq(value, "stdout") && !dv_streq(value, "stderr"))
		return false;
	free(o->stream);
	o->stream = dv_strdup(value);
	return true;
}

static bool parse_attach(struct log_opts *o, const char *value)
{
	return dv_parse_bool(value, &o->is_attachable);
}

static const struct {
	const char *key;
	bool (*parse)(struct log_opts *o, const char *value);
} options[] = {
	{ "max-line", parse_max_line }, { "max-size", parse_max_size },
	{ "max-file", parse_max_file }, { "stream", parse_stream },
	{ "attach", parse_attach },
};

static struct dv_err *parse_param(struct log_opts *o, const struct stdio_param *p,
				  struct dv_strbuf *attrs)
{
	if (o->format == LOG_JSON && dv_starts_with(p->key, "attr.") && p->key[5]) {
		dv_strbuf_add(attrs, attrs->len ? "," : "\"attrs\":{");
		dv_strbuf_add_json(attrs, p->key + 5);
		dv_strbuf_addc(attrs, ':');
		dv_strbuf_add_json(attrs, p->value);
		return NULL;
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(options) && o->format != LOG_RAW; i++) {
		if (!dv_streq(options[i].key, p->key))
			continue;
		if (options[i].parse(o, p->value))
			return NULL;
		return dv_err_new(DV_INVALID, "log %s: %s cannot be \"%s\"", o->path, p->key,
				  p->value);
	}
	return dv_err_new(DV_INVALID, "log %s: no such option: %s", o->path, p->key);
}

static enum log_format format_of(enum stdio_scheme scheme)
{
	switch (scheme) {
	case STDIO_CRI:
		return LOG_CRI;
	case STDIO_JSON:
		return LOG_JSON;
	default:
		return LOG_RAW;
	}
}

struct dv_err *log_opts_parse(const struct stdio_uri *uri, struct log_opts *ret)
{
	struct dv_strbuf attrs = DV_STRBUF_INIT;
	struct log_opts o = { .format = format_of(uri->scheme),
			      .path = dv_strdup(uri->path),
			      .max_line = MAX_LINE,
			      .max_file = 1,
			      .is_existing = uri->scheme == STDIO_PATH };
	struct dv_err *e = NULL;

	for (size_t i = 0; i < uri->n_params && !e; i++)
		e = parse_param(&o, &uri->params[i], &attrs);
	if (attrs.len)
		dv_strbuf_add(&attrs, "},");
	if (!e && attrs.len > LOG_EXTRA_MAX)
		e = dv_err_new(DV_INVALID, "log %s: attributes of more than %d bytes", o.path,
			       LOG_EXTRA_MAX);
	o.attrs = dv_strdup(attrs.data);
	dv_strbuf_fini(&attrs);
	if (e)
		log_opts_fini(&o);
	else
		*ret = o;
	return e;
}

void log_opts_fini(struct log_opts *o)
{
	free(o->path);
	free(o->stream);
	free(o->attrs);
	*o = (struct log_opts){ 0 };
}

bool log_opts_equal(const struct log_opts *a, const struct log_opts *b)
{
	return a->format == b->format && dv_streq(a->path, b->path) &&
	       dv_streq(a->attrs, b->attrs) && a->max_line == b->max_line &&
	       a->max_size == b->max_size && a->max_file == b->max_file;
}
