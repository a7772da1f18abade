/* SPDX-License-Identifier: Apache-2.0 */
#include "test-grpc.h"

#define T_CODE2(call, a, b) \
	do { \
		struct dv_err *e_ = (call); \
\
		T_NOT_NULL(e_); \
		cr_expect(dv_err_code(e_) == (a) || dv_err_code(e_) == (b), "%s", \
			  dv_err_message(e_)); \
		dv_err_free(e_); \
	} while (0)

static struct grpc_text text(const char *s)
{
	return (struct grpc_text){ s, strlen(s) };
}

Test(grpc_wire, timeouts)
{
	static const struct {
		const char *s;
		uint64_t ns;
	} good[] = {
		{ "0n", 0 },
		{ "1n", 1 },
		{ "100m", 100000000 },
		{ "5u", 5000 },
		{ "3S", UINT64_C(3000000000) },
		{ "2M", UINT64_C(120000000000) },
		{ "1H", UINT64_C(3600000000000) },
		{ "99999999H", INT64_MAX },
		{ "00000001S", UINT64_C(1000000000) },
	};
	static const char *const bad[] = { "", "1", "n", "123456789S", "1s", "-1S", " 1S", "1.5S" };
	uint64_t ns;

	for (size_t i = 0; i < DV_ARRAY_SIZE(good); i++) {
		cr_expect(grpc_timeout_parse(text(good[i].s), &ns), "%s", good[i].s);
		T_INT(ns, ==, good[i].ns);
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++)
		cr_expect(!grpc_timeout_parse(text(bad[i]), &ns), "%s", bad[i]);
}

Test(grpc_wire, timeouts_are_never_shortened)
{
	char buf[12];
	uint64_t ns;

	for (uint64_t v = 1; v < UINT64_MAX / 3; v = v * 3 + 1) {
		grpc_timeout_format(v, buf);
		T_INT(strlen(buf), <=, 9);
		T_TRUE(grpc_timeout_parse(text(buf), &ns));
		T_TRUE(ns >= DV_MIN(v, (uint64_t)INT64_MAX));
	}
	grpc_timeout_format(UINT64_MAX, buf);
	T_STR(buf, "5124096H");
}

Test(grpc_wire, content_types)
{
	T_TRUE(grpc_is_content_type(text("application/grpc")));
	T_TRUE(grpc_is_content_type(text("application/grpc+proto")));
	T_TRUE(grpc_is_content_type(text("application/grpc; x=y")));
	T_FALSE(grpc_is_content_type(text("application/grpc-web")));
	T_FALSE(grpc_is_content_type(text("application/json")));
	T_FALSE(grpc_is_content_type(text("")));
}

static void check_message(const char *plain, const char *encoded)
{
	DV_CLEANUP(dv_freep) char *e = grpc_message_encode(plain);
	DV_CLEANUP(dv_freep) char *d = grpc_message_decode(text(e));

	T_STR(e, encoded);
	T_STR(d, plain);
}

Test(grpc_wire, messages)
{
	DV_CLEANUP(dv_freep) char *odd = grpc_message_decode(text("%4 %zz%41%2"));
	DV_CLEANUP(dv_freep) char *broken = grpc_message_decode(text("a%ff%00b"));
	DV_CLEANUP(dv_freep) char *encoded = grpc_message_encode("a\xff");

	check_message("", "");
	check_message("container \"x\": not found", "container \"x\": not found");
	check_message("50%\n\xc3\xa4", "50%25%0A%C3%A4");
	T_STR(odd, "%4 %zzA%2");
	T_STR(broken, "a??b");
	T_STR(encoded, "a?");
}

Test(grpc_wire, long_messages_lose_their_end)
{
	char plain[20001];
	DV_CLEANUP(dv_freep) char *e = NULL;
	DV_CLEANUP(dv_freep) char *d = NULL;

	for (size_t i = 0; i < 20000; i += 2)
		memcpy(plain + i, "\xc3\xa4", 2);
	plain[20000] = '\0';
	e = grpc_message_encode(plain);
	T_INT(strlen(e), <, 4200);
	d = grpc_message_decode(text(e));
	T_TRUE(strncmp(d, plain, strlen(d) - 3) == 0);
	T_STR(d + strlen(d) - 3, "...");
}

Test(grpc_wire, codes)
{
	T_INT(grpc_code_of_http(404), ==, DV_UNIMPLEMENTED);
	T_INT(grpc_code_of_http(503), ==, DV_UNAVAILABLE);
	T_INT(grpc_code_of_http(418), ==, DV_UNKNOWN);
	T_INT(grpc_code_of_h2(NGHTTP2_CANCEL), ==, DV_CANCELLED);
	T_INT(grpc_code_of_h2(NGHTTP2_REFUSED_STREAM), ==, DV_UNAVAILABLE);
	T_INT(grpc_code_of_h2(NGHTTP2_PROTOCOL_ERROR), ==, DV_INTERNAL);
}

Test(grpc_wire, budgets)
{
	struct grpc_budget all = { .max = 100 };
	struct grpc_budget a = { .max = 80, .parent = &all }, b = { .max = 80, .parent = &all };

	T_TRUE(grpc_budget_take(&a, 80));
	T_FALSE(grpc_budget_take(&a, 1));
	T_FALSE(grpc_budget_take(&b, 21));
	T_TRUE(grpc_budget_take(&b, 20));
	T_INT(all.used, ==, 100);
	T_INT(grpc_budget_left(&b), ==, 0);
	grpc_budget_force(&b, 30);
	T_INT(grpc_budget_left(&b), ==, 0);
	grpc_budget_give(&b, 50);
	grpc_budget_give(&a, 80);
	T_INT(all.used, ==, 0);
}

Test(grpc_wire, base64)
{
	static const struct {
		const char *plain, *coded, *padded;
	} cases[] = {
		{ "", "", "" },
		{ "f", "Zg", "Zg==" },
		{ "fo", "Zm8", "Zm8=" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg", "Zm9vYg==" },
		{ "\377\376?", "//4/", "//4/" },
	};
	static const char *const bad[] = { "Z",	   "Zg=",  "Zg===", "Zm9v=", "Zm9v====",
					   "Z=g=", "Zm 9", "Zm9-",  "=",     "Zm9vY" };
	size_t n = 0;

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep)
		char *coded = grpc_base64_encode(cases[i].plain, strlen(cases[i].plain));
		DV_CLEANUP(dv_freep)
		uint8_t *plain = grpc_base64_decode(text(cases[i].coded), &n);
		DV_CLEANUP(dv_freep)
		uint8_t *padded = grpc_base64_decode(text(cases[i].padded), &n);

		T_STR(coded, cases[i].coded);
		T_STR((char *)plain, cases[i].plain);
		T_STR((char *)padded, cases[i].plain);
		T_INT(n, ==, strlen(cases[i].plain));
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++)
		cr_expect_null(grpc_base64_decode(text(bad[i]), &n), "%s", bad[i]);
}

/* "hello" by gzip -n; an end that is missing, bytes behind it, and too little room for it. */
Test(grpc_wire, inflate)
{
	static const uint8_t hello[] = { 0x1f, 0x8b, 8,	   0,	 0,    0,    0,	   0,  0,
					 3,    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0,  0x86,
					 0xa6, 0x10, 0x36, 5,	 0,    0,    0,	   'x' };
	struct grpc_budget budget = { .max = 1 << 20 };
	struct grpc_flow f = { .max_message = 5, .in_budget = &budget };
	size_t whole = sizeof(hello) - 1, n = 0;
	uint8_t *out = NULL;

	T_NULL(grpc_inflate(&f, hello, whole, &out, &n));
	T_INT(n, ==, 5);
	T_INT(memcmp(out, "hello", 5), ==, 0);
	free(out);
	for (size_t i = 0; i < whole; i++)
		T_CODE2(grpc_inflate(&f, hello, i, &out, &n), DV_INTERNAL, DV_INVALID);
	T_CODE2(grpc_inflate(&f, hello, whole + 1, &out, &n), DV_INTERNAL, DV_INVALID);
	f.max_message = 4;
	T_CODE2(grpc_inflate(&f, hello, whole, &out, &n), DV_EXHAUSTED, DV_EXHAUSTED);
	f.max_message = 1 << 20;
	budget.max = 100;
	T_CODE2(grpc_inflate(&f, hello, whole, &out, &n), DV_EXHAUSTED, DV_EXHAUSTED);
	T_INT(budget.used, ==, 0);
}
