/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder that the tables drive: arrays, maps and objects. See decode-private.h.
 *
 * Everything goes to the arena; on an error, what was decoded so far stays there, unused.
 * How deep it recurses is bounded by the tables, not by the document.
 */

#include "decode-private.h"

#include <string.h>
#include <strings.h>

#include "spec/runtime.h"

/* One object being decoded. */
struct visit {
	struct decoder *d;
	const struct decode_object *object;
	char *out;
	uint64_t seen; /* bit per field */
	size_t next; /* where to look first: documents follow the order of the tables */
};

static void store(void *p, size_t size, uint64_t value)
{
	uint8_t v8 = (uint8_t)value;
	uint16_t v16 = (uint16_t)value;
	uint32_t v32 = (uint32_t)value;

	switch (size) {
	case 1:
		memcpy(p, &v8, 1);
		break;
	case 2:
		memcpy(p, &v16, 2);
		break;
	case 4:
		memcpy(p, &v32, 4);
		break;
	default:
		dv_assert(size == 8);
		memcpy(p, &value, 8);
	}
}

/* ---- arrays ------------------------------------------------------------------------- */

static size_t max_items(const struct decode_field *f)
{
	return f->max_items ? f->max_items : DECODE_MAX_ITEMS;
}

static struct dv_err *check_count(struct decoder *d, size_t n, size_t max)
{
	if (n > max)
		return spec_decode_error(d, "%zu entries are more than the limit of %zu", n, max);
	return NULL;
}

struct dv_err *spec_decode_each(struct decoder *d, const struct dv_json *v, size_t max,
				decode_field_fn fn, void *out)
{
	struct decode_path here = { .up = d->path };
	size_t n = dv_json_array_len(v);
	struct dv_err *e;

	if (dv_json_type(v) != DV_JSON_ARRAY)
		return spec_decode_expected(d, v, "an array");
	e = check_count(d, n, max);
	d->path = &here;
	for (; !e && here.index < n; here.index++)
		e = fn(d, dv_json_array_at(v, here.index), out);
	d->path = here.up;
	return e;
}

/* Where the next element of an array or member of a map goes. */
struct cursor {
	struct decoder *d;
	const struct decode_field *field;
	char *next;
	size_t size; /* of an element */
};

static size_t element_size(const struct decode_field *f)
{
	switch (f->kind) {
	case DECODE_STRINGS:
		return sizeof(const char *);
	case DECODE_U32S:
		return sizeof(uint32_t);
	case DECODE_PAIRS:
		return sizeof(struct spec_string_pair);
	default:
		return f->object->size;
	}
}

static struct dv_err *decode_element(struct decoder *d, const struct dv_json *v, void *out)
{
	struct cursor *c = out;
	uint64_t value = 0;
	struct dv_err *e;

	if (c->field->kind == DECODE_STRINGS) {
		e = spec_decode_string(d, v, (const char **)(void *)c->next);
	} else if (c->field->kind == DECODE_U32S) {
		e = spec_decode_uint(d, v, UINT32_MAX, &value);
		store(c->next, c->size, value);
	} else {
		e = spec_decode_object(d, c->field->object, v, c->next);
	}
	c->next += c->size;
	return e;
}

static struct dv_err *decode_list(struct decoder *d, const struct decode_field *f,
				  const struct dv_json *v, void *value, size_t *n)
{
	struct cursor c = { .d = d, .field = f, .size = element_size(f) };
	size_t n_items = DV_MIN(dv_json_array_len(v), max_items(f));
	void *items = dv_arena_alloc(d->arena, (n_items + 1) * c.size);
	struct dv_err *e;

	c.next = items;
	e = spec_decode_each(d, v, max_items(f), decode_element, &c);
	if (e)
		return e;
	memcpy(value, &items, sizeof(items));
	*n = n_items;
	return NULL;
}

struct flags_cursor {
	const struct decode_names *names;
	uint64_t value;
};

static struct dv_err *decode_flag(struct decoder *d, const struct dv_json *v, void *out)
{
	struct flags_cursor *c = out;
	const struct decode_name *row;
	struct dv_err *e;

	e = spec_decode_name(d, v, c->names, true, &row);
	if (e)
		return e;
	c->value |= (uint64_t)row->value;
	return NULL;
}

static struct dv_err *decode_flags(struct decoder *d, const struct decode_field *f,
				   const struct dv_json *v, void *value)
{
	struct flags_cursor c = { .names = f->names };
	struct dv_err *e;

	e = spec_decode_each(d, v, max_items(f), decode_flag, &c);
	if (!e)
		store(value, f->size, c.value);
	return e;
}

/* ---- maps --------------------------------------------------------------------------- */

static struct dv_err *decode_entry(struct cursor *c, const char *key, const struct dv_json *v)
{
	const struct decode_object *o = c->field->object;
	const char **key_at = (const char **)(void *)(c->next + (o ? o->key_offset : 0));

	*key_at = dv_arena_strdup(c->d->arena, key);
	if (o && dv_json_type(v) == DV_JSON_NULL)
		return o->finish ? o->finish(c->d, c->next) : NULL;
	if (o)
		return spec_decode_object(c->d, o, v, c->next);
	_Static_assert(offsetof(struct spec_string_pair, key) == 0, "key_at above");
	return spec_decode_string(c->d, v, &((struct spec_string_pair *)(void *)c->next)->value);
}

static struct dv_err *visit_entry(void *arg, const char *key, const struct dv_json *v)
{
	struct cursor *c = arg;
	struct decode_path here = { .up = c->d->path, .key = key };
	struct dv_err *e;

	c->d->path = &here;
	if (*key)
		e = decode_entry(c, key, v);
	else
		e = spec_decode_error(c->d, "a key must not be empty");
	c->d->path = here.up;
	c->next += c->size;
	return e;
}

static struct dv_err *decode_map(struct decoder *d, const struct decode_field *f,
				 const struct dv_json *v, void *value, size_t *n)
{
	struct cursor c = { .d = d, .field = f, .size = element_size(f) };
	size_t n_items = dv_json_object_len(v);
	struct dv_err *e;
	void *items;

	if (dv_json_type(v) != DV_JSON_OBJECT)
		return spec_decode_expected(d, v, "an object");
	e = check_count(d, n_items, max_items(f));
	if (e)
		return e;
	items = dv_arena_alloc(d->arena, n_items * c.size);
	c.next = items;
	e = dv_json_each(v, visit_entry, &c);
	if (e)
		return e;
	memcpy(value, &items, sizeof(items));
	*n = n_items;
	return NULL;
}

/* ---- objects ------------------------------------------------------------------------ */

static struct dv_err *decode_enum(struct decoder *d, const struct decode_field *f,
				  const struct dv_json *v, void *value)
{
	const struct decode_name *row = NULL;
	struct dv_err *e;

	e = spec_decode_name(d, v, f->names, f->is_required, &row);
	if (row)
		store(value, f->size, (uint64_t)row->value);
	return e;
}

static struct dv_err *decode_number(struct decoder *d, const struct decode_field *f,
				    const struct dv_json *v, void *value)
{
	struct dv_err *e;
	uint64_t u = 0;
	int64_t i = 0;

	if (f->kind == DECODE_UINT) {
		e = spec_decode_uint(d, v, f->umax, &u);
		store(value, f->size, u);
	} else {
		e = spec_decode_int(d, v, f->min, f->max, &i);
		store(value, f->size, (uint64_t)i);
	}
	return e;
}

static struct dv_err *decode_opt(struct decoder *d, const struct decode_field *f,
				 const struct dv_json *v, void *value)
{
	struct spec_bool *b = value;
	struct spec_i64 *i = value;
	struct spec_u64 *u = value;

	if (f->kind == DECODE_OPT_BOOL) {
		b->is_set = true;
		return spec_decode_bool(d, v, &b->value);
	}
	if (f->kind == DECODE_OPT_INT) {
		i->is_set = true;
		return spec_decode_int(d, v, f->min, f->max, &i->value);
	}
	u->is_set = true;
	return spec_decode_uint(d, v, f->umax, &u->value);
}

static struct dv_err *decode_new(struct decoder *d, const struct decode_object *o,
				 const struct dv_json *v, void *value)
{
	void *p = dv_arena_alloc(d->arena, o->size);

	memcpy(value, &p, sizeof(p));
	return spec_decode_object(d, o, v, p);
}

static struct dv_err *decode_value(struct decoder *d, const struct decode_field *f,
				   const struct dv_json *v, char *out)
{
	size_t *n = (size_t *)(void *)(out + f->n_offset);
	void *value = out + f->offset;

	switch (f->kind) {
	case DECODE_BOOL:
		return spec_decode_bool(d, v, value);
	case DECODE_INT:
	case DECODE_UINT:
		return decode_number(d, f, v, value);
	case DECODE_OPT_BOOL:
	case DECODE_OPT_INT:
	case DECODE_OPT_UINT:
		return decode_opt(d, f, v, value);
	case DECODE_STRING:
		return spec_decode_text(d, v, f->is_required, value);
	case DECODE_ENUM:
		return decode_enum(d, f, v, value);
	case DECODE_FLAGS:
		return decode_flags(d, f, v, value);
	case DECODE_STRINGS:
	case DECODE_U32S:
	case DECODE_LIST:
		return decode_list(d, f, v, value, n);
	case DECODE_MAP:
	case DECODE_PAIRS:
		return decode_map(d, f, v, value, n);
	case DECODE_OBJECT:
		return spec_decode_object(d, f->object, v, value);
	case DECODE_OBJECT_NEW:
		return decode_new(d, f->object, v, value);
	case DECODE_CUSTOM:
		break;
	}
	return f->fn(d, v, out);
}

/* NULL when there is none. */
static const struct decode_field *find_field(const struct visit *visit, const char *key)
{
	const struct decode_object *o = visit->object;

	for (size_t i = visit->next; i < o->n_fields; i++) {
		if (strcmp(o->fields[i].key, key) == 0)
			return &o->fields[i];
	}
	for (size_t i = 0; i < visit->next; i++) {
		if (strcmp(o->fields[i].key, key) == 0)
			return &o->fields[i];
	}
	for (size_t i = 0; i < o->n_fields; i++) {
		if (strcasecmp(o->fields[i].key, key) == 0)
			return &o->fields[i];
	}
	return NULL;
}

static struct dv_err *visit_member(void *arg, const char *key, const struct dv_json *v)
{
	struct visit *visit = arg;
	struct decoder *d = visit->d;
	const struct decode_field *f = find_field(visit, key);
	struct decode_path here = { .up = d->path, .key = f ? f->key : key };
	struct dv_err *e = NULL;
	size_t at;

	if (dv_json_type(v) == DV_JSON_NULL)
		return NULL;
	d->path = &here;
	if (f) {
		at = (size_t)(f - visit->object->fields);
		visit->next = at + 1;
		visit->seen |= UINT64_C(1) << at;
		if (f->flag_offset)
			store(visit->out + f->flag_offset, sizeof(bool), true);
		e = decode_value(d, f, v, visit->out);
	} else if (visit->object->unknown_key) {
		e = spec_decode_error(d, "%s", visit->object->unknown_key);
	}
	d->path = here.up;
	return e;
}

struct dv_err *spec_decode_object(struct decoder *d, const struct decode_object *o,
				  const struct dv_json *v, void *out)
{
	struct visit visit = { .d = d, .object = o, .out = out };
	struct dv_err *e;

	dv_assert(o->n_fields < 64);
	if (dv_json_type(v) != DV_JSON_OBJECT)
		return spec_decode_expected(d, v, "an object");
	if (o->init)
		o->init(out);
	e = dv_json_each(v, visit_member, &visit);
	if (e)
		return e;
	for (size_t i = 0; i < o->n_fields; i++) {
		if (o->fields[i].is_required && !(visit.seen & UINT64_C(1) << i))
			return spec_decode_missing(d, o->fields[i].key);
	}
	return o->finish ? o->finish(d, out) : NULL;
}

struct dv_err *spec_decode_document(struct dv_arena *arena, const struct decode_object *o,
				    const char *text, size_t len, void *out)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct decoder d = { .arena = arena };
	struct dv_err *e;

	e = dv_json_parse(text, len, &doc);
	if (e)
		return e;
	return spec_decode_object(&d, o, doc, out);
}
