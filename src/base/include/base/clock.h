/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Points in time as text. */

#include <stdbool.h>
#include <time.h>

#include "base/macros.h"

enum dv_clock_form {
	DV_CLOCK_SECONDS, /* 2026-11-21T03:05:31Z */
	DV_CLOCK_NANOS, /* 2026-11-21T03:05:31.25Z: no zeros at the end, as Go's RFC3339Nano */
};

/* Room for any time, the NUL included. */
#define DV_CLOCK_SIZE 48

/* RFC 3339 in UTC. Unlike gmtime_r(), which looks for a time zone, makes no system call. */
void dv_clock_format(const struct timespec *ts, enum dv_clock_form form, char buf[DV_CLOCK_SIZE]);

/* The other way: RFC 3339 with any offset and any number of digits, years 0001 to 9999. */
bool dv_clock_parse(const char *text, struct timespec *ret) DV_CHECK;
