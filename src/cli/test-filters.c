/* SPDX-License-Identifier: Apache-2.0 */
/* --filter: which keys, and what matches. */

#include "base/test.h"
#include "filters.h"

static const char *const known[] = { "label", "status", "dangling", NULL };
static struct dv_arena arena;

static void parse(struct cli_filters *f, const char *a, const char *b, const char *message)
{
	const char *items[] = { a, b };
	struct dv_opt_list list = { items, b ? 2 : a ? 1 : 0 };
	struct dv_err *e;

	*f = (struct cli_filters){ 0 };
	e = cli_filters_parse(&list, known, &arena, f);
	if (message) {
		T_NOT_NULL(e);
		T_STR(dv_err_message(e), message);
	} else {
		T_NULL(e);
	}
	dv_err_free(e);
}

static const char *get(const void *arg, const char *key)
{
	(void)arg;
	return strcmp(key, "a") == 0 ? "1" : strcmp(key, "b") == 0 ? "" : NULL;
}

static void setup(void)
{
	dv_arena_init(&arena);
}

static void teardown(void)
{
	dv_arena_fini(&arena);
}

TestSuite(filters, .init = setup, .fini = teardown);

Test(filters, errors)
{
	struct cli_filters f;

	parse(&f, "label", NULL, "bad format of filter 'label' (expected name=value)");
	parse(&f, "stat=x", NULL, "invalid filter 'stat': there are label, status, dangling");
	parse(&f, "dangling=maybe", NULL, NULL);
	struct dv_err *e = cli_filters_check_bool(&f, "dangling");

	T_NOT_NULL(e);
	T_STR(dv_err_message(e), "invalid filter 'dangling=maybe': true or false is wanted");
	dv_err_free(e);
}

Test(filters, alternatives)
{
	struct cli_filters f;

	parse(&f, NULL, NULL, NULL);
	T_TRUE(cli_filters_match_text(&f, "status", "running"));
	parse(&f, "status=running", "status=paused", NULL);
	T_TRUE(cli_filters_have(&f, "status"));
	T_FALSE(cli_filters_have(&f, "label"));
	T_TRUE(cli_filters_match_text(&f, "status", "running"));
	T_TRUE(cli_filters_match_text(&f, "status", "paused"));
	T_FALSE(cli_filters_match_text(&f, "status", "exited"));
	T_TRUE(cli_filters_match_text(&f, "label", "x"));
	parse(&f, "dangling=true", NULL, NULL);
	T_NULL(cli_filters_check_bool(&f, "dangling"));
	T_TRUE(cli_filters_match_bool(&f, "dangling", true));
	T_FALSE(cli_filters_match_bool(&f, "dangling", false));
}

Test(filters, labels)
{
	struct cli_filters f;

	parse(&f, "label=a", "label=b", NULL);
	T_TRUE(cli_filters_match_labels(&f, "label", get, NULL));
	parse(&f, "label=a=1", "label=b=", NULL);
	T_TRUE(cli_filters_match_labels(&f, "label", get, NULL));
	parse(&f, "label=a=2", NULL, NULL);
	T_FALSE(cli_filters_match_labels(&f, "label", get, NULL));
	parse(&f, "label=a", "label=c", NULL);
	T_FALSE(cli_filters_match_labels(&f, "label", get, NULL));
}
