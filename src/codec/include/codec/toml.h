/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TOML 1.0, strictly: what two readers might understand differently is refused. The tree lives in
 * the caller's arena and is for reading alone.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

enum {
	DV_TOML_MAX_TEXT = 1 << 20,
	DV_TOML_MAX_DEPTH = 64,
	DV_TOML_MAX_VALUES = 16384, /* look-ups are linear, and so is the check for duplicates */
};

enum dv_toml_type {
	DV_TOML_STRING,
	DV_TOML_INT,
	DV_TOML_FLOAT,
	DV_TOML_BOOL,
	DV_TOML_TIME, /* of any of the four kinds: checked, and kept as text */
	DV_TOML_ARRAY,
	DV_TOML_TABLE,
};

struct dv_toml {
	enum dv_toml_type type;
	unsigned line; /* where it stands, from 1 */
	const char *key; /* of a member of a table; may hold anything but NUL */
	const struct dv_toml *next; /* sibling */
	const struct dv_toml *first; /* members of a table, elements of an array, in their order */
	size_t n_items;
	const char *string; /* of STRING and TIME; NUL-terminated, ... */
	size_t n_string; /* ... but "\u0000" may be in it */
	int64_t integer;
	double number;
	bool boolean;
};

/*
 * @text of @n bytes. *ret is a table.
 *
 * DV_INVALID: "line 3, column 7: ..."; DV_EXHAUSTED: beyond a limit above.
 */
struct dv_err *dv_toml_parse(const char *text, size_t n, struct dv_arena *arena,
			     const struct dv_toml **ret) DV_CHECK;

/* NULL: @table has no such member, or is no table. */
const struct dv_toml *dv_toml_get(const struct dv_toml *table, const char *key);

/* "a string", "a table": for messages. */
const char *dv_toml_type_name(enum dv_toml_type type);

/* Adds @key as it is written in a document: quoted if need be. */
struct dv_strbuf;
void dv_toml_add_key(struct dv_strbuf *b, const char *key);
/* Adds @s as a basic string, with its quotes. */
void dv_toml_add_string(struct dv_strbuf *b, const char *s);
