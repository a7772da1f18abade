/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A word that is followed by '=' is a parameter of the challenge before it; any other word begins
 * a challenge. That is all there is to the header's famous ambiguity, since commas separate both.
 */

#include "challenge.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"

struct cursor {
	struct dv_arena *arena;
	const char *p;
};

/* tchar, and what token68 has besides: such a word is passed over as a whole. */
static size_t word_length(const char *p)
{
	return strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			 "!#$%&'*+-.^_`|~/:");
}

static void skip_space(struct cursor *c)
{
	c->p += strspn(c->p, " \t");
}

/* Behind the '='. NULL: a value that is broken, or one with control characters. */
static const char *read_value(struct cursor *c)
{
	char *value, *to;
	size_t n;

	if (*c->p != '"') {
		n = word_length(c->p);
		value = dv_arena_strndup(c->arena, c->p, n);
		c->p += n;
		return value;
	}
	value = to = dv_arena_alloc(c->arena, strlen(c->p) + 1);
	for (c->p++; *c->p && *c->p != '"'; c->p++) {
		if (*c->p == '\\' && c->p[1])
			c->p++;
		if ((unsigned char)*c->p < ' ' || *c->p == 127)
			return NULL;
		*to++ = *c->p;
	}
	if (*c->p != '"')
		return NULL;
	c->p++;
	return value;
}

static void set_parameter(struct challenge *ch, const char *name, size_t n, const char *value)
{
	const struct {
		const char *name;
		const char **field;
	} fields[] = {
		{ "realm", &ch->realm },
		{ "service", &ch->service },
		{ "scope", &ch->scope },
		{ "error", &ch->error },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(fields); i++) {
		/* Of two the first counts: a second one may be somebody's addition. */
		if (strlen(fields[i].name) == n && strncasecmp(fields[i].name, name, n) == 0 &&
		    !*fields[i].field)
			*fields[i].field = value;
	}
}

static enum challenge_scheme scheme_of(const char *name, size_t n)
{
	if (n == 5 && strncasecmp(name, "basic", n) == 0)
		return CHALLENGE_BASIC;
	if (n == 6 && strncasecmp(name, "bearer", n) == 0)
		return CHALLENGE_BEARER;
	return CHALLENGE_OTHER;
}

size_t challenges_parse(struct dv_arena *arena, const char *text,
			struct challenge ret[CHALLENGES_MAX])
{
	struct cursor c = { .arena = arena, .p = text };
	size_t n = 0;

	if (strlen(text) > CHALLENGE_TEXT_MAX)
		return 0;
	for (;;) {
		const char *word, *value;
		size_t len;

		c.p += strspn(c.p, " \t,");
		word = c.p;
		len = word_length(word);
		if (!len)
			return n; /* the end, or what nobody understands */
		c.p += len;
		skip_space(&c);
		if (*c.p != '=') {
			if (n == CHALLENGES_MAX)
				return n;
			ret[n++] = (struct challenge){ .scheme = scheme_of(word, len) };
			continue;
		}
		c.p += strspn(c.p, "="); /* more than one: the end of a token68 */
		skip_space(&c);
		value = read_value(&c);
		if (!value)
			return n;
		if (n)
			set_parameter(&ret[n - 1], word, len, value);
	}
}

const struct challenge *challenge_find(const struct challenge *c, size_t n,
				       enum challenge_scheme scheme)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].scheme == scheme)
			return &c[i];
	}
	return NULL;
}
