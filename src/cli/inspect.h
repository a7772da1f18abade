/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What verbs that inspect print: objects, as one indented JSON array (no --format), one object a line
 * ("json"), or by a template, a line each.
 */

#include "cli-private.h"

struct cli_inspect;

/* DV_INVALID: the format cannot be understood. @format: as given, may be NULL. */
struct dv_err *cli_inspect_new(struct cli *cli, const char *format, struct cli_inspect **ret)
	DV_CHECK;
/* Accepts NULL; always returns NULL. */
struct cli_inspect *cli_inspect_free(struct cli_inspect *i);
DV_DEFINE_CLEANUP(struct cli_inspect *, cli_inspect_free);

/* One object, as JSON text without line breaks of its own. DV_INVALID: the template fails on it. */
struct dv_err *cli_inspect_add(struct cli_inspect *i, const char *json) DV_CHECK;
/* Also nothing is an array. */
struct dv_err *cli_inspect_print(struct cli_inspect *i) DV_CHECK;

/* --format of verbs that inspect. */
#define CLI_OPT_INSPECT_FORMAT(field_offset) \
	{ \
		.name = "format", .letter = 'f', .type = DV_OPT_STRING, .offset = (field_offset), \
		.arg = "format", .help = "json, or a template such as {{.Name}}" \
	}
