/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file that has its name only when it is complete. */

#include <sys/types.h>

#include "base/err.h"

struct cli_output {
	int fd;
	char *path, *temporary; /* NULL: written as it is (a device, a fifo) */
};

struct dv_err *cli_output_open(const char *path, struct cli_output *ret) DV_CHECK;
/* Done: it has its name, in place of what had it before. */
struct dv_err *cli_output_keep(struct cli_output *o) DV_CHECK;
/* Nothing stays. Returns @e. Also for what cli_output_open() could not open. */
struct dv_err *cli_output_drop(struct cli_output *o, struct dv_err *e) DV_CHECK;
