/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The templates of --format: the language of Go's text/template as far as docker's users have it in
 * their fingers, over JSON values.
 *
 *	{{.A.B}} {{$}} {{$x := .A}} {{"text"}} {{.A | upper}} {{(index .A 0).B}}
 *	{{if}} {{else if}} {{else}} {{with}} {{range $key, $value := .A}} {{break}} {{continue}} {{end}}
 *	{{- trimmed -}} {{/ * comment * /}}
 *
 * Functions: and or not eq ne lt le gt ge len index slice print printf println json join split
 * lower upper title pad truncate. No define, template, block.
 *
 * A field that is not there may be tested ({{if .A.B}}), but not printed. Templates and values may
 * be hostile: depth, steps and output are limited.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "codec/json.h"

#define CLI_TEMPLATE_MAX	((size_t)64 << 10) /* of the text */
#define CLI_TEMPLATE_OUTPUT_MAX ((size_t)16 << 20) /* of one run */

struct cli_template;

/* DV_INVALID: "template: at character 7: ...". DV_EXHAUSTED: too long, or too deep. */
struct dv_err *cli_template_parse(const char *text, struct cli_template **ret) DV_CHECK;
/* Accepts NULL; always returns NULL. */
struct cli_template *cli_template_free(struct cli_template *t);
DV_DEFINE_CLEANUP(struct cli_template *, cli_template_free);

/* Does the field's name appear in the template, or may everything (json of the whole)? */
bool cli_template_uses(const struct cli_template *t, const char *field);

struct cli_template_data {
	const struct dv_json *root;
	const struct dv_json *labels; /* of {{.Label "key"}}; NULL: there is no such thing */
	bool is_header; /* values are headings, which functions leave alone */
};

/* Adds to @out. DV_INVALID: a field that is not there, or values of a wrong kind; DV_EXHAUSTED. */
struct dv_err *cli_template_run(const struct cli_template *t, const struct cli_template_data *data,
				struct dv_strbuf *out) DV_CHECK;
