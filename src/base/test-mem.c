/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation and the arena. */

#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"

Test(mem, alloc_is_zeroed)
{
	DV_CLEANUP(dv_freep) unsigned char *p = dv_alloc(1000);

	for (int i = 0; i < 1000; i++)
		T_INT(p[i], ==, 0);
}

Test(mem, nothing_is_something)
{
	DV_CLEANUP(dv_freep) void *a = dv_alloc(0);
	DV_CLEANUP(dv_freep) void *b = dv_new_n(int, 0);

	T_NOT_NULL(a);
	T_NOT_NULL(b);
}

Test(mem, overflow_aborts, .signal = SIGABRT)
{
	volatile size_t n = SIZE_MAX / 2;

	close(STDERR_FILENO); /* it says why */
	free(dv_realloc_n(NULL, n, 3));
}

Test(mem, strings)
{
	DV_CLEANUP(dv_freep) char *whole = dv_strdup("hello");
	DV_CLEANUP(dv_freep) char *part = dv_strndup("hello", 3);
	DV_CLEANUP(dv_freep) char *all = dv_strndup("hello", 30);
	DV_CLEANUP(dv_freep) char *made = dv_printf("%s-%d", "x", 7);
	const char *volatile none = NULL;

	T_STR(whole, "hello");
	T_STR(part, "hel");
	T_STR(all, "hello");
	T_STR(made, "x-7");
	T_NULL(dv_strdup(none));
}

Test(mem, limited)
{
	DV_CLEANUP(dv_freep) void *p = NULL;
	void *q = &p;
	struct dv_err *e;

	T_NULL(dv_alloc_limited(100, 100, "label", &p));
	T_NOT_NULL(p);
	e = dv_alloc_limited(101, 100, "label", &q);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	T_STR(dv_err_message(e), "label: 101 bytes are more than the limit of 100");
	T_TRUE(q == &p);
	dv_err_free(e);
}

Test(mem, arena)
{
	struct dv_arena a;
	char *small[500], *large;

	dv_arena_init(&a);
	T_NOT_NULL((void *)(uintptr_t)dv_arena_alloc(&a, 0));
	for (int i = 0; i < 500; i++) {
		small[i] = dv_arena_alloc(&a, (size_t)i);
		T_INT((uintptr_t)small[i] % 16, ==, 0);
		for (int j = 0; j < i; j++)
			T_INT(small[i][j], ==, 0);
		memset(small[i], i & 0x7f, (size_t)i);
	}
	large = dv_arena_alloc(&a, 1 << 20);
	memset(large, 1, 1 << 20);
	for (int i = 0; i < 500; i++) {
		for (int j = 0; j < i; j++)
			T_INT(small[i][j], ==, i & 0x7f);
	}
	dv_arena_fini(&a);
	T_NULL(a.blocks);
	dv_arena_fini(&a);
}

Test(mem, arena_strings)
{
	struct dv_arena a;

	dv_arena_init(&a);
	T_STR(dv_arena_strdup(&a, "abc"), "abc");
	T_STR(dv_arena_strndup(&a, "abc", 2), "ab");
	T_STR(dv_arena_printf(&a, "%05d", 42), "00042");
	T_NULL(dv_arena_strdup(&a, NULL));
	dv_arena_fini(&a);
}

Test(mem, steal)
{
	char *owner = dv_strdup("x"), *taken;
	int fd = 5, moved;

	taken = dv_steal(&owner);
	T_NULL(owner);
	T_STR(taken, "x");
	free(taken);
	moved = dv_steal_fd(&fd);
	T_INT(fd, ==, -1);
	T_INT(moved, ==, 5);
}
