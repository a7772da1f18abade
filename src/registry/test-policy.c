/* SPDX-License-Identifier: Apache-2.0 */
/* containers-policy.json: what is read, which rule counts, and which names match. */

#include "registry/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/test.h"

static struct dv_arena arena;

static void setup(void)
{
	dv_arena_init(&arena);
}

static void teardown(void)
{
	dv_arena_fini(&arena);
}

TestSuite(policy, .init = setup, .fini = teardown);

static struct registry_policy parse(const char *text)
{
	struct registry_policy policy = { 0 };
	struct dv_err *e = registry_policy_parse(&arena, text, strlen(text), &policy);

	cr_assert(!e, "%s", dv_err_message(e));
	return policy;
}

static struct spec_ref ref(const char *text)
{
	struct spec_ref r = { 0 };
	struct dv_err *e = spec_ref_parse(&arena, text, SPEC_REF_FAMILIAR, &r);

	cr_assert(!e, "%s", dv_err_message(e));
	return r;
}

#define ANY "[{\"type\":\"insecureAcceptAnything\"}]"
#define NO  "[{\"type\":\"reject\"}]"
#define KEY "[{\"type\":\"sigstoreSigned\",\"keyPath\":\"/k.pub\"}]"

Test(policy, the_most_specific_scope)
{
	static const struct {
		const char *name, *scope;
	} cases[] = {
		{ "busybox", "docker.io/library" },
		{ "busybox:1", "docker.io/library/busybox:1" },
		{ "busybox:10", "docker.io/library" },
		{ "docker.io/user/app", "docker.io" },
		{ "docker.io/library2/app", "docker.io" },
		{ "a.example.com/x", "*.example.com" },
		{ "b.a.example.com/x", "*.a.example.com" },
		{ "b.a.example.com:5000/x", "*.a.example.com" },
		{ "example.com/x", "" },
		{ "host:5000/x", "host:5000" },
		{ "host:5001/x", "" },
		{ "docker.iox/x", "" },
	};
	struct registry_policy policy = parse(
		"{\"default\":" NO ",\"transports\":{\"docker-daemon\":{\"\":" ANY "},\"docker\":{"
		"\"docker.io\":" ANY ",\"docker.io/library\":" KEY
		",\"docker.io/library/busybox:1\":" NO ",\"*.example.com\":" ANY
		",\"*.a.example.com\":" ANY ",\"host:5000\":" ANY "}}}");

	T_INT(policy.n_rules, ==, 6);
	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct spec_ref r = ref(cases[i].name);
		const struct registry_policy_rule *rule = registry_policy_find(&policy, &r);

		cr_expect(dv_streq(rule->scope, cases[i].scope), "%s: %s", cases[i].name,
			  rule->scope);
	}
}

Test(policy, judgements)
{
	struct registry_policy policy = parse(
		"{\"default\":" NO ",\"transports\":{\"docker\":{\"docker.io\":" ANY
		",\"quay.io\":" KEY ",\"gpg.io\":[{\"type\":\"signedBy\",\"keyType\":\"GPGKeys\","
		"\"keyPath\":\"/k\"}]}}}");
	struct spec_ref good = ref("busybox"), bad = ref("evil.io/x"), must = ref("quay.io/x");
	struct spec_ref gpg = ref("gpg.io/x");
	struct dv_err *e;
	bool needs;

	T_NULL(registry_policy_check(registry_policy_find(&policy, &good), &good, &needs));
	T_FALSE(needs);
	T_NULL(registry_policy_check(registry_policy_find(&policy, &must), &must, &needs));
	T_TRUE(needs);
	e = registry_policy_check(registry_policy_find(&policy, &bad), &bad, &needs);
	cr_assert(e != NULL);
	T_INT(dv_err_code(e), ==, DV_PERMISSION);
	T_STR(dv_err_message(e), "evil.io/x: rejected by the policy for default");
	dv_err_free(e);
	e = registry_policy_check(registry_policy_find(&policy, &gpg), &gpg, &needs);
	cr_assert(e != NULL);
	T_STR(dv_err_message(e),
	      "gpg.io/x: the policy for gpg.io wants what is not supported yet: signedBy");
	dv_err_free(e);
}

Test(policy, what_is_refused)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "the document is incomplete" },
		{ "[]", "not an object" },
		{ "{}", "\"default\" is missing" },
		{ "{\"default\":[]}", "default: not an array" },
		{ "{\"default\":" ANY ",\"defualt\":" NO "}", "no key \"defualt\"" },
		{ "{\"default\":[{\"type\":\"accept\"}]}",
		  "requirement 1: there is no type \"accept\"" },
		{ "{\"default\":[{\"type\":\"reject\",\"x\":1}]}", "x: there is no key \"x\"" },
		{ "{\"default\":[{\"type\":\"sigstoreSigned\"}]}", "without a key" },
		{ "{\"default\":[{\"type\":\"sigstoreSigned\",\"keyData\":\"!\"}]}",
		  "keyData: not Base64" },
		{ "{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"/k\","
		  "\"signedIdentity\":{\"type\":\"remapIdentity\",\"prefix\":\"a\"}}]}",
		  "signedIdentity: signedPrefix is missing" },
		{ "{\"default\":[{\"type\":\"sigstoreSigned\",\"keyPath\":\"/k\","
		  "\"signedIdentity\":{\"type\":\"matchExact\",\"x\":\"a\"}}]}",
		  "no key \"x\"" },
		{ "{\"default\":" ANY ",\"transports\":{\"docker\":{\"a\":{}}}}",
		  "transports, docker: scope \"a\": not an array" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct registry_policy policy;
		struct dv_err *e = registry_policy_parse(&arena, cases[i].text,
							 strlen(cases[i].text), &policy);

		cr_assert(e != NULL, "%s", cases[i].text);
		cr_expect(strstr(dv_err_message(e), cases[i].message), "%s: %s", cases[i].text,
			  dv_err_message(e));
		dv_err_free(e);
	}
}

Test(policy, names_in_signatures)
{
#define D "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	static const struct {
		enum registry_policy_match match;
		const char *name, *prefix, *ref, *signed_name;
		bool matches;
	} cases[] = {
		{ REGISTRY_MATCH_REPO_DIGEST_OR_EXACT, NULL, NULL, "q.io/a:1", "q.io/a:1", true },
		{ REGISTRY_MATCH_REPO_DIGEST_OR_EXACT, NULL, NULL, "q.io/a:1", "q.io/a", false },
		{ REGISTRY_MATCH_REPO_DIGEST_OR_EXACT, NULL, NULL, "q.io/a" D, "q.io/a:7", true },
		{ REGISTRY_MATCH_REPO_DIGEST_OR_EXACT, NULL, NULL, "q.io/a" D, "q.io/b:7", false },
		{ REGISTRY_MATCH_EXACT, NULL, NULL, "q.io/a:1", "q.io/a:1", true },
		{ REGISTRY_MATCH_EXACT, NULL, NULL, "q.io/a" D, "q.io/a:1", false },
		{ REGISTRY_MATCH_REPOSITORY, NULL, NULL, "q.io/a:1", "q.io/a", true },
		{ REGISTRY_MATCH_REPOSITORY, NULL, NULL, "busybox:1",
		  "index.docker.io/library/busybox", true },
		{ REGISTRY_MATCH_REPOSITORY, NULL, NULL, "q.io/a:1", "evil.io/a:1", false },
		{ REGISTRY_MATCH_REPOSITORY, NULL, NULL, "q.io/a:1", "", false },
		{ REGISTRY_MATCH_REPOSITORY, NULL, NULL, "q.io/a:1", "not a name", false },
		{ REGISTRY_MATCH_EXACT_REFERENCE, "q.io/z:9", NULL, "q.io/a:1", "q.io/z:9", true },
		{ REGISTRY_MATCH_EXACT_REFERENCE, "q.io/z:9", NULL, "q.io/a:1", "q.io/a:1", false },
		{ REGISTRY_MATCH_EXACT_REPOSITORY, "q.io/z", NULL, "q.io/a:1", "q.io/z:9", true },
		{ REGISTRY_MATCH_REMAP, "vendor.io/x", "mirror.io/m", "mirror.io/m/a:1",
		  "vendor.io/x/a:1", true },
		{ REGISTRY_MATCH_REMAP, "vendor.io/x", "mirror.io/m", "mirror.io/m2/a:1",
		  "vendor.io/x2/a:1", false },
		{ REGISTRY_MATCH_REMAP, "vendor.io/x", "mirror.io/m", "q.io/a:1", "q.io/a:1",
		  true },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct registry_policy_requirement q = { .match = cases[i].match,
							 .name = cases[i].name,
							 .prefix = cases[i].prefix };
		struct spec_ref r = ref(cases[i].ref);

		cr_expect(registry_policy_matches(&q, &r, cases[i].signed_name) == cases[i].matches,
			  "case %zu: %s, %s", i, cases[i].ref, cases[i].signed_name);
	}
}
