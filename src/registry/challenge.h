/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* WWW-Authenticate: what a registry wants to see (RFC 9110, section 11.6.1). Pure. */

#include <stddef.h>

#include "base/mem.h"

enum { CHALLENGES_MAX = 8, CHALLENGE_TEXT_MAX = 16 * 1024 };

enum challenge_scheme { CHALLENGE_OTHER, CHALLENGE_BASIC, CHALLENGE_BEARER };

struct challenge {
	enum challenge_scheme scheme;
	const char *realm, *service, *scope, *error; /* NULL: not there */
};

/*
 * @text: a value of the header, or several with commas between them. What is not understood is
 * passed over, and so is what goes beyond a limit. The number of challenges.
 */
size_t challenges_parse(struct dv_arena *arena, const char *text,
			struct challenge ret[CHALLENGES_MAX]);

/* The first of that scheme; NULL: none. */
const struct challenge *challenge_find(const struct challenge *c, size_t n,
				       enum challenge_scheme scheme);
