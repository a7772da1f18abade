/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing half of codec/json.h. Nothing is kept but the depth and whether a comma is
 * due; an object or array that ends makes its parent one that has members. The white space
 * is that of Go's json.MarshalIndent, whose output callers compare with.
 */

#include "codec/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void new_line(struct dv_jw *w)
{
	if (!w->indent)
		return;
	dv_strbuf_addc(w->out, '\n');
	for (unsigned i = 0; i < w->depth; i++)
		dv_strbuf_add(w->out, w->indent);
}

/* Everything that goes before a value. */
static void lead_in(struct dv_jw *w, const char *key)
{
	if (w->has_members)
		dv_strbuf_addc(w->out, ',');
	if (w->depth > 0)
		new_line(w);
	if (key) {
		dv_strbuf_add_json(w->out, key);
		dv_strbuf_add(w->out, w->indent ? ": " : ":");
	}
	w->has_members = true;
}

static void begin(struct dv_jw *w, const char *key, char bracket)
{
	lead_in(w, key);
	dv_strbuf_addc(w->out, bracket);
	w->depth++;
	w->has_members = false;
}

static void end(struct dv_jw *w, char bracket)
{
	dv_assert(w->depth > 0);
	w->depth--;
	if (w->has_members)
		new_line(w);
	dv_strbuf_addc(w->out, bracket);
	w->has_members = true;
}

void dv_jw_init(struct dv_jw *w, struct dv_strbuf *out, const char *indent)
{
	*w = (struct dv_jw){ .out = out, .indent = indent };
}

void dv_jw_object_begin(struct dv_jw *w, const char *key)
{
	begin(w, key, '{');
}

void dv_jw_object_end(struct dv_jw *w)
{
	end(w, '}');
}

void dv_jw_array_begin(struct dv_jw *w, const char *key)
{
	begin(w, key, '[');
}

void dv_jw_array_end(struct dv_jw *w)
{
	end(w, ']');
}

void dv_jw_string(struct dv_jw *w, const char *key, const char *value)
{
	lead_in(w, key);
	dv_strbuf_add_json(w->out, value);
}

void dv_jw_int(struct dv_jw *w, const char *key, int64_t value)
{
	lead_in(w, key);
	dv_strbuf_addf(w->out, "%" PRId64, value);
}

void dv_jw_uint(struct dv_jw *w, const char *key, uint64_t value)
{
	lead_in(w, key);
	dv_strbuf_addf(w->out, "%" PRIu64, value);
}

void dv_jw_double(struct dv_jw *w, const char *key, double value)
{
	char text[32];

	lead_in(w, key);
	if (!isfinite(value)) { /* JSON has no word for it */
		dv_strbuf_add(w->out, "null");
		return;
	}
	/* The shortest form that reads back as the same number. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	dv_strbuf_add(w->out, text);
}

void dv_jw_bool(struct dv_jw *w, const char *key, bool value)
{
	lead_in(w, key);
	dv_strbuf_add(w->out, value ? "true" : "false");
}

void dv_jw_null(struct dv_jw *w, const char *key)
{
	lead_in(w, key);
	dv_strbuf_add(w->out, "null");
}

void dv_jw_raw(struct dv_jw *w, const char *key, const char *value)
{
	lead_in(w, key);
	dv_strbuf_add(w->out, value);
}
