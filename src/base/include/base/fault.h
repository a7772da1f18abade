/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Fault points: places with names where a test ends the process, as a power cut or kill -9 would,
 * or makes a step fail. test_davitd_chaos.py goes through them all.
 *
 *	DV_FAULT("content.commit.named");
 *	r = DV_FAULT_ERRNO("content.commit.sync");	(0 in all normal life)
 *
 * A name says which step has just been done: <part>.<operation>.<what is true now>. A name stands
 * in one place. Built with -Dfaults=false they are nothing at all; otherwise a point costs one
 * load and a jump that is never taken. From any thread; not between fork and exec.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

struct dv_fault_point {
	const char *name;
};

/*
 * Arms a point: "name" kills the process there, "name:3" at the third passage, "name=EIO" and
 * "name:3=ENOSPC" give an error. NULL and "": nothing. For main(), from DAVIT_FAULT.
 *
 * DV_INVALID: no such point in this program, or not understood. DV_UNIMPLEMENTED: built without.
 */
struct dv_err *dv_fault_arm(const char *text) DV_CHECK;

/* Calls @fn for each point of the program, in no order. */
void dv_fault_each(void (*fn)(void *arg, const char *name), void *arg);

/* For the macros. */
extern bool dv_fault_is_armed;
int dv_fault_pass(const char *name);

#ifdef DAVIT_FAULTS
#define DV_FAULT_ERRNO(name_) \
	({ \
		static const struct dv_fault_point dv_fault_here \
			__attribute__((section("dv_faults"), used)) = { .name = (name_) }; \
		__builtin_expect(dv_fault_is_armed, 0) ? dv_fault_pass(dv_fault_here.name) : 0; \
	})
#else
#define DV_FAULT_ERRNO(name_) 0
#endif
#define DV_FAULT(name_) ((void)DV_FAULT_ERRNO(name_))
