/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the verbs share. One struct cli per process; a verb is a file verb-<name>.c with an option
 * table and a struct dv_opt_verb, whose run() gets the struct cli as its first argument.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "client/client.h"

struct cli_opts { /* in front of the verb */
	bool is_version, is_debug;
	const char *address, *ns;
};

struct cli {
	const char *name; /* as called, the last component */
	struct cli_opts opts;
	struct client *client; /* cli_client() */
	struct dv_arena arena; /* of the whole run */
};

/* davitd; connected by its first call. */
struct dv_err *cli_client(struct cli *cli, struct client **ret) DV_CHECK;

/* All of @text to standard output. */
struct dv_err *cli_print(const struct dv_strbuf *text) DV_CHECK;

extern const struct dv_opt_verb cli_verb_version;
