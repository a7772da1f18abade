/* SPDX-License-Identifier: Apache-2.0 */
/* docker's --filter. See filters.h. */

#include "filters.h"

#include <string.h>

#include "base/str.h"

static bool is_known(const char *const *known, const char *key)
{
	for (; *known; known++) {
		if (dv_streq(*known, key))
			return true;
	}
	return false;
}

static struct dv_err *unknown(const char *key, const char *const *known)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf names = DV_STRBUF_INIT;

	for (const char *const *k = known; *k; k++)
		dv_strbuf_addf(&names, "%s%s", k == known ? "" : ", ", *k);
	return dv_err_new(DV_INVALID, "invalid filter '%s': there are %s", key, names.data);
}

struct dv_err *cli_filters_parse(const struct dv_opt_list *list, const char *const *known,
				 struct dv_arena *arena, struct cli_filters *ret)
{
	struct cli_filter *items = dv_arena_new_n(arena, struct cli_filter, list->n_items);

	for (size_t i = 0; i < list->n_items; i++) {
		const char *text = list->items[i], *equals = strchr(text, '=');

		if (!equals)
			return dv_err_new(DV_INVALID,
					  "bad format of filter '%s' (expected name=value)", text);
		items[i].key = dv_arena_strndup(arena, text, (size_t)(equals - text));
		items[i].value = equals + 1;
		if (!is_known(known, items[i].key))
			return unknown(items[i].key, known);
	}
	*ret = (struct cli_filters){ items, list->n_items };
	return NULL;
}

bool cli_filters_have(const struct cli_filters *f, const char *key)
{
	for (size_t i = 0; i < f->n_items; i++) {
		if (dv_streq(f->items[i].key, key))
			return true;
	}
	return false;
}

bool cli_filters_match(const struct cli_filters *f, const char *key, cli_filter_fn fits,
		       const void *arg)
{
	bool is_given = false;

	for (size_t i = 0; i < f->n_items; i++) {
		if (!dv_streq(f->items[i].key, key))
			continue;
		if (fits(f->items[i].value, arg))
			return true;
		is_given = true;
	}
	return !is_given;
}

static bool is_equal(const char *value, const void *arg)
{
	return dv_streq(value, arg);
}

bool cli_filters_match_text(const struct cli_filters *f, const char *key, const char *text)
{
	return cli_filters_match(f, key, is_equal, text);
}

static bool has_label(const char *wanted, const char *(*get)(const void *arg, const char *key),
		      const void *arg)
{
	const char *equals = strchr(wanted, '=');
	DV_CLEANUP(dv_freep)
	char *key = dv_strndup(wanted, equals ? (size_t)(equals - wanted) : strlen(wanted));
	const char *value = get(arg, key);

	return value && (!equals || dv_streq(value, equals + 1));
}

bool cli_filters_match_labels(const struct cli_filters *f, const char *key,
			      const char *(*get)(const void *arg, const char *key), const void *arg)
{
	for (size_t i = 0; i < f->n_items; i++) {
		if (dv_streq(f->items[i].key, key) && !has_label(f->items[i].value, get, arg))
			return false;
	}
	return true;
}

static bool is_this_bool(const char *value, const void *arg)
{
	bool wanted = false;

	return dv_parse_bool(value, &wanted) && wanted == *(const bool *)arg;
}

bool cli_filters_match_bool(const struct cli_filters *f, const char *key, bool is_so)
{
	return cli_filters_match(f, key, is_this_bool, &is_so);
}

struct dv_err *cli_filters_check_bool(const struct cli_filters *f, const char *key)
{
	for (size_t i = 0; i < f->n_items; i++) {
		bool value;

		if (dv_streq(f->items[i].key, key) && !dv_parse_bool(f->items[i].value, &value))
			return dv_err_new(DV_INVALID,
					  "invalid filter '%s=%s': true or false is wanted", key,
					  f->items[i].value);
	}
	return NULL;
}
