/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The davit command: its tables, of which manual pages and completion are made, and the whole of it. */

#include "base/opt.h"

extern const struct dv_opt_program davit_program;

/* The process' exit status. */
int cli_main(int argc, char **argv);
