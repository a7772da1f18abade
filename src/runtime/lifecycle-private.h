/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What create shares with delete. */

#include "launch-private.h"

/*
 * Kills what is left of @c and removes all that it has on the host: cgroup, RDT group, state
 * directory; then runs @poststop (NULL: none). Goes on after a failure; the first one is
 * returned.
 */
struct dv_err *rt_container_undo(const struct rt_context *ctx, struct rt_container *c,
				 const struct spec_hook_list *poststop) DV_CHECK;
