/* SPDX-License-Identifier: Apache-2.0 */
/* config.json from any bytes: parse, validate in every environment, write the hooks. */

#include <stdint.h>

#include "spec/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct dv_arena *arena, const struct spec_runtime *spec)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	struct spec_hook_list hooks[SPEC_HOOK__N];

	for (unsigned i = 0; i < 8; i++) {
		const struct spec_env env = {
			.is_rootless = i & 1,
			.needs_process = i & 2,
			.is_no_pivot = i & 4,
		};

		dv_err_free(spec_runtime_validate(spec, &env, NULL));
	}
	(void)spec_runtime_net_sysctl(spec);
	spec_hooks_format(spec->hooks, &b);
	dv_assert(!spec_hooks_parse(arena, b.data, b.len, hooks));
	dv_strbuf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec_resources *resources;
	struct spec_runtime *spec;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = spec_runtime_parse(&arena, (const char *)data, size, &spec);
	if (!e)
		use(&arena, spec);
	dv_err_free(e);
	dv_err_free(spec_resources_parse(&arena, (const char *)data, size, &resources));
	dv_arena_fini(&arena);
	return 0;
}
