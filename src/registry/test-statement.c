/* SPDX-License-Identifier: Apache-2.0 */
/* Signed statements, with keys that are made here. */

#include "registry/signature.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/test.h"
#include "base64.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PAYLOAD(type, digest) \
	"{\"critical\":{\"identity\":{\"docker-reference\":\"q.io/a\"},\"image\":" \
	"{\"docker-manifest-digest\":\"" digest "\"},\"type\":\"" type "\"},\"optional\":null}"

static const char good[] = PAYLOAD("cosign container image signature", DIGEST);

struct key {
	EVP_PKEY *pkey;
	struct registry_pem pem;
};

static struct key key_make(const char *kind)
{
	struct key k = { .pkey = dv_streq(kind, "EC")	 ? EVP_EC_gen("P-256")
				 : dv_streq(kind, "RSA") ? EVP_RSA_gen(2048)
							 : EVP_PKEY_Q_keygen(NULL, NULL, kind) };
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	cr_assert(k.pkey != NULL);
	PEM_write_bio_PUBKEY(bio, k.pkey);
	n = BIO_get_mem_data(bio, &text);
	k.pem.data = dv_strndup(text, (size_t)n);
	k.pem.n = (size_t)n;
	BIO_free(bio);
	return k;
}

static void key_fini(struct key *k)
{
	EVP_PKEY_free(k->pkey);
	free((void *)(uintptr_t)k->pem.data);
}

static char *sign(const struct key *k, const char *payload)
{
	bool is_ed = EVP_PKEY_get_base_id(k->pkey) == EVP_PKEY_ED25519;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char signature[1024];
	size_t n = sizeof(signature);

	cr_assert(EVP_DigestSignInit(ctx, NULL, is_ed ? NULL : EVP_sha256(), NULL, k->pkey) == 1);
	cr_assert(EVP_DigestSign(ctx, signature, &n, (const unsigned char *)payload,
				 strlen(payload)) == 1);
	EVP_MD_CTX_free(ctx);
	return base64_encode(signature, n);
}

/* The message of the error, "" for none; heap. */
static char *verify(const char *payload, const char *signature, const struct registry_pem *pem,
		    struct registry_statement *ret)
{
	struct dv_arena arena;
	struct dv_err *e;
	char *text;

	dv_arena_init(&arena);
	e = registry_statement_verify(&arena, payload, strlen(payload), signature, pem, ret);
	text = dv_strdup(e ? dv_err_message(e) : "");
	if (!e)
		T_STR(ret->name, "q.io/a");
	dv_err_free(e);
	dv_arena_fini(&arena);
	return text;
}

Test(statement, three_kinds_of_keys)
{
	static const char *const kinds[] = { "EC", "RSA", "ED25519" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		struct key k = key_make(kinds[i]), other = key_make(kinds[i]);
		DV_CLEANUP(dv_freep) char *signature = sign(&k, good);
		DV_CLEANUP(dv_freep) char *bad = dv_strdup(good);
		struct registry_statement s = { 0 };
		char text[DV_DIGEST_STR];
		char *said = verify(good, signature, &k.pem, &s);

		T_STR(said, "");
		T_STR(dv_digest_str(&s.digest, text), DIGEST);
		free(said);
		said = verify(good, signature, &other.pem, &s);
		T_STR(said, "the signature is not by this key");
		free(said);
		bad[strlen(bad) - 2] ^= 1;
		said = verify(bad, signature, &k.pem, &s);
		T_STR(said, "the signature is not by this key");
		free(said);
		key_fini(&k);
		key_fini(&other);
	}
}

Test(statement, what_is_refused)
{
	static const struct {
		const char *payload, *message;
	} cases[] = {
		{ PAYLOAD("something else", DIGEST), "not cosign's about an image" },
		{ PAYLOAD("cosign container image signature", "sha256:1"), "sha256:1" },
		{ "{\"critical\":{\"type\":\"cosign container image signature\"}}", "no name" },
		{ "{}", "not cosign's" },
		{ "[]", "not cosign's" },
		{ "nothing", "the signed statement: line 1" },
		{ "", "the signed statement" },
	};
	struct key k = key_make("EC");
	struct registry_statement s;
	struct registry_pem no_key = { .data = "no key", .n = 6 };

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep) char *signature = sign(&k, cases[i].payload);
		DV_CLEANUP(dv_freep) char *said = verify(cases[i].payload, signature, &k.pem, &s);

		cr_expect(strstr(said, cases[i].message), "%s: %s", cases[i].payload, said);
	}
	{
		DV_CLEANUP(dv_freep) char *a = verify(good, "!", &k.pem, &s);
		DV_CLEANUP(dv_freep) char *b = verify(good, "", &k.pem, &s);
		DV_CLEANUP(dv_freep) char *c = verify(good, "AAAA", &no_key, &s);

		T_STR(a, "the signature is not Base64");
		T_STR(b, "the signature is not by this key");
		T_STR(c, "the key is no public key in PEM");
	}
	key_fini(&k);
}
