/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs by their names: "ps", "image ls". */

#include <string.h>

#include "base/opt.h"
#include "base/str.h"

const struct dv_opt_verb *dv_opt_verb_find(const struct dv_opt_program *program, const char *name)
{
	for (const struct dv_opt_verb *const *v = program->verbs; *v; v++) {
		if (dv_streq((*v)->name, name))
			return *v;
	}
	return NULL;
}

bool dv_opt_verb_name(const struct dv_opt_verb *verb, size_t i, struct dv_opt_name *ret)
{
	const char *s = verb->name;

	if (i > 0)
		s = verb->aliases;
	for (; s && i > 1; i--) {
		s = strchr(s, ',');
		s += s != NULL;
	}
	if (!s)
		return false;
	*ret = (struct dv_opt_name){ s, i > 0 ? strcspn(s, ",") : strlen(s) };
	return true;
}

static bool is_word(const char *word, const char *text, size_t len)
{
	return strlen(word) == len && strncmp(word, text, len) == 0;
}

/* How many words of argv the name takes; 0: it is another one. */
static int match(const struct dv_opt_name *name, int argc, char *const *argv)
{
	const char *space = memchr(name->text, ' ', name->len);
	size_t first = space ? (size_t)(space - name->text) : name->len;

	if (argc < 1 || !is_word(argv[0], name->text, first))
		return 0;
	if (!space)
		return 1;
	return argc >= 2 && is_word(argv[1], space + 1, name->len - first - 1) ? 2 : 0;
}

const struct dv_opt_verb *dv_opt_verb_match(const struct dv_opt_program *program, int argc,
					    char *const *argv, int *ret_n_words)
{
	for (const struct dv_opt_verb *const *v = program->verbs; *v; v++) {
		struct dv_opt_name name;

		for (size_t i = 0; dv_opt_verb_name(*v, i, &name); i++) {
			int n = match(&name, argc, argv);

			if (n == 0)
				continue;
			*ret_n_words = n;
			return *v;
		}
	}
	return NULL;
}

const struct dv_opt_group *dv_opt_group_find(const struct dv_opt_program *program, const char *name)
{
	for (const struct dv_opt_group *g = program->groups; g && g->name; g++) {
		if (dv_streq(g->name, name))
			return g;
	}
	return NULL;
}

const char *dv_opt_group_word(const struct dv_opt_group *group, const struct dv_opt_name *name,
			      size_t *ret_len)
{
	size_t len = strlen(group->name);

	if (name->len < len + 2 || strncmp(name->text, group->name, len) != 0 ||
	    name->text[len] != ' ')
		return NULL;
	*ret_len = name->len - len - 1;
	return name->text + len + 1;
}
