/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: a run over values, node by node. */

#include <string.h>

#include "template-private.h"

/* How a list of nodes ended. */
enum flow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

static struct dv_err *run_nodes(struct tmpl_run *r, const struct tmpl_node *node,
				enum flow *ret_flow);

static struct dv_err *run_action(struct tmpl_run *r, const struct tmpl_node *node)
{
	struct tmpl_value v;
	struct dv_err *e = tmpl_eval(r, node->pipe, &v);

	if (e)
		return e;
	if (node->pipe->n_vars > 0)
		tmpl_set_variable(r, node->pipe, 0, &v);
	else if (v.kind == TMPL_V_MISSING)
		return tmpl_missing(&v, node->pipe->at);
	else
		tmpl_value_print(&v, r->out);
	return NULL;
}

/* if, with. */
static struct dv_err *run_choice(struct tmpl_run *r, const struct tmpl_node *node,
				 enum flow *ret_flow)
{
	struct tmpl_value v, dot = r->dot;
	struct dv_err *e = tmpl_eval(r, node->pipe, &v);
	bool is_true;

	if (e)
		return e;
	if (node->pipe->n_vars > 0)
		tmpl_set_variable(r, node->pipe, 0, &v);
	is_true = tmpl_value_is_true(&v);
	if (is_true && node->kind == TMPL_WITH)
		r->dot = v;
	e = run_nodes(r, is_true ? node->body : node->otherwise, ret_flow);
	r->dot = dot;
	return e;
}

struct loop {
	struct tmpl_run *run;
	const struct tmpl_node *node;
	enum flow flow;
};

static struct dv_err *run_item(struct loop *l, const struct tmpl_value *key,
			       const struct tmpl_value *value)
{
	const struct tmpl_pipe *pipe = l->node->pipe;
	struct tmpl_run *r = l->run;
	size_t n_vars = r->n_vars;
	struct dv_err *e;

	if (l->flow == FLOW_BREAK)
		return NULL;
	if (pipe->n_vars == 2)
		tmpl_set_variable(r, pipe, 0, key);
	if (pipe->n_vars > 0)
		tmpl_set_variable(r, pipe, pipe->n_vars - 1, value);
	r->dot = *value;
	e = tmpl_count_step(r);
	if (!e)
		e = run_nodes(r, l->node->body, &l->flow);
	r->n_vars = n_vars;
	return e;
}

static struct dv_err *run_member(void *arg, const char *key, const struct dv_json *json)
{
	struct tmpl_value k = tmpl_value_text(key, strlen(key)), v = tmpl_value_of(json);

	return run_item(arg, &k, &v);
}

static struct dv_err *run_range(struct tmpl_run *r, const struct tmpl_node *node)
{
	struct loop loop = { .run = r, .node = node };
	struct tmpl_value v, dot = r->dot;
	struct dv_err *e = tmpl_eval(r, node->pipe, &v);
	enum flow flow;

	if (e)
		return e;
	if (tmpl_value_is_true(&v) && v.kind != TMPL_V_ARRAY && v.kind != TMPL_V_OBJECT)
		return tmpl_error(node->pipe->at, "range over %s", tmpl_kind_name(v.kind));
	if (!tmpl_value_is_true(&v))
		return run_nodes(r, node->otherwise, &flow);
	if (v.kind == TMPL_V_OBJECT)
		e = dv_json_each(v.json, run_member, &loop);
	for (size_t i = 0; !e && v.kind == TMPL_V_ARRAY && i < tmpl_value_len(&v); i++) {
		struct tmpl_value key = tmpl_value_int((int64_t)i), item = tmpl_value_at(&v, i);

		e = run_item(&loop, &key, &item);
	}
	r->dot = dot;
	return e;
}

static struct dv_err *run_node(struct tmpl_run *r, const struct tmpl_node *node,
			       enum flow *ret_flow)
{
	size_t n_vars = r->n_vars;
	struct dv_err *e = tmpl_count_step(r);

	if (e)
		return e;
	switch (node->kind) {
	case TMPL_TEXT:
		dv_strbuf_add_n(r->out, node->text, node->len);
		return NULL;
	case TMPL_ACTION: /* its variable stays */
		return run_action(r, node);
	case TMPL_IF:
	case TMPL_WITH:
		e = run_choice(r, node, ret_flow);
		break;
	case TMPL_RANGE:
		e = run_range(r, node);
		break;
	case TMPL_BREAK:
		*ret_flow = FLOW_BREAK;
		break;
	case TMPL_CONTINUE:
		*ret_flow = FLOW_CONTINUE;
		break;
	}
	r->n_vars = n_vars;
	return e;
}

static struct dv_err *run_nodes(struct tmpl_run *r, const struct tmpl_node *node,
				enum flow *ret_flow)
{
	size_t n_vars = r->n_vars;
	struct dv_err *e = NULL;

	*ret_flow = FLOW_NEXT;
	for (; !e && node && *ret_flow == FLOW_NEXT; node = node->next)
		e = run_node(r, node, ret_flow);
	r->n_vars = n_vars;
	return e;
}

struct dv_err *cli_template_run(const struct cli_template *t, const struct cli_template_data *data,
				struct dv_strbuf *out)
{
	struct tmpl_run r = { .data = data, .out = out, .dot = tmpl_value_of(data->root) };
	enum flow flow;
	struct dv_err *e;

	r.out_max = out->len + CLI_TEMPLATE_OUTPUT_MAX;
	dv_arena_init(&r.arena);
	e = run_nodes(&r, t->nodes, &flow);
	dv_arena_fini(&r.arena);
	return e;
}
