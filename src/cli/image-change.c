/* SPDX-License-Identifier: Apache-2.0 */
/* See image-change.h. Variables in instructions ($HOME) are not replaced: they are for the container. */

#include "image-change.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/signame.h"
#include "base/str.h"
#include "codec/json.h"

static const char *skip_space(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* ---- words -------------------------------------------------------------------------------- */

struct words {
	const char **items;
	size_t n;
};

/* One word, its quotes and backslashes taken off. NULL: a quote has no end. */
static const char *next_word(const char *s, struct dv_arena *arena, const char **ret)
{
	char *out = dv_arena_alloc(arena, strlen(s) + 1), quote = '\0';
	size_t n = 0;

	for (; *s && (quote || !isspace((unsigned char)*s)); s++) {
		if (*s == '\\' && quote != '\'' && s[1])
			out[n++] = *++s;
		else if (quote ? *s == quote : *s == '"' || *s == '\'')
			quote = quote ? '\0' : *s;
		else
			out[n++] = *s;
	}
	*ret = out;
	return quote ? NULL : skip_space(s);
}

static struct dv_err *split(const char *s, struct dv_arena *arena, struct words *ret)
{
	ret->items = dv_arena_new_n(arena, const char *, strlen(s) / 2 + 2);
	ret->n = 0;
	while (*s) {
		s = next_word(s, arena, &ret->items[ret->n++]);
		if (!s)
			return dv_err_new(DV_INVALID, "a quote has no end");
	}
	return NULL;
}

/* ["a", "b"]; false: it is not of this form. */
static bool parse_list(const char *s, struct dv_arena *arena, struct words *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = *s == '[' ? dv_json_parse(s, strlen(s), &doc) : NULL;

	if (e || dv_json_type(doc) != DV_JSON_ARRAY) {
		dv_err_free(e);
		return false;
	}
	ret->items = dv_arena_new_n(arena, const char *, dv_json_array_len(doc) + 1);
	for (ret->n = 0; ret->n < dv_json_array_len(doc); ret->n++) {
		const struct dv_json *item = dv_json_array_at(doc, ret->n);

		if (dv_json_type(item) != DV_JSON_STRING)
			return false;
		ret->items[ret->n] = dv_arena_strdup(arena, dv_json_string(item, NULL));
	}
	return true;
}

/* ---- instructions ---------------------------------------------------------------------------- */

static void parse_command(struct image_change *c, const char *s, struct words *ret)
{
	if (parse_list(s, c->arena, ret))
		return;
	ret->items = dv_arena_new_n(c->arena, const char *, 4);
	ret->items[0] = "/bin/sh";
	ret->items[1] = "-c";
	ret->items[2] = s;
	ret->n = 3;
}

static struct dv_err *put_cmd(struct image_change *c, const char *s)
{
	struct words words;

	parse_command(c, s, &words);
	c->config->cmd = words.items;
	c->config->n_cmd = words.n;
	c->has_cmd = true;
	return NULL;
}

/* The command was meant for another entrypoint. */
static struct dv_err *put_entrypoint(struct image_change *c, const char *s)
{
	struct words words;

	parse_command(c, s, &words);
	c->config->entrypoint = words.items;
	c->config->n_entrypoint = words.n;
	if (!c->has_cmd)
		c->config->n_cmd = 0;
	return NULL;
}

typedef void (*put_pair_fn)(struct image_change *c, const char *key, const char *value);

/* "A=b C=d", or "A all the rest" */
static struct dv_err *each_pair(struct image_change *c, const char *s, put_pair_fn put)
{
	size_t key_len = strcspn(s, " \t=");
	struct words words;
	struct dv_err *e;

	if (s[key_len] && s[key_len] != '=') {
		put(c, dv_arena_strndup(c->arena, s, key_len), skip_space(s + key_len));
		return NULL;
	}
	e = split(s, c->arena, &words);
	for (size_t i = 0; !e && i < words.n; i++) {
		const char *equals = strchr(words.items[i], '=');

		if (!equals || equals == words.items[i])
			return dv_err_new(DV_INVALID, "\"%.100s\" is not of the form key=value",
					  words.items[i]);
		put(c,
		    dv_arena_strndup(c->arena, words.items[i], (size_t)(equals - words.items[i])),
		    equals + 1);
	}
	return e;
}

static void add_env(struct image_change *c, const char *key, const char *value)
{
	const char **items = dv_arena_new_n(c->arena, const char *, c->config->n_env + 2);
	size_t len = strlen(key), at = 0;

	if (c->config->n_env > 0)
		memcpy(items, c->config->env, c->config->n_env * sizeof(*items));
	while (at < c->config->n_env &&
	       !(strncmp(items[at], key, len) == 0 && items[at][len] == '='))
		at++;
	items[at] = dv_arena_printf(c->arena, "%s=%s", key, value);
	c->config->env = items;
	c->config->n_env = DV_MAX(c->config->n_env, at + 1);
}

static void add_label(struct image_change *c, const char *key, const char *value)
{
	size_t n = c->config->n_labels, at = 0;
	struct spec_string_pair *items = dv_arena_new_n(c->arena, struct spec_string_pair, n + 1);

	if (n > 0)
		memcpy(items, c->config->labels, n * sizeof(*items));
	while (at < n && !dv_streq(items[at].key, key))
		at++;
	items[at] = (struct spec_string_pair){ key, value };
	c->config->labels = items;
	c->config->n_labels = DV_MAX(n, at + 1);
}

static struct dv_err *put_env(struct image_change *c, const char *s)
{
	return each_pair(c, s, add_env);
}

static struct dv_err *put_label(struct image_change *c, const char *s)
{
	return each_pair(c, s, add_label);
}

/* To a set of the configuration's. */
static void add_to(struct image_change *c, const char ***items, size_t *n, const char *item)
{
	const char **all = dv_arena_new_n(c->arena, const char *, *n + 2);

	if (*n > 0)
		memcpy(all, *items, *n * sizeof(*all));
	*items = all;
	for (size_t i = 0; i < *n; i++) {
		if (dv_streq(all[i], item))
			return;
	}
	all[(*n)++] = item;
}

static struct dv_err *put_expose(struct image_change *c, const char *s)
{
	struct words words;
	struct dv_err *e = split(s, c->arena, &words);

	for (size_t i = 0; !e && i < words.n; i++) {
		const char *port = words.items[i], *protocol = strchr(port, '/');
		size_t len = strcspn(port, "/");
		uint32_t number = 0;

		if (!dv_parse_u32(dv_arena_strndup(c->arena, port, len), &number) || number == 0 ||
		    number > UINT16_MAX ||
		    (protocol && !dv_streq(protocol, "/tcp") && !dv_streq(protocol, "/udp") &&
		     !dv_streq(protocol, "/sctp")))
			return dv_err_new(DV_INVALID,
					  "\"%.100s\" is not a port, such as 80 or 53/udp", port);
		port = dv_arena_printf(c->arena, "%u%s", number, protocol ? protocol : "/tcp");
		add_to(c, &c->config->exposed_ports, &c->config->n_exposed_ports, port);
	}
	return e;
}

static struct dv_err *put_volume(struct image_change *c, const char *s)
{
	struct words words;
	struct dv_err *e = NULL;

	if (!parse_list(s, c->arena, &words))
		e = split(s, c->arena, &words);
	for (size_t i = 0; !e && i < words.n; i++) {
		if (words.items[i][0] != '/')
			return dv_err_new(DV_INVALID, "\"%.200s\" is not an absolute path",
					  words.items[i]);
		add_to(c, &c->config->volumes, &c->config->n_volumes, words.items[i]);
	}
	return e;
}

static struct dv_err *put_user(struct image_change *c, const char *s)
{
	c->config->user = s;
	return NULL;
}

static struct dv_err *put_workdir(struct image_change *c, const char *s)
{
	const char *old = c->config->working_dir ? c->config->working_dir : "";
	DV_CLEANUP(dv_freep)
	char *path = dv_path_clean(*s == '/' ? s : dv_arena_printf(c->arena, "/%s/%s", old, s));

	c->config->working_dir = dv_arena_strdup(c->arena, path);
	return NULL;
}

static struct dv_err *put_stop_signal(struct image_change *c, const char *s)
{
	int signo;

	if (!dv_signal_parse(s, &signo) || signo <= 0)
		return dv_err_new(DV_INVALID, "no such signal: \"%.50s\"", s);
	c->config->stop_signal = s;
	return NULL;
}

static const struct {
	const char *name;
	struct dv_err *(*put)(struct image_change *c, const char *s); /* NULL: not yet */
} instructions[] = {
	{ "CMD", put_cmd },	  { "ENTRYPOINT", put_entrypoint },  { "ENV", put_env },
	{ "EXPOSE", put_expose }, { "HEALTHCHECK", NULL },	     { "LABEL", put_label },
	{ "ONBUILD", NULL },	  { "STOPSIGNAL", put_stop_signal }, { "USER", put_user },
	{ "VOLUME", put_volume }, { "WORKDIR", put_workdir },
};

struct dv_err *image_change_apply(struct image_change *c, const char *instruction)
{
	const char *name = skip_space(instruction);
	size_t len = strcspn(name, " \t\n[");
	const char *rest = skip_space(name + len);
	struct dv_err *e;

	for (size_t i = 0; i < DV_ARRAY_SIZE(instructions); i++) {
		if (strlen(instructions[i].name) != len ||
		    strncasecmp(instructions[i].name, name, len) != 0)
			continue;
		if (!instructions[i].put)
			return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: --change %s",
					  instructions[i].name);
		e = *rest ? instructions[i].put(c, rest)
			  : dv_err_new(DV_INVALID, "it needs an argument");
		return dv_err_wrap(e, "--change \"%.200s\"", instruction);
	}
	return dv_err_new(DV_INVALID,
			  "--change \"%.200s\": not one of CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, "
			  "STOPSIGNAL, USER, VOLUME, WORKDIR",
			  instruction);
}
