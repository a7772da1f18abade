/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Being with a process until it ends or is left: its streams are ours, the terminal is its terminal, our
 * signals are its signals.
 */

#include "cli-private.h"
#include "client/start.h"
#include "client/streams.h"

struct foreground;

struct foreground_opts {
	bool has_stdin, has_tty;
	bool has_sig_proxy; /* never with a terminal */
	const char *detach_keys; /* NULL: ctrl-p,ctrl-q */
	bool has_no_output; /* only stdin */
};

/*
 * Looks at our own streams. DV_INVALID: a terminal is wanted, and our input is none; keys that are
 * not understood.
 */
struct dv_err *foreground_new(struct cli *cli, const struct foreground_opts *opts,
			      struct foreground **ret) DV_CHECK;
/* The terminal is as it was. Accepts NULL; always returns NULL. */
struct foreground *foreground_free(struct foreground *f);
DV_DEFINE_CLEANUP(struct foreground *, foreground_free);

/* For client_container_start() or client_streams_*(). */
const struct client_streams_opts *foreground_streams(const struct foreground *f);
/* Size of our terminal; false: there is none. */
bool foreground_size(const struct foreground *f, uint16_t *ret_rows, uint16_t *ret_columns);
/*
 * From here on signals are the process'; those that come before foreground_run() it gets then, but the
 * same one twice is for us.
 */
void foreground_watch_signals(struct foreground *f);
/* To be called when the process has ended. */
void foreground_on_exit(void *arg);

/*
 * From the start of the process to its end, and of its output; or to the keys. @exec_id: NULL for the
 * first process. Takes what is in @started. *ret_status: the process', 0 for left, and *ret_is_left
 * tells.
 */
struct dv_err *foreground_run(struct foreground *f, const char *id, const char *exec_id,
			      struct client_started *started, int *ret_status, bool *ret_is_left)
	DV_CHECK;

/*
 * docker's status for a process that did not start: 127 when there is no such program, 126 when it
 * cannot be executed, else 125.
 */
int foreground_failure_status(const struct dv_err *e);
