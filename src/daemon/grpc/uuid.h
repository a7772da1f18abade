/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A name for a root directory that no other one has, for as long as it is there. */

#include "base/err.h"

enum { DAEMON_UUID_SIZE = 37 };

/* The one on record below @root; a new one goes on record. For workers. */
struct dv_err *daemon_uuid(const char *root, char ret[DAEMON_UUID_SIZE]) DV_CHECK;
