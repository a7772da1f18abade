/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input of "start": BootstrapParams, an Any, or anything. */

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bootstrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct shim_bootstrap_args args = { .id = "c1", .ns = "ns", .max_version = "2" };
	struct shim_bootstrap b;
	const char *cgroup = NULL;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = shim_bootstrap_parse(&args, data, size, &arena, &b);
	if (!e) {
		/* What passes is fit for paths. */
		dv_assert(*b.id && *b.ns && !strchr(b.id, '/') && !strchr(b.ns, '/'));
		dv_assert(!*b.socket_dir || *b.socket_dir == '/');
		e = shim_bootstrap_cgroup(&b, &arena, &cgroup);
		dv_assert(e || cgroup);
	}
	dv_err_free(e);
	dv_arena_fini(&arena);
	return 0;
}
