/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One stream on its way into a log: a pipe or a terminal is read, framed, written. */

#include "base/err.h"
#include "base/macros.h"
#include "env.h"
#include "log-file.h"

struct log_pump;

/* Once, from the loop: the stream has ended. May free the pump. NULL is fine. */
typedef void (*log_pump_ended_fn)(void *arg);

/* @take_fd becomes O_NONBLOCK; taken also after a failure. @stream is copied. */
struct dv_err *log_pump_new(struct shim_env *env, int take_fd, struct log_file *file,
			    const char *stream, log_pump_ended_fn ended, void *arg,
			    struct log_pump **ret) DV_CHECK;
/* What is there is still read and written. Accepts NULL; returns NULL. */
struct log_pump *log_pump_free(struct log_pump *p);

/* Reads what there is now. True: nothing is left, or it has ended. */
bool log_pump_flush(struct log_pump *p);
