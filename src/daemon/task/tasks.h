/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tasks: what runs in containers, seen through the shims that own it. This is the loop's; what
 * blocks is done by workers, and a shim that does not answer holds up its own task alone.
 */

#include <time.h>

#include "daemon-private.h"

struct tasks;
struct task;

/* Below the state directory; containerd's name, since tools look there. */
#define TASKS_DIR "io.containerd.runtime.v2.task"

/* Tasks that an earlier daemon left are looked for, in the background. */
struct dv_err *tasks_new(struct daemon *d, struct tasks **ret) DV_CHECK;

/* @fn is called, later, when no task is being created or deleted. Once, and for one caller. */
void tasks_when_settled(struct tasks *ts, void (*fn)(void *arg), void *arg);

/* Lets go of the shims, which go on. Accepts NULL; always returns NULL. */
struct tasks *tasks_free(struct tasks *ts);

void tasks_dump(struct tasks *ts);
size_t tasks_count(const struct tasks *ts);

/* @out is what the shim of @runtime (a name, or a path) printed: an encoded RuntimeInfo. */
typedef void (*shim_info_fn)(void *arg, struct dv_err *take_e, const void *out, size_t n);
/* @options: an encoded Any, or nothing. @fn is called once, later, if there is no error. */
struct dv_err *shim_info(struct daemon *d, const char *runtime, const void *options, size_t n,
			 shim_info_fn fn, void *arg) DV_CHECK;
