/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as netlink attributes: every pointer stays inside. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sys/netlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rtattr *table[17];
	char *copy = malloc(size ? size : 1); /* aligned, and its end is guarded */

	memcpy(copy, data, size);
	if (sys_nl_parse_attrs(copy, size, table, 16) == 0) {
		for (size_t i = 0; i <= 16; i++) {
			const char *p = (const char *)table[i];

			if (p)
				dv_assert(p >= copy && p + table[i]->rta_len <= copy + size &&
					  table[i]->rta_len >= sizeof(struct rtattr));
		}
	}
	free(copy);
	return 0;
}
