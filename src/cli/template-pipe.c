/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: values, commands and pipelines become a tree. */

#include <string.h>

#include "template-private.h"

struct dv_err *tmpl_advance(struct tmpl_parser *p)
{
	return tmpl_lex(&p->lexer, &p->token);
}

static bool is_sign(const struct tmpl_parser *p, char sign)
{
	return p->token.kind == TMPL_T_SIGN && p->token.sign == sign;
}

bool tmpl_is_word(const struct tmpl_parser *p, const char *word)
{
	return p->token.kind == TMPL_T_WORD && dv_streq(p->token.text, word);
}

struct dv_err *tmpl_unexpected(const struct tmpl_parser *p)
{
	switch (p->token.kind) {
	case TMPL_T_END:
		return tmpl_error(p->token.at, "a value is missing in front of }}");
	case TMPL_T_SIGN:
		return tmpl_error(p->token.at, "unexpected \"%c\"", p->token.sign);
	default:
		return tmpl_error(p->token.at, "unexpected \"%s\"",
				  p->token.text ? p->token.text : ".");
	}
}

static void note_field(struct cli_template *t, const char *name)
{
	t->fields = dv_realloc_n(t->fields, t->n_fields + 1, sizeof(*t->fields));
	t->fields[t->n_fields++] = name;
}

/* ---- Values ---- */

static bool is_declared(const struct tmpl_parser *p, const char *name)
{
	for (size_t i = 0; i < p->n_vars; i++) {
		if (dv_streq(p->vars[i], name))
			return true;
	}
	return false;
}

static struct dv_err *declare(struct tmpl_parser *p, const char *name)
{
	if (p->n_vars == TMPL_VARS_MAX)
		return dv_err_new(DV_EXHAUSTED, "template: more than %d variables", TMPL_VARS_MAX);
	p->vars[p->n_vars++] = name;
	return NULL;
}

/* ".A.B" behind what it belongs to. */
static struct dv_err *parse_path(struct tmpl_parser *p, struct tmpl_arg *arg)
{
	while (p->token.kind == TMPL_T_FIELD && p->token.is_glued) {
		struct dv_err *e;

		if (arg->n_path == TMPL_ARGS_MAX)
			return dv_err_new(DV_EXHAUSTED, "template: more than %d fields in a path",
					  TMPL_ARGS_MAX);
		arg->path[arg->n_path++] = p->token.text;
		note_field(p->t, p->token.text);
		e = tmpl_advance(p);
		if (e)
			return e;
	}
	return NULL;
}

static struct dv_err *parse_word(struct tmpl_parser *p, struct tmpl_arg *arg)
{
	if (tmpl_is_word(p, "true") || tmpl_is_word(p, "false")) {
		arg->kind = TMPL_BOOL;
		arg->number = tmpl_is_word(p, "true");
		return NULL;
	}
	if (tmpl_is_word(p, "nil")) {
		arg->kind = TMPL_NIL;
		return NULL;
	}
	arg->kind = TMPL_FUNC;
	arg->func = tmpl_func_find(p->token.text, p->token.len);
	if (!arg->func)
		return tmpl_error(p->token.at, "there is no function \"%s\"", p->token.text);
	return NULL;
}

/* The token is behind "(": a pipeline and ")". */
static struct dv_err *parse_parentheses(struct tmpl_parser *p, struct tmpl_arg *arg)
{
	struct dv_err *e;

	arg->kind = TMPL_PIPE;
	e = tmpl_advance(p);
	if (!e)
		e = tmpl_parse_pipe(p, &arg->pipe);
	if (!e && arg->pipe->n_vars > 0)
		e = tmpl_error(arg->at, "variables cannot be set in parentheses");
	if (!e && !is_sign(p, ')'))
		e = tmpl_error(p->token.at, "\")\" is missing");
	return e;
}

/* One value with its path. */
static struct dv_err *parse_arg(struct tmpl_parser *p, struct tmpl_arg **ret)
{
	struct tmpl_arg *arg = dv_arena_new(&p->t->arena, struct tmpl_arg);
	const struct tmpl_token *token = &p->token;
	struct dv_err *e = NULL;

	arg->at = token->at;
	arg->text = token->text;
	arg->len = token->len;
	arg->number = token->number;
	switch (token->kind) {
	case TMPL_T_FIELD: /* its own path begins with it */
		arg->kind = TMPL_DOT;
		p->token.is_glued = true;
		*ret = arg;
		return parse_path(p, arg);
	case TMPL_T_DOT:
		arg->kind = TMPL_DOT;
		break;
	case TMPL_T_VAR:
		arg->kind = token->len ? TMPL_VAR : TMPL_ROOT;
		if (token->len && !is_declared(p, token->text))
			return tmpl_error(token->at, "there is no variable \"$%s\"", token->text);
		break;
	case TMPL_T_STRING:
		arg->kind = TMPL_STRING;
		break;
	case TMPL_T_NUMBER:
		arg->kind = TMPL_INT;
		break;
	case TMPL_T_WORD:
		e = parse_word(p, arg);
		break;
	default:
		e = is_sign(p, '(') ? parse_parentheses(p, arg) : tmpl_unexpected(p);
	}
	if (!e)
		e = tmpl_advance(p);
	if (!e)
		e = parse_path(p, arg);
	p->t->is_whole |= arg->n_path == 0 && (arg->kind == TMPL_DOT || arg->kind == TMPL_ROOT);
	*ret = arg;
	return e;
}

static bool is_end_of_command(const struct tmpl_parser *p)
{
	return p->token.kind == TMPL_T_END || is_sign(p, '|') || is_sign(p, ')');
}

static struct dv_err *parse_command(struct tmpl_parser *p, struct tmpl_cmd **ret)
{
	struct tmpl_cmd *cmd = dv_arena_new(&p->t->arena, struct tmpl_cmd);
	struct tmpl_arg **tail = &cmd->args;
	size_t n = 0;

	do {
		struct dv_err *e = parse_arg(p, tail);

		if (e)
			return e;
		tail = &(*tail)->next;
		if (++n == TMPL_ARGS_MAX)
			return dv_err_new(DV_EXHAUSTED, "template: more than %d arguments",
					  TMPL_ARGS_MAX);
	} while (!is_end_of_command(p));
	*ret = cmd;
	return NULL;
}

/* "$x := ", "$k, $v := ", "$x = " in front of a pipeline; goes back when it is none of them. */
static struct dv_err *parse_variables(struct tmpl_parser *p, struct tmpl_pipe *pipe)
{
	struct tmpl_lexer lexer = p->lexer;
	struct tmpl_token token = p->token;
	const char *names[2] = { NULL, NULL };
	size_t n = 0;

	while (p->token.kind == TMPL_T_VAR && p->token.len && n < 2) {
		struct dv_err *e;

		names[n++] = p->token.text;
		e = tmpl_advance(p);
		if (!e && n == 1 && is_sign(p, ','))
			e = tmpl_advance(p);
		if (e)
			return e;
	}
	if (n == 0 || !(is_sign(p, ':') || is_sign(p, '='))) {
		p->lexer = lexer;
		p->token = token;
		return NULL;
	}
	pipe->is_assignment = is_sign(p, '=');
	pipe->n_vars = n;
	memcpy(pipe->vars, names, sizeof(names));
	if (pipe->is_assignment && !is_declared(p, names[0]))
		return tmpl_error(token.at, "there is no variable \"$%s\"", names[0]);
	return tmpl_advance(p);
}

struct dv_err *tmpl_parse_pipe(struct tmpl_parser *p, struct tmpl_pipe **ret)
{
	struct tmpl_pipe *pipe = dv_arena_new(&p->t->arena, struct tmpl_pipe);
	struct tmpl_cmd **tail = &pipe->cmds;
	struct dv_err *e;

	if (++p->depth > TMPL_DEPTH_MAX)
		return dv_err_new(DV_EXHAUSTED, "template: deeper than %d", TMPL_DEPTH_MAX);
	pipe->at = p->token.at;
	e = parse_variables(p, pipe);
	if (e)
		return e;
	for (;;) {
		e = parse_command(p, tail);
		if (e)
			return e;
		if (tail != &pipe->cmds && (*tail)->args->kind != TMPL_FUNC)
			return tmpl_error((*tail)->args->at, "a function must follow \"|\"");
		if (!is_sign(p, '|'))
			break;
		tail = &(*tail)->next;
		e = tmpl_advance(p);
		if (e)
			return e;
	}
	for (size_t i = 0; i < pipe->n_vars && !pipe->is_assignment; i++) {
		e = declare(p, pipe->vars[i]);
		if (e)
			return e;
	}
	p->depth--;
	*ret = pipe;
	return NULL;
}
