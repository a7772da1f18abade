/* SPDX-License-Identifier: Apache-2.0 */
/* A process object from any bytes, as exec --process reads it. */

#include <stdint.h>

#include "spec/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec_process *process;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = spec_process_parse(&arena, (const char *)data, size, &process);
	if (!e)
		dv_err_free(spec_process_validate(process));
	dv_err_free(e);
	dv_arena_fini(&arena);
	return 0;
}
