/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * --filter KEY=VALUE, several times. Values of one key are alternatives, except those of "label", which
 * must all be there; different keys must all match.
 */

#include "base/mem.h"
#include "base/opt.h"

struct cli_filter {
	const char *key, *value;
};

struct cli_filters {
	const struct cli_filter *items;
	size_t n_items;
};

/*
 * @known: NULL-terminated. In @arena.
 * DV_INVALID: no "=", or a key that is not known; the message says which there are.
 */
struct dv_err *cli_filters_parse(const struct dv_opt_list *list, const char *const *known,
				 struct dv_arena *arena, struct cli_filters *ret) DV_CHECK;

bool cli_filters_have(const struct cli_filters *f, const char *key);

/* True when there is no filter of this key, or @fits says so of one of its values. */
typedef bool (*cli_filter_fn)(const char *value, const void *arg);
bool cli_filters_match(const struct cli_filters *f, const char *key, cli_filter_fn fits,
		       const void *arg);
/* The same for a text that must be equal. */
bool cli_filters_match_text(const struct cli_filters *f, const char *key, const char *text);
/* @get: the value of a label of @arg, NULL if it has none. "label=KEY", "label=KEY=VALUE". */
bool cli_filters_match_labels(const struct cli_filters *f, const char *key,
			      const char *(*get)(const void *arg, const char *key),
			      const void *arg);
/* "dangling=true": @is_so must be what is asked for. Values have been checked. */
bool cli_filters_match_bool(const struct cli_filters *f, const char *key, bool is_so);
/* DV_INVALID: a value of the key is neither true nor false. */
struct dv_err *cli_filters_check_bool(const struct cli_filters *f, const char *key) DV_CHECK;

/* --filter, -f */
#define CLI_OPT_FILTER(field_offset) \
	{ \
		.name = "filter", .letter = 'f', .type = DV_OPT_LIST, .offset = (field_offset), \
		.arg = "key=value", .help = "only those that match" \
	}
