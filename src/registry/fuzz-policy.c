/* SPDX-License-Identifier: Apache-2.0 */
/* Any policy: there is a rule for every name, and it has a judgement. */

#include <stdint.h>
#include <string.h>

#include "registry/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct registry_policy *policy, const char *name)
{
	const struct registry_policy_rule *rule;
	struct dv_arena arena;
	struct spec_ref ref;
	bool needs;

	dv_arena_init(&arena);
	dv_assert(!spec_ref_parse(&arena, name, SPEC_REF_FAMILIAR, &ref));
	rule = registry_policy_find(policy, &ref);
	dv_assert(rule && rule->n_requirements);
	dv_err_free(registry_policy_check(rule, &ref, &needs));
	for (size_t i = 0; i < rule->n_requirements; i++)
		(void)registry_policy_matches(&rule->requirements[i], &ref, name);
	dv_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry_policy policy;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = registry_policy_parse(&arena, (const char *)data, size, &policy);
	if (!e) {
		check(&policy, "busybox:1");
		check(&policy, "a.example.com:5000/x/y");
	}
	dv_err_free(e);
	dv_arena_fini(&arena);
	return 0;
}
