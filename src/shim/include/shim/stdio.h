/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Standard streams of one process of a container, as a client names them:
 *
 *	""                         /dev/null
 *	PATH, fifo://PATH          a fifo of the client's; handed to the process as it is
 *	file://PATH                appended to, made if need be
 *	binary://PATH?K=V          a program that gets the output (containerd's logger protocol)
 *	binary-v2://PATH?K=V       the same, it must say that it is ready
 *	cri://PATH?...             a log in Kubernetes' format, see shim/README.md
 *	json://PATH?...            a log in the format of docker's json-file
 *	attach:                    whoever is attached; with ?once=1, the first one who is
 *
 * With attach=1 a log goes to those who are attached, too (stdio-attach.h).
 *
 * Standard input is a fifo, attach: or nothing. With a terminal everything goes to `out`.
 *
 * While the process runs it never gets EPIPE or SIGPIPE, whatever happens to who reads; it
 * waits when a fifo is full. Logs are always drained.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

struct shim_env;
struct shim_stdio;

struct shim_stdio_spec {
	const char *container_id, *ns; /* for a logger's environment, and messages */
	const char *in, *out, *err; /* NULL is "" */
	bool is_terminal;
	bool has_owner; /* the process's ends are given to uid and gid */
	uid_t uid;
	gid_t gid;
	bool has_bundle; /* others may attach, if the streams say so */
	int bundle_fd; /* borrowed, until the streams are freed */
};

/* Exactly one of both is not NULL. From the loop, never from within shim_stdio_open(). */
typedef void (*shim_stdio_opened_fn)(void *arg, struct dv_err *take_e, struct shim_stdio *take);

/*
 * Opens what @spec names, which is only used during the call. A logger has 30 s to be ready.
 * DV_INVALID: no such scheme, a malformed one, not a fifo. DV_NOT_FOUND, DV_PERMISSION ...:
 * it cannot be opened. DV_UNAVAILABLE: the logger ended before it was ready.
 */
void shim_stdio_open(struct shim_env *env, const struct shim_stdio_spec *spec,
		     shim_stdio_opened_fn opened, void *arg);

/* Three descriptors for the process, -1: /dev/null. Borrowed, until shim_stdio_started(). */
const int *shim_stdio_child_fds(const struct shim_stdio *s);

/* The process has its ends (or never will): ours of them are closed. */
void shim_stdio_started(struct shim_stdio *s);

/* Terminal: the relay begins. @take_master is closed with it. */
void shim_stdio_set_console(struct shim_stdio *s, int take_master);

/* DV_PRECONDITION: no terminal. Before the console is there the size is remembered. */
struct dv_err *shim_stdio_resize(struct shim_stdio *s, uint16_t width, uint16_t height) DV_CHECK;

/* CloseIO: the process sees the end of its input once all other writers have closed it, too. */
void shim_stdio_close_stdin(struct shim_stdio *s);

/*
 * The process has ended. To be called at once, since only then readers see the end of a
 * fifo, and clients wait for that before they ask for a deletion; may be called again.
 *
 * @drained (may be NULL; the last one given counts) is called from the loop, never from within,
 * when all that the process wrote was handed on: is in the fifo, log or logger's pipe. That is
 * bounded by 10 s for a terminal whose reader does not read, by a minute for those who are
 * attached, and by 5 s for one of them who does not read. Processes that inherited the
 * streams are served further, until the streams are freed. What is in a fifo without
 * reader stays there, and a reader that comes gets it and then the end of the file.
 */
void shim_stdio_exited(struct shim_stdio *s, void (*drained)(void *arg), void *arg);

/* Opens the logs anew, after somebody has renamed them. DV_PRECONDITION: there is none. */
struct dv_err *shim_stdio_reopen(struct shim_stdio *s) DV_CHECK;

/*
 * Closes everything; accepts NULL, returns NULL, may be called from any callback. A logger
 * gets SIGTERM, and after 12 s SIGKILL: the loop goes on for so long if need be.
 */
struct shim_stdio *shim_stdio_free(struct shim_stdio *s);
DV_DEFINE_CLEANUP(struct shim_stdio *, shim_stdio_free);
