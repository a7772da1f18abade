/* SPDX-License-Identifier: Apache-2.0 */

/* Filters, the regular expressions in them, and field masks. */

#include "codec/filter.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/test.h"
#include "codec/mask.h"

/* The corpus of containerd's own test: what a filter selects is shown by letters. */
static const struct object {
	const char *name, *other, *label, *value;
} corpus[] = {
	{ "foo", NULL, "foo", "true" },
	{ "bar", NULL, NULL, NULL },
	{ "foo", NULL, "more complex label", "present" },
	{ "bar", NULL, "bar", "true" },
	{ "fooer", NULL, "more complex label with \\ and \"", "present" },
	{ "fooer", NULL, "more complex label with \\ and \".post", "present" },
	{ "baz", "too complex, yo", NULL, NULL },
	{ "bazo", "abc", NULL, NULL },
	{ "compound", NULL, "foo", "omg_asdf.asdf-qwer" },
};

static const char *field(const void *object, const struct dv_filter_path *path)
{
	const struct object *o = object;

	if (dv_streq(path->parts[0], "name"))
		return o->name;
	if (dv_streq(path->parts[0], "other"))
		return o->other;
	if (dv_streq(path->parts[0], "labels") && o->label && dv_streq(o->label, path->rest))
		return o->value;
	return NULL;
}

static void check(const char *const *texts, size_t n, const char *expected)
{
	char got[16] = "";
	struct dv_filter *f;
	struct dv_err *e;

	e = dv_filter_parse(texts, n, &f);
	if (e) {
		T_STR(dv_err_message(e), expected);
		dv_err_free(e);
		return;
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(corpus); i++)
		if (dv_filter_match(f, field, &corpus[i]))
			got[strlen(got)] = (char)('a' + i);
	cr_expect(dv_streq(got, expected), "%s: got %s, expected %s", n ? texts[0] : "", got,
		  expected);
	dv_filter_free(f);
}

Test(filter, selects_as_containerd)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "", "abcdefghi" },
		{ "name", "abcdefghi" },
		{ "labels.foo", "ai" },
		{ "labels.foo,name", "ai" },
		{ "labels.foo==true", "a" },
		{ "labels.foo==omg_asdf.asdf-qwer", "i" },
		{ "name==bar", "bd" },
		{ "name!=bar", "acefghi" },
		{ "name==bar,labels.bar", "d" },
		{ "name==bar,labels.bar==wrong", "" },
		{ "other==\"too complex, yo\"", "g" },
		{ "other~=[abc]+,name!=foo", "gh" },
		{ "other~=/[abc]+/,name!=foo", "gh" },
		{ "other~=|^[abc]{1,3}$|", "h" },
		{ "other~=/[abc]{0,1}\"\\//,name!=foo", "" },
		{ "name==foo,labels.\"more complex label\"", "c" },
		{ "labels.\"more complex label with \\\\ and \\\"\"==present", "e" },
		{ "labels.\"more complex label with \\\\ and \\\"\".post==present", "f" },
		{ "name==\"\\x66oo\"", "ac" },
		{ "name==\"\\146\\u006f\\U0000006f\"", "ac" },
		{ "other!=abc", "abcdefgi" },
		{ "nothing~=^$", "abcdefghi" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		check(&cases[i].text, 1, cases[i].expected);
	check(NULL, 0, "abcdefghi");
	check((const char *const[]){ "name==bar", "labels.foo==true" }, 2, "abd");
}

Test(filter, says_where_it_is_wrong_as_containerd)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "labels.|foo|==omg_asdf.asdf-qwer",
		  "filters: parse error: [labels. >|||< foo|==omg_asdf.asdf-qwer]: invalid quote encountered" },
		{ "labels.?\"more\".post==present",
		  "filters: parse error: [labels. >|?|< \"more\".post==present]: expected field or quoted" },
		{ "name==foo,", "filters: parse error: [name==foo,]: expected field or quoted" },
		{ "labels.", "filters: parse error: [labels.]: expected field or quoted" },
		{ "image~=,id?=?fbaq",
		  "filters: parse error: [image~= >|,|< id?=?fbaq]: expected value or quoted" },
		{ "labels.ns/key==value",
		  "filters: parse error: [labels.ns >|/|< key==value]: quoted literal not terminated" },
		{ "labels.key==/value",
		  "filters: parse error: [labels.key== >|/|< value]: quoted literal not terminated" },
		{ "name=x", "filters: parse error: [name >|=|< x]: unsupported operator" },
		{ "name~=(", "filters: regular expression \"(\": missing closing ) at byte 1" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		check(&cases[i].text, 1, cases[i].expected);
}

Test(filter, has_limits)
{
	const char *texts[65];
	struct dv_filter *f;
	struct dv_err *e;

	for (size_t i = 0; i < 65; i++)
		texts[i] = "name";
	e = dv_filter_parse(texts, 65, &f);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
}

/* ---- Regular expressions: 'y' matches, 'n' does not, '!' is refused ---- */

static const char *subject(const void *object, const struct dv_filter_path *path)
{
	(void)path;
	return object;
}

static char matches(const char *pattern, const char *text)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	const char *filter;
	struct dv_filter *f;
	struct dv_err *e;
	bool is_match;

	dv_strbuf_add(&b, "x~=\"");
	for (const char *p = pattern; *p; p++) {
		if (*p == '"' || *p == '\\')
			dv_strbuf_addc(&b, '\\');
		dv_strbuf_addc(&b, *p);
	}
	dv_strbuf_addc(&b, '"');
	filter = b.data;
	e = dv_filter_parse(&filter, 1, &f);
	if (e) {
		dv_err_free(e);
		return '!';
	}
	is_match = dv_filter_match(f, subject, text);
	dv_filter_free(f);
	return is_match ? 'y' : 'n';
}

Test(filter, regular_expressions)
{
	static const struct {
		const char *pattern, *text;
		char expected;
	} cases[] = {
		{ "", "", 'y' },
		{ "abc", "xabcx", 'y' },
		{ "abc", "abx", 'n' },
		{ "^abc$", "abc", 'y' },
		{ "^abc$", "abcd", 'n' },
		{ "a|b|cd", "cd", 'y' },
		{ "^(a|b|cd)$", "c", 'n' },
		{ "a*b", "b", 'y' },
		{ "^a+$", "", 'n' },
		{ "^a?$", "a", 'y' },
		{ "^a{2,3}$", "aa", 'y' },
		{ "^a{2,3}$", "aaaa", 'n' },
		{ "^a{2}$", "aa", 'y' },
		{ "^a{2,}$", "aaaaa", 'y' },
		{ "a{,2}", "a{,2}", 'y' },
		{ "^[a-c]+$", "abc", 'y' },
		{ "^[^a-c]+$", "abc", 'n' },
		{ "^[]a]+$", "]a", 'y' },
		{ "^[a-]+$", "-a", 'y' },
		{ "^\\d+$", "0123", 'y' },
		{ "^\\D+$", "01", 'n' },
		{ "^[\\d.]+$", "1.2", 'y' },
		{ "\\bfoo\\b", "a foo b", 'y' },
		{ "\\bfoo\\b", "afoo", 'n' },
		{ "\\Bfoo", "afoo", 'y' },
		{ "(?i)FoO", "xfOo", 'y' },
		{ "(?i:F)oo", "fOO", 'n' },
		{ "(?i)[a-z]+$", "ABC", 'y' },
		{ "a.c", "a\nc", 'n' },
		{ "(?s)a.c", "a\nc", 'y' },
		{ "^b", "a\nb", 'n' },
		{ "(?m)^b$", "a\nb\nc", 'y' },
		{ "\\Ab", "a\nb", 'n' },
		{ "[[:alpha:]]+", "12x", 'y' },
		{ "^[[:^digit:]]+$", "ab", 'y' },
		{ "\\x41\\x{42}", "AB", 'y' },
		{ "\\Qa.b\\E+", "a.bbb", 'y' },
		{ "\\Qa.b\\E", "axb", 'n' },
		{ "(?P<n>a)(?:b)", "ab", 'y' },
		{ "(?<n>a)", "a", 'y' },
		{ "a*?b", "aab", 'y' },
		{ "^.$", "\xc3\xa9", 'y' },
		{ "^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", 'y' },
		{ "^..$", "\xc3\xa9", 'n' },
		{ "^.$", "\xff", 'y' },
		{ "(a*)*b", "aaab", 'y' },
		{ "(|a)*b", "ab", 'y' },
		{ "((((a{10}){10}){10}){3})", "a", 'n' },
		{ "\\x20\\.\\/", " ./", 'y' },
		{ "(", "", '!' },
		{ ")", "", '!' },
		{ "[", "", '!' },
		{ "[b-a]", "", '!' },
		{ "*a", "", '!' },
		{ "a**", "", '!' },
		{ "a{1001}", "", '!' },
		{ "a{3,2}", "", '!' },
		{ "\\", "", '!' },
		{ "\\1", "", '!' },
		{ "\\pL", "", '!' },
		{ "(?=a)", "", '!' },
		{ "(a{1000}){1000}", "", '!' },
		{ "(?P<a", "", '!' },
		{ "\\z\\C", "", '!' },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		char got = matches(cases[i].pattern, cases[i].text);

		cr_expect(got == cases[i].expected, "/%s/ on \"%s\": %c", cases[i].pattern,
			  cases[i].text, got);
	}
}

/* What takes others exponential time. */
Test(filter, no_pattern_is_catastrophic, .timeout = 20)
{
	char text[4097];

	memset(text, 'a', 4096);
	text[4096] = '\0';
	T_INT(matches("^(a+)+$", text), ==, 'y');
	T_INT(matches("^(a|a)*b$", text), ==, 'n');
	T_INT(matches("^(a?){1000}a{500}b$", text), ==, 'n');
}

Test(filter, masks)
{
	T_STR(dv_mask_key("labels.a.b", "labels"), "a.b");
	T_STR(dv_mask_key("labels.", "labels"), "");
	T_NULL(dv_mask_key("labels", "labels"));
	T_NULL(dv_mask_key("label.x", "labels"));
}
