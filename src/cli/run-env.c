/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables, labels, annotations: texts of the form key=value. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "run.h"
#include "sys/file.h"

enum { FILE_MAX = 1024 * 1024, MAX_ENV = 65536 };

struct dv_err *run_read_file(struct cli *cli, const char *path, char **ret, size_t *ret_n)
{
	char *text = dv_arena_alloc(&cli->arena, FILE_MAX + 1);
	ssize_t n = sys_read_file_at(AT_FDCWD, path, text, FILE_MAX + 1);

	if (n == -EFBIG)
		return dv_err_new(DV_EXHAUSTED, "%s is larger than %d bytes", path, FILE_MAX);
	if (n < 0)
		return dv_err_sys((int)n, "read %s", path);
	*ret = text;
	*ret_n = (size_t)n;
	return NULL;
}

struct dv_err *run_pairs(struct cli *cli, const char *option, const struct dv_opt_list *list,
			 struct spec_string_pair **ret, size_t *ret_n)
{
	struct spec_string_pair *pairs =
		dv_arena_new_n(&cli->arena, struct spec_string_pair, list->n_items + 1);

	for (size_t i = 0; i < list->n_items; i++) {
		size_t n = strcspn(list->items[i], "=");

		if (n == 0)
			return dv_err_new(DV_INVALID, "--%s %s: a key must not be empty", option,
					  list->items[i]);
		pairs[i].key = dv_arena_strndup(&cli->arena, list->items[i], n);
		pairs[i].value = list->items[i][n] ? list->items[i] + n + 1 : "";
	}
	*ret = pairs;
	*ret_n = list->n_items;
	return NULL;
}

struct env {
	struct cli *cli;
	const char **items;
	size_t n;
};

/* A name alone takes the caller's value; without one it is taken away, as the image's may be there. */
static struct dv_err *add(struct env *env, const char *entry, const char *where)
{
	const char *value;

	if (*entry == '=' || !*entry)
		return dv_err_new(DV_INVALID, "%s: a variable needs a name: \"%.100s\"", where,
				  entry);
	if (env->n == MAX_ENV)
		return dv_err_new(DV_EXHAUSTED, "more than %d environment variables", MAX_ENV);
	value = strchr(entry, '=') ? NULL : cli_env(entry);
	if (value)
		entry = dv_arena_printf(&env->cli->arena, "%s=%s", entry, value);
	/* Grows by doubling. */
	if ((env->n & (env->n - 1)) == 0) {
		const char **grown = dv_arena_new_n(&env->cli->arena, const char *,
						    DV_MAX(2 * env->n, (size_t)16));

		if (env->n > 0)
			memcpy(grown, env->items, env->n * sizeof(*grown));
		env->items = grown;
	}
	env->items[env->n++] = entry;
	return NULL;
}

static struct dv_err *add_file(struct env *env, const char *path)
{
	struct dv_err *e;
	char *text, *line;
	size_t n;

	e = run_read_file(env->cli, path, &text, &n);
	if (e)
		return e;
	if (memchr(text, '\0', n))
		return dv_err_new(DV_INVALID, "%s is not a text", path);
	while (!e && (line = strsep(&text, "\n"))) {
		line += strspn(line, " \t");
		line[strcspn(line, "\r")] = '\0';
		if (*line && *line != '#')
			e = add(env, line, path);
	}
	return e;
}

/* Files first: what is given on the command line counts more. */
struct dv_err *run_plan_env(struct run_plan *p)
{
	const struct run_opts *o = p->opts;
	struct env env = { .cli = p->cli };
	struct dv_err *e = NULL;

	for (size_t i = 0; !e && i < o->env_files.n_items; i++)
		e = add_file(&env, o->env_files.items[i]);
	for (size_t i = 0; !e && i < o->env.n_items; i++)
		e = add(&env, o->env.items[i], "--env");
	p->container.env = env.items;
	p->container.n_env = env.n;
	return e;
}
