/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory. Small allocations abort when they fail: a program that is out of memory for
 * a few bytes cannot do anything sensible, and every program here is built to be killed
 * at any time. Sizes that come from outside go through dv_alloc_limited().
 *
 * The arena hands out memory that is freed all at once: a parsed document, one request.
 */

#include <stddef.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/macros.h"

void *dv_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull)); /* zeroed */
void *dv_realloc_n(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *dv_strdup(const char *s) __attribute__((malloc)); /* NULL for NULL */
char *dv_strndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *dv_printf(const char *fmt, ...) DV_PRINTF(1, 2) __attribute__((malloc, returns_nonnull));

#define dv_new(type)	  ((type *)dv_alloc(sizeof(type)))
#define dv_new_n(type, n) ((type *)dv_realloc_n(NULL, (n), sizeof(type))) /* not zeroed */

/* For sizes that a client or a file chose. DV_EXHAUSTED when @size exceeds @max. */
struct dv_err *dv_alloc_limited(size_t size, size_t max, const char *what, void **ret) DV_CHECK;

/* For sizes that were limited already, and are not 0. NULL: no memory, and @p stays as it is. */
void *dv_realloc_try(void *p, size_t size);

static inline void dv_freep(void *p)
{
	free(*(void **)p);
}

struct dv_arena {
	struct dv_arena_block *blocks;
	char *next;
	size_t left;
	size_t block; /* size of the last one */
};

void dv_arena_init(struct dv_arena *a);
void dv_arena_fini(struct dv_arena *a);
void *dv_arena_alloc(struct dv_arena *a, size_t size) __attribute__((returns_nonnull)); /* zeroed */
void *dv_arena_try(struct dv_arena *a, size_t size); /* NULL: no memory; for sizes from outside */
char *dv_arena_strdup(struct dv_arena *a, const char *s); /* NULL for NULL */
char *dv_arena_strndup(struct dv_arena *a, const char *s, size_t n);
char *dv_arena_printf(struct dv_arena *a, const char *fmt, ...) DV_PRINTF(2, 3);

#define dv_arena_new(a, type)	   ((type *)dv_arena_alloc((a), sizeof(type)))
#define dv_arena_new_n(a, type, n) ((type *)dv_arena_alloc((a), (n) * sizeof(type)))
