/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: parse, then ask every node everything. */

#include <stdint.h>
#include <stdlib.h>

#include "codec/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dv_err *visit(void *arg, const char *key, const struct dv_json *v)
{
	uint64_t u;

	(void)arg;
	(void)key;
	(void)dv_json_int(v);
	(void)dv_json_bool(v);
	(void)dv_json_uint(v, &u);
	(void)dv_json_string(v, NULL);
	for (size_t i = 0; i < dv_json_array_len(v); i++)
		dv_err_free(visit(NULL, NULL, dv_json_array_at(v, i)));
	return dv_json_each(v, visit, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dv_json *doc;
	struct dv_err *e = dv_json_parse((const char *)data, size, &doc);

	if (e) {
		dv_err_free(e);
		return 0;
	}
	dv_err_free(visit(NULL, NULL, doc));
	free(dv_json_excerpt(doc));
	dv_json_free(doc);
	return 0;
}
