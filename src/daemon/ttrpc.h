/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The socket for shims: they forward their events there. */

#include "daemon-private.h"

struct dv_err *daemon_ttrpc_listen(struct daemon *d) DV_CHECK;
