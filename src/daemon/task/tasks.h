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

/* Lets go of the shims, which go on. Accepts NULL; always returns NULL. */
struct tasks *tasks_free(struct tasks *ts);

void tasks_dump(struct tasks *ts);
size_t tasks_count(const struct tasks *ts);
