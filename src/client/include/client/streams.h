/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The streams of a process and those of whoever called us, joined: through fifos, as any shim of
 * containerd's takes them, or by attaching to one that writes to a log. Everything happens on the
 * client's loop.
 */

#include "client/client.h"
#include "client/task.h"

enum { CLIENT_DETACH_KEYS_MAX = 16 };

struct client_streams;

struct client_streams_opts {
	int in, out, err; /* borrowed; -1: not joined */
	bool has_terminal; /* then there is no err */
	/* Typed one after the other they end it all: *_is_detached(). */
	char detach_keys[CLIENT_DETACH_KEYS_MAX];
	size_t n_detach_keys;
	/*
	 * With fifos, once, when @in has ended and all of it is in the fifo: time for
	 * client_task_close_stdin(). May be NULL.
	 */
	void (*on_in_end)(void *arg);
	void *arg;
};

/*
 * Makes fifos in a new directory below @parent; *ret_io, valid as long as the result, is for
 * client_task_create() or _exec().
 */
struct dv_err *client_streams_new(struct client *c, const char *parent,
				  const struct client_streams_opts *opts,
				  struct client_task_io *ret_io, struct client_streams **ret)
	DV_CHECK;
/*
 * Attaches to the first process of a container of ours, by its bundle; the process waits for us.
 * Returns when nothing can be missed any more. Errors as client_attach_open().
 */
struct dv_err *client_streams_attach(struct client *c, const char *bundle,
				     const struct client_streams_opts *opts,
				     struct client_streams **ret) DV_CHECK;
/* Removes the fifos. Accepts NULL; always returns NULL. */
struct client_streams *client_streams_free(struct client_streams *st);
DV_DEFINE_CLEANUP(struct client_streams *, client_streams_free);

/* Begins to read @in. Before it only output flows. */
void client_streams_begin(struct client_streams *st);

/* All output has come, and is written. */
bool client_streams_is_ended(const struct client_streams *st);
bool client_streams_is_detached(const struct client_streams *st);
/* After the end: the connection was lost before all output had come. NULL: it was not. */
struct dv_err *client_streams_take_loss(struct client_streams *st) DV_CHECK;
/* -errno: our own output cannot be written any more. */
int client_streams_error(const struct client_streams *st);

/*
 * "ctrl-p,ctrl-q", "a,ctrl-]": docker's words, to bytes; "" is none. False: not understood, or more than
 * CLIENT_DETACH_KEYS_MAX.
 */
bool client_detach_keys_parse(const char *text, char *ret_keys, size_t *ret_n) DV_CHECK;
