/* SPDX-License-Identifier: Apache-2.0 */
/* What a client writes for a stream, and the options of a log in it. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "log-file.h"
#include "stdio-uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DV_CLEANUP(dv_freep) char *text = dv_strndup((const char *)data, size);
	struct log_opts o;
	struct stdio_uri u;
	struct dv_err *e = stdio_uri_parse(text, &u);

	if (e) {
		dv_assert(dv_err_code(e) == DV_INVALID);
		dv_err_free(e);
		return 0;
	}
	dv_assert(u.scheme == STDIO_NULL || u.scheme == STDIO_ATTACH ? !u.path : *u.path == '/');
	for (size_t i = 0; i < u.n_params; i++)
		dv_assert(u.params[i].key && u.params[i].value);
	if (u.path) {
		e = log_opts_parse(&u, &o);
		if (!e) {
			/* What the framing relies on. */
			dv_assert(o.max_line >= 4 && o.max_line <= LOG_LINE_MAX && o.max_file >= 1);
			dv_assert(strlen(o.attrs) <= LOG_EXTRA_MAX && !strchr(o.attrs, '\n'));
			log_opts_fini(&o);
		}
		dv_err_free(e);
	}
	stdio_uri_fini(&u);
	return 0;
}
