/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The environment of a process, entry by entry: a later one of a name takes the earlier one's place. */

#include <stddef.h>

#include "base/mem.h"

struct env {
	const char **items;
	size_t n;
};

/* Room for @max entries in @arena. */
void env_init(struct env *env, struct dv_arena *arena, size_t max);
/* "NAME=value", borrowed; "NAME" takes it away. */
void env_set(struct env *env, const char *entry);
