/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Those who attach to a process: they get what it writes while they are there, and write to
 * its input. They connect to a socket in the bundle; codec/attach.h is what is spoken there.
 *
 * Only the shim's own user may, 64 at most, and 10 s for saying hello. A client is sent to at
 * once; what its socket does not take is kept for it, up to 1 MiB, and who is behind further than
 * that is cut off. One that said so is waited for instead: nothing more is read from the process.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"
#include "codec/attach.h"
#include "env.h"

struct stdio_attach;

struct stdio_attach_opts {
	int dir_fd; /* of the bundle; borrowed until it is freed */
	unsigned hello_ms, patience_ms; /* 0: 10 s for a hello, 5 s at the end */
	/* From the loop, when it is no longer full. */
	void (*has_room)(void *arg);
	void *arg;
};

/* Listens. What is there of the socket's name goes. */
struct dv_err *stdio_attach_new(struct shim_env *env, const struct stdio_attach_opts *opts,
				struct stdio_attach **ret) DV_CHECK;
/* Ends all connections, and removes the socket. Accepts NULL; returns NULL. */
struct stdio_attach *stdio_attach_free(struct stdio_attach *a);

/* ---- output ------------------------------------------------------------------------------ */

/* There is one more stream; when all have ended the connections end. */
void stdio_attach_add_stream(struct stdio_attach *a);
void stdio_attach_stream_ended(struct stdio_attach *a);
/* What the process wrote; with nobody there it costs nothing. Calls nothing back. */
void stdio_attach_write(struct stdio_attach *a, enum dv_attach_from_shim type, const void *p,
			size_t n);
/* Somebody who is to be waited for has not got everything. */
bool stdio_attach_is_full(const struct stdio_attach *a);

/*
 * The process has ended: from now on sockets take all that can be left, if we may have it so,
 * and whoever gets nothing for 5 s is waited for no longer.
 */
void stdio_attach_exited(struct stdio_attach *a);
/* After that: nobody is to be waited for. */
bool stdio_attach_is_drained(struct stdio_attach *a);

/* ---- input: none, unless one of these was called ------------------------------------------- */

/* A pipe, whose other end is the caller's. @is_once: it ends with the first one who wrote to it. */
struct dv_err *stdio_attach_open_input(struct stdio_attach *a, bool is_once, int *ret_reader)
	DV_CHECK;
/* There will be a terminal, and until then clients wait. It has no end. */
void stdio_attach_await_console(struct stdio_attach *a);
struct dv_err *stdio_attach_set_console(struct stdio_attach *a, int take_master) DV_CHECK;
/* The process sees the end; what clients send from now on is dropped. */
void stdio_attach_close_input(struct stdio_attach *a);
