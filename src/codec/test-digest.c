/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: what is one and what is not; hashing in pieces is hashing at once. */

#include "base/test.h"
#include "codec/digest.h"

#define HEX8	 "01234567"
#define HEX64	 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8
#define EMPTY256 "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

Test(digest, text_forms_go_there_and_back)
{
	static const char *const texts[] = {
		"sha256:" HEX64,
		"sha384:" HEX64 HEX8 HEX8 HEX8 HEX8,
		"sha512:" HEX64 HEX64,
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		char buf[DV_DIGEST_STR], hex[DV_DIGEST_HEX];
		struct dv_digest d;

		T_NULL(dv_digest_parse(texts[i], &d));
		T_STR(dv_digest_str(&d, buf), texts[i]);
		T_STR(dv_digest_hex(&d, hex), texts[i] + 7);
		T_INT(strncmp(texts[i], dv_digest_alg_name(d.alg), 6), ==, 0);
	}
}

Test(digest, what_is_no_digest_is_refused)
{
	static const char *const texts[] = {
		"",
		":",
		"sha256",
		"sha256:",
		":" HEX64,
		"sha256:" HEX8,
		"sha256:" HEX64 "0",
		"sha256:" HEX64 HEX64,
		"SHA256:" HEX64,
		"md5:d41d8cd98f00b204e9800998ecf8427e",
		"sha256:g1234567" HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8,
		"sha256:A1234567" HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8,
		"sha256:/../../." HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8,
		"sha256+b64:" HEX64,
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++) {
		struct dv_digest d = { .alg = DV_SHA512 };
		struct dv_err *e = dv_digest_parse(texts[i], &d);

		cr_assert_not_null(e, "%s was taken", texts[i]);
		T_INT(dv_err_code(e), ==, DV_INVALID);
		T_INT(d.alg, ==, DV_SHA512);
		dv_err_free(e);
	}
}

static void expect_of(enum dv_digest_alg alg, const char *text, const char *expected)
{
	char buf[DV_DIGEST_STR];
	struct dv_digest d;

	dv_digest_of(alg, text, strlen(text), &d);
	T_STR(dv_digest_str(&d, buf), expected);
}

/* FIPS 180-4, the example of three bytes. */
Test(digest, known_answers)
{
	expect_of(DV_SHA256, "", EMPTY256);
	expect_of(DV_SHA256, "abc",
		  "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	expect_of(DV_SHA384, "abc",
		  "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
		  "8086072ba1e7cc2358baeca134c825a7");
	expect_of(DV_SHA512, "abc",
		  "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

Test(digest, pieces_and_looks_in_between)
{
	DV_CLEANUP(dv_hash_freep) struct dv_hash *h = dv_hash_new(DV_SHA256);
	DV_CLEANUP(dv_hash_freep) struct dv_hash *copy = NULL;
	struct dv_digest now, whole;
	char buf[DV_DIGEST_STR];

	dv_hash_get(h, &now);
	T_STR(dv_digest_str(&now, buf), EMPTY256);
	dv_hash_add(h, "ab", 2);
	dv_hash_get(h, &now);
	copy = dv_hash_dup(h);
	dv_hash_add(h, NULL, 0);
	dv_hash_add(h, "c", 1);
	dv_hash_add(copy, "c", 1);
	dv_digest_of(DV_SHA256, "abc", 3, &whole);
	dv_hash_get(h, &now);
	T_TRUE(dv_digest_eq(&now, &whole));
	dv_hash_get(copy, &now);
	T_TRUE(dv_digest_eq(&now, &whole));
	dv_hash_reset(h);
	dv_hash_get(h, &now);
	T_STR(dv_digest_str(&now, buf), EMPTY256);
}

Test(digest, comparison)
{
	struct dv_digest a, b, c;

	dv_digest_of(DV_SHA256, "", 0, &a);
	dv_digest_of(DV_SHA256, "abc", 3, &b);
	dv_digest_of(DV_SHA512, "", 0, &c);
	T_TRUE(dv_digest_eq(&a, &a));
	T_FALSE(dv_digest_eq(&a, &b));
	T_FALSE(dv_digest_eq(&a, &c));
	T_INT(dv_digest_cmp(&a, &a), ==, 0);
	T_INT(dv_digest_cmp(&b, &a), <, 0);
	T_INT(dv_digest_cmp(&a, &c), <, 0);
}
