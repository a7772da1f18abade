/* SPDX-License-Identifier: Apache-2.0 */

/* Field masks. */

#include "codec/mask.h"

#include <string.h>

const char *dv_mask_key(const char *path, const char *field)
{
	size_t n = strlen(field);

	return strncmp(path, field, n) == 0 && path[n] == '.' ? path + n + 1 : NULL;
}
