/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: text forms of their own, SHA-2 by libcrypto. */

#include "codec/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct dv_hash {
	enum dv_digest_alg alg;
	EVP_MD_CTX *ctx;
};

static const struct alg {
	const char *name;
	size_t size;
	const EVP_MD *(*md)(void);
} algs[] = {
	[DV_SHA256] = { "sha256", 32, EVP_sha256 },
	[DV_SHA384] = { "sha384", 48, EVP_sha384 },
	[DV_SHA512] = { "sha512", 64, EVP_sha512 },
};
_Static_assert(DV_ARRAY_SIZE(algs) == DV_DIGEST__N, "each algorithm has a row");

const char *dv_digest_alg_name(enum dv_digest_alg alg)
{
	return algs[alg].name;
}

size_t dv_digest_alg_size(enum dv_digest_alg alg)
{
	return algs[alg].size;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Long texts are somebody's mistake or worse: the message shows their beginning. */
static struct dv_err *bad(const char *text, const char *why)
{
	return dv_err_new(DV_INVALID, "invalid digest \"%.100s\": %s", text, why);
}

struct dv_err *dv_digest_parse(const char *text, struct dv_digest *ret)
{
	struct dv_digest d = { .alg = DV_DIGEST__N };
	const char *colon = strchr(text, ':'), *hex;

	if (!colon || colon == text)
		return bad(text, "expected <algorithm>:<hex>");
	for (unsigned i = 0; i < DV_DIGEST__N; i++)
		if (strlen(algs[i].name) == (size_t)(colon - text) &&
		    memcmp(algs[i].name, text, (size_t)(colon - text)) == 0)
			d.alg = (enum dv_digest_alg)i;
	if (d.alg == DV_DIGEST__N)
		return bad(text, "unsupported digest algorithm");
	hex = colon + 1;
	if (strlen(hex) != 2 * algs[d.alg].size)
		return bad(text, "invalid checksum digest length");
	for (size_t i = 0; i < algs[d.alg].size; i++) {
		int hi = hex_value(hex[2 * i]), lo = hex_value(hex[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return bad(text, "invalid checksum digest format: not lower case hex");
		d.bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = d;
	return NULL;
}

const char *dv_digest_hex(const struct dv_digest *d, char buf[DV_DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = algs[d->alg].size;

	for (size_t i = 0; i < n; i++) {
		buf[2 * i] = digits[d->bytes[i] >> 4];
		buf[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	buf[2 * n] = '\0';
	return buf;
}

const char *dv_digest_str(const struct dv_digest *d, char buf[DV_DIGEST_STR])
{
	size_t n = strlen(algs[d->alg].name);

	memcpy(buf, algs[d->alg].name, n);
	buf[n] = ':';
	dv_digest_hex(d, buf + n + 1);
	return buf;
}

bool dv_digest_eq(const struct dv_digest *a, const struct dv_digest *b)
{
	return a->alg == b->alg && memcmp(a->bytes, b->bytes, algs[a->alg].size) == 0;
}

int dv_digest_cmp(const struct dv_digest *a, const struct dv_digest *b)
{
	if (a->alg != b->alg)
		return a->alg < b->alg ? -1 : 1;
	return memcmp(a->bytes, b->bytes, algs[a->alg].size);
}

/* Fails only without memory, or with a libcrypto that somebody built without SHA-2. */
static void must(int ok)
{
	dv_assert(ok == 1);
}

static EVP_MD_CTX *ctx_new(void)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	dv_assert(ctx != NULL);
	return ctx;
}

struct dv_hash *dv_hash_new(enum dv_digest_alg alg)
{
	struct dv_hash *h = dv_new(struct dv_hash);

	h->alg = alg;
	h->ctx = ctx_new();
	dv_hash_reset(h);
	return h;
}

struct dv_hash *dv_hash_dup(const struct dv_hash *h)
{
	struct dv_hash *copy = dv_new(struct dv_hash);

	copy->alg = h->alg;
	copy->ctx = ctx_new();
	must(EVP_MD_CTX_copy_ex(copy->ctx, h->ctx));
	return copy;
}

struct dv_hash *dv_hash_free(struct dv_hash *h)
{
	if (h) {
		EVP_MD_CTX_free(h->ctx);
		free(h);
	}
	return NULL;
}

void dv_hash_add(struct dv_hash *h, const void *p, size_t n)
{
	if (n > 0)
		must(EVP_DigestUpdate(h->ctx, p, n));
}

void dv_hash_get(const struct dv_hash *h, struct dv_digest *ret)
{
	EVP_MD_CTX *ctx = ctx_new();

	must(EVP_MD_CTX_copy_ex(ctx, h->ctx));
	*ret = (struct dv_digest){ .alg = h->alg };
	must(EVP_DigestFinal_ex(ctx, ret->bytes, NULL));
	EVP_MD_CTX_free(ctx);
}

void dv_hash_reset(struct dv_hash *h)
{
	must(EVP_DigestInit_ex(h->ctx, algs[h->alg].md(), NULL));
}

void dv_digest_of(enum dv_digest_alg alg, const void *p, size_t n, struct dv_digest *ret)
{
	*ret = (struct dv_digest){ .alg = alg };
	must(EVP_Digest(p, n, ret->bytes, NULL, algs[alg].md(), NULL));
}
