/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs by their names. */

#include "base/opt.h"
#include "base/test.h"

static const struct dv_opt_verb ls = { .name = "image ls", .aliases = "images,image list" },
				ps = { .name = "ps", .aliases = "container ls" },
				hidden = { .name = "__complete", .is_hidden = true };
static const struct dv_opt_verb *const verbs[] = { &ls, &ps, &hidden, NULL };
static const struct dv_opt_group groups[] = { { "image", "about images" },
					      { "container", "about containers" },
					      { NULL, NULL } };
static const struct dv_opt_program program = { .name = "p", .verbs = verbs, .groups = groups };
static const struct dv_opt_program flat = { .name = "q", .verbs = verbs };

static const struct dv_opt_verb *match(const char *a, const char *b, int *ret_n)
{
	char *argv[] = { (char *)a, (char *)b, NULL };

	*ret_n = 0;
	return dv_opt_verb_match(&program, b ? 2 : a ? 1 : 0, argv, ret_n);
}

Test(opt_verb, match)
{
	static const struct {
		const char *a, *b;
		const struct dv_opt_verb *verb;
		int n_words;
	} cases[] = {
		{ "image", "ls", &ls, 2 },     { "images", NULL, &ls, 1 },
		{ "images", "ls", &ls, 1 },    { "image", "list", &ls, 2 },
		{ "ps", NULL, &ps, 1 },	       { "ps", "-q", &ps, 1 },
		{ "container", "ls", &ps, 2 }, { "__complete", "x", &hidden, 1 },
		{ "image", NULL, NULL, 0 },    { "image", "l", NULL, 0 },
		{ "image", "lss", NULL, 0 },   { "imag", "ls", NULL, 0 },
		{ "image ls", NULL, NULL, 0 }, { "container", "ps", NULL, 0 },
		{ "", NULL, NULL, 0 },	       { NULL, NULL, NULL, 0 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		int n;

		cr_expect(match(cases[i].a, cases[i].b, &n) == cases[i].verb, "case %zu", i);
		T_INT(n, ==, cases[i].n_words);
	}
}

Test(opt_verb, names)
{
	struct dv_opt_name name;

	T_TRUE(dv_opt_verb_name(&ls, 0, &name));
	T_INT(name.len, ==, 8);
	T_TRUE(dv_opt_verb_name(&ls, 1, &name));
	T_INT(strncmp(name.text, "images", 6), ==, 0);
	T_INT(name.len, ==, 6);
	T_TRUE(dv_opt_verb_name(&ls, 2, &name));
	T_STR(name.text, "image list");
	T_FALSE(dv_opt_verb_name(&ls, 3, &name));
	T_FALSE(dv_opt_verb_name(&hidden, 1, &name));
}

Test(opt_verb, groups)
{
	const struct dv_opt_group *image = dv_opt_group_find(&program, "image");
	struct dv_opt_name name;
	size_t len = 0;

	T_NOT_NULL(image);
	T_STR(image->summary, "about images");
	T_NULL(dv_opt_group_find(&program, "imag"));
	T_NULL(dv_opt_group_find(&flat, "image"));
	T_TRUE(dv_opt_verb_name(&ls, 0, &name));
	T_STR(dv_opt_group_word(image, &name, &len), "ls");
	T_INT(len, ==, 2);
	T_TRUE(dv_opt_verb_name(&ls, 1, &name)); /* "images" */
	T_NULL(dv_opt_group_word(image, &name, &len));
	T_TRUE(dv_opt_verb_name(&ps, 1, &name));
	T_NULL(dv_opt_group_word(image, &name, &len));
}

Test(opt_verb, find)
{
	T_TRUE(dv_opt_verb_find(&program, "image ls") == &ls);
	T_TRUE(dv_opt_verb_find(&program, "__complete") == &hidden);
	T_NULL(dv_opt_verb_find(&program, "images"));
	T_NULL(dv_opt_verb_find(&program, "p"));
	T_NULL(dv_opt_verb_find(&program, ""));
}
