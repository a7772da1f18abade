/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The streams of a process, and the parts that they are made of: fifos of clients, and loggers. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"
#include "env.h"
#include "log-file.h"
#include "log-pump.h"
#include "shim/stdio.h"
#include "stdio-attach.h"
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

/* ---- stdio-open.c and stdio.c ---------------------------------------------------------------- */

enum { STDIO_OUT, STDIO_ERR, STDIO__OUTPUTS };

struct stdio_output {
	struct shim_stdio *stdio;
	bool has_pump; /* a log, or somebody who is attached gets what is read from it */
	struct log_opts log_opts; /* .path NULL: no log */
	struct log_file *file;
	struct log_pump *pump;
	struct stdio_fifo *fifo;
	bool is_logged; /* by the logger */
	bool is_attachable;
};

struct shim_stdio {
	struct shim_env *env;
	uv_timer_t timer;
	bool is_terminal, has_exited;
	int child_fds[3]; /* -1: /dev/null, or closed */
	int stdin_reader; /* terminal, before the console is there */
	int stdin_writer;
	struct stdio_output outputs[STDIO__OUTPUTS];
	struct stdio_logger *logger;
	struct stdio_attach *attach; /* NULL: nobody can attach */
	/* Terminal */
	int console, slave; /* -1: not there */
	struct io_copy *to_console, *from_console;
	uint16_t width, height; /* 0, 0: not set */
	/* Opening, and draining */
	struct dv_err *failure;
	shim_stdio_opened_fn opened;
	void (*drained)(void *arg);
	void *arg;
	uint64_t drain_until, drain_until_at_most; /* uv_now() */
	unsigned delay_ms;
};

/* What comes from @take_fd goes to the log of output @i, and to whoever is attached. */
struct dv_err *stdio_start_pump(struct shim_stdio *s, int i, int take_fd) DV_CHECK;
