/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For test-*.c only: Criterion's checks with the values in the message. They go on. */

#include <criterion/criterion.h>
#include <string.h>

#define T_STR(actual, expected) \
	do { \
		const char *t_a_ = (actual), *t_e_ = (expected); \
		cr_expect(t_a_ &&strcmp(t_a_, t_e_) == 0, "%s: got \"%s\", expected \"%s\"", \
			  #actual, t_a_ ? t_a_ : "(null)", t_e_); \
	} while (0)

#define T_INT(a, op, b) \
	do { \
		long long t_a_ = (long long)(a), t_b_ = (long long)(b); \
		cr_expect(t_a_ op t_b_, "%s " #op " %s: %lld, %lld", #a, #b, t_a_, t_b_); \
	} while (0)

#define T_TRUE(cond)  cr_expect((cond), "%s: false", #cond)
#define T_FALSE(cond) cr_expect(!(cond), "%s: true", #cond)
#define T_NULL(p)     cr_expect((p) == NULL, "%s: not NULL", #p)
#define T_NOT_NULL(p) cr_assert((p) != NULL, "%s: NULL", #p)
