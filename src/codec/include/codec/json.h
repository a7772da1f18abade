/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON, by json-c, behind this header alone. Reading gives a read-only tree; writing is
 * done by a small streaming writer that keeps the order it is called in.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* A borrowed node of a document; never freed alone. */
struct dv_json;

enum dv_json_type {
	DV_JSON_NULL,
	DV_JSON_BOOL,
	DV_JSON_INT,
	DV_JSON_DOUBLE,
	DV_JSON_STRING,
	DV_JSON_ARRAY,
	DV_JSON_OBJECT,
};

/*
 * Parses one document, nothing but white space behind it. @ret is owned by the caller.
 * DV_INVALID: "line L: what json-c found wrong". Nesting is limited to 64 levels, the size to
 * 16 MiB (DV_EXHAUSTED).
 */
struct dv_err *dv_json_parse(const char *text, size_t len, struct dv_json **ret) DV_CHECK;
struct dv_json *dv_json_free(struct dv_json *doc);
DV_DEFINE_CLEANUP(struct dv_json *, dv_json_free);

enum dv_json_type dv_json_type(const struct dv_json *v); /* NULL is DV_JSON_NULL */
bool dv_json_bool(const struct dv_json *v);
int64_t dv_json_int(const struct dv_json *v); /* saturates */
double dv_json_double(const struct dv_json *v);
/* The number as uint64; false when negative or not an integer. */
bool dv_json_uint(const struct dv_json *v, uint64_t *ret) DV_CHECK;
const char *dv_json_string(const struct dv_json *v, size_t *ret_len);
size_t dv_json_array_len(const struct dv_json *v);
const struct dv_json *dv_json_array_at(const struct dv_json *v, size_t i);
size_t dv_json_object_len(const struct dv_json *v);
/* NULL when @v has no such key. JSON null counts as present and is DV_JSON_NULL. */
const struct dv_json *dv_json_get(const struct dv_json *v, const char *key);
/* Calls @fn for each member in the document's order until it returns an error. */
struct dv_err *dv_json_each(const struct dv_json *v,
			    struct dv_err *(*fn)(void *arg, const char *key,
						 const struct dv_json *v),
			    void *arg) DV_CHECK;
/* The value as short JSON text for an error message, cut at 64 bytes; heap, caller's. */
char *dv_json_excerpt(const struct dv_json *v);
/* The value as JSON text, in one line; heap, caller's. */
char *dv_json_text(const struct dv_json *v);

/*
 * Writer: dv_jw_object_begin(w, NULL); dv_jw_string(w, "id", id); dv_jw_object_end(w);
 * @key is NULL inside arrays and at the top. @indent: NULL for one line, else one level's
 * white space ("  ", "\t").
 */
struct dv_jw {
	struct dv_strbuf *out;
	const char *indent;
	unsigned depth;
	bool has_members; /* of the object or array that is open now */
};

void dv_jw_init(struct dv_jw *w, struct dv_strbuf *out, const char *indent);
void dv_jw_object_begin(struct dv_jw *w, const char *key);
void dv_jw_object_end(struct dv_jw *w);
void dv_jw_array_begin(struct dv_jw *w, const char *key);
void dv_jw_array_end(struct dv_jw *w);
void dv_jw_string(struct dv_jw *w, const char *key, const char *value);
void dv_jw_int(struct dv_jw *w, const char *key, int64_t value);
void dv_jw_uint(struct dv_jw *w, const char *key, uint64_t value);
void dv_jw_double(struct dv_jw *w, const char *key, double value);
void dv_jw_bool(struct dv_jw *w, const char *key, bool value);
void dv_jw_null(struct dv_jw *w, const char *key);
/* @value is JSON already. */
void dv_jw_raw(struct dv_jw *w, const char *key, const char *value);
