/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Helpers of the tests. JSON is written with ' for ". */

#include <criterion/criterion.h>
#include <ctype.h>

#include "spec/runtime.h"

/* What a document needs at least, then more. */
#define CONFIG(more)  "{'ociVersion':'1.0.2','root':{'path':'rootfs'}" more "}"
#define PROCESS(more) "{'cwd':'/','args':['sh']" more "}"

static struct dv_arena t_arena;

DV_UNUSED static char *t_json(const char *text)
{
	char *s = dv_strdup(text);

	for (char *p = s; *p; p++) {
		bool is_apostrophe =
			p > s && isalpha((unsigned char)p[-1]) && isalpha((unsigned char)p[1]);

		if (*p == '\'' && !is_apostrophe)
			*p = '"';
	}
	return s;
}

DV_UNUSED static struct dv_err *t_try(const char *text, struct spec_runtime **ret)
{
	DV_CLEANUP(dv_freep) char *json = t_json(text);

	return spec_runtime_parse(&t_arena, json, strlen(json), ret);
}

DV_UNUSED static struct spec_runtime *t_parse(const char *text)
{
	struct spec_runtime *spec = NULL;
	struct dv_err *e = t_try(text, &spec);

	cr_assert_null(e, "%s: %s", text, e ? dv_err_message(e) : "");
	return spec;
}

/* The whole message must be @message. */
DV_UNUSED static void t_refused(const char *text, const char *message)
{
	struct spec_runtime *spec = NULL;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = t_try(text, &spec);
	DV_CLEANUP(dv_freep) char *want = t_json(message);

	cr_assert_not_null(e, "%s: expected: %s", text, want);
	cr_assert_null(spec);
	cr_assert_eq(dv_err_code(e), DV_INVALID);
	cr_assert_str_eq(dv_err_message(e), want, "%s\n got: %s\nwant: %s", text, dv_err_message(e),
			 want);
}

DV_UNUSED static void t_fini(void)
{
	dv_arena_fini(&t_arena);
}
