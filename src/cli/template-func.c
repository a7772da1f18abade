/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: functions, Go's and docker's. */

#include <ctype.h>
#include <string.h>

#include "template-private.h"

#define WIDTH_MAX 4096 /* of what pad adds */

static struct dv_err *wrong(const struct tmpl_value *v, const char *wanted)
{
	return dv_err_new(DV_INVALID, "%s is wanted, not %s", wanted, tmpl_kind_name(v->kind));
}

static struct tmpl_value take(const struct tmpl_call *c, struct dv_strbuf *b)
{
	struct tmpl_value v = tmpl_value_text(dv_arena_strndup(c->arena, b->data, b->len), b->len);

	dv_strbuf_fini(b);
	return v;
}

/* ---- Logic ---- */

static struct dv_err *fn_and(const struct tmpl_call *c, struct tmpl_value *ret)
{
	for (size_t i = 0; i < c->n_args; i++) {
		*ret = c->args[i];
		if (!tmpl_value_is_true(ret))
			break;
	}
	return NULL;
}

static struct dv_err *fn_or(const struct tmpl_call *c, struct tmpl_value *ret)
{
	for (size_t i = 0; i < c->n_args; i++) {
		*ret = c->args[i];
		if (tmpl_value_is_true(ret))
			break;
	}
	return NULL;
}

static struct dv_err *fn_not(const struct tmpl_call *c, struct tmpl_value *ret)
{
	*ret = tmpl_value_bool(!tmpl_value_is_true(&c->args[0]));
	return NULL;
}

static bool is_number(const struct tmpl_value *v)
{
	return v->kind == TMPL_V_INT || v->kind == TMPL_V_DOUBLE;
}

static double real_of(const struct tmpl_value *v)
{
	return v->kind == TMPL_V_INT ? (double)v->number : v->real;
}

/* <0, 0, >0 */
static struct dv_err *compare(const struct tmpl_value *a, const struct tmpl_value *b, int *ret)
{
	if (a->kind == TMPL_V_STRING && b->kind == TMPL_V_STRING) {
		int r = memcmp(a->text, b->text, DV_MIN(a->len, b->len));

		*ret = r ? r : (a->len > b->len) - (a->len < b->len);
		return NULL;
	}
	if (a->kind == TMPL_V_INT && b->kind == TMPL_V_INT) {
		*ret = (a->number > b->number) - (a->number < b->number);
		return NULL;
	}
	if (is_number(a) && is_number(b)) {
		*ret = (real_of(a) > real_of(b)) - (real_of(a) < real_of(b));
		return NULL;
	}
	if (a->kind == TMPL_V_BOOL && b->kind == TMPL_V_BOOL) {
		*ret = (int)(a->number - b->number);
		return NULL;
	}
	return dv_err_new(DV_INVALID, "%s and %s cannot be compared", tmpl_kind_name(a->kind),
			  tmpl_kind_name(b->kind));
}

static bool is_nothing(const struct tmpl_value *v)
{
	return v->kind == TMPL_V_MISSING || v->kind == TMPL_V_NULL;
}

/* The first one is equal to one of the others. What is not there equals nothing else. */
static struct dv_err *fn_eq(const struct tmpl_call *c, struct tmpl_value *ret)
{
	bool is_equal = false;

	for (size_t i = 1; i < c->n_args && !is_equal; i++) {
		int order = 1;

		if (is_nothing(&c->args[0]) || is_nothing(&c->args[i])) {
			is_equal = is_nothing(&c->args[0]) && is_nothing(&c->args[i]);
		} else {
			struct dv_err *e = compare(&c->args[0], &c->args[i], &order);

			if (e)
				return e;
			is_equal = order == 0;
		}
	}
	*ret = tmpl_value_bool(is_equal);
	return NULL;
}

static struct dv_err *fn_ne(const struct tmpl_call *c, struct tmpl_value *ret)
{
	struct dv_err *e = fn_eq(c, ret);

	ret->number = !ret->number;
	return e;
}

#define ORDER(fn, test) \
	static struct dv_err *fn(const struct tmpl_call *c, struct tmpl_value *ret) \
	{ \
		int order = 0; \
		struct dv_err *e = compare(&c->args[0], &c->args[1], &order); \
\
		*ret = tmpl_value_bool(order test 0); \
		return e; \
	}
ORDER(fn_lt, <)
ORDER(fn_le, <=)
ORDER(fn_gt, >)
ORDER(fn_ge, >=)

/* ---- Parts ---- */

static struct dv_err *fn_len(const struct tmpl_call *c, struct tmpl_value *ret)
{
	const struct tmpl_value *v = &c->args[0];

	if (v->kind == TMPL_V_STRING)
		*ret = tmpl_value_int((int64_t)v->len);
	else if (v->kind == TMPL_V_ARRAY || v->kind == TMPL_V_OBJECT)
		*ret = tmpl_value_int((int64_t)tmpl_value_len(v));
	else
		return wrong(v, "a string, a list or an object");
	return NULL;
}

static struct dv_err *index_one(const struct tmpl_call *c, const struct tmpl_value *key,
				struct tmpl_value *v)
{
	const struct dv_json *member;
	const char *name;

	if (v->kind == TMPL_V_OBJECT && key->kind == TMPL_V_STRING) {
		name = dv_arena_strndup(c->arena, key->text, key->len);
		member = dv_json_get(v->json, name);
		/* Go's zero value of what it is a map of: labels, mostly. */
		*v = member ? tmpl_value_of(member) : tmpl_value_text("", 0);
		return NULL;
	}
	if (v->kind != TMPL_V_ARRAY)
		return wrong(v, key->kind == TMPL_V_STRING ? "an object" : "a list");
	if (key->kind != TMPL_V_INT)
		return wrong(key, "a number");
	if (key->number < 0 || (uint64_t)key->number >= tmpl_value_len(v))
		return dv_err_new(DV_INVALID, "index %lld of a list of %zu", (long long)key->number,
				  tmpl_value_len(v));
	*v = tmpl_value_at(v, (size_t)key->number);
	return NULL;
}

static struct dv_err *fn_index(const struct tmpl_call *c, struct tmpl_value *ret)
{
	struct tmpl_value v = c->args[0];

	for (size_t i = 1; i < c->n_args; i++) {
		struct dv_err *e = index_one(c, &c->args[i], &v);

		if (e)
			return e;
	}
	*ret = v;
	return NULL;
}

/* Of strings alone. */
static struct dv_err *fn_slice(const struct tmpl_call *c, struct tmpl_value *ret)
{
	const struct tmpl_value *v = &c->args[0];
	int64_t bounds[2] = { 0, (int64_t)v->len };

	if (v->kind != TMPL_V_STRING)
		return wrong(v, "a string");
	for (size_t i = 1; i < c->n_args; i++) {
		if (c->args[i].kind != TMPL_V_INT)
			return wrong(&c->args[i], "a number");
		bounds[i - 1] = c->args[i].number;
	}
	if (bounds[0] < 0 || bounds[1] > (int64_t)v->len || bounds[0] > bounds[1])
		return dv_err_new(DV_INVALID, "%lld to %lld of a string of %zu bytes",
				  (long long)bounds[0], (long long)bounds[1], v->len);
	*ret = tmpl_value_text(v->text + bounds[0], (size_t)(bounds[1] - bounds[0]));
	return NULL;
}

/* ---- Text ---- */

static struct dv_err *print(const struct tmpl_call *c, bool is_line, struct tmpl_value *ret)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	for (size_t i = 0; i < c->n_args; i++) {
		bool are_strings = i > 0 && (c->args[i].kind == TMPL_V_STRING ||
					     c->args[i - 1].kind == TMPL_V_STRING);

		/* Go's Print: blanks where neither side is a string. */
		if (i > 0 && (is_line || !are_strings))
			dv_strbuf_addc(&b, ' ');
		tmpl_value_print(&c->args[i], &b);
	}
	if (is_line)
		dv_strbuf_addc(&b, '\n');
	*ret = take(c, &b);
	return NULL;
}

static struct dv_err *fn_print(const struct tmpl_call *c, struct tmpl_value *ret)
{
	return print(c, false, ret);
}

static struct dv_err *fn_println(const struct tmpl_call *c, struct tmpl_value *ret)
{
	return print(c, true, ret);
}

static struct dv_err *fn_json(const struct tmpl_call *c, struct tmpl_value *ret)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	tmpl_value_json(&c->args[0], &b);
	*ret = take(c, &b);
	return NULL;
}

enum letters { LOWER, UPPER, TITLE };

static struct dv_err *change(const struct tmpl_call *c, enum letters to, struct tmpl_value *ret)
{
	const struct tmpl_value *v = &c->args[0];
	char *text;

	if (v->kind != TMPL_V_STRING)
		return wrong(v, "a string");
	text = dv_arena_strndup(c->arena, v->text, v->len);
	for (size_t i = 0; i < v->len; i++) {
		unsigned char ch = (unsigned char)text[i];
		bool is_start = i == 0 || isspace((unsigned char)text[i - 1]);

		if (to == LOWER)
			text[i] = (char)tolower(ch);
		else if (to == UPPER || is_start)
			text[i] = (char)toupper(ch);
	}
	*ret = tmpl_value_text(text, v->len);
	return NULL;
}

static struct dv_err *fn_lower(const struct tmpl_call *c, struct tmpl_value *ret)
{
	return change(c, LOWER, ret);
}

static struct dv_err *fn_upper(const struct tmpl_call *c, struct tmpl_value *ret)
{
	return change(c, UPPER, ret);
}

static struct dv_err *fn_title(const struct tmpl_call *c, struct tmpl_value *ret)
{
	return change(c, TITLE, ret);
}

static struct dv_err *fn_join(const struct tmpl_call *c, struct tmpl_value *ret)
{
	const struct tmpl_value *v = &c->args[0], *separator = &c->args[1];
	struct dv_strbuf b = DV_STRBUF_INIT;

	if (v->kind != TMPL_V_ARRAY && v->kind != TMPL_V_NULL)
		return wrong(v, "a list");
	if (separator->kind != TMPL_V_STRING)
		return wrong(separator, "a string");
	for (size_t i = 0; v->kind == TMPL_V_ARRAY && i < tmpl_value_len(v); i++) {
		struct tmpl_value item = tmpl_value_at(v, i);

		if (i > 0)
			dv_strbuf_add_n(&b, separator->text, separator->len);
		tmpl_value_print(&item, &b);
	}
	*ret = take(c, &b);
	return NULL;
}

static struct dv_err *fn_split(const struct tmpl_call *c, struct tmpl_value *ret)
{
	const struct tmpl_value *v = &c->args[0], *separator = &c->args[1];
	DV_CLEANUP(dv_freep) const char **items = NULL;
	size_t n = 0;
	char *rest, *word, *sep;

	if (v->kind != TMPL_V_STRING || separator->kind != TMPL_V_STRING || !separator->len)
		return wrong(v->kind == TMPL_V_STRING ? separator : v,
			     "a string that is not empty");
	rest = dv_arena_strndup(c->arena, v->text, v->len);
	sep = dv_arena_strndup(c->arena, separator->text, separator->len);
	do {
		word = rest;
		rest = strstr(word, sep);
		if (rest) {
			*rest = '\0';
			rest += separator->len;
		}
		items = dv_realloc_n(items, n + 1, sizeof(*items));
		items[n++] = word;
	} while (rest);
	*ret = (struct tmpl_value){ .kind = TMPL_V_ARRAY, .n_items = n };
	ret->items =
		memcpy(dv_arena_alloc(c->arena, n * sizeof(*items)), items, n * sizeof(*items));
	return NULL;
}

static struct dv_err *fn_pad(const struct tmpl_call *c, struct tmpl_value *ret)
{
	const struct tmpl_value *v = &c->args[0], *n = c->args + 1;
	struct dv_strbuf b = DV_STRBUF_INIT;

	if (v->kind != TMPL_V_STRING)
		return wrong(v, "a string");
	for (size_t i = 0; i < 2; i++) {
		if (n[i].kind != TMPL_V_INT || n[i].number < 0 || n[i].number > WIDTH_MAX)
			return dv_err_new(DV_INVALID, "a number of blanks is wanted");
	}
	dv_strbuf_addf(&b, "%*s%.*s%*s", (int)n[0].number, "", (int)v->len, v->text,
		       (int)n[1].number, "");
	*ret = take(c, &b);
	return NULL;
}

static struct dv_err *fn_truncate(const struct tmpl_call *c, struct tmpl_value *ret)
{
	const struct tmpl_value *v = &c->args[0], *n = &c->args[1];

	if (v->kind != TMPL_V_STRING)
		return wrong(v, "a string");
	if (n->kind != TMPL_V_INT || n->number < 0)
		return dv_err_new(DV_INVALID, "a number of characters is wanted");
	*ret = *v;
	ret->len = DV_MIN(v->len, (size_t)n->number);
	while (ret->len > 0 && ret->len < v->len && (v->text[ret->len] & 0xc0) == 0x80)
		ret->len--; /* no half characters */
	return NULL;
}

const struct tmpl_func *tmpl_func_find(const char *name, size_t len)
{
	static const struct tmpl_func funcs[] = {
		{ "and", 1, TMPL_ARGS_MAX, true, fn_and },
		{ "eq", 2, TMPL_ARGS_MAX, true, fn_eq },
		{ "ge", 2, 2, false, fn_ge },
		{ "gt", 2, 2, false, fn_gt },
		{ "index", 1, TMPL_ARGS_MAX, false, fn_index },
		{ "join", 2, 2, false, fn_join },
		{ "json", 1, 1, false, fn_json },
		{ "le", 2, 2, false, fn_le },
		{ "len", 1, 1, false, fn_len },
		{ "lower", 1, 1, false, fn_lower },
		{ "lt", 2, 2, false, fn_lt },
		{ "ne", 2, 2, true, fn_ne },
		{ "not", 1, 1, true, fn_not },
		{ "or", 1, TMPL_ARGS_MAX, true, fn_or },
		{ "pad", 3, 3, false, fn_pad },
		{ "print", 0, TMPL_ARGS_MAX, false, fn_print },
		{ "printf", 1, TMPL_ARGS_MAX, false, tmpl_printf },
		{ "println", 0, TMPL_ARGS_MAX, false, fn_println },
		{ "slice", 1, 3, false, fn_slice },
		{ "split", 2, 2, false, fn_split },
		{ "title", 1, 1, false, fn_title },
		{ "truncate", 2, 2, false, fn_truncate },
		{ "upper", 1, 1, false, fn_upper },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(funcs); i++) {
		if (strlen(funcs[i].name) == len && strncmp(funcs[i].name, name, len) == 0)
			return &funcs[i];
	}
	return NULL;
}
