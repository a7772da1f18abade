/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading half of codec/json.h: json-c behind the project's error type.
 *
 * A struct dv_json is json-c's json_object under another name, so a tree costs nothing
 * beyond json-c's own. json-c has NULL for JSON null; here NULL means "absent", and the
 * address of null_node stands for null.
 */

#include "codec/json.h"

#include <string.h>

#include <json-c/json.h>

#include "base/mem.h"
#include "json-private.h"

enum {
	MAX_SIZE = 16 * 1024 * 1024,
	MAX_EXCERPT = 64,
};

static const char null_node;

static struct json_object *unwrap(const struct dv_json *v)
{
	return (const void *)v == &null_node ? NULL : (struct json_object *)v;
}

static struct dv_json *wrap(struct json_object *o)
{
	return o ? (struct dv_json *)o : (struct dv_json *)&null_node;
}

static struct dv_err *json_c_error(struct json_tokener *tok, const char *text)
{
	enum json_tokener_error code = json_tokener_get_error(tok);

	if (code == json_tokener_continue || code == json_tokener_error_parse_eof)
		return dv_err_new(DV_INVALID, "the document is incomplete");
	return dv_err_new(DV_INVALID, "line %zu: %s",
			  json_line_at(text, json_tokener_get_parse_end(tok)),
			  json_tokener_error_desc(code));
}

static struct dv_err *parse(struct json_tokener *tok, const char *text, size_t len,
			    struct dv_json **ret)
{
	struct json_object *o;

	o = json_tokener_parse_ex(tok, text, (int)len);
	/* A number or literal at the top ends only where the text does. */
	if (!o && json_tokener_get_error(tok) == json_tokener_continue)
		o = json_tokener_parse_ex(tok, "", 1);
	if (json_tokener_get_error(tok) != json_tokener_success) {
		json_object_put(o);
		return json_c_error(tok, text);
	}
	*ret = wrap(o);
	return NULL;
}

struct dv_err *dv_json_parse(const char *text, size_t len, struct dv_json **ret)
{
	struct json_tokener *tok;
	struct dv_err *e;

	if (len > MAX_SIZE)
		return dv_err_new(DV_EXHAUSTED, "%zu bytes are more than the limit of %d", len,
				  MAX_SIZE);
	e = json_lex_check(text, len);
	if (e)
		return e;

	/* The depth is checked already; json-c counts a scalar as a level of its own. */
	tok = json_tokener_new_ex(JSON_MAX_DEPTH + 2);
	if (!tok)
		return dv_err_new(DV_EXHAUSTED, "no memory for a parser");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	e = parse(tok, text, len, ret);
	json_tokener_free(tok);
	return e;
}

struct dv_json *dv_json_free(struct dv_json *doc)
{
	json_object_put(unwrap(doc));
	return NULL;
}

enum dv_json_type dv_json_type(const struct dv_json *v)
{
	switch (json_object_get_type(unwrap(v))) {
	case json_type_boolean:
		return DV_JSON_BOOL;
	case json_type_int:
		return DV_JSON_INT;
	case json_type_double:
		return DV_JSON_DOUBLE;
	case json_type_string:
		return DV_JSON_STRING;
	case json_type_array:
		return DV_JSON_ARRAY;
	case json_type_object:
		return DV_JSON_OBJECT;
	case json_type_null:
		break;
	}
	return DV_JSON_NULL;
}

bool dv_json_bool(const struct dv_json *v)
{
	return dv_json_type(v) == DV_JSON_BOOL && json_object_get_boolean(unwrap(v));
}

int64_t dv_json_int(const struct dv_json *v)
{
	return dv_json_type(v) == DV_JSON_INT ? json_object_get_int64(unwrap(v)) : 0;
}

double dv_json_double(const struct dv_json *v)
{
	return dv_json_type(v) == DV_JSON_DOUBLE ? json_object_get_double(unwrap(v)) : 0;
}

bool dv_json_uint(const struct dv_json *v, uint64_t *ret)
{
	if (dv_json_type(v) != DV_JSON_INT || json_object_get_int64(unwrap(v)) < 0)
		return false;
	*ret = json_object_get_uint64(unwrap(v));
	return true;
}

const char *dv_json_string(const struct dv_json *v, size_t *ret_len)
{
	if (dv_json_type(v) != DV_JSON_STRING)
		return NULL;
	if (ret_len)
		*ret_len = (size_t)json_object_get_string_len(unwrap(v));
	return json_object_get_string(unwrap(v));
}

size_t dv_json_array_len(const struct dv_json *v)
{
	return dv_json_type(v) == DV_JSON_ARRAY ? json_object_array_length(unwrap(v)) : 0;
}

const struct dv_json *dv_json_array_at(const struct dv_json *v, size_t i)
{
	if (i >= dv_json_array_len(v))
		return NULL;
	return wrap(json_object_array_get_idx(unwrap(v), i));
}

const struct dv_json *dv_json_get(const struct dv_json *v, const char *key)
{
	struct json_object *o;

	if (dv_json_type(v) != DV_JSON_OBJECT || !json_object_object_get_ex(unwrap(v), key, &o))
		return NULL;
	return wrap(o);
}

size_t dv_json_object_len(const struct dv_json *v)
{
	if (dv_json_type(v) != DV_JSON_OBJECT)
		return 0;
	return (size_t)json_object_object_length(unwrap(v));
}

struct dv_err *
dv_json_each(const struct dv_json *v,
	     struct dv_err *(*fn)(void *arg, const char *key, const struct dv_json *v), void *arg)
{
	struct dv_err *e;

	if (dv_json_type(v) != DV_JSON_OBJECT)
		return NULL;
	json_object_object_foreach(unwrap(v), key, member)
	{
		e = fn(arg, key, wrap(member));
		if (e)
			return e;
	}
	return NULL;
}

char *dv_json_excerpt(const struct dv_json *v)
{
	int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *text = "null";
	size_t len = 4, cut = MAX_EXCERPT - 3;

	if (unwrap(v))
		text = json_object_to_json_string_length(unwrap(v), flags, &len);
	if (!text)
		return dv_strdup("?");
	if (len <= MAX_EXCERPT)
		return dv_strdup(text);
	while (cut > 0 && ((unsigned char)text[cut] & 0xc0) == 0x80)
		cut--; /* not inside a character */
	return dv_printf("%.*s...", (int)cut, text);
}

char *dv_json_text(const struct dv_json *v)
{
	struct json_object *o = unwrap(v);
	const char *text = "null";

	if (o)
		text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
								 JSON_C_TO_STRING_NOSLASHESCAPE);
	dv_assert(text); /* NULL when memory is short */
	return dv_strdup(text);
}
