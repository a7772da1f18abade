/* SPDX-License-Identifier: Apache-2.0 */

/* Regular expressions: from the tree to a program, and its execution. */

#include <string.h>

#include "regex-private.h"

struct compiler {
	struct regex_inst *insts;
	uint32_t n, size;
};

uint32_t regex_decode(const char *s, size_t *ret_size)
{
	static const uint32_t lowest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = p[0];
	size_t n;

	*ret_size = 1;
	if (c < 0x80)
		return c;
	if (c < 0xc2 || c > 0xf4)
		return 0xfffd;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	c &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) /* the NUL at the end, too */
			return 0xfffd;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < lowest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0xfffd;
	*ret_size = n;
	return c;
}

/* NULL when the program would get too large. */
static struct regex_inst *emit(struct compiler *c, enum regex_op op)
{
	struct regex_inst *inst;

	if (c->n == REGEX_PROGRAM_MAX)
		return NULL;
	if (c->n == c->size) {
		c->size = c->size ? c->size * 2 : 32;
		c->insts = dv_realloc_n(c->insts, c->size, sizeof(*c->insts));
	}
	inst = &c->insts[c->n++];
	*inst = (struct regex_inst){ .op = op };
	return inst;
}

static bool emit_node(struct compiler *c, const struct regex_node *node);

/* A list of alternatives; no recursion along it. The jumps to its end are chained until it is known. */
static bool emit_alternatives(struct compiler *c, const struct regex_node *node)
{
	uint32_t jumps = UINT32_MAX;

	for (; node->kind == REGEX_NODE_ALT; node = node->b) {
		uint32_t split = c->n;
		struct regex_inst *jump;

		if (!emit(c, REGEX_SPLIT) || !emit_node(c, node->a))
			return false;
		jump = emit(c, REGEX_JUMP);
		if (!jump)
			return false;
		jump->x = jumps;
		jumps = c->n - 1;
		c->insts[split].x = split + 1;
		c->insts[split].y = c->n;
	}
	if (!emit_node(c, node))
		return false;
	while (jumps != UINT32_MAX) {
		uint32_t next = c->insts[jumps].x;

		c->insts[jumps].x = c->n;
		jumps = next;
	}
	return true;
}

static bool emit_star(struct compiler *c, const struct regex_node *node)
{
	uint32_t split = c->n;
	struct regex_inst *jump;

	if (!emit(c, REGEX_SPLIT) || !emit_node(c, node))
		return false;
	jump = emit(c, REGEX_JUMP);
	if (!jump)
		return false;
	jump->x = split;
	c->insts[split].x = split + 1;
	c->insts[split].y = c->n;
	return true;
}

static bool emit_optional(struct compiler *c, const struct regex_node *node)
{
	uint32_t split = c->n;

	if (!emit(c, REGEX_SPLIT) || !emit_node(c, node))
		return false;
	c->insts[split].x = split + 1;
	c->insts[split].y = c->n;
	return true;
}

static bool emit_repeat(struct compiler *c, const struct regex_node *node)
{
	uint32_t before = c->n;

	for (int i = 0; i < node->min; i++) {
		if (!emit_node(c, node->a))
			return false;
		if (c->n == before) /* a thousand times nothing, and maybe nested */
			return true;
	}
	if (node->max < 0)
		return emit_star(c, node->a);
	for (int i = node->min; i < node->max; i++)
		if (!emit_optional(c, node->a))
			return false;
	return true;
}

static bool emit_node(struct compiler *c, const struct regex_node *node)
{
	struct regex_inst *inst;

	for (; node->kind == REGEX_NODE_CAT; node = node->b)
		if (!emit_node(c, node->a))
			return false;
	switch (node->kind) {
	case REGEX_NODE_EMPTY:
	case REGEX_NODE_CAT:
		return true;
	case REGEX_NODE_CHARS:
		inst = emit(c, REGEX_CHARS);
		if (!inst)
			return false;
		inst->ranges = node->ranges;
		inst->n_ranges = node->n_ranges;
		inst->is_negated = node->is_negated;
		return true;
	case REGEX_NODE_ASSERT:
		inst = emit(c, REGEX_ASSERT);
		if (!inst)
			return false;
		inst->assertion = node->assertion;
		return true;
	case REGEX_NODE_ALT:
		return emit_alternatives(c, node);
	case REGEX_NODE_REPEAT:
		return emit_repeat(c, node);
	}
	return false;
}

struct dv_err *regex_compile(const char *pattern, struct dv_arena *arena, struct regex **ret)
{
	struct compiler c = { 0 };
	struct regex_node *tree;
	struct regex *re;
	struct dv_err *e;

	e = regex_parse(pattern, arena, &tree);
	if (e)
		return e;
	if (!emit_node(&c, tree) || !emit(&c, REGEX_MATCH)) {
		free(c.insts);
		return dv_err_new(DV_INVALID, "regular expression \"%s\" is too large", pattern);
	}
	re = dv_arena_new(arena, struct regex);
	re->n_insts = c.n;
	re->insts = dv_arena_new_n(arena, struct regex_inst, c.n);
	memcpy(re->insts, c.insts, c.n * sizeof(*c.insts));
	free(c.insts);
	*ret = re;
	return NULL;
}

/* The states that the automaton is in: a list, and for each state the step that added it. */
struct states {
	uint32_t *list, n;
};

struct run {
	const struct regex *re;
	struct states now, next;
	uint32_t *seen; /* by state: number of the step */
	uint32_t *stack;
	uint32_t step;
	bool is_match;
};

static bool is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

#define NO_CHAR UINT32_MAX /* in front of the text, and behind it */

static bool holds(enum regex_assertion assertion, uint32_t before, uint32_t after)
{
	switch (assertion) {
	case REGEX_TEXT_START:
		return before == NO_CHAR;
	case REGEX_TEXT_END:
		return after == NO_CHAR;
	case REGEX_LINE_START:
		return before == NO_CHAR || before == '\n';
	case REGEX_LINE_END:
		return after == NO_CHAR || after == '\n';
	case REGEX_WORD:
		return is_word(before) != is_word(after);
	case REGEX_NO_WORD:
		return is_word(before) == is_word(after);
	}
	return false;
}

/*
 * Adds the state and all that it reaches without a character. Each state is pushed at most once,
 * since it is marked when it is pushed.
 */
static void add(struct run *r, struct states *to, uint32_t first, uint32_t before, uint32_t after)
{
	uint32_t n = 0;

#define PUSH(pc) \
	do { \
		if (r->seen[pc] != r->step) { \
			r->seen[pc] = r->step; \
			r->stack[n++] = (pc); \
		} \
	} while (0)

	PUSH(first);
	while (n) {
		uint32_t pc = r->stack[--n];
		const struct regex_inst *inst = &r->re->insts[pc];

		switch (inst->op) {
		case REGEX_SPLIT:
			PUSH(inst->y);
			PUSH(inst->x);
			break;
		case REGEX_JUMP:
			PUSH(inst->x);
			break;
		case REGEX_ASSERT:
			if (holds(inst->assertion, before, after))
				PUSH(pc + 1);
			break;
		case REGEX_MATCH:
			r->is_match = true;
			break;
		case REGEX_CHARS:
			to->list[to->n++] = pc;
			break;
		}
	}
#undef PUSH
}

static bool takes(const struct regex_inst *inst, uint32_t c)
{
	for (size_t i = 0; i < inst->n_ranges; i++)
		if (c >= inst->ranges[i].lo && c <= inst->ranges[i].hi)
			return !inst->is_negated;
	return inst->is_negated;
}

bool regex_match(const struct regex *re, const char *text)
{
	uint32_t n = re->n_insts;
	DV_CLEANUP(dv_freep) uint32_t *memory = dv_alloc((size_t)n * 4 * sizeof(uint32_t));
	struct run r = {
		.re = re,
		.now.list = memory,
		.next.list = memory + n,
		.seen = memory + 2 * (size_t)n,
		.stack = memory + 3 * (size_t)n,
		.step = 1,
	};
	uint32_t before = NO_CHAR, c, after;
	size_t size = 0, next_size;

	c = *text ? regex_decode(text, &size) : NO_CHAR;
	add(&r, &r.now, 0, before, c);
	while (!r.is_match && c != NO_CHAR) {
		struct states done;

		text += size;
		after = *text ? regex_decode(text, &next_size) : NO_CHAR;
		r.step++;
		r.next.n = 0;
		for (uint32_t i = 0; i < r.now.n && !r.is_match; i++)
			if (takes(&re->insts[r.now.list[i]], c))
				add(&r, &r.next, r.now.list[i] + 1, c, after);
		/* A match may begin here, too. */
		add(&r, &r.next, 0, c, after);
		done = r.now;
		r.now = r.next;
		r.next = done;
		before = c;
		c = after;
		size = *text ? next_size : 0;
	}
	return r.is_match;
}
