/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Attached to the first process of a container, by the socket in its bundle that our shim listens on
 * (codec/attach.h) when the container's streams were asked for with attach=1 and attach:.
 *
 * One thread: that of the loop. Callbacks come from the loop, never from within a function here, and
 * each may close the connection.
 */

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"

struct client_attach;

struct client_attach_opts {
	const char *bundle; /* its directory, of any length; used during the call alone */
	bool is_waited_for; /* the process waits when we do not read; or else we are cut off */
	bool has_stdin; /* we will send input */
	/* From here on no output is missed. May be NULL. */
	void (*ready)(void *arg);
	/* What the process wrote; valid during the call. Of a terminal nothing is @is_err. */
	void (*data)(void *arg, bool is_err, const void *p, size_t n);
	/* After client_attach_send() said false: there is room again. May be NULL, with has_stdin. */
	void (*writable)(void *arg);
	/*
	 * Once, and nothing comes after it. NULL: the output has ended, and all of it came.
	 * DV_UNAVAILABLE: the connection was lost before that: the shim has died, or we were cut off.
	 * DV_INTERNAL: what answers there is no shim of ours.
	 */
	void (*closed)(void *arg, struct dv_err *take_e);
	void *arg;
};

/* DV_NOT_FOUND: no such socket. DV_UNAVAILABLE: nobody listens, or too many wait. */
struct dv_err *client_attach_open(uv_loop_t *loop, const struct client_attach_opts *opts,
				  struct client_attach **ret) DV_CHECK;

/*
 * Input for the process; what cannot be sent at once is copied. False: wait for writable() before
 * more is sent. After the end of the connection it is dropped. Not after client_attach_end_input().
 */
bool client_attach_send(struct client_attach *a, const void *p, size_t n);
/* There is no more input. With attach:?once=1 the process sees the end of it. */
void client_attach_end_input(struct client_attach *a);

/* After a pause, what was read already still comes: once, and 64 KiB at most. */
void client_attach_pause(struct client_attach *a);
void client_attach_resume(struct client_attach *a);

/* What was not sent is lost. Accepts NULL; always returns NULL. The loop frees it with its next turn. */
struct client_attach *client_attach_close(struct client_attach *a);
DV_DEFINE_CLEANUP(struct client_attach *, client_attach_close);
