/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sizes, times and ids as docker shows them to people. All of these add to @out. */

#include <stdint.h>
#include <time.h>

#include "base/str.h"

/* "0B", "12.3MB": powers of 1000, three digits. */
void cli_human_size(int64_t bytes, struct dv_strbuf *out);
/* "512B", "1.5MiB": powers of 1024, four digits, as stats shows them. */
void cli_human_size_binary(int64_t bytes, struct dv_strbuf *out);
/* "Less than a second", "5 seconds", "About a minute", "3 weeks". */
void cli_human_duration(int64_t seconds, struct dv_strbuf *out);
/* The duration from @then to @now, and " ago"; "N/A" when @then is not known (0). */
void cli_human_ago(const struct timespec *then, const struct timespec *now, struct dv_strbuf *out);
/* "2026-11-27 23:12:01 +0000 UTC", in the local time zone. */
void cli_human_time(const struct timespec *ts, struct dv_strbuf *out);
/* "sha256:0123456789abcdef..." becomes "0123456789ab". */
void cli_human_id(const char *id, struct dv_strbuf *out);
/* @text, with control characters, which a terminal would obey, as "\x1b" or "\u009b". */
void cli_human_safe(const char *text, struct dv_strbuf *out);
/* The first @max characters, the last of them "…" if there were more. */
void cli_human_cut(const char *text, size_t max, struct dv_strbuf *out);
