/* SPDX-License-Identifier: Apache-2.0 */
/* What token servers answer, and the small parts of answers: Retry-After, URLs, texts, Base64. */

#include "token.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/test.h"
#include "base64.h"
#include "call-private.h"
#include "text.h"

Test(token, answers)
{
	static const struct {
		const char *text, *token, *refresh;
		uint64_t lifetime_ms;
	} cases[] = {
		{ "{\"token\":\"abc\"}", "abc", NULL, 60000 },
		{ "{\"access_token\":\"abc\",\"expires_in\":300}", "abc", NULL, 300000 },
		{ "{\"token\":\"a\",\"access_token\":\"b\",\"refresh_token\":\"r\"}", "a", "r",
		  60000 },
		{ "{\"token\":\"a\",\"expires_in\":1}", "a", NULL, 60000 },
		{ "{\"token\":\"a\",\"expires_in\":-5}", "a", NULL, 60000 },
		{ "{\"token\":\"a\",\"expires_in\":18446744073709551615}", "a", NULL, 86400000 },
		{ "{\"token\":\"\",\"access_token\":\"b\"}", "b", NULL, 60000 },
		{ "{\"token\":\"a b\"}", NULL, NULL, 0 },
		{ "{\"token\":\"a\\r\\nX: y\"}", NULL, NULL, 0 },
		{ "{\"token\":\"\\u00e4\"}", NULL, NULL, 0 },
		{ "{\"token\":5}", NULL, NULL, 0 },
		{ "[\"token\"]", NULL, NULL, 0 },
		{ "{}", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct token_answer a = { 0 };
		struct dv_err *e = token_parse(cases[i].text, strlen(cases[i].text), &a);

		cr_expect((e == NULL) == (cases[i].token != NULL), "%s", cases[i].text);
		if (!e) {
			T_STR(a.token, cases[i].token);
			T_STR(a.refresh ? a.refresh : "-",
			      cases[i].refresh ? cases[i].refresh : "-");
			T_INT(a.lifetime_ms, ==, cases[i].lifetime_ms);
		}
		free(a.token);
		free(a.refresh);
		dv_err_free(e);
	}
}

Test(answer, retry_after)
{
	T_INT(call_retry_after("0"), ==, 0);
	T_INT(call_retry_after("120"), ==, 120000);
	T_INT(call_retry_after("99999999999"), ==, 1000000000);
	T_INT(call_retry_after("-1"), ==, 0);
	T_INT(call_retry_after("soon"), ==, 0);
	T_INT(call_retry_after("Fri, 27 Nov 1970 23:59:59 GMT"), ==, 0);
	T_INT(call_retry_after("Fri, 27 Nov 2099 23:59:59 GMT"), ==, 1000000000);
	T_INT(call_retry_after("Fri, 27 anN 2099 23:59:59 GMT"), ==, 0);
}

Test(url, resolve)
{
	static const struct {
		const char *base, *url, *result;
	} cases[] = {
		{ "https://a/v2/x", "/y?z=1", "https://a/y?z=1" },
		{ "https://a:5000/v2/x", "y", "https://a:5000/v2/y" },
		{ "https://a/v2/x", "//b/c", "https://b/c" },
		{ "https://a/v2/x", "http://b/c#d", "http://b/c" },
		{ NULL, "https://b/c", "https://b/c" },
		{ NULL, "/c", NULL },
		{ NULL, "ftp://b/c", NULL },
		{ NULL, "file:///etc/passwd", NULL },
		{ "https://a/", "https://user:pass@b/", NULL },
		{ "https://a/", "https://b:99999/", NULL },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		char *result = NULL;
		struct dv_err *e = http_url_resolve(cases[i].base, cases[i].url, &result);

		cr_expect((e == NULL) == (cases[i].result != NULL), "%s", cases[i].url);
		if (!e)
			T_STR(result, cases[i].result);
		free(result);
		dv_err_free(e);
	}
}

Test(url, origins)
{
	T_TRUE(http_url_same_origin("https://a/x", "https://a:443/y"));
	T_TRUE(http_url_same_origin("http://A/x", "http://a:80/"));
	T_FALSE(http_url_same_origin("https://a/", "http://a/"));
	T_FALSE(http_url_same_origin("https://a/", "https://b/"));
	T_FALSE(http_url_same_origin("https://a:1/", "https://a:2/"));
	T_FALSE(http_url_same_origin("https://a/", "https://a.b/"));
	T_FALSE(http_url_same_origin("https://a/", "https://a@b/"));
	T_FALSE(http_url_same_origin("", ""));
}

Test(url, queries)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf url = DV_STRBUF_INIT;

	dv_strbuf_add(&url, "https://a/t");
	http_url_add_query(&url, "scope", "repository:a/b:pull,push");
	http_url_add_query(&url, "x", "a b&c=\xc3\xa4+%");
	T_STR(url.data, "https://a/t?scope=repository:a/b:pull%2Cpush&x=a%20b%26c%3D%C3%A4%2B%25");
}

Test(text, cleaned)
{
	static const char foreign[] = "  one\r\n\ttwo\x1b[31m \xff\0three ";
	DV_CLEANUP(dv_freep) char *all = text_clean(foreign, sizeof(foreign) - 1, 100);
	DV_CLEANUP(dv_freep) char *some = text_clean("abcdef", 6, 3);

	T_STR(all, "one two [31m ? three");
	T_STR(some, "abc");
}

Test(base64, both_ways)
{
	static const char *const broken[] = { "a",    "ab",   "abc",  "ab=c",
					      "=abc", "a===", "ab c", "abc\n=" };
	DV_CLEANUP(dv_freep) char *basic = base64_basic("user", "pass");

	T_STR(basic, "Basic dXNlcjpwYXNz");
	for (size_t n = 0; n < 10; n++) {
		DV_CLEANUP(dv_freep) char *text = base64_encode("0123456789", n);
		uint8_t *back = NULL;
		size_t got = 0;

		cr_assert(base64_decode(text, strlen(text), &back, &got));
		T_INT(got, ==, n);
		T_INT(memcmp(back, "0123456789", n), ==, 0);
		free(back);
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(broken); i++) {
		uint8_t *back = NULL;
		size_t got;

		cr_expect(!base64_decode(broken[i], strlen(broken[i]), &back, &got), "%s",
			  broken[i]);
	}
}
