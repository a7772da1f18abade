/* SPDX-License-Identifier: Apache-2.0 */
/* Any header: what is found in it has no control characters, and there is not too much of it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "challenge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *value)
{
	for (; value && *value; value++)
		dv_assert((unsigned char)*value >= ' ' && *value != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = dv_strndup((const char *)data, size);
	struct challenge found[CHALLENGES_MAX];
	struct dv_arena arena;
	size_t n;

	dv_arena_init(&arena);
	n = challenges_parse(&arena, text, found);
	dv_assert(n <= CHALLENGES_MAX);
	for (size_t i = 0; i < n; i++) {
		check(found[i].realm);
		check(found[i].service);
		check(found[i].scope);
		check(found[i].error);
	}
	dv_arena_fini(&arena);
	free(text);
	return 0;
}
