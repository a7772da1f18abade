/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON wrapper: what it refuses, what it says, and what the writer writes. */

#include "codec/json.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

static struct dv_json *parsed(const char *text)
{
	struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(text, strlen(text), &doc);

	cr_assert_null(e, "%s: %s", text, dv_err_message(e));
	cr_assert_not_null(doc);
	return doc;
}

static void refused(const char *text, size_t len, enum dv_code code, const char *part)
{
	struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(text, len, &doc);

	cr_assert_not_null(e, "%s: expected an error", text);
	cr_assert_null(doc);
	cr_assert_eq(dv_err_code(e), code, "%s: code %d", text, (int)dv_err_code(e));
	cr_assert_not_null(strstr(dv_err_message(e), part), "%s: '%s' lacks '%s'", text,
			   dv_err_message(e), part);
	cr_assert_null(strchr(dv_err_message(e), '\n'));
	dv_err_free(e);
}

Test(json, accepts)
{
	static const char *const texts[] = {
		"{}",
		" {} ",
		"{}\n",
		"[]",
		"null",
		"true",
		"12",
		"-0",
		"\"\"",
		"[1e5]",
		"[1.5E+10]",
		"[0.5]",
		"[\"\\/\"]",
		"\t[1,\r\n2]",
		"[-9223372036854775808]",
		"[18446744073709551615]",
		"[\"\\u0000\"]",
		"[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]",
		"[\"\\ud83d\\ude00\"]",
		"{\"a\":\"\\u0000\"}",
		"[\"\\\\u0000\"]",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++)
		dv_json_free(parsed(texts[i]));
}

Test(json, refuses)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ "", "incomplete" },
		{ "  \n", "incomplete" },
		{ "[", "incomplete" },
		{ "{\"a\"", "incomplete" },
		{ "nul", "" },
		{ "[\"a", "line 1: the document ends inside a string" },
		{ "[\"a\\", "line 1: the document ends inside a string" },
		{ "{}x", "line 1: unexpected character" },
		{ "{} {}", "line 1: unexpected character" },
		{ "{}\n{}", "line 2: unexpected character" },
		{ "[1,]", "unexpected character" },
		{ "{\"a\":1,}", "unexpected character" },
		{ "[,1]", "unexpected character" },
		{ "{'a':1}", "line 1: unexpected character" },
		{ "{a:1}", "quoted object property name expected" },
		{ "{1:2}", "quoted object property name expected" },
		{ "{\"a\" 1}", "separator ':' expected" },
		{ "[1 2]", "separator ',' expected" },
		{ "[\n1\n2]", "line 3:" },
		{ "[01]", "a number begins with 0" },
		{ "[-01]", "a number begins with 0" },
		{ "[1.]", "a digit is missing after the point" },
		{ "[.5]", "unexpected character" },
		{ "[+1]", "unexpected character" },
		{ "[1e]", "a digit is missing in the exponent" },
		{ "[1e+]", "a digit is missing in the exponent" },
		{ "[-]", "a digit is missing in a number" },
		{ "[--1]", "a digit is missing in a number" },
		{ "[0x10]", "line 1: unexpected character" },
		{ "[NaN]", "unexpected character" },
		{ "[Infinity]", "unexpected character" },
		{ "[-Infinity]", "a digit is missing" },
		{ "[True]", "unexpected character" },
		{ "[tru]", "" },
		{ "[truefalse]", "separator ',' expected" },
		{ "/*c*/{}", "unexpected character" },
		{ "[\"a\tb\"]", "a control character" },
		{ "[\"a\nb\"]", "line 1: a control character" },
		{ "[\"\\x\"]", "invalid string sequence" },
		{ "[\"\\u12\"]", "invalid string sequence" },
		{ "[\"\\\xc3\xa9\"]", "invalid string sequence" },
		{ "[99999999999999999999]", "does not fit 64 bits" },
		{ "[18446744073709551616]", "does not fit 64 bits" },
		{ "[-9223372036854775809]", "does not fit 64 bits" },
		{ "[1111111111111111111111111111]", "does not fit 64 bits" },
		{ "[\"\xff\"]", "not UTF-8" },
		{ "[\"\xc0\xaf\"]", "not UTF-8" },
		{ "[\"\xe0\x9f\xbf\"]", "not UTF-8" },
		{ "[\"\xed\xa0\x80\"]", "not UTF-8" },
		{ "[\"\xf0\x8f\xbf\xbf\"]", "not UTF-8" },
		{ "[\"\xf4\x90\x80\x80\"]", "not UTF-8" },
		{ "[\"\xe2\x82\"]", "not UTF-8" },
		{ "[\"\xe2\x82", "not UTF-8" },
		{ "\xef\xbb\xbf{}", "unexpected character" },
		{ "{\"a\\u0000b\":1}", "a property name contains \\u0000" },
		{ "{\"a\\u0000\" \n:1}", "a property name contains \\u0000" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++)
		refused(cases[i].text, strlen(cases[i].text), DV_INVALID, cases[i].part);
	refused("{}\0", 3, DV_INVALID, "unexpected character");
	refused("[\"a\0b\"]", 7, DV_INVALID, "a control character");
}

static char *nested(int depth)
{
	char *s = dv_alloc((size_t)depth * 2 + 1);

	memset(s, '[', (size_t)depth);
	memset(s + depth, ']', (size_t)depth);
	return s;
}

Test(json, limits_depth_and_size)
{
	DV_CLEANUP(dv_freep) char *deep = nested(64);
	DV_CLEANUP(dv_freep) char *deeper = nested(65);
	DV_CLEANUP(dv_freep) char *deepest = nested(100000);
	size_t size = 16 * 1024 * 1024;
	DV_CLEANUP(dv_freep) char *large = dv_alloc(size + 2);

	dv_json_free(parsed(deep));
	refused(deeper, 130, DV_EXHAUSTED, "64 levels");
	refused(deepest, 200000, DV_EXHAUSTED, "64 levels");
	memset(large, ' ', size + 1);
	large[0] = '1';
	large[size] = '\0';
	dv_json_free(parsed(large));
	large[size] = ' ';
	refused(large, size + 1, DV_EXHAUSTED, "limit");
}

Test(json, duplicate_members_last_wins)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = parsed("{\"a\":1,\"b\":2,\"a\":3}");

	cr_assert_eq(dv_json_object_len(doc), 2);
	cr_assert_eq(dv_json_int(dv_json_get(doc, "a")), 3);
}

Test(json, types)
{
	DV_CLEANUP(dv_json_freep)
	struct dv_json *doc = parsed("[null,true,-5,1.5,\"x\",[1],{\"k\":null}]");
	static const enum dv_json_type types[] = {
		DV_JSON_NULL,	DV_JSON_BOOL,  DV_JSON_INT,    DV_JSON_DOUBLE,
		DV_JSON_STRING, DV_JSON_ARRAY, DV_JSON_OBJECT,
	};
	const struct dv_json *object = dv_json_array_at(doc, 6);

	cr_assert_eq(dv_json_array_len(doc), DV_ARRAY_SIZE(types));
	for (size_t i = 0; i < DV_ARRAY_SIZE(types); i++)
		cr_assert_eq(dv_json_type(dv_json_array_at(doc, i)), types[i], "%zu", i);
	cr_assert_null(dv_json_array_at(doc, 7));
	cr_assert_eq(dv_json_type(NULL), DV_JSON_NULL);

	/* null is a member, a missing one is not */
	cr_assert_not_null(dv_json_get(object, "k"));
	cr_assert_eq(dv_json_type(dv_json_get(object, "k")), DV_JSON_NULL);
	cr_assert_null(dv_json_get(object, "other"));
	cr_assert_null(dv_json_get(doc, "k"));
	cr_assert_eq(dv_json_object_len(object), 1);
	cr_assert_eq(dv_json_object_len(doc), 0);
}

/* Asking a value for what it is not gives the neutral answer. */
Test(json, wrong_type_is_neutral)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = parsed("[\"12\",12,true]");
	const struct dv_json *string = dv_json_array_at(doc, 0);
	const struct dv_json *number = dv_json_array_at(doc, 1);
	uint64_t u = 99;
	size_t len = 99;

	cr_assert_eq(dv_json_int(string), 0);
	cr_assert_not(dv_json_uint(string, &u));
	cr_assert_not(dv_json_bool(string));
	cr_assert_null(dv_json_string(number, &len));
	cr_assert_eq(dv_json_array_len(number), 0);
	cr_assert_eq(dv_json_int(NULL), 0);
	cr_assert_null(dv_json_string(NULL, NULL));
	cr_assert_eq(u, 99);
	cr_assert_eq(len, 99);
}

Test(json, numbers)
{
	DV_CLEANUP(dv_json_freep)
	struct dv_json *doc = parsed("[18446744073709551615,-9223372036854775808,-1,0]");
	uint64_t u;

	cr_assert(dv_json_uint(dv_json_array_at(doc, 0), &u));
	cr_assert_eq(u, UINT64_MAX);
	cr_assert_eq(dv_json_int(dv_json_array_at(doc, 0)), INT64_MAX);
	cr_assert_eq(dv_json_int(dv_json_array_at(doc, 1)), INT64_MIN);
	cr_assert_not(dv_json_uint(dv_json_array_at(doc, 2), &u));
	cr_assert(dv_json_uint(dv_json_array_at(doc, 3), &u));
	cr_assert_eq(u, 0);
}

Test(json, string_with_nul_has_its_length)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = parsed("\"a\\u0000b\"");
	size_t len;
	const char *s = dv_json_string(doc, &len);

	cr_assert_eq(len, 3);
	cr_assert_eq(memcmp(s, "a\0b", 3), 0);
}

static struct dv_err *collect(void *arg, const char *key, const struct dv_json *v)
{
	struct dv_strbuf *b = arg;

	if (dv_json_type(v) == DV_JSON_NULL)
		return dv_err_new(DV_ABORTED, "stop at %s", key);
	dv_strbuf_addf(b, "%s=%" PRId64 " ", key, dv_json_int(v));
	return NULL;
}

Test(json, each_keeps_the_order_and_stops)
{
	DV_CLEANUP(dv_json_freep)
	struct dv_json *doc = parsed("{\"z\":1,\"a\":2,\"m\":null,\"b\":3}");
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = dv_json_each(doc, collect, &b);

	cr_assert_str_eq(dv_err_message(e), "stop at m");
	cr_assert_str_eq(b.data, "z=1 a=2 ");
	cr_assert_null(dv_json_each(NULL, collect, &b));
}

Test(json, excerpt)
{
	static const struct {
		const char *text, *excerpt;
	} cases[] = {
		{ "null", "null" },
		{ "7", "7" },
		{ "\"a/b\"", "\"a/b\"" },
		{ "\"a\\nb\"", "\"a\\nb\"" },
		{ "[ 1, {\"a\": true} ]", "[1,{\"a\":true}]" },
		{ "\"01234567890123456789012345678901234567890123456789012345678901\"",
		  "\"01234567890123456789012345678901234567890123456789012345678901\"" },
		{ "\"012345678901234567890123456789012345678901234567890123456789012\"",
		  "\"012345678901234567890123456789012345678901234567890123456789..." },
		/* the cut would fall into the two bytes of the last letter */
		{ "\"01234567890123456789012345678901234567890123456789012345678\xc3\xa9 123\"",
		  "\"01234567890123456789012345678901234567890123456789012345678..." },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_json_freep) struct dv_json *doc = parsed(cases[i].text);
		DV_CLEANUP(dv_freep) char *s = dv_json_excerpt(doc);

		cr_assert_str_eq(s, cases[i].excerpt);
	}
}

static void write_sample(struct dv_jw *w)
{
	dv_jw_object_begin(w, NULL);
	dv_jw_string(w, "s", "a\"b\n");
	dv_jw_int(w, "i", INT64_MIN);
	dv_jw_uint(w, "u", UINT64_MAX);
	dv_jw_double(w, "d", 0.1);
	dv_jw_bool(w, "b", true);
	dv_jw_null(w, "n");
	dv_jw_object_begin(w, "empty");
	dv_jw_object_end(w);
	dv_jw_array_begin(w, "list");
	dv_jw_int(w, NULL, 1);
	dv_jw_array_begin(w, NULL);
	dv_jw_array_end(w);
	dv_jw_raw(w, NULL, "{}");
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

Test(json_write, one_line)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct dv_jw w;

	dv_jw_init(&w, &b, NULL);
	write_sample(&w);
	cr_assert_str_eq(b.data, "{\"s\":\"a\\\"b\\n\",\"i\":-9223372036854775808,"
				 "\"u\":18446744073709551615,\"d\":0.1,\"b\":true,\"n\":null,"
				 "\"empty\":{},\"list\":[1,[],{}]}");
	dv_json_free(parsed(b.data));
}

Test(json_write, indented)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
	struct dv_jw w;

	dv_jw_init(&w, &b, "  ");
	write_sample(&w);
	cr_assert_str_eq(b.data, "{\n"
				 "  \"s\": \"a\\\"b\\n\",\n"
				 "  \"i\": -9223372036854775808,\n"
				 "  \"u\": 18446744073709551615,\n"
				 "  \"d\": 0.1,\n"
				 "  \"b\": true,\n"
				 "  \"n\": null,\n"
				 "  \"empty\": {},\n"
				 "  \"list\": [\n"
				 "    1,\n"
				 "    [],\n"
				 "    {}\n"
				 "  ]\n"
				 "}");
	dv_json_free(parsed(b.data));
}

Test(json_write, doubles)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ -2.5, "-2.5" },
		{ 1e300, "1e+300" },
		{ 0.3, "0.3" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1.0 / 0.0, "null" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf b = DV_STRBUF_INIT;
		struct dv_jw w;

		dv_jw_init(&w, &b, NULL);
		dv_jw_double(&w, NULL, cases[i].value);
		cr_assert_str_eq(b.data, cases[i].text);
	}
}
