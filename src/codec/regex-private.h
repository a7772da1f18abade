/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Regular expressions with the syntax of RE2, as Go has it, for yes-or-no matching. The pattern
 * becomes a program of a nondeterministic automaton whose states are followed side by side, so
 * the time is at most the length of the text times the size of the program, whatever the
 * pattern: there is no backtracking. Sizes are limited.
 *
 * Texts are UTF-8; a byte that is none counts as U+FFFD. (?i) folds ASCII letters only, and
 * classes of Unicode (\pL) are not supported.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

#define REGEX_PATTERN_MAX 4096
#define REGEX_PROGRAM_MAX 4096 /* instructions */
#define REGEX_REPEAT_MAX  1000
#define REGEX_DEPTH_MAX	  64 /* of groups */

struct regex_range {
	uint32_t lo, hi;
};

enum regex_op {
	REGEX_CHARS, /* one character out of the ranges */
	REGEX_SPLIT, /* goes on at x and at y */
	REGEX_JUMP, /* goes on at x */
	REGEX_ASSERT, /* goes on behind it if .assertion holds */
	REGEX_MATCH,
};

enum regex_assertion {
	REGEX_TEXT_START,
	REGEX_TEXT_END,
	REGEX_LINE_START,
	REGEX_LINE_END,
	REGEX_WORD,
	REGEX_NO_WORD,
};

struct regex_inst {
	enum regex_op op;
	bool is_negated;
	enum regex_assertion assertion;
	uint32_t x, y;
	const struct regex_range *ranges;
	size_t n_ranges;
};

struct regex {
	struct regex_inst *insts;
	uint32_t n_insts;
};

/* The tree that the parser makes of a pattern; all memory is the arena's. */
enum regex_node_kind {
	REGEX_NODE_EMPTY,
	REGEX_NODE_CHARS,
	REGEX_NODE_ASSERT,
	REGEX_NODE_CAT, /* a, then b, which is one of these again, or EMPTY */
	REGEX_NODE_ALT, /* a or b, which may be one of these again */
	REGEX_NODE_REPEAT, /* a, min to max times; max -1: any number */
};

struct regex_node {
	enum regex_node_kind kind;
	bool is_negated;
	enum regex_assertion assertion;
	const struct regex_range *ranges;
	size_t n_ranges;
	struct regex_node *a, *b;
	int min, max;
};

/* DV_INVALID: the message tells what and where. */
struct dv_err *regex_parse(const char *pattern, struct dv_arena *arena, struct regex_node **ret)
	DV_CHECK;

/* DV_INVALID. *ret lives in the arena. */
struct dv_err *regex_compile(const char *pattern, struct dv_arena *arena, struct regex **ret)
	DV_CHECK;

/* Is there a match anywhere in the text? */
bool regex_match(const struct regex *re, const char *text);

/* The character at @s (not its end) and its length in bytes. */
uint32_t regex_decode(const char *s, size_t *ret_size);
