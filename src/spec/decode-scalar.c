/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder's values that are not made of others: numbers, strings, names. */

#include "decode-private.h"

#include <inttypes.h>
#include <string.h>

/* More names than this are not listed in a message. */
enum { MAX_LISTED_NAMES = 9 };

struct dv_err *spec_decode_int(struct decoder *d, const struct dv_json *v, int64_t min, int64_t max,
			       int64_t *ret)
{
	int64_t value = dv_json_int(v);
	uint64_t u;

	if (dv_json_type(v) != DV_JSON_INT)
		return spec_decode_expected(d, v, "an integer");
	if (value < min || value > max || (dv_json_uint(v, &u) && u > INT64_MAX))
		return spec_decode_expected(d, v, "an integer from %" PRId64 " to %" PRId64, min,
					    max);
	*ret = value;
	return NULL;
}

struct dv_err *spec_decode_uint(struct decoder *d, const struct dv_json *v, uint64_t max,
				uint64_t *ret)
{
	uint64_t value;

	if (dv_json_type(v) != DV_JSON_INT)
		return spec_decode_expected(d, v, "an integer");
	if (!dv_json_uint(v, &value) || value > max)
		return spec_decode_expected(d, v, "an integer from 0 to %" PRIu64, max);
	*ret = value;
	return NULL;
}

struct dv_err *spec_decode_bool(struct decoder *d, const struct dv_json *v, bool *ret)
{
	if (dv_json_type(v) != DV_JSON_BOOL)
		return spec_decode_expected(d, v, "true or false");
	*ret = dv_json_bool(v);
	return NULL;
}

/* The document's own memory, checked to be a C string. */
static struct dv_err *borrow_string(struct decoder *d, const struct dv_json *v, const char **ret,
				    size_t *ret_len)
{
	size_t len = 0;
	const char *s = dv_json_string(v, &len);

	if (!s)
		return spec_decode_expected(d, v, "a string");
	if (memchr(s, '\0', len))
		return spec_decode_expected(d, v, "a string without \\u0000");
	*ret = s;
	*ret_len = len;
	return NULL;
}

struct dv_err *spec_decode_string(struct decoder *d, const struct dv_json *v, const char **ret)
{
	const char *s;
	struct dv_err *e;
	size_t len;
	char *copy;

	e = borrow_string(d, v, &s, &len);
	if (e)
		return e;
	copy = dv_arena_alloc(d->arena, len + 1);
	memcpy(copy, s, len);
	*ret = copy;
	return NULL;
}

struct dv_err *spec_decode_text(struct decoder *d, const struct dv_json *v, bool is_required,
				const char **ret)
{
	const char *s;
	struct dv_err *e;
	size_t len;

	e = borrow_string(d, v, &s, &len);
	if (e)
		return e;
	if (len > 0)
		return spec_decode_string(d, v, ret);
	if (is_required)
		return spec_decode_error(d, "must not be empty");
	*ret = NULL;
	return NULL;
}

const struct decode_name *spec_names_find(const struct decode_names *names, const char *name)
{
	for (size_t i = 0; i < names->n_items; i++) {
		if (strcmp(names->items[i].name, name) == 0)
			return &names->items[i];
	}
	return NULL;
}

const char *spec_names_of(const struct decode_names *names, int64_t value)
{
	for (size_t i = 0; i < names->n_items; i++) {
		if (names->items[i].value == value)
			return names->items[i].name;
	}
	return NULL;
}

static struct dv_err *unknown_name(struct decoder *d, const struct decode_names *names,
				   const struct dv_json *v)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf list = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *excerpt = dv_json_excerpt(v);

	if (names->n_items <= MAX_LISTED_NAMES) {
		dv_strbuf_add(&list, ": expected ");
		for (size_t i = 0; i < names->n_items; i++) {
			if (i > 0)
				dv_strbuf_add(&list, i + 1 == names->n_items ? " or " : ", ");
			dv_strbuf_add(&list, names->items[i].name);
		}
	}
	return spec_decode_error(d, "%s %s%s", names->complaint, excerpt, list.data);
}

struct dv_err *spec_decode_name(struct decoder *d, const struct dv_json *v,
				const struct decode_names *names, bool is_required,
				const struct decode_name **ret_row)
{
	const struct decode_name *row;
	const char *s;
	struct dv_err *e;
	size_t len;

	e = borrow_string(d, v, &s, &len);
	if (e)
		return e;
	row = spec_names_find(names, s);
	if (!row && (is_required || len > 0))
		return unknown_name(d, names, v);
	*ret_row = row;
	return NULL;
}
