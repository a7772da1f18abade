/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One stream on its way into a log: a pipe or a terminal is read, framed, written; and handed to
 * somebody else as it is.
 */

#include "base/err.h"
#include "base/macros.h"
#include "env.h"
#include "log-file.h"

struct log_pump;

/* Once, from the loop: the stream has ended. May free the pump. NULL is fine. */
typedef void (*log_pump_ended_fn)(void *arg);

struct log_pump_opts {
	int take_fd; /* becomes O_NONBLOCK; taken also after a failure */
	struct log_file *file; /* NULL: there is no log */
	const char *stream; /* copied */
	log_pump_ended_fn ended;
	/* NULL, or what gets the bytes. The scratch memory is in use meanwhile. */
	void (*tap)(void *arg, const void *p, size_t n);
	/* NULL, or whether nothing is to be read until log_pump_resume(). */
	bool (*is_held)(void *arg);
	void *arg;
};

struct dv_err *log_pump_new(struct shim_env *env, const struct log_pump_opts *opts,
			    struct log_pump **ret) DV_CHECK;
/* What is there is still read and written, held or not. Accepts NULL; returns NULL. */
struct log_pump *log_pump_free(struct log_pump *p);

void log_pump_resume(struct log_pump *p);

/* Reads what there is now. True: nothing is left, or it has ended. False also while it is held. */
bool log_pump_flush(struct log_pump *p);
