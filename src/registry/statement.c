/* SPDX-License-Identifier: Apache-2.0 */
/* One signed statement, and the libcrypto that checks it. */

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base64.h"
#include "codec/json.h"
#include "registry/signature.h"

#define COSIGN_TYPE "cosign container image signature"

static void pkey_cleanupp(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void md_cleanupp(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static struct dv_err *read_key(const struct registry_pem *pem, EVP_PKEY **ret)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->n);

	dv_assert(bio != NULL);
	*ret = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (!*ret)
		return dv_err_new(DV_INVALID, "the key is no public key in PEM");
	switch (EVP_PKEY_get_base_id(*ret)) {
	case EVP_PKEY_EC:
	case EVP_PKEY_RSA:
	case EVP_PKEY_ED25519:
		return NULL;
	default:
		return dv_err_new(DV_INVALID, "the key is none of ECDSA, RSA and Ed25519");
	}
}

static struct dv_err *check_signature(EVP_PKEY *key, const char *payload, size_t n,
				      const char *base64)
{
	/* Ed25519 has its hash built in; cosign uses SHA-256 with all others. */
	bool is_ed = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
	DV_CLEANUP(md_cleanupp) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	DV_CLEANUP(dv_freep) uint8_t *signature = NULL;
	size_t n_signature;
	bool is_good;

	if (!base64_decode(base64, strlen(base64), &signature, &n_signature))
		return dv_err_new(DV_PERMISSION, "the signature is not Base64");
	dv_assert(ctx != NULL);
	is_good = EVP_DigestVerifyInit(ctx, NULL, is_ed ? NULL : EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, signature, n_signature, (const unsigned char *)payload,
				   n) == 1;
	return is_good ? NULL : dv_err_new(DV_PERMISSION, "the signature is not by this key");
}

static const char *get_string(const struct dv_json *v, const char *a, const char *b)
{
	const struct dv_json *s = dv_json_get(dv_json_get(v, a), b);
	const char *text;
	size_t n;

	if (dv_json_type(s) != DV_JSON_STRING)
		return NULL;
	text = dv_json_string(s, &n);
	return strlen(text) == n ? text : NULL;
}

/* {"critical": {"identity": {"docker-reference"}, "image": {"docker-manifest-digest"}, "type"}} */
static struct dv_err *read_payload(struct dv_arena *arena, const char *payload, size_t n,
				   struct registry_statement *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const struct dv_json *critical, *type;
	const char *name, *digest;
	struct dv_err *e;

	e = dv_json_parse(payload, n, &doc);
	if (e)
		return dv_err_wrap(e, "the signed statement");
	critical = dv_json_get(doc, "critical");
	type = dv_json_get(critical, "type");
	if (dv_json_type(type) != DV_JSON_STRING ||
	    !dv_streq(dv_json_string(type, NULL), COSIGN_TYPE))
		return dv_err_new(DV_INVALID,
				  "the signed statement is not cosign's about an image");
	name = get_string(critical, "identity", "docker-reference");
	digest = get_string(critical, "image", "docker-manifest-digest");
	if (!name || !digest)
		return dv_err_new(DV_INVALID, "the signed statement has no name or no digest");
	ret->name = dv_arena_strdup(arena, name);
	return dv_digest_parse(digest, &ret->digest);
}

struct dv_err *registry_statement_verify(struct dv_arena *arena, const char *payload, size_t n,
					 const char *signature_base64,
					 const struct registry_pem *key,
					 struct registry_statement *ret)
{
	DV_CLEANUP(pkey_cleanupp) EVP_PKEY *pkey = NULL;
	struct dv_err *e;

	e = read_key(key, &pkey);
	if (!e)
		e = check_signature(pkey, payload, n, signature_base64);
	return e ? e : read_payload(arena, payload, n, ret);
}
