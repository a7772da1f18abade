/* SPDX-License-Identifier: Apache-2.0 */
/* Any answer of a token server: what is taken for a token cannot break a header. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct token_answer answer = { 0 };
	struct dv_err *e = token_parse((const char *)data, size, &answer);

	if (!e) {
		for (const char *p = answer.token; *p; p++)
			dv_assert(*p > ' ' && *p < 127);
		dv_assert(answer.lifetime_ms >= 60000 && answer.lifetime_ms <= 24 * 3600 * 1000);
	}
	free(answer.token);
	free(answer.refresh);
	dv_err_free(e);
	return 0;
}
