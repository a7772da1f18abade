/* SPDX-License-Identifier: Apache-2.0 */
/* The string buffer, strict parsing, paths. */

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/test.h"

Test(strbuf, grows)
{
	struct dv_strbuf b = DV_STRBUF_INIT;

	T_STR(b.data, "");
	for (int i = 0; i < 1000; i++)
		dv_strbuf_addf(&b, "%d,", i % 10);
	T_INT(b.len, ==, 2000);
	T_INT(strlen(b.data), ==, 2000);
	dv_strbuf_clear(&b);
	T_STR(b.data, "");
	dv_strbuf_add(&b, "ab");
	dv_strbuf_addc(&b, 'c');
	dv_strbuf_add_n(&b, "d\0e", 3);
	T_INT(b.len, ==, 6);
	T_INT(memcmp(b.data, "abcd\0e", 7), ==, 0);
	dv_strbuf_fini(&b);
	T_STR(b.data, "");
}

Test(strbuf, steal)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	char *s = dv_strbuf_steal(&b);

	T_STR(s, "");
	free(s);
	dv_strbuf_add(&b, "x");
	s = dv_strbuf_steal(&b);
	T_STR(s, "x");
	T_INT(b.len, ==, 0);
	free(s);
	dv_strbuf_clear(&b);
	dv_strbuf_fini(&b);
}

Test(strbuf, json)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "\"\"" },
		{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
		{ "\n\r\t\x01\x1f\x7f", "\"\\n\\r\\t\\u0001\\u001f\\u007f\"" },
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3",
		  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xb3\"" },
		{ "\xff", "\"\xef\xbf\xbd\"" },
		{ "a\xc3", "\"a\xef\xbf\xbd\"" }, /* cut off */
		{ "\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"" }, /* overlong */
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* surrogate */
		{ "\xf4\x90\x80\x80",
		  "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* above 10FFFF */
		{ "\xe2\x82(", "\"\xef\xbf\xbd\xef\xbf\xbd(\"" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct dv_strbuf b = DV_STRBUF_INIT;

		dv_strbuf_add_json(&b, cases[i].in);
		T_STR(b.data, cases[i].out);
		dv_strbuf_fini(&b);
	}
}

Test(str, prefix_and_suffix)
{
	T_TRUE(dv_starts_with("cgroup.procs", "cgroup"));
	T_TRUE(dv_starts_with("x", ""));
	T_FALSE(dv_starts_with("cg", "cgroup"));
	T_TRUE(dv_ends_with("cgroup.procs", ".procs"));
	T_TRUE(dv_ends_with("x", ""));
	T_FALSE(dv_ends_with("ocs", "procs"));
}

Test(str, parse_u64)
{
	static const char *const bad[] = { "",	  " 1", "1 ",
					   "+1",  "-1", "0x1",
					   "1.0", "a",	"18446744073709551616" };
	uint64_t v = 7;
	uint32_t w = 7;

	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++)
		T_FALSE(dv_parse_u64(bad[i], &v));
	T_INT(v, ==, 7);
	T_TRUE(dv_parse_u64("18446744073709551615", &v));
	T_INT(v, ==, UINT64_MAX);
	T_TRUE(dv_parse_u64("007", &v));
	T_INT(v, ==, 7);
	T_FALSE(dv_parse_u32("4294967296", &w));
	T_TRUE(dv_parse_u32("4294967295", &w));
	T_INT(w, ==, UINT32_MAX);
}

Test(str, parse_i64)
{
	static const char *const bad[] = {
		"", "-", "--1", " 1", "+1", "1x", "9223372036854775808", "- 1"
	};
	int64_t v = 7;

	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++)
		T_FALSE(dv_parse_i64(bad[i], &v));
	T_INT(v, ==, 7);
	T_TRUE(dv_parse_i64("-9223372036854775808", &v));
	T_INT(v, ==, INT64_MIN);
	T_TRUE(dv_parse_i64("0", &v));
	T_INT(v, ==, 0);
}

Test(str, parse_bool)
{
	bool v = false;

	T_TRUE(dv_parse_bool("TRUE", &v) && v);
	T_TRUE(dv_parse_bool("f", &v) && !v);
	T_TRUE(dv_parse_bool("1", &v) && v);
	T_FALSE(dv_parse_bool("yes", &v));
	T_FALSE(dv_parse_bool("", &v));
	T_FALSE(dv_parse_bool("tRue", &v));
	T_TRUE(v);
}

Test(str, parse_size)
{
	static const struct {
		const char *text;
		int64_t size;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "-1", -1 },
		{ "1k", 1024 },
		{ "64K", 65536 },
		{ "1.5G", 1610612736 },
		{ "10MiB", 10485760 },
		{ "10mb", 10485760 },
		{ "1 KiB", 1024 },
		{ "2t", 2199023255552 },
		{ "1P", 1125899906842624 },
		{ "7b", 7 },
		{ "9223372036854775807", INT64_MAX },
	};
	static const char *const bad[] = { "",	 "-2",	 "k",	"1x",	     "1kk", "1kx",
					   " 1", "0x10", "1ib", "99999999P", "inf", "nan" };
	int64_t v;

	for (size_t i = 0; i < DV_ARRAY_SIZE(good); i++) {
		v = -7;
		T_TRUE(dv_parse_size(good[i].text, &v));
		T_INT(v, ==, good[i].size);
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++)
		T_FALSE(dv_parse_size(bad[i], &v));
}

Test(str, parse_duration)
{
	static const struct {
		const char *text;
		int64_t ns;
	} good[] = {
		{ "0", 0 },
		{ "5s", 5000000000 },
		{ "100ms", 100000000 },
		{ "1m30s", 90000000000 },
		{ "1.5h", 5400000000000 },
		{ "7ns", 7 },
		{ "2us", 2000 },
		{ "0s", 0 },
	};
	static const char *const bad[] = { "",	 "3",	"s",	"-1s",	    "1 s",
					   "1d", "1s2", "1e3s", "99999999h" };
	int64_t v;

	for (size_t i = 0; i < DV_ARRAY_SIZE(good); i++) {
		v = -7;
		T_TRUE(dv_parse_duration(good[i].text, &v));
		T_INT(v, ==, good[i].ns);
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++)
		T_FALSE(dv_parse_duration(bad[i], &v));
}

Test(str, unescape_octal)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "/a b", "/a b" },
		{ "/a\\040b\\011", "/a b\t" },
		{ "\\134040", "\\040" },
		{ "\\303\\266", "\xc3\xb6" },
		{ "\\400\\08\\04", "\\400\\08\\04" },
		{ "\\", "\\" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		char s[32];

		snprintf(s, sizeof(s), "%s", cases[i].in);
		dv_unescape_octal(s);
		T_STR(s, cases[i].out);
	}
}

Test(str, path_has_dotdot)
{
	T_TRUE(dv_path_has_dotdot(".."));
	T_TRUE(dv_path_has_dotdot("a/../b"));
	T_TRUE(dv_path_has_dotdot("/a//.."));
	T_FALSE(dv_path_has_dotdot(""));
	T_FALSE(dv_path_has_dotdot("a/..b/b../..."));
}

Test(str, path_clean)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "." },
		{ ".", "." },
		{ "/", "/" },
		{ "//", "/" },
		{ "a//b/./c/../d", "a/b/d" },
		{ "/a/../..", "/" },
		{ "/..", "/" },
		{ "/../a", "/a" },
		{ "..", ".." },
		{ "../..", "../.." },
		{ "a/..", "." },
		{ "a/../..", ".." },
		{ "a/../../b", "../b" },
		{ "../a/../b", "../b" },
		{ "a/b/", "a/b" },
		{ "./a", "a" },
		{ "/a/b/../../c", "/c" },
		{ "a/b/../..", "." },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		char *out = dv_path_clean(cases[i].in);

		T_STR(out, cases[i].out);
		free(out);
	}
}
