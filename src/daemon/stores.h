/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Opening the stores, and what they want to have done in the background. */

#include "daemon-private.h"

struct dv_err *daemon_stores_open(struct daemon *d) DV_CHECK;
/* Also of one that did not get far. No work may be under way. */
void daemon_stores_close(struct daemon *d);
