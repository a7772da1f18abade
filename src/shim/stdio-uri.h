/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a client writes for a standard stream: see shim/stdio.h. */

#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

enum stdio_scheme {
	STDIO_NULL, /* "" */
	STDIO_PATH, /* no scheme: a fifo, or a file that is there */
	STDIO_FIFO,
	STDIO_FILE,
	STDIO_BINARY,
	STDIO_BINARY_V2,
	STDIO_CRI,
	STDIO_JSON,
	STDIO_ATTACH,
};

struct stdio_param {
	char *key, *value; /* "" when there is none */
};

struct stdio_uri {
	enum stdio_scheme scheme;
	char *path; /* absolute; NULL for STDIO_NULL and STDIO_ATTACH */
	struct stdio_param *params; /* in their order, each key once: the first counts, as in Go */
	size_t n_params;
};

/* DV_INVALID: no such scheme, not absolute, a malformed escape, too long. NULL is "". */
struct dv_err *stdio_uri_parse(const char *text, struct stdio_uri *ret) DV_CHECK;
void stdio_uri_fini(struct stdio_uri *u);
