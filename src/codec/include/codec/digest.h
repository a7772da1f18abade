/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Digests as OCI writes them, "sha256:<hex>", and the hashing that makes them. Nothing here needs
 * a descriptor or blocks. libcrypto does the work; a libcrypto without SHA-2 ends the program.
 *
 * Threads: a hash belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"

enum dv_digest_alg { DV_SHA256, DV_SHA384, DV_SHA512, DV_DIGEST__N };

enum {
	DV_DIGEST_BYTES = 64, /* of the longest one */
	DV_DIGEST_HEX = 2 * DV_DIGEST_BYTES + 1, /* its hex form, the NUL included */
	DV_DIGEST_STR = 8 + DV_DIGEST_HEX, /* "sha512:" and that */
};

/* Bytes behind the algorithm's length are zero. */
struct dv_digest {
	enum dv_digest_alg alg;
	uint8_t bytes[DV_DIGEST_BYTES];
};

/*
 * DV_INVALID: not "<algorithm>:<lower case hex>", with the right length; the algorithm is none of
 * those above.
 */
struct dv_err *dv_digest_parse(const char *text, struct dv_digest *ret) DV_CHECK;

/* "sha256:..."; returns @buf. */
const char *dv_digest_str(const struct dv_digest *d, char buf[DV_DIGEST_STR]);
/* The part behind the colon; returns @buf. */
const char *dv_digest_hex(const struct dv_digest *d, char buf[DV_DIGEST_HEX]);

bool dv_digest_eq(const struct dv_digest *a, const struct dv_digest *b);
/* The order of their texts. */
int dv_digest_cmp(const struct dv_digest *a, const struct dv_digest *b);

const char *dv_digest_alg_name(enum dv_digest_alg alg); /* "sha256" */
size_t dv_digest_alg_size(enum dv_digest_alg alg); /* in bytes: 32 */

/* The whole at once. */
void dv_digest_of(enum dv_digest_alg alg, const void *p, size_t n, struct dv_digest *ret);

/* Bytes that arrive in pieces. */
struct dv_hash;

struct dv_hash *dv_hash_new(enum dv_digest_alg alg);
/* Another one that has seen the same bytes. */
struct dv_hash *dv_hash_dup(const struct dv_hash *h);
/* Accepts NULL; always returns NULL. */
struct dv_hash *dv_hash_free(struct dv_hash *h);
DV_DEFINE_CLEANUP(struct dv_hash *, dv_hash_free);

void dv_hash_add(struct dv_hash *h, const void *p, size_t n);
/* The digest of what was added since the start; more may be added afterwards. */
void dv_hash_get(const struct dv_hash *h, struct dv_digest *ret);
/* As if it were new. */
void dv_hash_reset(struct dv_hash *h);
