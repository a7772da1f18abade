/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the two styles of parsing share: the walk over argv, and fields. */

#include "base/opt.h"

struct opt_parser {
	const struct dv_opt *opts;
	char *fields; /* the struct that the offsets point into */
	int stop_after;
	int argc;
	char **argv;
	int next; /* index of the argument to read */
	int n_args; /* positionals so far, at the front of argv */
	bool is_help;
};

/* The row that --help and -h have, where the table has no such rows. */
extern const struct dv_opt opt_help;

/* @arg looks like an option. *ret_is_positional, false before the call: it is none after all. */
typedef struct dv_err *(*opt_set_fn)(struct opt_parser *p, const char *arg,
				     bool *ret_is_positional);

/* Presets, then all arguments. See dv_opt_parse(). */
struct dv_err *opt_walk(struct opt_parser *p, opt_set_fn set, int *ret_argc) DV_CHECK;

/* NULL, or what is wrong with @value, in words of Go's flag package. Not for flags. */
const char *opt_store(const struct dv_opt *opt, char *fields, const char *value, bool is_preset);

/* @value in quotes; heap. */
char *opt_quote(const char *value);
