/* SPDX-License-Identifier: Apache-2.0 */
/* config.json as start looks at it: what it finds is what a whole parser finds. */

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "codec/json.h"
#include "start-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *string_at(const struct dv_json *doc, const char *object, const char *key)
{
	const struct dv_json *v = dv_json_get(doc, object);

	v = v && dv_json_type(v) == DV_JSON_OBJECT ? dv_json_get(v, key) : NULL;
	return v && dv_json_type(v) == DV_JSON_STRING ? dv_json_string(v, NULL) : NULL;
}

static void compare(const char *text, size_t n, const char *group, const char *path)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	const char *expected;

	dv_err_free(dv_json_parse(text, n, &doc));
	/* Keys with escapes are not looked for; NUL bytes are refused. */
	if (!doc || dv_json_type(doc) != DV_JSON_OBJECT || memchr(text, '\\', n))
		return;
	expected = string_at(doc, "annotations", "io.containerd.runc.v2.group");
	if (!expected)
		expected = string_at(doc, "annotations", "io.kubernetes.cri.sandbox-id");
	if (group)
		dv_assert(expected && dv_streq(group, expected));
	expected = string_at(doc, "linux", "cgroupsPath");
	if (path)
		dv_assert(expected && dv_streq(path, expected));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Without an end: reading too far is seen. */
	DV_CLEANUP(dv_freep) char *text = dv_new_n(char, size + !size);
	DV_CLEANUP(dv_freep) char *group = NULL;
	DV_CLEANUP(dv_freep) char *path = NULL;

	if (size > 0)
		memcpy(text, data, size);
	dv_err_free(shim_group_scan(text, size, &group));
	dv_err_free(shim_cgroups_path_scan(text, size, &path));
	compare(text, size, group, path);
	return 0;
}
