/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The snapshots of the daemon, with their work in the background on the slow lane. */

#include "daemon-private.h"

/* Sets d->snapshots; the pools and d->meta are there. */
struct dv_err *daemon_snapshots_open(struct daemon *d) DV_CHECK;
