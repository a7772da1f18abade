/* SPDX-License-Identifier: Apache-2.0 */
/* See env.h. */

#include "env.h"

#include <string.h>

static size_t name_length(const char *entry)
{
	return strcspn(entry, "=");
}

void env_init(struct env *env, struct dv_arena *arena, size_t max)
{
	env->items = dv_arena_new_n(arena, const char *, max + 1);
	env->n = 0;
}

void env_set(struct env *env, const char *entry)
{
	size_t n = name_length(entry), at = 0;

	while (at < env->n &&
	       (name_length(env->items[at]) != n || strncmp(env->items[at], entry, n) != 0))
		at++;
	if (entry[n] == '=') {
		env->items[at] = entry;
		env->n += at == env->n;
	} else if (at < env->n) {
		env->n--;
		memmove(&env->items[at], &env->items[at + 1], (env->n - at) * sizeof(*env->items));
	}
}
