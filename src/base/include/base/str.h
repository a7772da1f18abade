/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Strings: a growing buffer, strict number parsing, and small comparisons. The buffer is
 * always NUL-terminated once something was added; `data` of an untouched buffer is "".
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/macros.h"

struct dv_strbuf {
	char *data;
	size_t len;
	size_t size; /* 0: data is not ours to free */
};

#define DV_STRBUF_INIT \
	{ \
		.data = (char *)"", .len = 0, .size = 0 \
	}

void dv_strbuf_add(struct dv_strbuf *b, const char *s);
void dv_strbuf_add_n(struct dv_strbuf *b, const void *p, size_t n);
void dv_strbuf_addc(struct dv_strbuf *b, char c);
void dv_strbuf_addf(struct dv_strbuf *b, const char *fmt, ...) DV_PRINTF(2, 3);
void dv_strbuf_addv(struct dv_strbuf *b, const char *fmt, va_list ap) DV_PRINTF(2, 0);
void dv_strbuf_clear(struct dv_strbuf *b);
/* Adds @s as a JSON string, with its quotes; invalid UTF-8 becomes U+FFFD. */
void dv_strbuf_add_json(struct dv_strbuf *b, const char *s);
/* The text as heap memory of the caller's; the buffer is empty afterwards. */
char *dv_strbuf_steal(struct dv_strbuf *b);
void dv_strbuf_fini(struct dv_strbuf *b);

static inline bool dv_streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static inline bool dv_starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool dv_ends_with(const char *s, const char *suffix);

/*
 * Whole-string parsing: no leading space, sign only where the type has one, nothing left
 * over. Return false and leave *ret alone otherwise.
 */
bool dv_parse_u64(const char *s, uint64_t *ret) DV_CHECK;
bool dv_parse_i64(const char *s, int64_t *ret) DV_CHECK;
bool dv_parse_u32(const char *s, uint32_t *ret) DV_CHECK;
/* The words of Go's strconv.ParseBool: "1" "t" "T" "true" "TRUE" "True" and their opposites. */
bool dv_parse_bool(const char *s, bool *ret) DV_CHECK;
/* "512", "64k", "1.5G", "10MiB" (powers of 1024, as docker's); "-1" gives -1. */
bool dv_parse_size(const char *s, int64_t *ret) DV_CHECK;
/* "100ms", "5s", "1m30s" as Go's durations; result in nanoseconds. */
bool dv_parse_duration(const char *s, int64_t *ret_ns) DV_CHECK;

/* "\040" to " " in place, as the kernel writes space, tab, newline and backslash. Fork-safe. */
void dv_unescape_octal(char *s);

/* True when @path, a relative or absolute one, has a ".." component. */
bool dv_path_has_dotdot(const char *path);
/* Cleans "a//b/./c/../d" to "a/b/d" lexically (as Go's path.Clean); heap, caller's. */
char *dv_path_clean(const char *path);
