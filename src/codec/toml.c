/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML 1.0: keys, tables and arrays.
 *
 * What may be added to a table depends on how it came to be (struct toml_node): a header may
 * define each table once, and go through whatever other headers or dotted keys made; dotted keys
 * may add to what dotted keys under the same header made; nothing may add to a value.
 */

#include "codec/toml.h"

#include <stdarg.h>
#include <string.h>

#include "base/str.h"
#include "toml-private.h"

struct dv_err *toml_error(const struct toml_parser *s, const char *fmt, ...)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dv_strbuf_addv(&text, fmt, ap);
	va_end(ap);
	return dv_err_new(DV_INVALID, "line %u, column %zu: %s", s->line,
			  (size_t)(s->p - s->line_begin) + 1, text.data);
}

/* ---- White space ---- */

bool toml_newline(struct toml_parser *s)
{
	size_t n = toml_is(s, '\n') ? 1 : toml_starts(s, "\r\n", 2) ? 2 : 0;

	if (n == 0)
		return false;
	s->p += n;
	s->line++;
	s->line_begin = s->p;
	return true;
}

static void skip_blanks(struct toml_parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
		s->p++;
}

static struct dv_err *skip_comment(struct toml_parser *s)
{
	if (!toml_is(s, '#'))
		return NULL;
	for (; s->p < s->end && *s->p != '\n' && !toml_starts(s, "\r\n", 2); s->p++) {
		if (((unsigned char)*s->p < 0x20 && *s->p != '\t') || *s->p == 0x7f)
			return toml_error(s, "a control character in a comment");
	}
	return NULL;
}

/* Blanks, comments and line ends. */
static struct dv_err *skip_lines(struct toml_parser *s)
{
	struct dv_err *e;

	do {
		skip_blanks(s);
		e = skip_comment(s);
		if (e)
			return e;
	} while (toml_newline(s));
	return NULL;
}

/* ---- The tree ---- */

static struct toml_node *node_new(struct toml_parser *s, enum dv_toml_type type)
{
	struct toml_node *node = dv_arena_new(s->arena, struct toml_node);

	node->pub.type = type;
	node->pub.line = s->line;
	s->n_values++;
	return node;
}

/* Asked for each value and each header: a few more of a dotted key do not matter. */
static struct dv_err *check_count(const struct toml_parser *s)
{
	return s->n_values < DV_TOML_MAX_VALUES
		       ? NULL
		       : dv_err_new(DV_EXHAUSTED, "line %u: more than %d values", s->line,
				    DV_TOML_MAX_VALUES);
}

static void append(struct toml_node *parent, struct toml_node *child)
{
	if (parent->last)
		parent->last->pub.next = &child->pub;
	else
		parent->pub.first = &child->pub;
	parent->last = child;
	parent->pub.n_items++;
}

static struct toml_node *find(struct toml_node *table, const char *key)
{
	/* All nodes are ours, and not constant. */
	return (struct toml_node *)dv_toml_get(&table->pub, key);
}

static struct dv_err *enter(struct toml_parser *s)
{
	if (++s->depth > DV_TOML_MAX_DEPTH)
		return dv_err_new(DV_EXHAUSTED, "line %u: more than %d levels", s->line,
				  DV_TOML_MAX_DEPTH);
	return NULL;
}

/* ---- Keys ---- */

struct path {
	const char *parts[DV_TOML_MAX_DEPTH];
	size_t n;
};

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static struct dv_err *parse_key_part(struct toml_parser *s, const char **ret)
{
	const char *begin = s->p;
	struct dv_err *e;
	size_t n;

	if (toml_is(s, '"') || toml_is(s, '\'')) {
		e = toml_string(s, false, ret, &n);
		if (!e && strlen(*ret) != n)
			e = toml_error(s, "a NUL character in a key");
		return e;
	}
	while (s->p < s->end && is_bare(*s->p))
		s->p++;
	if (s->p == begin)
		return toml_error(s, "a key expected");
	*ret = dv_arena_strndup(s->arena, begin, (size_t)(s->p - begin));
	return NULL;
}

static struct dv_err *parse_key(struct toml_parser *s, struct path *path)
{
	struct dv_err *e;

	path->n = 0;
	for (;;) {
		if (path->n == DV_ARRAY_SIZE(path->parts))
			return dv_err_new(DV_EXHAUSTED, "line %u: a key of more than %zu parts",
					  s->line, DV_ARRAY_SIZE(path->parts));
		skip_blanks(s);
		e = parse_key_part(s, &path->parts[path->n]);
		if (e)
			return e;
		path->n++;
		skip_blanks(s);
		if (!toml_is(s, '.'))
			return NULL;
		s->p++;
	}
}

/* ---- Values ---- */

static struct dv_err *parse_value(struct toml_parser *s, struct toml_node *ret);

static struct dv_err *parse_array(struct toml_parser *s, struct toml_node *array)
{
	struct toml_node *item;
	struct dv_err *e = enter(s);

	array->pub.type = DV_TOML_ARRAY;
	array->is_inline = true;
	s->p++;
	while (!e) {
		e = skip_lines(s);
		if (e || toml_is(s, ']'))
			break;
		item = node_new(s, DV_TOML_STRING);
		e = parse_value(s, item);
		if (!e)
			e = skip_lines(s);
		if (e)
			break;
		append(array, item);
		if (toml_is(s, ']'))
			break;
		if (!toml_is(s, ','))
			return toml_error(s, "\",\" or \"]\" expected in an array");
		s->p++;
	}
	if (e)
		return e;
	s->p++;
	s->depth--;
	return NULL;
}

static struct dv_err *parse_pair(struct toml_parser *s, struct toml_node *table);

static struct dv_err *parse_inline(struct toml_parser *s, struct toml_node *table)
{
	unsigned section = s->section;
	struct dv_err *e = enter(s);

	if (e)
		return e;
	table->pub.type = DV_TOML_TABLE;
	s->section = ++s->n_sections;
	s->p++;
	skip_blanks(s);
	while (!toml_is(s, '}')) {
		e = parse_pair(s, table);
		if (e)
			return e;
		skip_blanks(s);
		if (toml_is(s, '}'))
			break;
		if (!toml_is(s, ','))
			return toml_error(s, "\",\" or \"}\" expected in a table");
		s->p++;
		skip_blanks(s);
		if (toml_is(s, '}'))
			return toml_error(s, "a key expected behind \",\"");
	}
	s->p++;
	s->section = section;
	s->depth--;
	table->is_inline = true;
	return NULL;
}

static struct dv_err *parse_value(struct toml_parser *s, struct toml_node *ret)
{
	struct dv_err *e = check_count(s);

	if (e)
		return e;
	if (toml_is(s, '"') || toml_is(s, '\'')) {
		ret->pub.type = DV_TOML_STRING;
		return toml_string(s, true, &ret->pub.string, &ret->pub.n_string);
	}
	if (toml_is(s, '['))
		return parse_array(s, ret);
	if (toml_is(s, '{'))
		return parse_inline(s, ret);
	return toml_scalar(s, &ret->pub);
}

/* The table that a dotted key's last part is a member of. */
static struct dv_err *walk_dotted(struct toml_parser *s, const struct path *path,
				  struct toml_node **io_table)
{
	for (size_t i = 0; i + 1 < path->n; i++) {
		struct toml_node *next = find(*io_table, path->parts[i]);

		if (!next) {
			next = node_new(s, DV_TOML_TABLE);
			next->pub.key = path->parts[i];
			next->is_dotted = true;
			next->section = s->section;
			append(*io_table, next);
		} else if (!next->is_dotted || next->section != s->section) {
			return toml_error(s, "%s has a value already (line %u)", path->parts[i],
					  next->pub.line);
		}
		*io_table = next;
	}
	return NULL;
}

static struct dv_err *parse_pair(struct toml_parser *s, struct toml_node *table)
{
	struct toml_node *value;
	struct path path;
	struct dv_err *e;

	e = parse_key(s, &path);
	if (e)
		return e;
	if (!toml_is(s, '='))
		return toml_error(s, "\"=\" expected");
	e = walk_dotted(s, &path, &table);
	if (e)
		return e;
	value = find(table, path.parts[path.n - 1]);
	if (value)
		return toml_error(s, "%s has a value already (line %u)", path.parts[path.n - 1],
				  value->pub.line);
	s->p++;
	skip_blanks(s);
	value = node_new(s, DV_TOML_STRING);
	e = parse_value(s, value);
	if (e)
		return e;
	value->pub.key = path.parts[path.n - 1];
	append(table, value);
	return NULL;
}

/* ---- Headers ---- */

static struct toml_node *add_table(struct toml_parser *s, struct toml_node *parent, const char *key)
{
	struct toml_node *table = node_new(s, DV_TOML_TABLE);

	table->pub.key = key;
	append(parent, table);
	return table;
}

/* One step of a header's path, through what is there or what must be. */
static struct dv_err *step(struct toml_parser *s, const char *key, struct toml_node **io_table)
{
	struct toml_node *next = find(*io_table, key);

	if (!next)
		next = add_table(s, *io_table, key);
	if (next->is_tables)
		next = next->last;
	if (next->pub.type != DV_TOML_TABLE || next->is_inline)
		return toml_error(s, "%s has a value already (line %u)", key, next->pub.line);
	*io_table = next;
	return NULL;
}

static struct dv_err *define_table(struct toml_parser *s, const char *key,
				   struct toml_node **io_table)
{
	struct toml_node *table = find(*io_table, key);

	if (!table)
		table = add_table(s, *io_table, key);
	else if (table->pub.type != DV_TOML_TABLE || table->is_defined || table->is_dotted ||
		 table->is_inline)
		return toml_error(s, "%s is there already (line %u)", key, table->pub.line);
	table->is_defined = true;
	*io_table = table;
	return NULL;
}

static struct dv_err *append_table(struct toml_parser *s, const char *key,
				   struct toml_node **io_table)
{
	struct toml_node *array = find(*io_table, key);

	if (!array) {
		array = node_new(s, DV_TOML_ARRAY);
		array->pub.key = key;
		array->is_tables = true;
		append(*io_table, array);
	} else if (!array->is_tables) {
		return toml_error(s, "%s is there already (line %u)", key, array->pub.line);
	}
	*io_table = add_table(s, array, NULL);
	(*io_table)->is_defined = true;
	return NULL;
}

static struct dv_err *parse_header(struct toml_parser *s, struct toml_node *root,
				   struct toml_node **ret)
{
	bool is_array = toml_starts(s, "[[", 2);
	struct toml_node *table = root;
	struct path path;
	struct dv_err *e;

	s->p += is_array ? 2 : 1;
	e = check_count(s);
	if (!e)
		e = parse_key(s, &path);
	if (e)
		return e;
	if (!toml_starts(s, "]]", is_array ? 2 : 1))
		return toml_error(s, "\"%s\" expected", is_array ? "]]" : "]");
	for (size_t i = 0; i + 1 < path.n && !e; i++)
		e = step(s, path.parts[i], &table);
	if (!e)
		e = is_array ? append_table(s, path.parts[path.n - 1], &table)
			     : define_table(s, path.parts[path.n - 1], &table);
	if (e)
		return e;
	s->p += is_array ? 2 : 1;
	s->section = ++s->n_sections;
	*ret = table;
	return NULL;
}

/* ---- The document ---- */

static struct dv_err *parse_document(struct toml_parser *s, struct toml_node *root)
{
	struct toml_node *table = root;
	struct dv_err *e;

	for (;;) {
		e = skip_lines(s);
		if (e || s->p == s->end)
			return e;
		e = toml_is(s, '[') ? parse_header(s, root, &table) : parse_pair(s, table);
		if (e)
			return e;
		skip_blanks(s);
		e = skip_comment(s);
		if (e)
			return e;
		if (s->p < s->end && *s->p != '\n' && !toml_starts(s, "\r\n", 2))
			return toml_error(s, "the end of the line expected");
	}
}

/* How many bytes the character at @p has; 0: it is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t need = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

	if (need == 0 || *p > 0xf4 || need > n)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Too long, surrogates, beyond U+10FFFF. */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
		return 0;
	return need;
}

static struct dv_err *check_utf8(const char *text, size_t n)
{
	unsigned line = 1;

	for (size_t i = 0, length; i < n; i += length) {
		length = utf8_length((const unsigned char *)text + i, n - i);
		if (length == 0)
			return dv_err_new(DV_INVALID, "line %u: not UTF-8", line);
		line += text[i] == '\n';
	}
	return NULL;
}

struct dv_err *dv_toml_parse(const char *text, size_t n, struct dv_arena *arena,
			     const struct dv_toml **ret)
{
	struct toml_parser s = { .begin = text,
				 .p = text,
				 .end = text + n,
				 .line_begin = text,
				 .line = 1,
				 .arena = arena };
	struct toml_node *root;
	struct dv_err *e;

	if (n > DV_TOML_MAX_TEXT)
		return dv_err_new(DV_EXHAUSTED, "%zu bytes, at most %d", n, DV_TOML_MAX_TEXT);
	e = check_utf8(text, n);
	if (e)
		return e;
	root = node_new(&s, DV_TOML_TABLE);
	e = parse_document(&s, root);
	if (e)
		return e;
	*ret = &root->pub;
	return NULL;
}

const struct dv_toml *dv_toml_get(const struct dv_toml *table, const char *key)
{
	if (!table || table->type != DV_TOML_TABLE)
		return NULL;
	for (const struct dv_toml *t = table->first; t; t = t->next) {
		if (dv_streq(t->key, key))
			return t;
	}
	return NULL;
}

const char *dv_toml_type_name(enum dv_toml_type type)
{
	static const char *const names[] = {
		[DV_TOML_STRING] = "a string", [DV_TOML_INT] = "an integer",
		[DV_TOML_FLOAT] = "a float",   [DV_TOML_BOOL] = "a boolean",
		[DV_TOML_TIME] = "a time",     [DV_TOML_ARRAY] = "an array",
		[DV_TOML_TABLE] = "a table",
	};

	return names[type];
}
