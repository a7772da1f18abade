/* SPDX-License-Identifier: Apache-2.0 */

/* Filters: a text, and what it is matched with. The first line is the value, the rest the filter. */

#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "codec/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *field(const void *object, const struct dv_filter_path *path)
{
	return path->n_parts % 2 ? object : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = dv_strndup((const char *)data, size), *text = strchr(copy, '\n');
	struct dv_filter *f;
	struct dv_err *e;

	if (text) {
		const char *filter = text + 1;

		*text = '\0';
		e = dv_filter_parse(&filter, 1, &f);
		if (!e) {
			dv_filter_match(f, field, copy);
			dv_filter_free(f);
		}
		dv_err_free(e);
	}
	free(copy);
	return 0;
}
