/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Decoding JSON objects into structs by tables. A table lists an object's properties: key,
 * kind, where the value goes, and what it may be. One loop over the document's members
 * looks each up in its table, so the cost follows the document and not the specification.
 *
 * null is as good as absent, and so is "" where text is optional: that is what Go writes
 * for what was never set. Keys match in any case when no key matches exactly, because the
 * configurations in the world were written against Go's decoder, which does the same.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "codec/json.h"

enum {
	DECODE_MAX_ITEMS = 4096, /* of arrays and maps of configuration */
	DECODE_MANY_ITEMS = 64 * 1024, /* of args, env, devices ... */
};

/* Where the decoder is, from the inside out; lives on the C stack. */
struct decode_path {
	const struct decode_path *up;
	const char *key; /* NULL: an array's element */
	size_t index;
};

struct decoder {
	struct dv_arena *arena;
	const struct decode_path *path;
};

/* Decodes @v, never null, into what @out points to: the struct the field is part of. */
typedef struct dv_err *(*decode_field_fn)(struct decoder *d, const struct dv_json *v, void *out);
/* Runs before or after the properties of one struct. */
typedef void (*decode_init_fn)(void *out);
typedef struct dv_err *(*decode_finish_fn)(struct decoder *d, void *out);

struct decode_name {
	const char *name;
	int64_t value;
};

struct decode_names {
	const char *complaint; /* "unknown rlimit" */
	const struct decode_name *items;
	size_t n_items;
};

struct decode_object;

enum decode_kind {
	DECODE_BOOL,
	DECODE_OPT_BOOL, /* struct spec_bool */
	DECODE_INT, /* of field.size bytes */
	DECODE_OPT_INT, /* struct spec_i64 */
	DECODE_UINT,
	DECODE_OPT_UINT, /* struct spec_u64 */
	DECODE_STRING,
	DECODE_STRINGS, /* a NULL follows the last one, not counted */
	DECODE_U32S,
	DECODE_ENUM,
	DECODE_FLAGS, /* array of names, or-ed */
	DECODE_OBJECT,
	DECODE_OBJECT_NEW, /* a pointer to a struct */
	DECODE_LIST, /* an array of objects */
	DECODE_MAP, /* an object of objects, to an array of structs */
	DECODE_PAIRS, /* an object of strings, to struct spec_string_pair */
	DECODE_CUSTOM,
};

struct decode_field {
	const char *key;
	enum decode_kind kind;
	bool is_required;
	uint8_t size; /* of an integer or enum */
	uint16_t offset; /* of the value */
	uint16_t n_offset; /* of an array's count */
	uint16_t flag_offset; /* of a bool that tells that the property was there; 0: none */
	uint32_t max_items;
	int64_t min, max; /* DECODE_INT */
	uint64_t umax; /* DECODE_UINT */
	const struct decode_names *names;
	const struct decode_object *object;
	decode_field_fn fn;
};

struct decode_object {
	size_t size;
	const struct decode_field *fields;
	size_t n_fields;
	uint16_t key_offset; /* DECODE_MAP: of the member's name */
	const char *unknown_key; /* what to call a key that is not in fields; NULL: ignore it */
	decode_init_fn init; /* defaults that are not zero */
	decode_finish_fn finish; /* rules inside one object */
};

/* Decodes a whole document into @out, which is zeroed and o->size large. */
struct dv_err *spec_decode_document(struct dv_arena *arena, const struct decode_object *o,
				    const char *text, size_t len, void *out) DV_CHECK;

/* For the functions in tables. @out is zeroed. */
struct dv_err *spec_decode_object(struct decoder *d, const struct decode_object *o,
				  const struct dv_json *v, void *out) DV_CHECK;
/* Calls @fn with the path set to each element of the array @v and @out as it is. */
struct dv_err *spec_decode_each(struct decoder *d, const struct dv_json *v, size_t max,
				decode_field_fn fn, void *out) DV_CHECK;
struct dv_err *spec_decode_int(struct decoder *d, const struct dv_json *v, int64_t min, int64_t max,
			       int64_t *ret) DV_CHECK;
struct dv_err *spec_decode_uint(struct decoder *d, const struct dv_json *v, uint64_t max,
				uint64_t *ret) DV_CHECK;
struct dv_err *spec_decode_bool(struct decoder *d, const struct dv_json *v, bool *ret) DV_CHECK;
/* A copy in the arena. */
struct dv_err *spec_decode_string(struct decoder *d, const struct dv_json *v, const char **ret)
	DV_CHECK;
/* The same, but "" is NULL, or an error where text is required. */
struct dv_err *spec_decode_text(struct decoder *d, const struct dv_json *v, bool is_required,
				const char **ret) DV_CHECK;
/* *ret_row is NULL for "" where a name is not required. */
struct dv_err *spec_decode_name(struct decoder *d, const struct dv_json *v,
				const struct decode_names *names, bool is_required,
				const struct decode_name **ret_row) DV_CHECK;

/* "path: text". */
struct dv_err *spec_decode_error(const struct decoder *d, const char *fmt, ...) DV_PRINTF(2, 3)
	DV_CHECK;
/* "path.key: required property is missing". */
struct dv_err *spec_decode_missing(const struct decoder *d, const char *key) DV_CHECK;
/* "path: expected a string, got 7". */
struct dv_err *spec_decode_expected(const struct decoder *d, const struct dv_json *v,
				    const char *fmt, ...) DV_PRINTF(3, 4) DV_CHECK;

/* The row with this value; its name. NULL when there is none. */
const char *spec_names_of(const struct decode_names *names, int64_t value);
/* NULL when there is no such name. */
const struct decode_name *spec_names_find(const struct decode_names *names, const char *name);
