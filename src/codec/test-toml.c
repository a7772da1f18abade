/* SPDX-License-Identifier: Apache-2.0 */

#include <math.h>
#include <string.h>

#include "base/str.h"
#include "base/test.h"
#include "codec/toml.h"

/* The tree on one line: {a=1,b=["x"]}. */
static void show(struct dv_strbuf *b, const struct dv_toml *t)
{
	const char *brackets = t->type == DV_TOML_TABLE ? "{}" : "[]";

	switch (t->type) {
	case DV_TOML_STRING:
		dv_toml_add_string(b, t->string);
		return;
	case DV_TOML_TIME:
		dv_strbuf_addf(b, "<%s>", t->string);
		return;
	case DV_TOML_INT:
		dv_strbuf_addf(b, "%lld", (long long)t->integer);
		return;
	case DV_TOML_FLOAT:
		dv_strbuf_addf(b, "%.6g", t->number);
		return;
	case DV_TOML_BOOL:
		dv_strbuf_add(b, t->boolean ? "yes" : "no");
		return;
	case DV_TOML_ARRAY:
	case DV_TOML_TABLE:
		break;
	}
	dv_strbuf_addc(b, brackets[0]);
	for (const struct dv_toml *c = t->first; c; c = c->next) {
		if (c->key)
			dv_toml_add_key(b, c->key);
		dv_strbuf_add(b, c->key ? "=" : "");
		show(b, c);
		dv_strbuf_add(b, c->next ? "," : "");
	}
	dv_strbuf_addc(b, brackets[1]);
}

static void check(const char *text, size_t n, const char *expected)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	const struct dv_toml *doc;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = dv_toml_parse(text, n, &arena, &doc);
	if (e)
		dv_strbuf_add(&b, dv_err_message(e));
	else
		show(&b, doc);
	cr_expect(dv_streq(b.data, expected), "%s\n  gives    %s\n  expected %s", text, b.data,
		  expected);
	dv_err_free(e);
	dv_arena_fini(&arena);
}

static void check_all(const char *const (*cases)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(cases[i][0], strlen(cases[i][0]), cases[i][1]);
}

Test(toml, values)
{
	static const char *const cases[][2] = {
		{ "", "{}" },
		{ "# only a comment", "{}" },
		{ "a = 1\r\n\r\nb = 2 # two\n", "{a=1,b=2}" },
		{ "a = +1\nb = -17\nc = 1_000\nd = 0\ne = -0", "{a=1,b=-17,c=1000,d=0,e=0}" },
		{ "a = 0xDEAD_beef\nb = 0o755\nc = 0b1101", "{a=3735928559,b=493,c=13}" },
		{ "a = 9223372036854775807\nb = -9223372036854775808",
		  "{a=9223372036854775807,b=-9223372036854775808}" },
		{ "a = 1.5\nb = -0.01\nc = 5e+22\nd = 1e06\ne = 6.626e-34\nf = 1_0.2_5",
		  "{a=1.5,b=-0.01,c=5e+22,d=1e+06,e=6.626e-34,f=10.25}" },
		{ "a = inf\nb = -inf\nc = +inf", "{a=inf,b=-inf,c=inf}" },
		{ "a = true\nb = false", "{a=yes,b=no}" },
		{ "a = 1979-05-27T07:32:00Z\nb = 1979-05-27 00:32:00.999-07:00\nc = 1979-05-27\n"
		  "d = 07:32:00.5\ne = 2024-02-29t23:59:60",
		  "{a=<1979-05-27T07:32:00Z>,b=<1979-05-27 00:32:00.999-07:00>,c=<1979-05-27>,"
		  "d=<07:32:00.5>,e=<2024-02-29t23:59:60>}" },
		{ "a = [ 1, [\"x\", 'y',], # c\n\n ]\nb = []", "{a=[1,[\"x\",\"y\"]],b=[]}" },
		{ "a = {}\nb = { x = 1, y.z = 2, y.w = [{q = 3}] }",
		  "{a={},b={x=1,y={z=2,w=[{q=3}]}}}" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases));
}

Test(toml, strings)
{
	static const char *const cases[][2] = {
		{ "a = \"\\b\\t\\n\\f\\r\\\"\\\\\"",
		  "{a=\"\\u0008\\u0009\\u000A\\u000C\\u000D\\\"\\\\\"}" },
		{ "a = \"\\u00e9\\U0001F600\"", "{a=\"\xc3\xa9\xf0\x9f\x98\x80\"}" },
		{ "a = 'C:\\x'", "{a=\"C:\\\\x\"}" },
		{ "a = \"\"\"\nx\ny\"\"\"", "{a=\"x\\u000Ay\"}" },
		{ "a = \"\"\"x \\  \n\n   y\"\"\"", "{a=\"x y\"}" },
		{ "a = \"\"\"\"\"x\"\"\"\"\"", "{a=\"\\\"\\\"x\\\"\\\"\"}" },
		{ "a = '''\r\n'x'\r\n'''", "{a=\"'x'\\u000A\"}" },
		{ "a = \"\"\"\"\"\"\"", "{a=\"\\\"\"}" },
		{ "a = \"\"\nb = ''\nc = \"\"\"\"\"\"", "{a=\"\",b=\"\",c=\"\"}" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases));
}

Test(toml, keys_and_tables)
{
	static const char *const cases[][2] = {
		{ "\"a b\" = 1\n'' = 2\n1-x = 3\n3.14 = 4", "{\"a b\"=1,\"\"=2,1-x=3,3={14=4}}" },
		{ "a . b = 1\na.c.d = 2", "{a={b=1,c={d=2}}}" },
		{ "[a.b]\nx = 1\n[a]\ny = 2\n[ c . 'd.e' ]", "{a={b={x=1},y=2},c={\"d.e\"={}}}" },
		{ "[[p]]\nx = 1\n[p.q]\ny = 2\n[[p]]\n[[p.r]]\nz = 3\n[[p.r]]",
		  "{p=[{x=1,q={y=2}},{r=[{z=3},{}]}]}" },
		{ "[f]\na.c = 1\n[f.a.t]\ns = 2", "{f={a={c=1,t={s=2}}}}" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases));
}

Test(toml, errors_say_where)
{
	static const char *const cases[][2] = {
		{ "a = 1\nb", "line 2, column 2: \"=\" expected" },
		{ "a = ", "line 1, column 5: a value expected" },
		{ "a = 1 b = 2", "line 1, column 7: the end of the line expected" },
		{ "a = 1\n\na = 2", "line 3, column 3: a has a value already (line 1)" },
		{ "= 1", "line 1, column 1: a key expected" },
		{ "[a]\n[a]", "line 2, column 3: a is there already (line 1)" },
		{ "[a", "line 1, column 3: \"]\" expected" },
		{ "a = \"x\n", "line 1, column 7: the string does not end on its line" },
		{ "a = \"\"\"x", "line 1, column 9: the string does not end" },
		{ "a = [1 2]", "line 1, column 8: \",\" or \"]\" expected in an array" },
		{ "a = \xff", "line 1: not UTF-8" },
	};

	check_all(cases, DV_ARRAY_SIZE(cases));
}

Test(toml, what_is_not_toml)
{
	static const char *const wrong[] = {
		"a = 01",
		"a = 0x",
		"a = +0x1",
		"a = 0X1",
		"a = 1__0",
		"a = _1",
		"a = 1_",
		"a = 0b12",
		"a = 9223372036854775808",
		"a = 1.",
		"a = .5",
		"a = 1.e5",
		"a = 01.5",
		"a = 1e",
		"a = 1._5",
		"a = Inf",
		"a = TRUE",
		"a = yes",
		"a = 2023-02-29",
		"a = 1979-13-01",
		"a = 24:00:00",
		"a = 07:32",
		"a = 1979-05-27T07:32:00+24:00",
		"a = 1979-05-27T07:32:00.",
		"a = 79-05-27",
		"a = 'x\ny'",
		"a = \"\\x41\"",
		"a = \"\\ud800\"",
		"a = \"\\U00110000\"",
		"a = \"\\u12\"",
		"a = \"\x01\"",
		"a = \"\x7f\"",
		"# \x01",
		"a = {x = 1,}",
		"a = {x = 1\n}",
		"a = {x = 1, x = 2}",
		"a = {x = 1}\na.y = 2",
		"a = {x = 1}\n[a.z]",
		"a = [1]\n[[a]]",
		"a = [{}]\n[a.b]",
		"[[a]]\n[a]",
		"[a]\n[[a]]",
		"[a.b.c]\nz = 9\n[a]\nb.c.t = 1",
		"[f]\na.c = 1\n[f.a]",
		"a.b = 1\n[a]",
		"a = 1\na.b = 2",
		"a.b = 1\na.b.c = 2",
		"[a.b]\n[a]\nb.x = 1",
		"[ [a]]",
		"[[a] ]",
		"[]",
		"[a.]",
		"[a]b = 1",
		"a..b = 1",
		"\"\"\"a\"\"\" = 1",
		"\"a\\u0000\" = 1",
		"a = 1\rb = 2",
		"a\n= 1",
		"a b = 1",
		"a = [",
		"a = {",
		"a = [,]",
		"\357\273\277a = 1",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(wrong); i++) {
		const struct dv_toml *doc;
		struct dv_arena arena;
		struct dv_err *e;

		dv_arena_init(&arena);
		e = dv_toml_parse(wrong[i], strlen(wrong[i]), &arena, &doc);
		cr_expect(e && dv_err_code(e) == DV_INVALID, "taken: %s", wrong[i]);
		dv_err_free(e);
		dv_arena_fini(&arena);
	}
}

static void check_limit(const char *unit, size_t n, const char *end)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	const struct dv_toml *doc;
	struct dv_arena arena;
	struct dv_err *e;

	dv_strbuf_add(&b, "a = [");
	while (n-- > 0)
		dv_strbuf_add(&b, unit);
	dv_strbuf_add(&b, end);
	dv_arena_init(&arena);
	e = dv_toml_parse(b.data, b.len, &arena, &doc);
	cr_expect(e && dv_err_code(e) == DV_EXHAUSTED, "%.20s...", b.data);
	dv_err_free(e);
	dv_arena_fini(&arena);
}

Test(toml, limits)
{
	check_limit("[", 100, "");
	check_limit("{a=[", 100, "");
	check_limit("1,", DV_TOML_MAX_VALUES, "]");
	check_limit(" ", DV_TOML_MAX_TEXT, "]");
}

Test(toml, nul_is_only_in_values)
{
	const struct dv_toml *doc;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = dv_toml_parse("a = \"x\\u0000y\"", 14, &arena, &doc);
	cr_assert(!e);
	T_INT(dv_toml_get(doc, "a")->n_string, ==, 3);
	cr_expect(!dv_toml_get(doc, "b"));
	cr_expect(!dv_toml_get(dv_toml_get(doc, "a"), "b"));
	cr_expect(!dv_toml_get(NULL, "b"));
	e = dv_toml_parse("a = 1\0", 6, &arena, &doc);
	cr_expect(e != NULL);
	dv_err_free(e);
	dv_arena_fini(&arena);
}
