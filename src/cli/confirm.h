/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Questions before something is lost. */

#include "cli-private.h"

/* "WARNING! @warning", and a line from standard input. Its end is a no. */
struct dv_err *cli_confirm(const char *warning, bool *ret_is_yes) DV_CHECK;

#define CLI_OPT_FORCE(field_offset) \
	{ \
		.name = "force", .letter = 'f', .type = DV_OPT_FLAG, .offset = (field_offset), \
		.help = "do not ask" \
	}
