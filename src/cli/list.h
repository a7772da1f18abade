/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a verb that lists things prints: rows of fields, which --format turns into a table (nothing
 * said, "table", "table TEMPLATE"), JSON, one object a line ("json"), or text ("TEMPLATE").
 *
 *	e = cli_list_new(&opts, &list);
 *	cli_list_row(list);
 *	cli_list_add(list, "ID", id);
 *	e = cli_list_row_end(list);
 *	...
 *	e = cli_list_print(list);
 *
 * All fields are strings, as docker's are. Control characters in them are masked where a person
 * looks: in tables and on terminals.
 */

#include "cli-private.h"

struct cli_heading {
	const char *field, *heading; /* "ID", "IMAGE ID" */
};

struct cli_list_opts {
	struct cli *cli;
	const char *format; /* as given; NULL: not */
	const char *table; /* the verb's own: "{{.ID}}\t{{.Size}}" */
	const char *quiet; /* "{{.ID}}" in place of the table (-q); NULL: no */
	const struct cli_heading *headings; /* of all fields; up to one without a field */
};

struct cli_list;

/* DV_INVALID: the format cannot be understood. @opts' texts are borrowed. */
struct dv_err *cli_list_new(const struct cli_list_opts *opts, struct cli_list **ret) DV_CHECK;
/* Accepts NULL; always returns NULL. */
struct cli_list *cli_list_free(struct cli_list *l);
DV_DEFINE_CLEANUP(struct cli_list *, cli_list_free);

/* Will the field be shown? For those that are dear. */
bool cli_list_wants(const struct cli_list *l, const char *field);

void cli_list_row(struct cli_list *l);
void cli_list_add(struct cli_list *l, const char *field, const char *value);
void cli_list_addf(struct cli_list *l, const char *field, const char *fmt, ...) DV_PRINTF(3, 4);
/* For {{.Label "key"}}. */
void cli_list_label(struct cli_list *l, const char *key, const char *value);
struct dv_err *cli_list_row_end(struct cli_list *l) DV_CHECK;

/* All rows since the last time; those of a table have headings each time. */
struct dv_err *cli_list_print(struct cli_list *l) DV_CHECK;

/* --format of verbs that list. */
#define CLI_OPT_FORMAT(field_offset) \
	{ \
		.name = "format", .type = DV_OPT_STRING, .offset = (field_offset), \
		.arg = "format", \
		.help = "table, table TEMPLATE, json, or a template such as {{.ID}}" \
	}
