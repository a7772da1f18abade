/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Runs another program and keeps what it prints. */

#include "base/err.h"

/*
 * Runs argv[0], looked up in $PATH, with standard output and error going to *ret (heap).
 * DV_NOT_FOUND: exec: "x": executable file not found in $PATH. DV_UNKNOWN: it failed; the
 * message has its exit status and what it printed.
 */
struct dv_err *capture_run(char *const argv[], char **ret) DV_CHECK;
