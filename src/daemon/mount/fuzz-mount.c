/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes, as the text of a placeholder and as a record. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mounts-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mounts_active active[] = {
		{ .mount = { "loop", "/source", "target", NULL, 0 }, .mount_point = "/a" },
		{ .mount = { "ext4", "", "", NULL, 0 }, .mount_point = "/b" },
	};
	char *text = dv_strndup((const char *)data, size);
	struct mounts_state state;
	struct dv_arena arena;
	const char *out;
	const void *packed;
	size_t n;

	dv_arena_init(&arena);
	dv_err_free(mounts_format_text(text, active, 2, &arena, &out));
	if (size > 0) {
		struct dv_err *e = mounts_unpack(data, size, &arena, &state);

		if (!e)
			mounts_pack(&state, &arena, &packed, &n);
		dv_err_free(e);
	}
	dv_arena_fini(&arena);
	free(text);
	return 0;
}
