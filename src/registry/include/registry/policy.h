/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which images may be pulled: containers-policy.json(5), which podman, skopeo and CRI-O have in
 * /etc/containers/policy.json. Of its transports "docker" counts, which is registries. Pure: keys
 * in files are named here and read by the caller.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "registry/hosts.h"
#include "spec/ref.h"

enum registry_policy_kind {
	REGISTRY_POLICY_ACCEPT,
	REGISTRY_POLICY_REJECT,
	REGISTRY_POLICY_SIGNED, /* by cosign, with one of the keys */
	/* What cannot be checked here (GPG, Fulcio, Rekor): nobody gets past it. */
	REGISTRY_POLICY_UNSUPPORTED,
};

/* What the name in a signature has to be. */
enum registry_policy_match {
	REGISTRY_MATCH_REPO_DIGEST_OR_EXACT,
	REGISTRY_MATCH_EXACT,
	REGISTRY_MATCH_REPOSITORY,
	REGISTRY_MATCH_EXACT_REFERENCE, /* `name` */
	REGISTRY_MATCH_EXACT_REPOSITORY, /* `name` */
	REGISTRY_MATCH_REMAP, /* `prefix` of ours is `name` in the signature */
};

struct registry_policy_requirement {
	enum registry_policy_kind kind;
	const char *what; /* of UNSUPPORTED: "signedBy" */
	const char **key_paths;
	size_t n_key_paths;
	struct registry_pem *keys; /* PEM, from the policy itself */
	size_t n_keys;
	enum registry_policy_match match;
	const char *name, *prefix;
};

/* All requirements have to be met. There is at least one. */
struct registry_policy_rule {
	const char *scope; /* "docker.io/library", "*.example.com", "" for all */
	struct registry_policy_requirement *requirements;
	size_t n_requirements;
};

struct registry_policy {
	struct registry_policy_rule *rules;
	size_t n_rules;
	struct registry_policy_rule default_rule;
};

/*
 * Everything hangs in @arena. DV_INVALID: not understood. As the format wants it, that includes
 * keys that are not known: what was meant by them might be a safeguard.
 */
struct dv_err *registry_policy_parse(struct dv_arena *arena, const char *text, size_t n,
				     struct registry_policy *ret) DV_CHECK;

/* The rule with the most specific scope. */
const struct registry_policy_rule *registry_policy_find(const struct registry_policy *policy,
							const struct spec_ref *ref);

/*
 * May it be pulled, as far as that can be said before signatures are looked at?
 * *ret_needs_signature: see registry/signature.h. DV_PERMISSION: no; the message has the scope.
 */
struct dv_err *registry_policy_check(const struct registry_policy_rule *rule,
				     const struct spec_ref *ref, bool *ret_needs_signature)
	DV_CHECK;

/* Is @signed_name, from a signature, what the requirement wants for @ref? */
bool registry_policy_matches(const struct registry_policy_requirement *requirement,
			     const struct spec_ref *ref, const char *signed_name);
