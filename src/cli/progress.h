/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How far long work has come, on standard error: lines that change on a terminal; elsewhere, a line for
 * each step that is done. "-q": nothing.
 */

#include <stdbool.h>
#include <stdint.h>

struct cli_progress;

/* @is_quiet: nothing is shown. */
struct cli_progress *cli_progress_new(bool is_quiet);
/* What changed on the terminal is taken away. Accepts NULL; always returns NULL. */
struct cli_progress *cli_progress_free(struct cli_progress *p);

/* "reading 12.3MB / 40MB". @total 0: not known. */
void cli_progress_bytes(struct cli_progress *p, const char *what, uint64_t done, uint64_t total);
/* A step of @object has begun, or is done. */
void cli_progress_step(struct cli_progress *p, const char *what, const char *object, bool is_done);
