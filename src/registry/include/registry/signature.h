/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Signatures as cosign makes them with a key: a manifest under the tag "sha256-<hex>.sig", whose
 * layers are signed statements about the digest <hex>. Fulcio and Rekor are not looked at.
 */

#include "registry/fetch.h"
#include "registry/policy.h"

/* What is signed. */
struct registry_statement {
	const char *name; /* "docker-reference"; may be "" */
	struct dv_digest digest;
};

/*
 * Pure. Is @signature_base64 that of @payload by the public key @key (PEM; ECDSA, RSA or Ed25519)?
 * Only then the payload is read, into @ret.
 *
 * DV_INVALID: the key, or the payload, is not understood. DV_PERMISSION: another key, or other
 * bytes.
 */
struct dv_err *registry_statement_verify(struct dv_arena *arena, const char *payload, size_t n,
					 const char *signature_base64,
					 const struct registry_pem *key,
					 struct registry_statement *ret) DV_CHECK;

struct registry_verify_opts {
	const struct spec_ref *ref; /* what was asked for; copied, but not its strings */
	struct dv_digest digest; /* what it stands for now */
	/* A rule that needs signatures; with the keys of key_paths among `keys`. Borrowed. */
	const struct registry_policy_rule *rule;
};

/* One verification, of several requests. */
struct registry_verification;

/*
 * Looks for signatures in @repo, the repository of @ref, that meet all requirements of the rule.
 * @done from the loop; DV_PERMISSION: there are none, or none that is good. Others: as with
 * requests.
 */
struct registry_verification *registry_verify(struct registry_repo *repo,
					      const struct registry_verify_opts *opts,
					      registry_done_fn done, void *arg);
/* `done` will not be called. Only before it was, and before the repository is closed. */
struct registry_verification *registry_verify_cancel(struct registry_verification *v);
