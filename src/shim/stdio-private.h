/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts that stdio.c puts together: fifos of clients, and loggers. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"
#include "env.h"
#include "stdio-uri.h"

/* A new open file description of what @fd is: its flags are nobody else's. -errno. */
int stdio_reopen_fd(int fd, int flags);

/* ---- stdio-fifo.c ------------------------------------------------------------------------ */

/*
 * An O_PATH descriptor of @path, which is not followed if it is a symbolic link. *ret_is_fifo
 * false: a regular file. DV_INVALID: anything else.
 */
struct dv_err *stdio_fifo_find(const char *path, bool *ret_is_fifo, int *ret_fd) DV_CHECK;

/*
 * The fifo of an output. While it is held, whoever writes to it finds a reader, and what is in
 * it stays there: descriptors of both ends are ours.
 */
struct stdio_fifo;

struct dv_err *stdio_fifo_new(struct shim_env *env, int path_fd, struct stdio_fifo **ret) DV_CHECK;
/* Another writing end, blocking unless @flags has O_NONBLOCK. -errno */
int stdio_fifo_writer(struct stdio_fifo *f, int flags);
/*
 * There will be no more output of ours: readers see the end of it. But while there is nobody
 * to read what is in the fifo (or to see its end) it is held.
 */
void stdio_fifo_release(struct stdio_fifo *f);
bool stdio_fifo_is_held(const struct stdio_fifo *f);
struct stdio_fifo *stdio_fifo_free(struct stdio_fifo *f);

/* ---- stdio-logger.c ---------------------------------------------------------------------- */

/* containerd's logger protocol: 3 is the output, 4 the errors, 5 is closed when it is ready. */
struct stdio_logger;

/* Once, from the loop. With an error the logger is still to be freed. */
typedef void (*stdio_logger_ready_fn)(void *arg, struct dv_err *take_e);

struct dv_err *stdio_logger_start(struct shim_env *env, const struct stdio_uri *uri,
				  const char *container_id, const char *ns,
				  stdio_logger_ready_fn ready, void *arg, struct stdio_logger **ret)
	DV_CHECK;
/* The end that output (0) or errors (1) are written to. Handed over once each; -1 after that. */
int stdio_logger_take_writer(struct stdio_logger *l, int which);
/* It has read all that was written, or is gone. */
bool stdio_logger_is_drained(struct stdio_logger *l);
/* Ends it in the background: see shim/stdio.h. */
struct stdio_logger *stdio_logger_free(struct stdio_logger *l);
