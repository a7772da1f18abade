/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that aborts on failure, and the arena. See base/mem.h. */

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Blocks double: an arena for one request stays small, one for a document has few blocks. */
enum { ARENA_BLOCK_MIN = 1024, ARENA_BLOCK_MAX = 16 * 1024, ARENA_ALIGN = 16 };

struct dv_arena_block {
	struct dv_arena_block *older;
	_Alignas(ARENA_ALIGN) char data[];
};

DV_NORETURN static void out_of_memory(void)
{
	static const char text[] = "out of memory\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	abort();
}

void *dv_alloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		out_of_memory();
	return p;
}

void *dv_realloc_n(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		out_of_memory();
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		out_of_memory();
	return p;
}

char *dv_strndup(const char *s, size_t n)
{
	char *copy = strndup(s, n);

	if (!copy)
		out_of_memory();
	return copy;
}

char *dv_strdup(const char *s)
{
	return s ? dv_strndup(s, strlen(s)) : NULL;
}

char *dv_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return s;
}

void *dv_realloc_try(void *p, size_t size)
{
	return realloc(p, size);
}

struct dv_err *dv_alloc_limited(size_t size, size_t max, const char *what, void **ret)
{
	void *p;

	if (size > max)
		return dv_err_new(DV_EXHAUSTED, "%s: %zu bytes are more than the limit of %zu",
				  what, size, max);
	p = malloc(size ? size : 1);
	if (!p)
		return dv_err_new(DV_EXHAUSTED, "%s: no memory for %zu bytes", what, size);
	*ret = p;
	return NULL;
}

void dv_arena_init(struct dv_arena *a)
{
	*a = (struct dv_arena){ 0 };
}

void dv_arena_fini(struct dv_arena *a)
{
	while (a->blocks) {
		struct dv_arena_block *older = a->blocks->older;

		free(a->blocks);
		a->blocks = older;
	}
	dv_arena_init(a);
}

void *dv_arena_try(struct dv_arena *a, size_t size)
{
	struct dv_arena_block *b;
	size_t room;
	char *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	/* Nothing is something, too: the address must not be NULL. */
	size = (DV_MAX(size, (size_t)1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (size > a->left) {
		a->block = DV_MIN(DV_MAX(2 * a->block, (size_t)ARENA_BLOCK_MIN),
				  (size_t)ARENA_BLOCK_MAX);
		room = DV_MAX(size, a->block - sizeof(*b));
		b = calloc(1, sizeof(*b) + room);
		if (!b)
			return NULL;
		b->older = a->blocks;
		a->blocks = b;
		a->next = b->data;
		a->left = room;
	}
	p = a->next;
	a->next += size;
	a->left -= size;
	return p;
}

void *dv_arena_alloc(struct dv_arena *a, size_t size)
{
	void *p = dv_arena_try(a, size);

	if (!p)
		out_of_memory();
	return p;
}

char *dv_arena_strndup(struct dv_arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = dv_arena_alloc(a, len + 1);

	memcpy(p, s, len);
	return p;
}

char *dv_arena_strdup(struct dv_arena *a, const char *s)
{
	return s ? dv_arena_strndup(a, s, strlen(s)) : NULL;
}

char *dv_arena_printf(struct dv_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	p = dv_arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
