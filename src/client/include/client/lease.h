/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A lease: what is made under it is not garbage until it ends, or a day later. */

#include "base/mem.h"
#include "client/client.h"

/* *ret_id: in @arena. */
struct dv_err *client_lease_begin(struct client *c, struct dv_arena *arena, const char **ret_id)
	DV_CHECK;
/* A failure does not matter: it expires. NULL is fine. */
void client_lease_end(struct client *c, const char *id);
