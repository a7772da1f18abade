/* SPDX-License-Identifier: Apache-2.0 */
/* Any text: what is taken is written in both forms, and means the same when it is read again. */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "spec/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const char *text, enum spec_ref_form form, const char *full)
{
	struct spec_ref again;
	struct dv_arena arena;
	struct dv_err *e;
	char *copy;

	dv_arena_init(&arena);
	e = spec_ref_parse(&arena, text, form, &again);
	dv_assert(!e);
	copy = spec_ref_format(&again);
	dv_assert(dv_streq(copy, full));
	free(copy);
	dv_arena_fini(&arena);
}

static void check(const struct spec_ref *ref, enum spec_ref_form form)
{
	char *full = spec_ref_format(ref), *familiar = spec_ref_familiar(ref);

	dv_assert(spec_ref_is_host(ref->host) && spec_ref_is_path(ref->path));
	(void)spec_host_is_local(ref->host);
	check_same(full, SPEC_REF_FULL, full);
	/* Some full names cannot be typed: docker.io/x is not library/x, nor "host/x" a host. */
	if (form == SPEC_REF_FAMILIAR)
		check_same(familiar, form, full);
	free(full);
	free(familiar);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = dv_strndup((const char *)data, size);
	struct spec_ref ref;
	struct dv_arena arena;

	dv_arena_init(&arena);
	for (int form = SPEC_REF_FULL; form <= SPEC_REF_FAMILIAR; form++) {
		struct dv_err *e = spec_ref_parse(&arena, text, (enum spec_ref_form)form, &ref);

		if (!e)
			check(&ref, (enum spec_ref_form)form);
		dv_err_free(e);
	}
	dv_arena_fini(&arena);
	free(text);
	return 0;
}
