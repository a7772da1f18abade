/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/err.h"

enum { JSON_MAX_DEPTH = 64 };

/*
 * Checks the tokens of @text where json-c is laxer than RFC 8259 even when told to be
 * strict. Says nothing about their order, which json-c does check.
 *
 * DV_INVALID: "line L: ...". DV_EXHAUSTED: nested too deep.
 */
struct dv_err *json_lex_check(const char *text, size_t len) DV_CHECK;

/* The number of the line that the byte at @offset is on, from 1. */
size_t json_line_at(const char *text, size_t offset);
