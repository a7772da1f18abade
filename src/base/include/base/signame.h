/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Signals as people write them. */

#include <stdbool.h>

#include "base/macros.h"

/*
 * "TERM", "sigterm", "15", "RTMIN+3", "SIGRTMAX-1"; 0 is the signal that only asks whether
 * there is a process. False for anything else.
 */
bool dv_signal_parse(const char *text, int *ret_signo) DV_CHECK;
