/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Compiler attributes and the few macros that every file uses. */

#include <stddef.h>

#define DV_CHECK	__attribute__((warn_unused_result))
#define DV_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define DV_NORETURN	__attribute__((noreturn))
#define DV_UNUSED	__attribute__((unused))
#define DV_PUBLIC	__attribute__((visibility("default")))

#define DV_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define DV_MIN(a, b) ((a) < (b) ? (a) : (b))
#define DV_MAX(a, b) ((a) > (b) ? (a) : (b))

#define dv_container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Calls @fn(&variable) when the variable leaves its scope. */
#define DV_CLEANUP(fn) __attribute__((cleanup(fn)))

/*
 * Defines fnp(), the cleanup form of a destructor fn(), for DV_CLEANUP. @fn must
 * accept NULL.
 */
#define DV_DEFINE_CLEANUP(type, fn) \
	static inline void fn##p(type *p) \
	{ \
		fn(*p); \
	} \
	struct dv_semicolon

/* Takes the value out of an owning local and leaves it empty. */
#define dv_steal(p) \
	__extension__({ \
		__typeof__(p) dv_steal_p_ = (p); \
		__typeof__(*(p)) dv_steal_v_ = *dv_steal_p_; \
		*dv_steal_p_ = NULL; \
		dv_steal_v_; \
	})

/* The same for file descriptors, whose empty value is -1. */
static inline int dv_steal_fd(int *fd)
{
	int v = *fd;

	*fd = -1;
	return v;
}

/* Checks a programming rule; always on. @cond must have no side effects. */
#define dv_assert(cond) \
	do { \
		if (!(cond)) \
			dv_assert_failed(#cond, __FILE__, __LINE__); \
	} while (0)

DV_NORETURN void dv_assert_failed(const char *cond, const char *file, int line);
