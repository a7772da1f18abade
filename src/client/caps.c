/* SPDX-License-Identifier: Apache-2.0 */
/* See client/caps.h. */

#include "client/caps.h"

#include <sys/prctl.h>

#include "sys/process.h"

enum { MAX_CAPS = 63 };

uint64_t client_caps_known(void)
{
	uint64_t caps = 0;

	for (unsigned long cap = 0; cap < MAX_CAPS; cap++) {
		int r = sys_prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (r < 0)
			break; /* the kernel knows no more */
		if (r > 0)
			caps |= UINT64_C(1) << cap;
	}
	return caps;
}
