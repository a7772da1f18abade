/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Between toml.c (keys, tables), toml-string.c and toml-scalar.c (one value each). */

#include "codec/toml.h"

struct toml_node {
	struct dv_toml pub; /* first */
	struct toml_node *last; /* child */
	/* How a table came to be, which decides what may be added to it where. */
	bool is_defined; /* by a header of its own, or as a value */
	bool is_dotted; /* by dotted keys */
	bool is_inline; /* complete: nothing can be added; arrays, too */
	bool is_tables; /* an array that [[headers]] made */
	unsigned section; /* of a dotted one: under which header */
};

struct toml_parser {
	const char *begin, *p, *end; /* p == end: no more; the text is valid UTF-8 */
	const char *line_begin;
	unsigned line;
	unsigned depth, section, n_sections;
	size_t n_values;
	struct dv_arena *arena;
};

/* At @p, or at the place given. */
struct dv_err *toml_error(const struct toml_parser *s, const char *fmt, ...) DV_PRINTF(2, 3)
	DV_CHECK;

static inline bool toml_is(const struct toml_parser *s, char c)
{
	return s->p < s->end && *s->p == c;
}

static inline bool toml_starts(const struct toml_parser *s, const char *word, size_t n)
{
	return (size_t)(s->end - s->p) >= n && __builtin_memcmp(s->p, word, n) == 0;
}

/* At "\n" or "\r\n": goes behind it. */
bool toml_newline(struct toml_parser *s);

/* All kinds of strings, at their first quote. */
struct dv_err *toml_string(struct toml_parser *s, bool may_be_multiline, const char **ret,
			   size_t *ret_n) DV_CHECK;
/* Numbers, booleans, times. */
struct dv_err *toml_scalar(struct toml_parser *s, struct dv_toml *ret) DV_CHECK;
