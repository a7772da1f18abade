/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Filters: scanner, parser and matcher. What is accepted, and where errors are shown, is as in
 * containerd, whose users see these messages:
 *
 *	selectors := selector ("," selector)*
 *	selector  := fieldpath (operator value)?
 *	fieldpath := field ("." field)*
 *	field     := quoted | [A-Za-z0-9_]+
 *	operator  := "==" | "!=" | "~="
 *	value     := quoted | printable characters without comma and white space
 */

#include "codec/filter.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "regex-private.h"

#define TEXTS_MAX 64
#define BYTES_MAX 65536

enum op { IS_PRESENT, EQUAL, NOT_EQUAL, MATCHES };

struct selector {
	struct dv_filter_path path;
	enum op op;
	const char *value;
	struct regex *regex;
	struct selector *next; /* which must match, too */
};

struct dv_filter {
	struct dv_arena arena;
	struct selector **texts; /* NULL: matches everything */
	size_t n_texts;
};

enum token { END, FIELD, VALUE, QUOTED, SEPARATOR, OPERATOR, ILLEGAL, OTHER };

struct scanner {
	const char *input;
	size_t pos; /* where the next token is looked for */
	bool wants_value; /* an operator was read */
	/* The token that was read last. */
	size_t start;
	const char *err; /* of an ILLEGAL one */
	struct dv_arena *arena;
};

static bool is_field_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct dv_err *bad_at(const struct scanner *sc, size_t pos, const char *text)
{
	const char *s = sc->input;

	if (!s[pos])
		return dv_err_new(DV_INVALID, "filters: parse error: [%s]: %s", s, text);
	return dv_err_new(DV_INVALID, "filters: parse error: [%.*s >|%c|< %s]: %s", (int)pos, s,
			  s[pos], s + pos + 1, text);
}

static struct dv_err *bad(const struct scanner *sc, const char *text)
{
	return bad_at(sc, sc->start, text);
}

static int digit(char c, int base)
{
	int v = c >= '0' && c <= '9'   ? c - '0'
		: c >= 'a' && c <= 'f' ? c - 'a' + 10
		: c >= 'A' && c <= 'F' ? c - 'A' + 10
				       : 99;

	return v < base ? v : -1;
}

static void add_utf8(struct dv_strbuf *b, uint32_t c)
{
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (c < 0x80) {
		dv_strbuf_addc(b, (char)c);
	} else if (c < 0x800) {
		dv_strbuf_addc(b, (char)(0xc0 | c >> 6));
		dv_strbuf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		dv_strbuf_addc(b, (char)(0xe0 | c >> 12));
		dv_strbuf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		dv_strbuf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		dv_strbuf_addc(b, (char)(0xf0 | c >> 18));
		dv_strbuf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		dv_strbuf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		dv_strbuf_addc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* @n digits at *io_p. */
static bool take_digits(const char **io_p, int base, int n, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < n; i++, (*io_p)++) {
		int d = digit(**io_p, base);

		if (d < 0)
			return false;
		v = v * (uint32_t)base + (uint32_t)d;
	}
	*ret = v;
	return true;
}

/* Go's escapes, *io_p behind the backslash. NULL, or what is wrong. */
static const char *take_escape(const char **io_p, char quote, struct dv_strbuf *b)
{
	static const char names[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
	static const char illegal[] = "illegal numeric escape sequence";
	char c = **io_p;
	const char *name = c ? strchr(names, c) : NULL;
	uint32_t v = 0;

	if (name || (c && c == quote)) {
		dv_strbuf_addc(b, name ? values[name - names] : c);
		(*io_p)++;
		return NULL;
	}
	if (c >= '0' && c <= '7') {
		if (!take_digits(io_p, 8, 3, &v) || v > 255)
			return illegal;
		dv_strbuf_addc(b, (char)v);
	} else if (c == 'x') {
		++*io_p;
		if (!take_digits(io_p, 16, 2, &v))
			return illegal;
		dv_strbuf_addc(b, (char)v);
	} else if (c == 'u' || c == 'U') {
		++*io_p;
		if (!take_digits(io_p, 16, c == 'u' ? 4 : 8, &v) || v > 0x10ffff)
			return illegal;
		add_utf8(b, v);
	} else {
		return "illegal escape sequence";
	}
	/* A NUL would end the text. */
	return v ? NULL : "unexpected null";
}

static enum token illegal(struct scanner *sc, const char *err)
{
	sc->err = err;
	return ILLEGAL;
}

static enum token scan_quoted(struct scanner *sc, const char **ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	const char *p = sc->input + sc->pos, *err;
	char quote = *p++;

	while (*p != quote) {
		if (!*p || *p == '\n')
			return illegal(sc, "quoted literal not terminated");
		if (*p != '\\') {
			dv_strbuf_addc(&b, *p++);
			continue;
		}
		p++;
		err = take_escape(&p, quote, &b);
		if (err)
			return illegal(sc, err);
	}
	sc->pos = (size_t)(p + 1 - sc->input);
	*ret = dv_arena_strdup(sc->arena, b.data);
	return QUOTED;
}

static enum token take(struct scanner *sc, enum token token, size_t n, const char **ret)
{
	*ret = dv_arena_strndup(sc->arena, sc->input + sc->pos, n);
	sc->pos += n;
	return token;
}

static enum token scan(struct scanner *sc, const char **ret)
{
	const char *p;
	size_t n = 0;

	while (is_space(sc->input[sc->pos]))
		sc->pos++;
	sc->start = sc->pos;
	p = sc->input + sc->pos;
	*ret = "";
	if (!*p)
		return END;
	if (*p == '"' || *p == '/' || *p == '|')
		return scan_quoted(sc, ret);
	if (*p == ',' || *p == '.') {
		sc->wants_value = false;
		return take(sc, SEPARATOR, 1, ret);
	}
	n = strspn(p, "=!~");
	if (n) {
		sc->wants_value = true;
		return take(sc, OPERATOR, n, ret);
	}
	if (sc->wants_value) {
		sc->wants_value = false;
		while (p[n] && p[n] != ',' && !is_space(p[n]) && (unsigned char)p[n] >= ' ' &&
		       p[n] != 127)
			n++;
		return n ? take(sc, VALUE, n, ret) : OTHER;
	}
	while (is_field_char(p[n]))
		n++;
	return n ? take(sc, FIELD, n, ret) : OTHER;
}

static char peek(const struct scanner *sc)
{
	return sc->input[sc->pos];
}

static struct dv_err *parse_field(struct scanner *sc, const char **ret)
{
	switch (scan(sc, ret)) {
	case FIELD:
		return NULL;
	case QUOTED:
		if (sc->input[sc->start] == '"')
			return NULL;
		return bad(sc, "invalid quote encountered");
	case ILLEGAL:
		return bad(sc, sc->err);
	default:
		return bad(sc, "expected field or quoted");
	}
}

static struct dv_err *parse_path(struct scanner *sc, struct dv_filter_path *ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf rest = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) const char **parts = NULL;
	const char **copy, *dot;
	struct dv_err *e;
	size_t n = 0;

	for (;;) {
		parts = dv_realloc_n(parts, n + 1, sizeof(*parts));
		e = parse_field(sc, &parts[n]);
		if (e)
			return e;
		if (n)
			dv_strbuf_addf(&rest, "%s%s", n > 1 ? "." : "", parts[n]);
		n++;
		if (peek(sc) != '.')
			break;
		(void)scan(sc, &dot);
	}
	copy = dv_arena_new_n(sc->arena, const char *, n);
	memcpy(copy, parts, n * sizeof(*copy));
	ret->parts = copy;
	ret->n_parts = n;
	ret->rest = dv_arena_strdup(sc->arena, rest.data);
	return NULL;
}

static struct dv_err *parse_operator(struct scanner *sc, enum op *ret)
{
	const char *text;

	switch (scan(sc, &text)) {
	case OPERATOR:
		break;
	case ILLEGAL:
		return bad(sc, sc->err);
	default:
		return bad(sc, "expected an operator (\"==\"|\"!=\"|\"~=\")");
	}
	if (dv_streq(text, "=="))
		*ret = EQUAL;
	else if (dv_streq(text, "!="))
		*ret = NOT_EQUAL;
	else if (dv_streq(text, "~="))
		*ret = MATCHES;
	else
		return bad(sc, "unsupported operator");
	return NULL;
}

static struct dv_err *parse_value(struct scanner *sc, struct selector *sel)
{
	switch (scan(sc, &sel->value)) {
	case VALUE:
		break;
	case QUOTED:
		if (sel->op != MATCHES && sc->input[sc->start] != '"')
			return bad(sc, "invalid quote encountered");
		break;
	case ILLEGAL:
		return bad(sc, sc->err);
	default:
		return bad(sc, "expected value or quoted");
	}
	sc->wants_value = false;
	if (sel->op != MATCHES)
		return NULL;
	/* containerd finds out when it matches, and then nothing does. */
	return dv_err_wrap(regex_compile(sel->value, sc->arena, &sel->regex), "filters");
}

static struct dv_err *parse_selector(struct scanner *sc, struct selector **ret)
{
	struct selector *sel = dv_arena_new(sc->arena, struct selector);
	struct dv_err *e;

	*ret = sel;
	e = parse_path(sc, &sel->path);
	if (e || peek(sc) == ',' || !peek(sc))
		return e;
	e = parse_operator(sc, &sel->op);
	return e ? e : parse_value(sc, sel);
}

static struct dv_err *parse_text(const char *text, struct dv_arena *arena, struct selector **ret)
{
	struct scanner sc = { .input = text, .arena = arena };
	const char *comma;
	struct dv_err *e;

	if (!text[0])
		return NULL;
	for (;;) {
		e = parse_selector(&sc, ret);
		if (e || !peek(&sc))
			return e;
		if (peek(&sc) != ',')
			return bad_at(&sc, sc.pos, "unexpected input");
		(void)scan(&sc, &comma);
		ret = &(*ret)->next;
	}
}

struct dv_err *dv_filter_parse(const char *const *texts, size_t n_texts, struct dv_filter **ret)
{
	DV_CLEANUP(dv_filter_freep) struct dv_filter *f = dv_new(struct dv_filter);
	size_t bytes = 0;

	dv_arena_init(&f->arena);
	for (size_t i = 0; i < n_texts; i++)
		bytes += strlen(texts[i]);
	if (n_texts > TEXTS_MAX || bytes > BYTES_MAX)
		return dv_err_new(DV_INVALID, "filters: at most %d, of %d bytes together",
				  TEXTS_MAX, BYTES_MAX);
	f->n_texts = n_texts;
	f->texts = dv_arena_new_n(&f->arena, struct selector *, n_texts + 1);
	for (size_t i = 0; i < n_texts; i++) {
		struct dv_err *e = parse_text(texts[i], &f->arena, &f->texts[i]);

		if (e)
			return e;
	}
	*ret = dv_steal(&f);
	return NULL;
}

struct dv_filter *dv_filter_free(struct dv_filter *f)
{
	if (f)
		dv_arena_fini(&f->arena);
	free(f);
	return NULL;
}

static bool selector_match(const struct selector *sel, dv_filter_field_fn field, const void *object)
{
	const char *value = field(object, &sel->path);

	switch (sel->op) {
	case IS_PRESENT:
		return value != NULL;
	case EQUAL:
		return value && dv_streq(value, sel->value);
	case NOT_EQUAL: /* also what is not there */
		return !dv_streq(value ? value : "", sel->value);
	case MATCHES:
		return regex_match(sel->regex, value ? value : "");
	}
	return false;
}

bool dv_filter_match(const struct dv_filter *f, dv_filter_field_fn field, const void *object)
{
	if (!f || !f->n_texts)
		return true;
	for (size_t i = 0; i < f->n_texts; i++) {
		const struct selector *sel = f->texts[i];

		while (sel && selector_match(sel, field, object))
			sel = sel->next;
		if (!sel)
			return true;
	}
	return false;
}
