/* SPDX-License-Identifier: Apache-2.0 */
/* Templates: text, actions, and the tokens of actions. */

#include <ctype.h>
#include <string.h>

#include "template-private.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

struct dv_err *tmpl_error(size_t at, const char *fmt, ...)
{
	struct dv_err *e;
	va_list ap;

	va_start(ap, fmt);
	e = dv_err_newv(DV_INVALID, fmt, ap);
	va_end(ap);
	return dv_err_wrap(e, "template: at character %zu", at + 1);
}

/* The lexer is behind "{{": a trim marker, a comment. */
static struct dv_err *skip_comment(struct tmpl_lexer *l, bool *ret_is_comment)
{
	const char *s = l->text + l->pos, *end;

	*ret_is_comment = dv_starts_with(s, "/*");
	if (!*ret_is_comment)
		return NULL;
	end = strstr(s + 2, "*/");
	if (!end)
		return tmpl_error(l->pos, "the comment has no end");
	end += 2;
	while (is_space(*end))
		end++;
	l->is_trimming = *end == '-';
	end += l->is_trimming;
	if (!dv_starts_with(end, "}}"))
		return tmpl_error((size_t)(end - l->text), "a comment is a whole {{ }}");
	l->pos = (size_t)(end + 2 - l->text);
	return NULL;
}

struct dv_err *tmpl_lex_text(struct tmpl_lexer *l, const char **ret_text, size_t *ret_len,
			     bool *ret_is_action)
{
	const char *s = l->text + l->pos, *open = strstr(s, "{{");
	const char *end = open ? open : s + strlen(s);
	bool is_comment;
	struct dv_err *e;

	while (l->is_trimming && s < end && is_space(*s))
		s++;
	l->is_trimming = false;
	l->pos = (size_t)(end - l->text);
	*ret_is_action = false;
	if (open) {
		l->pos += 2;
		if (open[2] == '-' && is_space(open[3])) {
			l->pos++;
			while (end > s && is_space(end[-1]))
				end--;
			while (is_space(l->text[l->pos]))
				l->pos++;
		}
		e = skip_comment(l, &is_comment);
		if (e)
			return e;
		*ret_is_action = !is_comment;
	}
	*ret_text = s;
	*ret_len = (size_t)(end - s);
	return NULL;
}

/* What stands for the character behind a backslash; 0: nothing does. */
static char unescape(char c)
{
	static const char from[] = "ntr\\\"'", to[] = "\n\t\r\\\"'";
	const char *p = c ? strchr(from, c) : NULL;

	return p ? to[p - from] : '\0';
}

/* How long the text between the quotes is, as it stands there. */
static size_t string_length(const char *s, char quote)
{
	size_t n = 0;

	while (s[n] && s[n] != quote)
		n += quote == '"' && s[n] == '\\' && s[n + 1] ? 2 : 1;
	return n;
}

static struct dv_err *lex_string(struct tmpl_lexer *l, struct tmpl_token *ret)
{
	const char *s = l->text + l->pos + 1, quote = s[-1];
	size_t len = string_length(s, quote), n = 0;
	char *out = dv_arena_alloc(l->arena, len + 1);

	if (!s[len])
		return tmpl_error(l->pos, "the string has no end");
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (c == '\\' && quote == '"') {
			c = unescape(s[++i]);
			if (!c)
				return tmpl_error((size_t)(s + i - l->text),
						  "\\ and this have no meaning in a string");
		}
		out[n++] = c;
	}
	l->pos = (size_t)(s + len + 1 - l->text);
	ret->kind = TMPL_T_STRING;
	ret->text = out;
	ret->len = n;
	return NULL;
}

static struct dv_err *lex_number(struct tmpl_lexer *l, struct tmpl_token *ret)
{
	const char *s = l->text + l->pos;
	size_t len = 1 + strspn(s + 1, "0123456789");
	const char *copy = dv_arena_strndup(l->arena, s, len);

	ret->kind = TMPL_T_NUMBER;
	if (is_name(s[len]) || s[len] == '.' || !dv_parse_i64(copy, &ret->number))
		return tmpl_error(l->pos, "not an integer");
	l->pos += len;
	return NULL;
}

/* @skip characters in front of a name. */
static void lex_name(struct tmpl_lexer *l, size_t skip, enum tmpl_token_kind kind,
		     struct tmpl_token *ret)
{
	const char *s = l->text + l->pos + skip;

	while (is_name(s[ret->len]))
		ret->len++;
	ret->kind = kind;
	ret->text = dv_arena_strndup(l->arena, s, ret->len);
	l->pos += skip + ret->len;
}

static struct dv_err *lex_sign(struct tmpl_lexer *l, struct tmpl_token *ret)
{
	const char *s = l->text + l->pos;

	ret->kind = TMPL_T_SIGN;
	ret->sign = *s;
	if (dv_starts_with(s, ":="))
		l->pos += 2;
	else if (*s && strchr("()|,=", *s))
		l->pos++;
	else if (!*s)
		return tmpl_error(l->pos, "}} is missing");
	else
		return tmpl_error(l->pos, "unexpected character");
	return NULL;
}

struct dv_err *tmpl_lex(struct tmpl_lexer *l, struct tmpl_token *ret)
{
	const char *s = l->text + l->pos;
	const char *start = s;

	while (is_space(*s))
		s++;
	*ret = (struct tmpl_token){ .is_glued = s == start, .at = (size_t)(s - l->text) };
	l->pos = ret->at;
	if (dv_starts_with(s, "}}") || (dv_starts_with(s, "-}}") && s > start)) {
		l->is_trimming = *s == '-';
		l->pos += l->is_trimming ? 3 : 2;
		ret->kind = TMPL_T_END;
		return NULL;
	}
	if (*s == '"' || *s == '`')
		return lex_string(l, ret);
	if (isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1])))
		return lex_number(l, ret);
	if (*s == '.' && is_name(s[1])) {
		lex_name(l, 1, TMPL_T_FIELD, ret);
	} else if (*s == '.') {
		ret->kind = TMPL_T_DOT;
		l->pos++;
	} else if (*s == '$') {
		lex_name(l, 1, TMPL_T_VAR, ret);
	} else if (is_name(*s)) {
		lex_name(l, 0, TMPL_T_WORD, ret);
	} else {
		return lex_sign(l, ret);
	}
	return NULL;
}
