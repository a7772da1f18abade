/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The tree of a template, its tokens, and values while it runs. */

#include <stdint.h>

#include "base/mem.h"
#include "template.h"

#define TMPL_DEPTH_MAX 64
#define TMPL_ARGS_MAX  32 /* of one call */
#define TMPL_VARS_MAX  64 /* in sight at one place */

/* ---- The tree, in the template's arena ---- */

enum tmpl_arg_kind {
	TMPL_DOT,
	TMPL_ROOT, /* "$" */
	TMPL_VAR,
	TMPL_STRING,
	TMPL_INT,
	TMPL_BOOL,
	TMPL_NIL,
	TMPL_FUNC,
	TMPL_PIPE, /* in parentheses */
};

struct tmpl_arg {
	enum tmpl_arg_kind kind;
	const char *text; /* of strings, and names */
	size_t len;
	int64_t number;
	const struct tmpl_func *func;
	struct tmpl_pipe *pipe;
	const char *path[TMPL_ARGS_MAX]; /* ".A.B" behind it */
	size_t n_path;
	size_t at; /* where in the text */
	struct tmpl_arg *next;
};

struct tmpl_cmd {
	struct tmpl_arg *args; /* at least one */
	struct tmpl_cmd *next;
};

struct tmpl_pipe {
	const char *vars[2]; /* that it sets */
	size_t n_vars;
	bool is_assignment; /* "=": of a variable that is there */
	struct tmpl_cmd *cmds;
	size_t at;
};

enum tmpl_node_kind {
	TMPL_TEXT,
	TMPL_ACTION,
	TMPL_IF,
	TMPL_WITH,
	TMPL_RANGE,
	TMPL_BREAK,
	TMPL_CONTINUE,
};

struct tmpl_node {
	enum tmpl_node_kind kind;
	const char *text;
	size_t len;
	struct tmpl_pipe *pipe;
	struct tmpl_node *body, *otherwise;
	struct tmpl_node *next;
};

struct cli_template {
	struct dv_arena arena;
	struct tmpl_node *nodes;
	const char **fields; /* all names that appear behind dots */
	size_t n_fields;
	bool is_whole; /* a bare "." or "$" appears */
};

/* ---- Tokens ---- */

enum tmpl_token_kind {
	TMPL_T_END, /* "}}" */
	TMPL_T_DOT,
	TMPL_T_FIELD, /* ".name" */
	TMPL_T_VAR, /* "$name", "$" */
	TMPL_T_STRING,
	TMPL_T_NUMBER,
	TMPL_T_WORD,
	TMPL_T_SIGN, /* one of ( ) | , = and ":=", which is ':' */
};

struct tmpl_token {
	enum tmpl_token_kind kind;
	const char *text; /* without dot, dollar or quotes; in the arena */
	size_t len;
	int64_t number;
	char sign;
	bool is_glued; /* no white space in front */
	size_t at;
};

struct tmpl_lexer {
	const char *text; /* the whole template */
	size_t pos;
	bool is_trimming; /* the last action ended with "-}}" */
	struct dv_arena *arena;
};

struct dv_err *tmpl_error(size_t at, const char *fmt, ...) DV_PRINTF(2, 3) DV_CHECK;
/*
 * Text up to the next action, trimmed, in ret_text; *ret_is_action: an action follows, and the
 * lexer is inside it.
 */
struct dv_err *tmpl_lex_text(struct tmpl_lexer *l, const char **ret_text, size_t *ret_len,
			     bool *ret_is_action) DV_CHECK;
/* The next token of an action. */
struct dv_err *tmpl_lex(struct tmpl_lexer *l, struct tmpl_token *ret) DV_CHECK;

/* ---- The parser ---- */

struct tmpl_parser {
	struct tmpl_lexer lexer;
	struct tmpl_token token; /* the one to look at */
	struct cli_template *t;
	unsigned depth;
	unsigned n_ranges; /* around this place */
	const char *vars[TMPL_VARS_MAX]; /* in sight */
	size_t n_vars;
};

/* The next token, please. */
struct dv_err *tmpl_advance(struct tmpl_parser *p) DV_CHECK;
bool tmpl_is_word(const struct tmpl_parser *p, const char *word);
/* The token has no place where it is. */
struct dv_err *tmpl_unexpected(const struct tmpl_parser *p) DV_CHECK;
/* Up to a token that cannot be part of it: "}}" or ")". */
struct dv_err *tmpl_parse_pipe(struct tmpl_parser *p, struct tmpl_pipe **ret) DV_CHECK;

/* ---- Values ---- */

enum tmpl_kind {
	TMPL_V_MISSING, /* a field that is not there: .text is its name */
	TMPL_V_NULL,
	TMPL_V_BOOL,
	TMPL_V_INT,
	TMPL_V_DOUBLE,
	TMPL_V_STRING,
	TMPL_V_ARRAY, /* .json, or .items */
	TMPL_V_OBJECT,
};

struct tmpl_value {
	enum tmpl_kind kind;
	int64_t number; /* also of a bool */
	double real;
	const char *text;
	size_t len;
	const struct dv_json *json;
	const char *const *items; /* of split: strings */
	size_t n_items;
};

struct tmpl_value tmpl_value_of(const struct dv_json *json);
struct tmpl_value tmpl_value_text(const char *text, size_t len);
struct tmpl_value tmpl_value_int(int64_t n);
struct tmpl_value tmpl_value_bool(bool b);
/* Go's idea of truth: not empty, not zero. */
bool tmpl_value_is_true(const struct tmpl_value *v);
size_t tmpl_value_len(const struct tmpl_value *v); /* of arrays and objects */
struct tmpl_value tmpl_value_at(const struct tmpl_value *v, size_t i); /* of arrays */
/* As {{.}} prints it. */
void tmpl_value_print(const struct tmpl_value *v, struct dv_strbuf *out);
void tmpl_value_json(const struct tmpl_value *v, struct dv_strbuf *out);
/* "a string" */
const char *tmpl_kind_name(enum tmpl_kind kind);

/* ---- Functions ---- */

struct tmpl_call {
	struct dv_arena *arena; /* of the run */
	const struct tmpl_value *args;
	size_t n_args;
};

struct tmpl_func {
	const char *name;
	size_t min_args, max_args;
	bool may_miss; /* takes fields that are not there */
	struct dv_err *(*fn)(const struct tmpl_call *call, struct tmpl_value *ret);
};

/* NULL: there is none. */
const struct tmpl_func *tmpl_func_find(const char *name, size_t len);
/* printf, in a file of its own. */
struct dv_err *tmpl_printf(const struct tmpl_call *call, struct tmpl_value *ret) DV_CHECK;

/* ---- A run ---- */

struct tmpl_variable {
	const char *name;
	struct tmpl_value value;
};

struct tmpl_run {
	const struct cli_template_data *data;
	struct dv_arena arena;
	struct dv_strbuf *out;
	size_t out_max;
	unsigned steps;
	size_t text; /* bytes that functions have read and made */
	struct tmpl_value dot;
	struct tmpl_variable vars[TMPL_VARS_MAX];
	size_t n_vars;
};

/* DV_EXHAUSTED: the run has taken too many steps, or has said too much. */
struct dv_err *tmpl_count_step(struct tmpl_run *r) DV_CHECK;
/* The @i-th variable of the pipeline. */
void tmpl_set_variable(struct tmpl_run *r, const struct tmpl_pipe *pipe, size_t i,
		       const struct tmpl_value *v);
struct dv_err *tmpl_eval(struct tmpl_run *r, const struct tmpl_pipe *pipe, struct tmpl_value *ret)
	DV_CHECK;
/* @v is of a field that is not there. */
struct dv_err *tmpl_missing(const struct tmpl_value *v, size_t at) DV_CHECK;
