/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs: what was read is written and read again. Sysctl names alongside. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/cpulist.h"
#include "host/sysctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = dv_strndup((const char *)data, size), buf[4096];
	uint64_t bits[4], again[4];
	int r;

	if (host_cpulist_parse(text, bits, 4) == 0) {
		r = host_cpulist_format(bits, 4, buf, sizeof(buf));
		dv_assert(r >= 0 && (size_t)r == strlen(buf));
		r = host_cpulist_parse(buf, again, 4);
		dv_assert(r == 0 && memcmp(bits, again, sizeof(bits)) == 0);
	}
	if (host_sysctl_path(text, buf, 256) == 0)
		dv_assert(dv_starts_with(buf, "sys/") && !dv_path_has_dotdot(buf) &&
			  strlen(buf) == strlen(text) + 4);
	free(text);
	return 0;
}
