/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says about a name. */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "registry/policy.h"

/* How specific @scope is for @full, "host/path[:tag]" (host/path/to of it, host, *.domain); 0: not. */
static size_t specificity(const char *scope, const char *full, const char *host)
{
	size_t n = strlen(scope);

	if (!n)
		return 1;
	if (dv_starts_with(scope, "*."))
		return dv_ends_with(host, scope + 1) ? n + 1 : 0;
	if (strncmp(scope, full, n) != 0)
		return 0;
	/* More than any wildcard can have. */
	if (!full[n] || full[n] == '/')
		return n + 1000;
	/* "host/path" is for all tags and digests; "host:5000" is not for "host". */
	return (full[n] == ':' || full[n] == '@') && strchr(scope, '/') ? n + 1000 : 0;
}

const struct registry_policy_rule *registry_policy_find(const struct registry_policy *policy,
							const struct spec_ref *ref)
{
	DV_CLEANUP(dv_freep) char *full = spec_ref_format(ref);
	const struct registry_policy_rule *best = &policy->default_rule;
	DV_CLEANUP(dv_freep) char *host = dv_strndup(ref->host, strcspn(ref->host, ":"));
	size_t best_n = 0;

	for (size_t i = 0; i < policy->n_rules; i++) {
		size_t n = specificity(policy->rules[i].scope, full, host);

		if (n > best_n) {
			best_n = n;
			best = &policy->rules[i];
		}
	}
	return best;
}

struct dv_err *registry_policy_check(const struct registry_policy_rule *rule,
				     const struct spec_ref *ref, bool *ret_needs_signature)
{
	DV_CLEANUP(dv_freep) char *name = spec_ref_format(ref);
	const char *scope = *rule->scope ? rule->scope : "default";

	*ret_needs_signature = false;
	for (size_t i = 0; i < rule->n_requirements; i++) {
		const struct registry_policy_requirement *q = &rule->requirements[i];

		switch (q->kind) {
		case REGISTRY_POLICY_ACCEPT:
			break;
		case REGISTRY_POLICY_REJECT:
			return dv_err_new(DV_PERMISSION, "%s: rejected by the policy for %s", name,
					  scope);
		case REGISTRY_POLICY_SIGNED:
			*ret_needs_signature = true;
			break;
		case REGISTRY_POLICY_UNSUPPORTED:
			return dv_err_new(
				DV_PERMISSION,
				"%s: the policy for %s wants what is not supported yet: %s", name,
				scope, q->what);
		}
	}
	return NULL;
}

/* ---- Names in signatures ---- */

static bool same_repository(const struct spec_ref *a, const struct spec_ref *b)
{
	return dv_streq(a->host, b->host) && dv_streq(a->path, b->path);
}

static bool same(const struct spec_ref *a, const struct spec_ref *b)
{
	DV_CLEANUP(dv_freep) char *ta = spec_ref_format(a);
	DV_CLEANUP(dv_freep) char *tb = spec_ref_format(b);

	return dv_streq(ta, tb);
}

static bool parse(struct dv_arena *arena, const char *text, struct spec_ref *ret)
{
	return !dv_err_free(spec_ref_parse(arena, text, SPEC_REF_FAMILIAR, ret)) && ret->path;
}

/* @ref with `prefix`, a whole number of components, replaced by `name`. */
static bool remap(struct dv_arena *arena, const struct registry_policy_requirement *q,
		  const struct spec_ref *ref, struct spec_ref *ret)
{
	DV_CLEANUP(dv_freep) char *full = spec_ref_format(ref);
	size_t n = strlen(q->prefix);

	*ret = *ref;
	if (strncmp(full, q->prefix, n) != 0 || (full[n] && !strchr("/:@", full[n])))
		return true; /* not one that is mapped */
	*ret = (struct spec_ref){ 0 };
	return parse(arena, dv_arena_printf(arena, "%s%s", q->name, full + n), ret);
}

static bool matches(struct dv_arena *arena, const struct registry_policy_requirement *q,
		    const struct spec_ref *ref, const struct spec_ref *found)
{
	struct spec_ref other = { 0 };

	switch (q->match) {
	case REGISTRY_MATCH_EXACT:
		return same(ref, found);
	case REGISTRY_MATCH_REPOSITORY:
		return same_repository(ref, found);
	case REGISTRY_MATCH_EXACT_REFERENCE:
		return parse(arena, q->name, &other) && same(&other, found);
	case REGISTRY_MATCH_EXACT_REPOSITORY:
		return parse(arena, q->name, &other) && same_repository(&other, found);
	case REGISTRY_MATCH_REMAP:
		if (!remap(arena, q, ref, &other))
			return false;
		ref = &other;
		break;
	case REGISTRY_MATCH_REPO_DIGEST_OR_EXACT:
		break;
	}
	return ref->has_digest ? same_repository(ref, found) : same(ref, found);
}

bool registry_policy_matches(const struct registry_policy_requirement *requirement,
			     const struct spec_ref *ref, const char *signed_name)
{
	struct spec_ref found = { 0 };
	struct dv_arena arena;
	bool result;

	dv_arena_init(&arena);
	result = parse(&arena, signed_name, &found) && matches(&arena, requirement, ref, &found);
	dv_arena_fini(&arena);
	return result;
}
