/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A log that is a value, not a global: who may log gets one. Lines are written whole
 * with one write(2), so that several processes can share a file. The text and JSON
 * forms are those of runc (logrus), because containerd's shim and conmon parse them.
 */

#include <stdbool.h>

#include "base/macros.h"

enum dv_level { DV_DEBUG, DV_INFO, DV_WARN, DV_ERROR };
enum dv_log_format { DV_LOG_TEXT, DV_LOG_JSON };

struct dv_log {
	int fd; /* borrowed */
	enum dv_log_format format;
	enum dv_level level; /* lines below it are dropped */
};

/* One line. @log may be NULL: nothing is logged. */
void dv_log(const struct dv_log *log, enum dv_level level, const char *fmt, ...) DV_PRINTF(3, 4);
bool dv_log_enabled(const struct dv_log *log, enum dv_level level);
