/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Capabilities: which sets the container's process gets, and setting them.
 *
 * Order in the child: host_caps_apply_bounding() while CAP_SETPCAP is there, the change of
 * user with PR_SET_KEEPCAPS, host_caps_apply(). The last two are fork-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/mem.h"
#include "spec/runtime.h"

struct host_caps {
	uint64_t bounding, effective, inheritable, permitted, ambient;
	unsigned last; /* the newest capability that the kernel has */
};

/*
 * What of @caps this kernel has; NULL: nothing at all. The rest gets one warning, runc's:
 * "ignoring unknown or unavailable capabilities: [CAP_X CAP_Y]".
 */
void host_caps_plan(const struct spec_capabilities *caps, const struct dv_log *log,
		    struct host_caps *ret);

/*
 * What `exec --cap` adds to the process of the config: bounding, effective and permitted;
 * ambient only where some capability is inheritable. Unknown names join caps->unknown.
 */
void host_caps_add(struct dv_arena *arena, struct spec_capabilities *caps, const char *const *names,
		   size_t n_names);

/* The newest capability of the running kernel. Fork-safe. */
unsigned host_caps_last(void);

/*
 * Drops from the bounding set what is not in @c. Without CAP_SETPCAP nothing is done, as
 * runc. Returns 0 or -errno and, then, the capability. Fork-safe.
 */
int host_caps_apply_bounding(const struct host_caps *c, unsigned *ret_failed);

/*
 * Sets effective, permitted, inheritable, then ambient. An ambient capability that cannot
 * be raised is no failure: it is reported in *ret_unraised with the last errno (positive),
 * for a warning by host_caps_warn_unraised(). Fork-safe.
 */
int host_caps_apply(const struct host_caps *c, uint64_t *ret_unraised, int *ret_unraised_errno);

/* "can't raise ambient capability CAP_CHOWN: operation not permitted", one line for each. */
void host_caps_warn_unraised(const struct dv_log *log, uint64_t unraised, int unraised_errno);
