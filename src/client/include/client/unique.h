/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Ids and names that nobody else has. */

#include <stddef.h>

#include "base/macros.h"

enum { CLIENT_ID_SIZE = 64 + 1, CLIENT_NAME_SIZE = 32 };

/* 64 random hex digits. */
void client_unique_id(char buf[CLIENT_ID_SIZE]);

/* "quiet_heron": perhaps somebody has it. */
void client_unique_name(char buf[CLIENT_NAME_SIZE]);
