/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What containers use of the machine, by Tasks.Metrics, whichever cgroups there are. */

#include "client/client.h"

struct usage {
	const char *id;
	int64_t at_ns; /* when it was measured */
	uint64_t cpu_ns; /* since the start */
	uint64_t memory,
		memory_limit; /* bytes, without what the kernel could drop; 0: no limit known */
	uint64_t pids;
	uint64_t read, written; /* bytes, of block devices */
};

/* Of running containers: @ids, or all if there are none. What does not run is left out. */
struct dv_err *usage_measure(struct client *c, const char *const *ids, size_t n_ids,
			     struct dv_arena *arena, struct usage **ret, size_t *ret_n) DV_CHECK;
