/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Columns that hold more than one value, the rules for identifiers and labels, and what masks make
 * of labels. Packed labels are key NUL value NUL key NUL ..., sorted by key. Packed extensions:
 * key NUL type_url NUL, four bytes of length (little-endian), the value.
 */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "codec/digest.h"
#include "meta-private.h"

#define ID_MAX	    76
#define LABEL_MAX   4096
#define LABEL_SHOWN 64

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct dv_err *meta_id_check(const char *what, const char *id)
{
	size_t n = strlen(id);
	bool was_alnum = false;

	if (n == 0)
		return dv_err_new(DV_INVALID, "%s: identifier must not be empty: invalid argument",
				  what);
	if (n > ID_MAX)
		return dv_err_new(DV_INVALID,
				  "%s: identifier \"%.*s...\" greater than maximum length (%d "
				  "characters): invalid argument",
				  what, ID_MAX, id, ID_MAX);
	for (size_t i = 0; i < n; i++) {
		bool is_joint = id[i] == '.' || id[i] == '_' || id[i] == '-';

		if (!is_alnum(id[i]) && !(is_joint && was_alnum && i + 1 < n))
			return dv_err_new(
				DV_INVALID,
				"%s: identifier \"%s\" must match "
				"^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$: invalid argument",
				what, id);
		was_alnum = !is_joint;
	}
	return NULL;
}

struct dv_err *meta_labels_check(const char *what, const struct meta_labels *labels)
{
	for (size_t i = 0; i < labels->n_items; i++) {
		const struct meta_label *l = &labels->items[i];
		size_t n = strlen(l->key) + strlen(l->value);

		if (n > LABEL_MAX)
			return dv_err_new(DV_INVALID,
					  "%s: label key and value length (%zu bytes) greater than "
					  "maximum size (%d bytes), key: %.*s: invalid argument",
					  what, n, LABEL_MAX, LABEL_SHOWN, l->key);
	}
	return NULL;
}

struct dv_err *meta_digest_check(const char *what, const char *digest)
{
	struct dv_digest d;
	struct dv_err *e = dv_digest_parse(digest, &d);

	return e ? dv_err_wrap(e, "%s", what) : NULL;
}

/* Behind the NUL. */
static char *put_text(char *p, const char *s)
{
	size_t n = strlen(s) + 1;

	memcpy(p, s, n);
	return p + n;
}

static int compare_labels(const void *a, const void *b)
{
	return strcmp(((const struct meta_label *)a)->key, ((const struct meta_label *)b)->key);
}

void meta_labels_normalise(struct meta_labels *labels, struct dv_arena *arena)
{
	struct meta_label *items = dv_arena_new_n(arena, struct meta_label, labels->n_items + 1);
	size_t n = 0;

	for (size_t i = 0; i < labels->n_items; i++)
		if (labels->items[i].value[0])
			items[n++] = labels->items[i];
	if (n > 1)
		qsort(items, n, sizeof(*items), compare_labels);
	*labels = (struct meta_labels){ .items = items, .n_items = n };
}

void meta_labels_pack(const struct meta_labels *given, struct dv_arena *arena, const void **ret,
		      size_t *ret_n)
{
	struct meta_labels labels = *given;
	size_t n = 0;
	char *p;

	meta_labels_normalise(&labels, arena);
	for (size_t i = 0; i < labels.n_items; i++)
		n += strlen(labels.items[i].key) + strlen(labels.items[i].value) + 2;
	p = dv_arena_alloc(arena, n + 1);
	*ret = p;
	*ret_n = n;
	for (size_t i = 0; i < labels.n_items; i++) {
		p = put_text(p, labels.items[i].key);
		p = put_text(p, labels.items[i].value);
	}
}

static struct dv_err *damaged(const char *what)
{
	return dv_err_new(
		DV_DATA_LOSS,
		"the metadata database is damaged (%s cannot be read): davit system repair "
		"saves what can be read",
		what);
}

struct dv_err *meta_col_labels(const struct meta_rows *rows, int col, struct dv_arena *arena,
			       struct meta_labels *ret)
{
	struct meta_label *items;
	const char *p, *end;
	size_t n, n_strings = 0;

	p = meta_col_blob(rows, col, arena, &n);
	end = p + n;
	if (n && end[-1] != '\0')
		return damaged("labels");
	for (const char *q = p; q < end; q += strlen(q) + 1)
		n_strings++;
	if (n_strings % 2)
		return damaged("labels");
	*ret = (struct meta_labels){ .n_items = n_strings / 2 };
	if (!n_strings)
		return NULL;
	items = dv_arena_new_n(arena, struct meta_label, ret->n_items);
	for (size_t i = 0; i < ret->n_items; i++) {
		items[i].key = p;
		p += strlen(p) + 1;
		items[i].value = p;
		p += strlen(p) + 1;
	}
	ret->items = items;
	return NULL;
}

const char *meta_label_get(const struct meta_labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->n_items; i++)
		if (dv_streq(labels->items[i].key, key))
			return labels->items[i].value;
	return NULL;
}

const char *meta_labels_field(const struct meta_labels *labels, const struct dv_filter_path *path)
{
	return meta_label_get(labels, path->rest);
}

void meta_labels_mask(struct meta_labels *io_labels, const struct meta_labels *given,
		      const char *field, const char *path, struct dv_arena *arena, bool *ret_hit)
{
	const char *key = dv_mask_key(path, field), *value;
	struct meta_label *items;
	size_t n = 0;

	*ret_hit = key || dv_streq(path, field);
	if (!*ret_hit)
		return;
	if (!key) {
		*io_labels = *given;
		return;
	}
	items = dv_arena_new_n(arena, struct meta_label, io_labels->n_items + 1);
	for (size_t i = 0; i < io_labels->n_items; i++)
		if (!dv_streq(io_labels->items[i].key, key))
			items[n++] = io_labels->items[i];
	value = meta_label_get(given, key);
	if (value && value[0])
		items[n++] = (struct meta_label){ key, value };
	*io_labels = (struct meta_labels){ .items = items, .n_items = n };
}

struct dv_err *meta_labels_update(struct meta_labels *io_labels, const struct meta_labels *given,
				  const struct dv_mask *mask, const char *what, const char *id,
				  struct dv_arena *arena)
{
	if (dv_mask_is_empty(mask))
		*io_labels = *given;
	for (size_t i = 0; !dv_mask_is_empty(mask) && i < mask->n_paths; i++) {
		bool hit;

		meta_labels_mask(io_labels, given, "labels", mask->paths[i], arena, &hit);
		if (!hit)
			return dv_err_new(
				DV_INVALID,
				"cannot update \"%s\" field on %s \"%s\": invalid argument",
				mask->paths[i], what, id);
	}
	meta_labels_normalise(io_labels, arena);
	return meta_labels_check("info.Labels", io_labels);
}

void meta_extensions_pack(const struct meta_extension *items, size_t n_items,
			  struct dv_arena *arena, const void **ret, size_t *ret_n)
{
	size_t n = 0;
	char *p;

	for (size_t i = 0; i < n_items; i++)
		n += strlen(items[i].key) +
		     strlen(items[i].any.type_url ? items[i].any.type_url : "") + 2 +
		     sizeof(uint32_t) + items[i].any.n_value;
	p = dv_arena_alloc(arena, n + 1);
	*ret = p;
	*ret_n = n;
	for (size_t i = 0; i < n_items; i++) {
		const struct meta_any *any = &items[i].any;
		uint32_t size = (uint32_t)any->n_value;

		p = put_text(p, items[i].key);
		p = put_text(p, any->type_url ? any->type_url : "");
		for (int k = 0; k < 4; k++)
			*p++ = (char)(size >> 8 * k);
		if (size)
			memcpy(p, any->value, size);
		p += size;
	}
}

/* The text at *io_p, and *io_p behind its NUL; NULL when there is no NUL before @end. */
static const char *take_text(const char **io_p, const char *end)
{
	const char *s = *io_p, *nul = memchr(s, '\0', (size_t)(end - s));

	if (nul)
		*io_p = nul + 1;
	return nul ? s : NULL;
}

static bool take_extension(const char **io_p, const char *end, struct meta_extension *ret)
{
	uint32_t size = 0;

	ret->key = take_text(io_p, end);
	ret->any.type_url = ret->key ? take_text(io_p, end) : NULL;
	if (!ret->any.type_url || end - *io_p < 4)
		return false;
	for (int k = 0; k < 4; k++)
		size |= (uint32_t)(unsigned char)(*io_p)[k] << 8 * k;
	*io_p += 4;
	if ((size_t)(end - *io_p) < size)
		return false;
	ret->any.value = *io_p;
	ret->any.n_value = size;
	*io_p += size;
	return true;
}

struct dv_err *meta_col_extensions(const struct meta_rows *rows, int col, struct dv_arena *arena,
				   const struct meta_extension **ret, size_t *ret_n)
{
	META_VEC(vec, struct meta_extension);
	const char *p, *end;
	size_t n;

	p = meta_col_blob(rows, col, arena, &n);
	end = p + n;
	while (p < end)
		if (!take_extension(&p, end, meta_vec_push(&vec)))
			return damaged("extensions");
	*ret = meta_vec_give(&vec, arena, ret_n);
	return NULL;
}

bool meta_extensions_mask(const struct meta_extension **io, size_t *io_n,
			  const struct meta_extension *given, size_t n_given, const char *path,
			  struct dv_arena *arena)
{
	const char *key = dv_mask_key(path, "extensions");
	struct meta_extension *items;
	size_t n = 0;

	if (dv_streq(path, "extensions")) {
		*io = given;
		*io_n = n_given;
		return true;
	}
	if (!key)
		return false;
	items = dv_arena_new_n(arena, struct meta_extension, *io_n + 1);
	for (size_t i = 0; i < *io_n; i++)
		if (!dv_streq((*io)[i].key, key))
			items[n++] = (*io)[i];
	for (size_t i = 0; i < n_given; i++)
		if (dv_streq(given[i].key, key)) {
			items[n++] = given[i];
			break;
		}
	*io = items;
	*io_n = n;
	return true;
}

struct meta_any meta_col_any(const struct meta_rows *rows, int col, struct dv_arena *arena)
{
	struct meta_any any = { .type_url = meta_col_text(rows, col, arena) };

	if (any.type_url)
		any.value = meta_col_blob(rows, col + 1, arena, &any.n_value);
	return any;
}

void *meta_vec_push(struct meta_vec *v)
{
	if (v->n == v->size) {
		v->size = v->size ? v->size * 2 : 16;
		v->items = dv_realloc_n(v->items, v->size, v->item_size);
	}
	return memset(v->items + v->n++ * v->item_size, 0, v->item_size);
}

void *meta_vec_give(struct meta_vec *v, struct dv_arena *arena, size_t *ret_n)
{
	void *p = v->n ? dv_arena_alloc(arena, v->n * v->item_size) : NULL;

	if (p)
		memcpy(p, v->items, v->n * v->item_size);
	*ret_n = v->n;
	return p;
}

void meta_vec_fini(struct meta_vec *v)
{
	free(v->items);
}
