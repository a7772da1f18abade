/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Templates: text, blocks and actions become a tree. Recursive descent, of limited depth. See
 * template.h for the language.
 */

#include <string.h>

#include "template-private.h"

/* What ended a list of nodes. */
enum ending { END_OF_TEXT, END_END, END_ELSE };

static struct dv_err *parse_nodes(struct tmpl_parser *p, struct tmpl_node **ret,
				  enum ending *ret_end);

static struct dv_err *expect_end(struct tmpl_parser *p)
{
	return p->token.kind == TMPL_T_END ? NULL : tmpl_unexpected(p);
}

/* The token is behind if, with or range. */
static struct dv_err *parse_block(struct tmpl_parser *p, struct tmpl_node *node)
{
	size_t n_vars = p->n_vars, n_with_pipe, at = p->token.at;
	bool is_range = node->kind == TMPL_RANGE;
	enum ending end;
	struct dv_err *e;

	if (++p->depth > TMPL_DEPTH_MAX)
		return dv_err_new(DV_EXHAUSTED, "template: deeper than %d", TMPL_DEPTH_MAX);
	e = tmpl_parse_pipe(p, &node->pipe);
	if (!e && node->pipe->n_vars == 2 && !is_range)
		e = tmpl_error(at, "only range sets two variables");
	if (!e)
		e = expect_end(p);
	p->n_ranges += is_range;
	n_with_pipe = p->n_vars;
	if (!e)
		e = parse_nodes(p, &node->body, &end);
	p->n_ranges -= is_range;
	p->n_vars = n_with_pipe;
	if (e)
		return e;
	if (end == END_ELSE && !is_range && (tmpl_is_word(p, "if") || tmpl_is_word(p, "with"))) {
		node->otherwise = dv_arena_new(&p->t->arena, struct tmpl_node);
		node->otherwise->kind = tmpl_is_word(p, "if") ? TMPL_IF : TMPL_WITH;
		e = tmpl_advance(p);
		if (!e) /* which takes the {{end}} of us both */
			e = parse_block(p, node->otherwise);
		end = END_END;
	} else if (end == END_ELSE) {
		e = expect_end(p);
		if (!e)
			e = parse_nodes(p, &node->otherwise, &end);
	}
	if (!e && end != END_END)
		e = tmpl_error(at, "{{end}} is missing");
	p->n_vars = n_vars;
	p->depth--;
	return e;
}

/* Inside "{{": a block, or something to print. "end" and "else" are not for here. */
static struct dv_err *parse_action(struct tmpl_parser *p, struct tmpl_node *node)
{
	static const struct {
		const char *word;
		enum tmpl_node_kind kind;
	} words[] = {
		{ "if", TMPL_IF },	 { "with", TMPL_WITH },		{ "range", TMPL_RANGE },
		{ "break", TMPL_BREAK }, { "continue", TMPL_CONTINUE },
	};
	struct dv_err *e;

	node->kind = TMPL_ACTION;
	for (size_t i = 0; i < DV_ARRAY_SIZE(words); i++) {
		if (tmpl_is_word(p, words[i].word))
			node->kind = words[i].kind;
	}
	if (node->kind == TMPL_ACTION) {
		e = tmpl_parse_pipe(p, &node->pipe);
		if (!e && node->pipe->n_vars == 2)
			e = tmpl_error(node->pipe->at, "only range sets two variables");
		return e ? e : expect_end(p);
	}
	if (node->kind >= TMPL_BREAK && p->n_ranges == 0)
		return tmpl_error(p->token.at, "%s outside of {{range}}", p->token.text);
	e = tmpl_advance(p);
	if (e)
		return e;
	return node->kind >= TMPL_BREAK ? expect_end(p) : parse_block(p, node);
}

/* The token is the first one of an action. True: it ends the list. */
static bool ends_list(const struct tmpl_parser *p, enum ending *ret)
{
	*ret = tmpl_is_word(p, "end") ? END_END : END_ELSE;
	return tmpl_is_word(p, "end") || tmpl_is_word(p, "else");
}

static void add_text(struct tmpl_parser *p, struct tmpl_node ***tail, const char *text, size_t len)
{
	struct tmpl_node *node;

	if (len == 0)
		return;
	node = dv_arena_new(&p->t->arena, struct tmpl_node);
	node->text = dv_arena_strndup(&p->t->arena, text, len);
	node->len = len;
	**tail = node;
	*tail = &node->next;
}

static struct dv_err *parse_nodes(struct tmpl_parser *p, struct tmpl_node **ret,
				  enum ending *ret_end)
{
	struct tmpl_node **tail = ret;

	for (;;) {
		const char *text;
		bool is_action;
		size_t len;
		struct dv_err *e = tmpl_lex_text(&p->lexer, &text, &len, &is_action);

		if (e)
			return e;
		add_text(p, &tail, text, len);
		*ret_end = END_OF_TEXT;
		if (!is_action && !p->lexer.text[p->lexer.pos])
			return NULL;
		if (!is_action) /* it was a comment */
			continue;
		e = tmpl_advance(p);
		if (e)
			return e;
		if (ends_list(p, ret_end)) {
			e = tmpl_advance(p);
			return e || *ret_end == END_ELSE ? e : expect_end(p);
		}
		*tail = dv_arena_new(&p->t->arena, struct tmpl_node);
		e = parse_action(p, *tail);
		if (e)
			return e;
		tail = &(*tail)->next;
	}
}

struct dv_err *cli_template_parse(const char *text, struct cli_template **ret)
{
	DV_CLEANUP(cli_template_freep) struct cli_template *t = dv_new(struct cli_template);
	struct tmpl_parser p = { .lexer = { .text = text, .arena = &t->arena }, .t = t };
	enum ending end;
	struct dv_err *e;

	dv_arena_init(&t->arena);
	if (strlen(text) > CLI_TEMPLATE_MAX)
		return dv_err_new(DV_EXHAUSTED, "template: longer than %zu bytes",
				  CLI_TEMPLATE_MAX);
	e = parse_nodes(&p, &t->nodes, &end);
	if (!e && end != END_OF_TEXT)
		e = tmpl_error(p.token.at, "{{%s}} without a beginning",
			       end == END_END ? "end" : "else");
	if (e)
		return e;
	*ret = dv_steal(&t);
	return NULL;
}

struct cli_template *cli_template_free(struct cli_template *t)
{
	if (!t)
		return NULL;
	dv_arena_fini(&t->arena);
	free(t->fields);
	free(t);
	return NULL;
}

bool cli_template_uses(const struct cli_template *t, const char *field)
{
	if (t->is_whole)
		return true;
	for (size_t i = 0; i < t->n_fields; i++) {
		if (dv_streq(t->fields[i], field))
			return true;
	}
	return false;
}
