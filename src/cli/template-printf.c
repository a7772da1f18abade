/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: printf, as Go's fmt, without what JSON has no values for. */

#include <ctype.h>
#include <string.h>

#include "template-private.h"

#define WIDTH_MAX 4096

struct verb {
	bool is_left, is_zero;
	int width, precision; /* -1: none */
	char letter;
};

static int parse_number(const char **s)
{
	int n = 0;

	for (; isdigit((unsigned char)**s); (*s)++)
		n = n > WIDTH_MAX ? n : n * 10 + (**s - '0');
	return n;
}

/* *s is behind "%" before and behind the verb after. */
static struct dv_err *parse_verb(const char **s, struct verb *v)
{
	*v = (struct verb){ .precision = -1 };
	for (; **s == '-' || **s == '0'; (*s)++) {
		v->is_left |= **s == '-';
		v->is_zero |= **s == '0';
	}
	v->width = parse_number(s);
	if (**s == '.') {
		(*s)++;
		v->precision = parse_number(s);
	}
	if (v->width > WIDTH_MAX || v->precision > WIDTH_MAX)
		return dv_err_new(DV_INVALID, "wider than %d", WIDTH_MAX);
	v->letter = **s;
	if (v->letter)
		(*s)++;
	return NULL;
}

/* The value as text, without width. */
static struct dv_err *format(const struct verb *v, const struct tmpl_value *value,
			     struct dv_strbuf *b)
{
	double real = value->kind == TMPL_V_INT ? (double)value->number : value->real;

	if (strchr("dxXo", v->letter) && value->kind == TMPL_V_INT) {
		if (v->letter == 'd')
			dv_strbuf_addf(b, "%lld", (long long)value->number);
		else if (v->letter == 'o')
			dv_strbuf_addf(b, "%llo", (long long)value->number);
		else
			dv_strbuf_addf(b, v->letter == 'x' ? "%llx" : "%llX",
				       (long long)value->number);
		return NULL;
	}
	if (v->letter == 'f' && (value->kind == TMPL_V_INT || value->kind == TMPL_V_DOUBLE)) {
		dv_strbuf_addf(b, "%.*f", v->precision < 0 ? 6 : v->precision, real);
		return NULL;
	}
	if (v->letter == 'q' && value->kind == TMPL_V_STRING) {
		tmpl_value_json(value, b);
		return NULL;
	}
	if (v->letter != 'v' && !(v->letter == 's' && value->kind != TMPL_V_INT) &&
	    !(v->letter == 't' && value->kind == TMPL_V_BOOL))
		return dv_err_new(DV_INVALID, "%%%c of %s", v->letter, tmpl_kind_name(value->kind));
	tmpl_value_print(value, b);
	return NULL;
}

static void add_padded(const struct verb *v, const struct dv_strbuf *b, struct dv_strbuf *out)
{
	bool is_text = strchr("svq", v->letter) != NULL;
	size_t len = b->len, width;

	if (is_text && v->letter != 'q' && v->precision >= 0)
		len = DV_MIN(len, (size_t)v->precision);
	width = DV_MAX(len, (size_t)v->width);
	for (size_t i = len; i < width && !v->is_left; i++)
		dv_strbuf_addc(out, v->is_zero && !is_text ? '0' : ' ');
	dv_strbuf_add_n(out, b->data, len);
	for (size_t i = len; i < width && v->is_left; i++)
		dv_strbuf_addc(out, ' ');
}

static struct dv_err *add_verb(const char **s, const struct tmpl_call *c, size_t *next,
			       struct dv_strbuf *out)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct verb v;
	struct dv_err *e = parse_verb(s, &v);

	if (e)
		return e;
	if (v.letter == '%') {
		dv_strbuf_addc(out, '%');
		return NULL;
	}
	if (!v.letter || !strchr("svqdxXotf", v.letter))
		return dv_err_new(DV_INVALID, "not supported: %%%c", v.letter ? v.letter : ' ');
	if (*next == c->n_args)
		return dv_err_new(DV_INVALID, "nothing is left for %%%c", v.letter);
	e = format(&v, &c->args[(*next)++], &b);
	if (!e)
		add_padded(&v, &b, out);
	return e;
}

struct dv_err *tmpl_printf(const struct tmpl_call *call, struct tmpl_value *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	size_t next = 1;
	const char *s;

	if (call->args[0].kind != TMPL_V_STRING)
		return dv_err_new(DV_INVALID, "the first argument must be a string");
	s = dv_arena_strndup(call->arena, call->args[0].text, call->args[0].len);
	while (*s) {
		struct dv_err *e;

		if (*s != '%') {
			dv_strbuf_addc(&b, *s++);
			continue;
		}
		s++;
		e = add_verb(&s, call, &next, &b);
		if (e)
			return e;
	}
	if (next < call->n_args)
		return dv_err_new(DV_INVALID, "more arguments than the text has verbs");
	*ret = tmpl_value_text(dv_arena_strndup(call->arena, b.data, b.len), b.len);
	return NULL;
}
