/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: values, and how Go prints them. */

#include <string.h>

#include "template-private.h"

struct tmpl_value tmpl_value_text(const char *text, size_t len)
{
	return (struct tmpl_value){ .kind = TMPL_V_STRING, .text = text, .len = len };
}

struct tmpl_value tmpl_value_int(int64_t n)
{
	return (struct tmpl_value){ .kind = TMPL_V_INT, .number = n };
}

struct tmpl_value tmpl_value_bool(bool b)
{
	return (struct tmpl_value){ .kind = TMPL_V_BOOL, .number = b };
}

struct tmpl_value tmpl_value_of(const struct dv_json *json)
{
	struct tmpl_value v = { .kind = TMPL_V_NULL, .json = json };

	switch (dv_json_type(json)) {
	case DV_JSON_NULL:
		break;
	case DV_JSON_BOOL:
		return tmpl_value_bool(dv_json_bool(json));
	case DV_JSON_INT:
		return tmpl_value_int(dv_json_int(json));
	case DV_JSON_DOUBLE:
		v.kind = TMPL_V_DOUBLE;
		v.real = dv_json_double(json);
		break;
	case DV_JSON_STRING:
		v.kind = TMPL_V_STRING;
		v.text = dv_json_string(json, &v.len);
		break;
	case DV_JSON_ARRAY:
		v.kind = TMPL_V_ARRAY;
		break;
	case DV_JSON_OBJECT:
		v.kind = TMPL_V_OBJECT;
		break;
	}
	return v;
}

const char *tmpl_kind_name(enum tmpl_kind kind)
{
	static const char *const names[] = {
		[TMPL_V_MISSING] = "nothing", [TMPL_V_NULL] = "null",
		[TMPL_V_BOOL] = "a boolean",  [TMPL_V_INT] = "a number",
		[TMPL_V_DOUBLE] = "a number", [TMPL_V_STRING] = "a string",
		[TMPL_V_ARRAY] = "a list",    [TMPL_V_OBJECT] = "an object",
	};

	return names[kind];
}

size_t tmpl_value_len(const struct tmpl_value *v)
{
	if (v->items)
		return v->n_items;
	return v->kind == TMPL_V_ARRAY ? dv_json_array_len(v->json) : dv_json_object_len(v->json);
}

struct tmpl_value tmpl_value_at(const struct tmpl_value *v, size_t i)
{
	if (v->items)
		return tmpl_value_text(v->items[i], strlen(v->items[i]));
	return tmpl_value_of(dv_json_array_at(v->json, i));
}

bool tmpl_value_is_true(const struct tmpl_value *v)
{
	switch (v->kind) {
	case TMPL_V_MISSING:
	case TMPL_V_NULL:
		return false;
	case TMPL_V_BOOL:
	case TMPL_V_INT:
		return v->number != 0;
	case TMPL_V_DOUBLE:
		return v->real != 0;
	case TMPL_V_STRING:
		return v->len > 0;
	default:
		return tmpl_value_len(v) > 0;
	}
}

/* "map[key:value key:value]" */
struct member_print {
	struct dv_strbuf *out;
	bool is_first;
};

static struct dv_err *print_member(void *arg, const char *key, const struct dv_json *json)
{
	struct member_print *m = arg;
	struct tmpl_value v = tmpl_value_of(json);

	dv_strbuf_addf(m->out, "%s%s:", m->is_first ? "" : " ", key);
	m->is_first = false;
	tmpl_value_print(&v, m->out);
	return NULL;
}

static void print_object(const struct tmpl_value *v, struct dv_strbuf *out)
{
	struct member_print m = { .out = out, .is_first = true };

	dv_strbuf_add(out, "map[");
	dv_err_free(dv_json_each(v->json, print_member, &m));
	dv_strbuf_addc(out, ']');
}

static void print_array(const struct tmpl_value *v, struct dv_strbuf *out)
{
	size_t n = tmpl_value_len(v);

	dv_strbuf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		struct tmpl_value item = tmpl_value_at(v, i);

		if (i > 0)
			dv_strbuf_addc(out, ' ');
		tmpl_value_print(&item, out);
	}
	dv_strbuf_addc(out, ']');
}

void tmpl_value_print(const struct tmpl_value *v, struct dv_strbuf *out)
{
	switch (v->kind) {
	case TMPL_V_MISSING:
	case TMPL_V_NULL:
		dv_strbuf_add(out, "<no value>");
		break;
	case TMPL_V_BOOL:
		dv_strbuf_add(out, v->number ? "true" : "false");
		break;
	case TMPL_V_INT:
		dv_strbuf_addf(out, "%lld", (long long)v->number);
		break;
	case TMPL_V_DOUBLE:
		dv_strbuf_addf(out, "%g", v->real);
		break;
	case TMPL_V_STRING:
		dv_strbuf_add_n(out, v->text, v->len);
		break;
	case TMPL_V_ARRAY:
		print_array(v, out);
		break;
	case TMPL_V_OBJECT:
		print_object(v, out);
		break;
	}
}

void tmpl_value_json(const struct tmpl_value *v, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_freep) char *text = NULL;

	if (v->kind == TMPL_V_STRING) {
		text = dv_strndup(v->text, v->len);
		dv_strbuf_add_json(out, text);
	} else if (v->items) {
		for (size_t i = 0; i < v->n_items; i++) {
			dv_strbuf_addc(out, i ? ',' : '[');
			dv_strbuf_add_json(out, v->items[i]);
		}
		dv_strbuf_add(out, v->n_items ? "]" : "[]");
	} else if (v->kind == TMPL_V_NULL || v->kind == TMPL_V_MISSING) {
		dv_strbuf_add(out, "null");
	} else if (v->json) {
		text = dv_json_text(v->json);
		dv_strbuf_add(out, text);
	} else {
		tmpl_value_print(v, out);
	}
}
