/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Help texts from the tables, laid out as docker's. @called: what the user calls the program. */

#include "base/opt.h"
#include "base/str.h"

void cli_help_program(const struct dv_opt_program *program, const char *called,
		      struct dv_strbuf *out);
void cli_help_group(const struct dv_opt_program *program, const struct dv_opt_group *group,
		    const char *called, struct dv_strbuf *out);
void cli_help_verb(const struct dv_opt_verb *verb, const char *called, struct dv_strbuf *out);
/* The line "Usage: ..." alone. */
void cli_help_usage(const struct dv_opt_verb *verb, const char *called, struct dv_strbuf *out);
