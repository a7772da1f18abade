/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Keys that end an attachment, found in what is typed. */

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "client/streams.h"

struct detach {
	const char *keys;
	size_t n_keys;
	size_t n_seen; /* of them, in a row: held back */
};

/*
 * Adds to @out what of the @n bytes may be passed on. True: all keys were typed; what came before them
 * is in @out.
 */
bool detach_filter(struct detach *d, const char *p, size_t n, struct dv_strbuf *out);
