/* SPDX-License-Identifier: Apache-2.0 */

/* Regular expressions: from the pattern to a tree, by recursive descent. */

#include <string.h>

#include "base/str.h"
#include "regex-private.h"

#define CHAR_MAX_ 0x10ffff

enum flag { FOLD = 1, MULTILINE = 2, DOT_ALL = 4, UNGREEDY = 8 };

struct parser {
	const char *start, *p;
	struct dv_arena *arena;
	unsigned flags;
	int depth;
};

static const struct regex_range any_range[] = { { 0, CHAR_MAX_ } };
static const struct regex_range newline_range[] = { { '\n', '\n' } };
static const struct regex_range digit_ranges[] = { { '0', '9' } };
static const struct regex_range space_ranges[] = { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } };
static const struct regex_range word_ranges[] = {
	{ '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' }
};

static const struct named_class {
	const char *name;
	struct regex_range ranges[4];
} named_classes[] = {
	{ "alnum", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } } },
	{ "alpha", { { 'A', 'Z' }, { 'a', 'z' } } },
	{ "ascii", { { 0, 127 } } },
	{ "blank", { { '\t', '\t' }, { ' ', ' ' } } },
	{ "cntrl", { { 0, 31 }, { 127, 127 } } },
	{ "digit", { { '0', '9' } } },
	{ "graph", { { '!', '~' } } },
	{ "lower", { { 'a', 'z' } } },
	{ "print", { { ' ', '~' } } },
	{ "punct", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } } },
	{ "space", { { '\t', '\r' }, { ' ', ' ' } } },
	{ "upper", { { 'A', 'Z' } } },
	{ "word", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } } },
	{ "xdigit", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } } },
};

/* A class that is being read; ranges are in no order and may overlap. */
struct set {
	struct regex_range *ranges;
	size_t n, size;
};

static struct dv_err *bad(const struct parser *ps, const char *text)
{
	return dv_err_new(DV_INVALID, "regular expression \"%s\": %s at byte %zu", ps->start, text,
			  (size_t)(ps->p - ps->start));
}

static struct regex_node *node_new(struct parser *ps, enum regex_node_kind kind)
{
	struct regex_node *n = dv_arena_new(ps->arena, struct regex_node);

	n->kind = kind;
	return n;
}

static struct regex_node *chars_new(struct parser *ps, const struct regex_range *ranges, size_t n,
				    bool is_negated)
{
	struct regex_node *node = node_new(ps, REGEX_NODE_CHARS);

	node->ranges = ranges;
	node->n_ranges = n;
	node->is_negated = is_negated;
	return node;
}

static void set_add_raw(struct parser *ps, struct set *set, uint32_t lo, uint32_t hi)
{
	if (set->n == set->size) {
		struct regex_range *old = set->ranges;

		set->size = set->size ? set->size * 2 : 8;
		set->ranges = dv_arena_new_n(ps->arena, struct regex_range, set->size);
		if (set->n)
			memcpy(set->ranges, old, set->n * sizeof(*old));
	}
	set->ranges[set->n++] = (struct regex_range){ lo, hi };
}

static void set_add(struct parser *ps, struct set *set, uint32_t lo, uint32_t hi)
{
	set_add_raw(ps, set, lo, hi);
	if (!(ps->flags & FOLD))
		return;
	/* The part of the range that is letters, in the other case. */
	if (lo <= 'z' && hi >= 'a')
		set_add_raw(ps, set, DV_MAX(lo, 'a') - 32, DV_MIN(hi, 'z') - 32);
	if (lo <= 'Z' && hi >= 'A')
		set_add_raw(ps, set, DV_MAX(lo, 'A') + 32, DV_MIN(hi, 'Z') + 32);
}

/* What is not in the (sorted) ranges is added. */
static void set_add_inverse(struct parser *ps, struct set *set, const struct regex_range *ranges,
			    size_t n)
{
	uint32_t next = 0;

	for (size_t i = 0; i < n; i++) {
		if (ranges[i].lo > next)
			set_add_raw(ps, set, next, ranges[i].lo - 1);
		next = ranges[i].hi + 1;
	}
	set_add_raw(ps, set, next, CHAR_MAX_);
}

static struct regex_node *literal_new(struct parser *ps, uint32_t c)
{
	struct set set = { 0 };

	set_add(ps, &set, c, c);
	return chars_new(ps, set.ranges, set.n, false);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Behind "\x". */
static struct dv_err *parse_hex(struct parser *ps, uint32_t *ret)
{
	uint32_t c = 0;
	int n = 0;

	if (*ps->p == '{') {
		for (ps->p++; hex_value(*ps->p) >= 0 && c <= CHAR_MAX_; ps->p++, n++)
			c = c * 16 + (uint32_t)hex_value(*ps->p);
		if (*ps->p != '}' || n == 0 || c > CHAR_MAX_)
			return bad(ps, "invalid escape sequence");
		ps->p++;
	} else {
		for (; n < 2 && hex_value(*ps->p) >= 0; ps->p++, n++)
			c = c * 16 + (uint32_t)hex_value(*ps->p);
		if (n != 2)
			return bad(ps, "invalid escape sequence");
	}
	*ret = c;
	return NULL;
}

/* One character behind a backslash, which has been read. */
static struct dv_err *parse_escape(struct parser *ps, uint32_t *ret)
{
	static const char names[] = "aftnrv", values[] = "\a\f\t\n\r\v";
	char c = *ps->p;
	const char *name;

	if (!c)
		return bad(ps, "trailing backslash");
	ps->p++;
	if (c == 'x')
		return parse_hex(ps, ret);
	if (c >= '0' && c <= '7') {
		/* \123; a single digit other than 0 would be a back reference. */
		if (c != '0' && !(*ps->p >= '0' && *ps->p <= '7'))
			return bad(ps, "back references are not possible");
		*ret = (uint32_t)(c - '0');
		for (int i = 0; i < 2 && *ps->p >= '0' && *ps->p <= '7'; i++)
			*ret = *ret * 8 + (uint32_t)(*ps->p++ - '0');
		return NULL;
	}
	name = strchr(names, c);
	if (name) {
		*ret = (uint32_t)values[name - names];
		return NULL;
	}
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '8' && c <= '9') || c < 0) {
		ps->p--;
		return bad(ps, c == 'p' || c == 'P' ? "classes of Unicode are not supported"
						    : "invalid escape sequence");
	}
	*ret = (uint32_t)c;
	return NULL;
}

/* \d \s \w and their opposites: true, and the class is in *set. */
static bool take_perl_class(struct parser *ps, struct set *set)
{
	const struct regex_range *ranges;
	size_t n;

	switch (*ps->p | 32) {
	case 'd':
		ranges = digit_ranges;
		n = DV_ARRAY_SIZE(digit_ranges);
		break;
	case 's':
		ranges = space_ranges;
		n = DV_ARRAY_SIZE(space_ranges);
		break;
	case 'w':
		ranges = word_ranges;
		n = DV_ARRAY_SIZE(word_ranges);
		break;
	default:
		return false;
	}
	if (*ps->p & 32)
		for (size_t i = 0; i < n; i++)
			set_add_raw(ps, set, ranges[i].lo, ranges[i].hi);
	else
		set_add_inverse(ps, set, ranges, n);
	ps->p++;
	return true;
}

/* "[:alpha:]" or "[:^alpha:]" within a class. */
static struct dv_err *take_named_class(struct parser *ps, struct set *set, bool *ret_is_one)
{
	const char *name = ps->p + 2, *end = strstr(name, ":]");
	bool is_negated = *name == '^';

	*ret_is_one = ps->p[0] == '[' && ps->p[1] == ':' && end;
	if (!*ret_is_one)
		return NULL;
	name += is_negated;
	for (size_t i = 0; i < DV_ARRAY_SIZE(named_classes); i++) {
		const struct named_class *c = &named_classes[i];
		size_t n = 0;

		if (strlen(c->name) != (size_t)(end - name) ||
		    strncmp(c->name, name, strlen(c->name)) != 0)
			continue;
		while (n < 4 && (n == 0 || c->ranges[n].hi))
			n++;
		if (is_negated)
			set_add_inverse(ps, set, c->ranges, n);
		else
			for (size_t k = 0; k < n; k++)
				set_add(ps, set, c->ranges[k].lo, c->ranges[k].hi);
		ps->p = end + 2;
		return NULL;
	}
	return bad(ps, "invalid character class range");
}

static struct dv_err *parse_class_char(struct parser *ps, uint32_t *ret)
{
	size_t size;

	if (!*ps->p)
		return bad(ps, "missing closing ]");
	if (*ps->p == '\\') {
		ps->p++;
		return parse_escape(ps, ret);
	}
	*ret = regex_decode(ps->p, &size);
	ps->p += size;
	return NULL;
}

static struct dv_err *parse_class_item(struct parser *ps, struct set *set)
{
	uint32_t lo, hi;
	struct dv_err *e;
	bool is_named;

	e = take_named_class(ps, set, &is_named);
	if (e || is_named)
		return e;
	if (ps->p[0] == '\\') {
		ps->p++;
		if (take_perl_class(ps, set))
			return NULL;
		ps->p--;
	}
	e = parse_class_char(ps, &lo);
	if (e)
		return e;
	hi = lo;
	if (ps->p[0] == '-' && ps->p[1] && ps->p[1] != ']') {
		ps->p++;
		e = parse_class_char(ps, &hi);
		if (e)
			return e;
		if (hi < lo)
			return bad(ps, "invalid character class range");
	}
	set_add(ps, set, lo, hi);
	return NULL;
}

/* Behind "[". */
static struct dv_err *parse_class(struct parser *ps, struct regex_node **ret)
{
	struct set set = { 0 };
	bool is_negated = *ps->p == '^', is_first = true;
	struct dv_err *e;

	ps->p += is_negated;
	/* A negated class does not match a newline unless it may: Go's ClassNL is set. */
	for (; *ps->p != ']' || is_first; is_first = false) {
		e = parse_class_item(ps, &set);
		if (e)
			return e;
	}
	ps->p++;
	*ret = chars_new(ps, set.ranges, set.n, is_negated);
	return NULL;
}

/* A sequence is a list: CAT(first, CAT(second, ... EMPTY)). Gives the place of what comes next. */
static struct regex_node **append(struct parser *ps, struct regex_node **end,
				  struct regex_node *node)
{
	*end = node_new(ps, REGEX_NODE_CAT);
	(*end)->a = node;
	return &(*end)->b;
}

static struct regex_node *assert_new(struct parser *ps, enum regex_assertion assertion)
{
	struct regex_node *node = node_new(ps, REGEX_NODE_ASSERT);

	node->assertion = assertion;
	return node;
}

/* \Q...\E */
static struct regex_node *parse_quoted(struct parser *ps)
{
	struct regex_node *first, **end = &first;

	while (*ps->p && !(ps->p[0] == '\\' && ps->p[1] == 'E')) {
		size_t size;

		end = append(ps, end, literal_new(ps, regex_decode(ps->p, &size)));
		ps->p += size;
	}
	if (*ps->p)
		ps->p += 2;
	*end = node_new(ps, REGEX_NODE_EMPTY);
	return first;
}

/* Behind a backslash, outside of classes. */
static struct dv_err *parse_backslash(struct parser *ps, struct regex_node **ret)
{
	static const struct {
		char c;
		enum regex_assertion assertion;
	} assertions[] = {
		{ 'A', REGEX_TEXT_START },
		{ 'z', REGEX_TEXT_END },
		{ 'b', REGEX_WORD },
		{ 'B', REGEX_NO_WORD },
	};
	struct set set = { 0 };
	struct dv_err *e;
	uint32_t c;

	for (size_t i = 0; i < DV_ARRAY_SIZE(assertions); i++)
		if (*ps->p == assertions[i].c) {
			ps->p++;
			*ret = assert_new(ps, assertions[i].assertion);
			return NULL;
		}
	if (*ps->p == 'Q') {
		ps->p++;
		*ret = parse_quoted(ps);
		return NULL;
	}
	if (take_perl_class(ps, &set)) {
		*ret = chars_new(ps, set.ranges, set.n, false);
		return NULL;
	}
	e = parse_escape(ps, &c);
	if (!e)
		*ret = literal_new(ps, c);
	return e;
}

static struct dv_err *parse_alternatives(struct parser *ps, struct regex_node **ret);

/* Behind "(?": flags, up to and including ")" or ":". *ret_has_group: it was ":". */
static struct dv_err *parse_flags(struct parser *ps, bool *ret_has_group)
{
	static const char names[] = "imsU";
	bool is_off = false;

	for (; *ps->p && *ps->p != ')' && *ps->p != ':'; ps->p++) {
		const char *name = strchr(names, *ps->p);
		unsigned flag;

		if (*ps->p == '-' && !is_off) {
			is_off = true;
			continue;
		}
		if (!name)
			return bad(ps, "invalid or unsupported Perl syntax");
		flag = 1u << (name - names);
		ps->flags = is_off ? ps->flags & ~flag : ps->flags | flag;
	}
	if (!*ps->p)
		return bad(ps, "missing closing )");
	*ret_has_group = *ps->p++ == ':';
	return NULL;
}

/* Behind "(?" comes "P<" or "<": over the name. */
static struct dv_err *skip_name(struct parser *ps)
{
	const char *end = strchr(ps->p, '>'), *name = strchr(ps->p, '<') + 1;

	if (!end || end == name ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789_") != (size_t)(end - name))
		return bad(ps, "invalid named capture");
	ps->p = end + 1;
	return NULL;
}

/* Behind "(". */
static struct dv_err *parse_group(struct parser *ps, struct regex_node **ret)
{
	unsigned outer = ps->flags;
	struct dv_err *e = NULL;
	bool has_group = true;

	if (++ps->depth > REGEX_DEPTH_MAX)
		return bad(ps, "expression nests too deeply");
	if (ps->p[0] == '?') {
		ps->p++;
		if (ps->p[0] == '<' || (ps->p[0] == 'P' && ps->p[1] == '<'))
			e = skip_name(ps);
		else
			e = parse_flags(ps, &has_group);
	}
	if (e)
		return e;
	if (!has_group) { /* (?i) holds until the group around it ends */
		ps->depth--;
		*ret = node_new(ps, REGEX_NODE_EMPTY);
		return NULL;
	}
	e = parse_alternatives(ps, ret);
	if (e)
		return e;
	if (*ps->p != ')')
		return bad(ps, "missing closing )");
	ps->p++;
	ps->depth--;
	ps->flags = outer;
	return NULL;
}

static struct dv_err *parse_atom(struct parser *ps, struct regex_node **ret)
{
	bool is_multiline = ps->flags & MULTILINE;
	size_t size;

	switch (*ps->p) {
	case '(':
		ps->p++;
		return parse_group(ps, ret);
	case '[':
		ps->p++;
		return parse_class(ps, ret);
	case '\\':
		ps->p++;
		return parse_backslash(ps, ret);
	case '.':
		ps->p++;
		*ret = ps->flags & DOT_ALL ? chars_new(ps, any_range, 1, false)
					   : chars_new(ps, newline_range, 1, true);
		return NULL;
	case '^':
		ps->p++;
		*ret = assert_new(ps, is_multiline ? REGEX_LINE_START : REGEX_TEXT_START);
		return NULL;
	case '$':
		ps->p++;
		*ret = assert_new(ps, is_multiline ? REGEX_LINE_END : REGEX_TEXT_END);
		return NULL;
	case '*':
	case '+':
	case '?':
		return bad(ps, "missing argument to repetition operator");
	default:
		*ret = literal_new(ps, regex_decode(ps->p, &size));
		ps->p += size;
		return NULL;
	}
}

/* A number of at most four digits; -1 when there is none, 9999 for what is too long. */
static int take_number(const char **io_p)
{
	int n = -1;

	for (; **io_p >= '0' && **io_p <= '9'; (*io_p)++)
		n = n > 999 ? 9999 : DV_MAX(n, 0) * 10 + (**io_p - '0');
	return n;
}

/* "{3}", "{3,}", "{3,5}": true, and behind it; anything else is text. */
static bool take_braces(const char **io_p, int *ret_min, int *ret_max)
{
	const char *p = *io_p + 1;

	*ret_min = *ret_max = take_number(&p);
	if (*ret_min < 0)
		return false;
	if (*p == ',') {
		p++;
		*ret_max = take_number(&p);
	}
	if (*p != '}')
		return false;
	*io_p = p + 1;
	return true;
}

static bool take_repeat(struct parser *ps, int *ret_min, int *ret_max)
{
	switch (*ps->p) {
	case '*':
		*ret_min = 0;
		*ret_max = -1;
		break;
	case '+':
		*ret_min = 1;
		*ret_max = -1;
		break;
	case '?':
		*ret_min = 0;
		*ret_max = 1;
		break;
	case '{':
		return take_braces(&ps->p, ret_min, ret_max);
	default:
		return false;
	}
	ps->p++;
	return true;
}

static struct dv_err *parse_repeat(struct parser *ps, struct regex_node **ret)
{
	struct regex_node *repeat;
	struct dv_err *e;
	int min, max;

	e = parse_atom(ps, ret);
	if (e || !take_repeat(ps, &min, &max))
		return e;
	if (min > REGEX_REPEAT_MAX || max > REGEX_REPEAT_MAX || (max >= 0 && max < min))
		return bad(ps, "invalid repeat count");
	/* Whether it takes much or little does not matter to a yes or no. */
	if (*ps->p == '?')
		ps->p++;
	repeat = node_new(ps, REGEX_NODE_REPEAT);
	repeat->a = *ret;
	repeat->min = min;
	repeat->max = max;
	*ret = repeat;
	if (take_repeat(ps, &min, &max))
		return bad(ps, "invalid nested repetition operator");
	return NULL;
}

static struct dv_err *parse_sequence(struct parser *ps, struct regex_node **ret)
{
	while (*ps->p && *ps->p != '|' && *ps->p != ')') {
		struct regex_node *node;
		struct dv_err *e = parse_repeat(ps, &node);

		if (e)
			return e;
		ret = append(ps, ret, node);
	}
	*ret = node_new(ps, REGEX_NODE_EMPTY);
	return NULL;
}

static struct dv_err *parse_alternatives(struct parser *ps, struct regex_node **ret)
{
	struct dv_err *e;

	e = parse_sequence(ps, ret);
	while (!e && *ps->p == '|') {
		struct regex_node *alt = node_new(ps, REGEX_NODE_ALT);

		ps->p++;
		alt->a = *ret;
		*ret = alt;
		ret = &alt->b;
		e = parse_sequence(ps, ret);
	}
	return e;
}

struct dv_err *regex_parse(const char *pattern, struct dv_arena *arena, struct regex_node **ret)
{
	struct parser ps = { .start = pattern, .p = pattern, .arena = arena };
	struct dv_err *e;

	if (strlen(pattern) > REGEX_PATTERN_MAX)
		return dv_err_new(DV_INVALID, "regular expression of more than %d bytes",
				  REGEX_PATTERN_MAX);
	e = parse_alternatives(&ps, ret);
	if (!e && *ps.p)
		return bad(&ps, "unexpected )");
	return e;
}
