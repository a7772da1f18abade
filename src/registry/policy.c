/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a policy. What it says about a name is policy-match.c. */

#include "registry/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base64.h"
#include "codec/json.h"

enum { RULES_MAX = 4096, REQUIREMENTS_MAX = 64, KEYS_MAX = 64 };

struct read {
	struct dv_arena *arena;
	struct registry_policy *policy;
	struct registry_policy_requirement *requirement; /* that is being read */
	const char *type; /* of it */
	const char *identity; /* the type of its signedIdentity */
	bool is_docker; /* the transport that is being read */
};

static struct dv_err *unknown_key(const char *key)
{
	return dv_err_new(DV_INVALID, "there is no key \"%.64s\"", key);
}

static struct dv_err *get_string(struct read *r, const struct dv_json *v, const char **ret)
{
	const char *s;
	size_t n;

	if (dv_json_type(v) != DV_JSON_STRING)
		return dv_err_new(DV_INVALID, "not a string");
	s = dv_json_string(v, &n);
	if (strlen(s) != n)
		return dv_err_new(DV_INVALID, "a string with a NUL in it");
	*ret = dv_arena_strdup(r->arena, s);
	return NULL;
}

/* ---- Keys ---- */

static struct dv_err *add_path(struct read *r, const struct dv_json *v)
{
	struct registry_policy_requirement *q = r->requirement;

	if (!q->key_paths)
		q->key_paths = dv_arena_new_n(r->arena, const char *, KEYS_MAX);
	if (q->n_key_paths == KEYS_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d keys", KEYS_MAX);
	return get_string(r, v, &q->key_paths[q->n_key_paths++]);
}

static struct dv_err *add_data(struct read *r, const struct dv_json *v)
{
	struct registry_policy_requirement *q = r->requirement;
	const char *text;
	struct dv_err *e = get_string(r, v, &text);
	uint8_t *pem;
	size_t n;

	if (e)
		return e;
	if (!q->keys)
		q->keys = dv_arena_new_n(r->arena, struct registry_pem, KEYS_MAX);
	if (q->n_keys == KEYS_MAX)
		return dv_err_new(DV_EXHAUSTED, "more than %d keys", KEYS_MAX);
	if (!base64_decode(text, strlen(text), &pem, &n))
		return dv_err_new(DV_INVALID, "not Base64");
	q->keys[q->n_keys++] = (struct registry_pem){
		.data = dv_arena_strndup(r->arena, (char *)pem, n),
		.n = n,
	};
	free(pem);
	return NULL;
}

static struct dv_err *add_all(struct read *r, const struct dv_json *v,
			      struct dv_err *(*add)(struct read *r, const struct dv_json *v))
{
	struct dv_err *e = NULL;

	if (dv_json_type(v) != DV_JSON_ARRAY)
		return dv_err_new(DV_INVALID, "not an array");
	for (size_t i = 0; i < dv_json_array_len(v) && !e; i++)
		e = add(r, dv_json_array_at(v, i));
	return e;
}

/* ---- signedIdentity ---- */

static const struct {
	const char *type;
	enum registry_policy_match match;
	const char *name_key, *prefix_key;
} identities[] = {
	{ "matchRepoDigestOrExact", REGISTRY_MATCH_REPO_DIGEST_OR_EXACT, NULL, NULL },
	{ "matchExact", REGISTRY_MATCH_EXACT, NULL, NULL },
	{ "matchRepository", REGISTRY_MATCH_REPOSITORY, NULL, NULL },
	{ "exactReference", REGISTRY_MATCH_EXACT_REFERENCE, "dockerReference", NULL },
	{ "exactRepository", REGISTRY_MATCH_EXACT_REPOSITORY, "dockerRepository", NULL },
	{ "remapIdentity", REGISTRY_MATCH_REMAP, "signedPrefix", "prefix" },
};

static struct dv_err *identity_key(void *arg, const char *key, const struct dv_json *v)
{
	struct read *r = arg;
	size_t i = 0;

	if (dv_streq(key, "type"))
		return NULL;
	while (!dv_streq(identities[i].type, r->identity))
		i++;
	if (identities[i].name_key && dv_streq(key, identities[i].name_key))
		return get_string(r, v, &r->requirement->name);
	if (identities[i].prefix_key && dv_streq(key, identities[i].prefix_key))
		return get_string(r, v, &r->requirement->prefix);
	return unknown_key(key);
}

static struct dv_err *read_identity(struct read *r, const struct dv_json *v)
{
	struct dv_err *e;
	size_t i = 0;

	if (dv_json_type(v) != DV_JSON_OBJECT)
		return dv_err_new(DV_INVALID, "not an object");
	e = get_string(r, dv_json_get(v, "type"), &r->identity);
	if (e)
		return dv_err_wrap(e, "type");
	while (i < DV_ARRAY_SIZE(identities) && !dv_streq(identities[i].type, r->identity))
		i++;
	if (i == DV_ARRAY_SIZE(identities))
		return dv_err_new(DV_INVALID, "there is no type \"%.64s\"", r->identity);
	r->requirement->match = identities[i].match;
	e = dv_json_each(v, identity_key, r);
	if (e)
		return e;
	if ((identities[i].name_key && !r->requirement->name) ||
	    (identities[i].prefix_key && !r->requirement->prefix))
		return dv_err_new(DV_INVALID, "%s is missing",
				  r->requirement->name ? identities[i].prefix_key
						       : identities[i].name_key);
	return NULL;
}

/* ---- Requirements ---- */

static struct dv_err *signed_key(struct read *r, const char *key, const struct dv_json *v)
{
	struct registry_policy_requirement *q = r->requirement;

	if (dv_streq(key, "keyPath"))
		return add_path(r, v);
	if (dv_streq(key, "keyPaths"))
		return add_all(r, v, add_path);
	if (dv_streq(key, "keyData"))
		return add_data(r, v);
	if (dv_streq(key, "keyDatas"))
		return add_all(r, v, add_data);
	if (dv_streq(key, "signedIdentity"))
		return read_identity(r, v);
	if (dv_streq(key, "fulcio") || dv_streq(key, "pki") || dv_starts_with(key, "rekor")) {
		q->kind = REGISTRY_POLICY_UNSUPPORTED;
		q->what = dv_arena_printf(r->arena, "sigstoreSigned by %s", key);
		return NULL;
	}
	return unknown_key(key);
}

static struct dv_err *requirement_key(void *arg, const char *key, const struct dv_json *v)
{
	struct read *r = arg;
	struct dv_err *e;

	if (dv_streq(key, "type") || dv_streq(r->type, "signedBy"))
		return NULL;
	e = dv_streq(r->type, "sigstoreSigned") ? signed_key(r, key, v) : unknown_key(key);
	return e ? dv_err_wrap(e, "%s", key) : NULL;
}

static struct dv_err *read_requirement(struct read *r, const struct dv_json *v,
				       struct registry_policy_requirement *ret)
{
	static const struct {
		const char *type;
		enum registry_policy_kind kind;
	} types[] = {
		{ "insecureAcceptAnything", REGISTRY_POLICY_ACCEPT },
		{ "reject", REGISTRY_POLICY_REJECT },
		{ "sigstoreSigned", REGISTRY_POLICY_SIGNED },
		{ "signedBy", REGISTRY_POLICY_UNSUPPORTED },
	};
	struct dv_err *e;
	size_t i = 0;

	if (dv_json_type(v) != DV_JSON_OBJECT)
		return dv_err_new(DV_INVALID, "not an object");
	e = get_string(r, dv_json_get(v, "type"), &r->type);
	if (e)
		return dv_err_wrap(e, "type");
	while (i < DV_ARRAY_SIZE(types) && !dv_streq(types[i].type, r->type))
		i++;
	if (i == DV_ARRAY_SIZE(types))
		return dv_err_new(DV_INVALID, "there is no type \"%.64s\"", r->type);
	*ret = (struct registry_policy_requirement){ .kind = types[i].kind, .what = types[i].type };
	r->requirement = ret;
	e = dv_json_each(v, requirement_key, r);
	if (!e && ret->kind == REGISTRY_POLICY_SIGNED && !ret->n_keys && !ret->n_key_paths)
		e = dv_err_new(DV_INVALID, "sigstoreSigned without a key");
	return e;
}

static struct dv_err *read_rule(struct read *r, const char *scope, const struct dv_json *v,
				struct registry_policy_rule *ret)
{
	size_t n = dv_json_type(v) == DV_JSON_ARRAY ? dv_json_array_len(v) : 0;
	struct dv_err *e = NULL;

	if (!n || n > REQUIREMENTS_MAX)
		return dv_err_new(DV_INVALID, "not an array of 1 to %d requirements",
				  REQUIREMENTS_MAX);
	ret->scope = dv_arena_strdup(r->arena, scope);
	ret->n_requirements = n;
	ret->requirements = dv_arena_new_n(r->arena, struct registry_policy_requirement, n);
	for (size_t i = 0; i < n && !e; i++) {
		e = read_requirement(r, dv_json_array_at(v, i), &ret->requirements[i]);
		if (e)
			e = dv_err_wrap(e, "requirement %zu", i + 1);
	}
	return e;
}

/* ---- The document ---- */

static struct dv_err *scope_key(void *arg, const char *key, const struct dv_json *v)
{
	struct read *r = arg;
	struct registry_policy_rule rule = { 0 };
	struct dv_err *e = read_rule(r, key, v, &rule);

	if (e)
		return dv_err_wrap(e, "scope \"%.200s\"", key);
	/* Other transports are read, so that mistakes are seen, and do not count. */
	if (r->is_docker)
		r->policy->rules[r->policy->n_rules++] = rule;
	return NULL;
}

static struct dv_err *transport_key(void *arg, const char *key, const struct dv_json *v)
{
	struct read *r = arg;
	struct dv_err *e;

	r->is_docker = dv_streq(key, "docker");
	if (dv_json_type(v) != DV_JSON_OBJECT)
		return dv_err_new(DV_INVALID, "transports, %.64s: not an object", key);
	if (r->is_docker) {
		if (dv_json_object_len(v) > RULES_MAX)
			return dv_err_new(DV_EXHAUSTED, "more than %d scopes", RULES_MAX);
		r->policy->rules = dv_arena_new_n(r->arena, struct registry_policy_rule,
						  dv_json_object_len(v) + 1);
	}
	e = dv_json_each(v, scope_key, r);
	return e ? dv_err_wrap(e, "transports, %.64s", key) : NULL;
}

static struct dv_err *top_key(void *arg, const char *key, const struct dv_json *v)
{
	struct read *r = arg;
	struct dv_err *e;

	if (dv_streq(key, "default")) {
		e = read_rule(r, "", v, &r->policy->default_rule);
		return e ? dv_err_wrap(e, "default") : NULL;
	}
	if (!dv_streq(key, "transports"))
		return unknown_key(key);
	if (dv_json_type(v) != DV_JSON_OBJECT)
		return dv_err_new(DV_INVALID, "transports: not an object");
	return dv_json_each(v, transport_key, r);
}

struct dv_err *registry_policy_parse(struct dv_arena *arena, const char *text, size_t n,
				     struct registry_policy *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct registry_policy policy = { 0 };
	struct read r = { .arena = arena, .policy = &policy };
	struct dv_err *e;

	e = dv_json_parse(text, n, &doc);
	if (e)
		return e;
	if (dv_json_type(doc) != DV_JSON_OBJECT)
		return dv_err_new(DV_INVALID, "not an object");
	e = dv_json_each(doc, top_key, &r);
	if (!e && !policy.default_rule.n_requirements)
		e = dv_err_new(DV_INVALID, "\"default\" is missing");
	if (e)
		return e;
	*ret = policy;
	return NULL;
}
