/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: what pipelines are worth. */

#include <string.h>

#include "template-private.h"

#define STEPS_MAX 1000000 /* values looked at in one run */
#define TEXT_MAX  CLI_TEMPLATE_OUTPUT_MAX /* bytes that functions read and make */

struct dv_err *tmpl_count_step(struct tmpl_run *r)
{
	if (++r->steps > STEPS_MAX)
		return dv_err_new(DV_EXHAUSTED, "template: it takes too long");
	if (r->out->len > r->out_max)
		return dv_err_new(DV_EXHAUSTED, "template: more than %zu bytes of output",
				  CLI_TEMPLATE_OUTPUT_MAX);
	return NULL;
}

static struct tmpl_variable *find_variable(struct tmpl_run *r, const char *name)
{
	for (size_t i = r->n_vars; i > 0; i--) {
		if (dv_streq(r->vars[i - 1].name, name))
			return &r->vars[i - 1];
	}
	return NULL;
}

/* The parser has counted them: what is in sight there is in sight here. */
void tmpl_set_variable(struct tmpl_run *r, const struct tmpl_pipe *pipe, size_t i,
		       const struct tmpl_value *v)
{
	struct tmpl_variable *var = pipe->is_assignment ? find_variable(r, pipe->vars[i]) : NULL;

	if (!var) {
		dv_assert(r->n_vars < TMPL_VARS_MAX);
		var = &r->vars[r->n_vars++];
	}
	*var = (struct tmpl_variable){ pipe->vars[i], *v };
}

/* ---- Values ---- */

static struct dv_err *eval_path(const struct tmpl_arg *arg, struct tmpl_value *v)
{
	for (size_t i = 0; i < arg->n_path; i++) {
		const struct dv_json *member = NULL;

		if (v->kind == TMPL_V_MISSING)
			return NULL;
		if (v->kind != TMPL_V_OBJECT && v->kind != TMPL_V_NULL)
			return tmpl_error(arg->at, "%s has no field .%s", tmpl_kind_name(v->kind),
					  arg->path[i]);
		if (v->kind == TMPL_V_OBJECT)
			member = dv_json_get(v->json, arg->path[i]);
		if (member)
			*v = tmpl_value_of(member);
		else
			*v = (struct tmpl_value){ .kind = TMPL_V_MISSING, .text = arg->path[i] };
	}
	return NULL;
}

static struct dv_err *eval_arg(struct tmpl_run *r, const struct tmpl_arg *arg,
			       struct tmpl_value *ret)
{
	const struct tmpl_variable *var;
	struct dv_err *e = tmpl_count_step(r);

	if (e)
		return e;
	switch (arg->kind) {
	case TMPL_DOT:
		*ret = r->dot;
		break;
	case TMPL_ROOT:
		*ret = tmpl_value_of(r->data->root);
		break;
	case TMPL_VAR:
		var = find_variable(r, arg->text);
		if (!var) /* of a range, in its {{else}} */
			return tmpl_error(arg->at, "$%s has no value here", arg->text);
		*ret = var->value;
		break;
	case TMPL_STRING:
		*ret = tmpl_value_text(arg->text, arg->len);
		break;
	case TMPL_INT:
		*ret = tmpl_value_int(arg->number);
		break;
	case TMPL_BOOL:
		*ret = tmpl_value_bool(arg->number);
		break;
	case TMPL_NIL:
		*ret = (struct tmpl_value){ .kind = TMPL_V_NULL };
		break;
	case TMPL_PIPE:
		e = tmpl_eval(r, arg->pipe, ret);
		break;
	case TMPL_FUNC: /* without arguments */
		return tmpl_error(arg->at, "%s stands for a call: put it in parentheses",
				  arg->func->name);
	}
	return e ? e : eval_path(arg, ret);
}

/* ---- Calls ---- */

struct dv_err *tmpl_missing(const struct tmpl_value *v, size_t at)
{
	return tmpl_error(at, "there is no field .%s", v->text);
}

/* "com.example.my-key" is the heading "my key", as docker makes it. */
static struct tmpl_value label_heading(struct tmpl_run *r, const struct tmpl_value *key)
{
	char *text = dv_arena_strndup(&r->arena, key->text, key->len);
	char *dot = strrchr(text, '.');

	for (char *p = text; *p; p++) {
		if (*p == '-' || *p == '_')
			*p = ' ';
	}
	text = dot ? dot + 1 : text;
	return tmpl_value_text(text, strlen(text));
}

/* {{.Label "key"}} */
static struct dv_err *eval_label(struct tmpl_run *r, const struct tmpl_arg *arg,
				 struct tmpl_value *ret)
{
	const struct dv_json *member;
	struct tmpl_value key;
	struct dv_err *e = eval_arg(r, arg, &key);

	if (e)
		return e;
	if (key.kind != TMPL_V_STRING)
		return tmpl_error(arg->at, "the name of a label is wanted");
	if (r->data->is_header) {
		*ret = label_heading(r, &key);
		return NULL;
	}
	member = dv_json_get(r->data->labels, dv_arena_strndup(&r->arena, key.text, key.len));
	*ret = member ? tmpl_value_of(member) : tmpl_value_text("", 0);
	return NULL;
}

static bool is_label_call(const struct tmpl_run *r, const struct tmpl_arg *arg)
{
	return (r->data->labels || r->data->is_header) && arg->next && !arg->next->next &&
	       (arg->kind == TMPL_DOT || arg->kind == TMPL_ROOT) && arg->n_path == 1 &&
	       dv_streq(arg->path[0], "Label");
}

static struct dv_err *call(struct tmpl_run *r, const struct tmpl_arg *fn, struct tmpl_value *args,
			   size_t n_args, struct tmpl_value *ret)
{
	struct tmpl_call c = { .arena = &r->arena, .args = args, .n_args = n_args };
	struct dv_err *e;

	if (n_args < fn->func->min_args || n_args > fn->func->max_args)
		return tmpl_error(fn->at, "%s: wrong number of arguments", fn->func->name);
	if (r->data->is_header && n_args > 0) {
		/* docker's: headings stay as they are; the heading is what comes from a field. */
		*ret = args[n_args - 1];
		for (size_t i = 0; i < n_args; i++) {
			if (args[i].json)
				*ret = args[i];
		}
		return NULL;
	}
	for (size_t i = 0; i < n_args && !fn->func->may_miss; i++) {
		if (args[i].kind == TMPL_V_MISSING)
			return tmpl_missing(&args[i], fn->at);
	}
	e = fn->func->fn(&c, ret);
	if (!e) {
		for (size_t i = 0; i < n_args; i++)
			r->text += args[i].len + args[i].n_items * sizeof(char *);
		r->text += ret->len + ret->n_items * sizeof(char *);
		if (r->text > TEXT_MAX)
			e = dv_err_new(DV_EXHAUSTED, "functions make more than %zu bytes",
				       TEXT_MAX);
	}
	return dv_err_wrap(e, "template: at character %zu: %s", fn->at + 1, fn->func->name);
}

/* @last: what comes through "|"; NULL in the first command. */
static struct dv_err *eval_command(struct tmpl_run *r, const struct tmpl_cmd *cmd,
				   const struct tmpl_value *last, struct tmpl_value *ret)
{
	const struct tmpl_arg *first = cmd->args;
	struct tmpl_value args[TMPL_ARGS_MAX];
	size_t n = 0;
	struct dv_err *e;

	if (is_label_call(r, first))
		return eval_label(r, first->next, ret);
	if (first->kind != TMPL_FUNC) {
		if (first->next)
			return tmpl_error(first->next->at,
					  "arguments of something that is no function");
		return eval_arg(r, first, ret);
	}
	for (const struct tmpl_arg *arg = first->next; arg; arg = arg->next) {
		e = eval_arg(r, arg, &args[n++]);
		if (e)
			return e;
	}
	if (last)
		args[n++] = *last;
	e = tmpl_count_step(r);
	if (!e)
		e = call(r, first, args, n, ret);
	return e ? e : eval_path(first, ret);
}

struct dv_err *tmpl_eval(struct tmpl_run *r, const struct tmpl_pipe *pipe, struct tmpl_value *ret)
{
	const struct tmpl_value *last = NULL;
	struct tmpl_value v = { .kind = TMPL_V_NULL }, result = v;

	for (const struct tmpl_cmd *cmd = pipe->cmds; cmd; cmd = cmd->next) {
		struct dv_err *e = eval_command(r, cmd, last, &result);

		if (e)
			return e;
		v = result;
		last = &v;
	}
	*ret = result;
	return NULL;
}
