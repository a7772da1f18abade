/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placeholders: "{{ function number... }}", a small part of Go's text/template, which is what
 * containerd's snapshotters write.
 */

#include <string.h>

#include "base/str.h"
#include "mounts-private.h"

enum { ARGS_MAX = 2, WORD_MAX = 16 };

struct call {
	char function[WORD_MAX];
	int args[ARGS_MAX];
	int n_args;
};

static struct dv_err *bad(const char *text, const char *why)
{
	return dv_err_new(DV_INVALID, "mount: placeholder in \"%.200s\": %s", text, why);
}

/* A word of the placeholder that ends at @end; false: there are no more. */
static bool next_word(const char **at, const char *end, char word[WORD_MAX], bool *ret_is_long)
{
	size_t n = 0;

	while (*at < end && (**at == ' ' || **at == '\t'))
		(*at)++;
	*ret_is_long = false;
	while (*at < end && **at != ' ' && **at != '\t') {
		if (n + 1 < WORD_MAX)
			word[n++] = **at;
		else
			*ret_is_long = true;
		(*at)++;
	}
	word[n] = '\0';
	return n > 0;
}

static struct dv_err *parse(const char *text, const char *at, const char *end, struct call *ret)
{
	char word[WORD_MAX];
	bool is_long;
	uint32_t n;

	*ret = (struct call){ 0 };
	if (!next_word(&at, end, ret->function, &is_long) || is_long)
		return bad(text, "expected source, target, mount or overlay");
	while (next_word(&at, end, word, &is_long)) {
		if (ret->n_args == ARGS_MAX || is_long || !dv_parse_u32(word, &n) || n > 255)
			return bad(text, "expected the number of an active mount");
		ret->args[ret->n_args++] = (int)n;
	}
	return NULL;
}

static struct dv_err *add_overlay(const char *text, const struct call *c,
				  const struct mounts_active *active, size_t n_active,
				  struct dv_strbuf *out)
{
	int from = c->args[0], to = c->args[1], step = from <= to ? 1 : -1;

	if ((size_t)from >= n_active || (size_t)to >= n_active)
		return bad(text, "there is no such active mount");
	for (int i = from;; i += step) {
		dv_strbuf_addf(out, "%s%s", i == from ? "" : ":", active[i].mount_point);
		if (i == to)
			return NULL;
	}
}

static struct dv_err *add_value(const char *text, const struct call *c,
				const struct mounts_active *active, size_t n_active,
				struct dv_strbuf *out)
{
	const struct mounts_active *a;

	if (dv_streq(c->function, "overlay") && c->n_args == 2)
		return add_overlay(text, c, active, n_active, out);
	if (c->n_args != 1)
		return bad(text, "expected source, target or mount and a number, or overlay and "
				 "two");
	if ((size_t)c->args[0] >= n_active)
		return bad(text, "there is no such active mount");
	a = &active[c->args[0]];
	if (dv_streq(c->function, "source"))
		dv_strbuf_add(out, a->mount.source);
	else if (dv_streq(c->function, "target"))
		dv_strbuf_add(out, a->mount.target);
	else if (dv_streq(c->function, "mount"))
		dv_strbuf_add(out, a->mount_point);
	else
		return bad(text, "expected source, target, mount or overlay");
	return NULL;
}

static struct dv_err *expand(const char *text, const struct mounts_active *active, size_t n_active,
			     struct dv_strbuf *out)
{
	const char *at = text, *open;

	while ((open = strstr(at, "{{")) != NULL) {
		const char *end = strstr(open, "}}");
		struct dv_err *e;
		struct call c;

		if (!end)
			return bad(text, "no }} at its end");
		dv_strbuf_add_n(out, at, (size_t)(open - at));
		e = parse(text, open + 2, end, &c);
		if (!e)
			e = add_value(text, &c, active, n_active, out);
		if (e)
			return e;
		at = end + 2;
	}
	dv_strbuf_add(out, at);
	return NULL;
}

struct dv_err *mounts_format_text(const char *text, const struct mounts_active *active,
				  size_t n_active, struct dv_arena *arena, const char **ret)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e;

	if (!strstr(text, "{{")) {
		*ret = text;
		return NULL;
	}
	e = expand(text, active, n_active, &out);
	if (!e)
		*ret = dv_arena_strdup(arena, out.data);
	return e;
}

struct dv_err *mounts_format(struct snapshot_mount *io, const struct mounts_active *active,
			     size_t n_active, struct dv_arena *arena)
{
	const char **options = dv_arena_new_n(arena, const char *, io->n_options + 1);
	struct dv_err *e;

	e = mounts_format_text(io->source, active, n_active, arena, &io->source);
	if (!e)
		e = mounts_format_text(io->target, active, n_active, arena, &io->target);
	for (size_t i = 0; i < io->n_options && !e; i++)
		e = mounts_format_text(io->options[i], active, n_active, arena, &options[i]);
	if (!e)
		io->options = options;
	return e;
}
