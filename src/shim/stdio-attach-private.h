/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What stdio-attach*.c share. Nothing of it calls into stdio.c, except has_room(). */

#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/str.h"
#include "stdio-attach.h"

/* ---- stdio-attach-input.c: where clients' input goes to ------------------------------------- */

enum attach_input_state {
	ATTACH_INPUT_NONE, /* there is none, or no more: what comes is dropped */
	ATTACH_INPUT_AWAITED, /* it will be there */
	ATTACH_INPUT_OPEN,
};

struct attach_input {
	enum attach_input_state state;
	bool is_once;
	int fd; /* -1: not OPEN */
	uv_poll_t *poll; /* NULL: not OPEN */
};

/* How many bytes it took, or dropped. Fewer: attach_clients_resume() will be called. */
size_t attach_input_write(struct stdio_attach *a, const void *p, size_t n);
/* One who could write to it has ended. */
void attach_input_left(struct stdio_attach *a);

/* ---- stdio-attach-client.c ------------------------------------------------------------------ */

struct attach_client {
	struct attach_client *next;
	struct stdio_attach *hub; /* NULL: out of the list, only handles are left */
	uv_poll_t poll;
	uv_timer_t hello;
	unsigned n_handles;
	int fd;
	int interest; /* what poll waits for; 0: it is stopped */
	bool is_ready; /* has said hello */
	bool is_waited_for, has_stdin;
	bool is_input_over; /* no more frames are to come */
	bool is_deaf; /* gone, as far as output is concerned */
	bool is_half_closed; /* there will be nothing to be read */
	bool is_ending; /* END is sent or queued: with the last byte it is over */
	bool counts_as_full;
	struct dv_attach_reader reader;
	uint8_t *input; /* received, and its turn has not come; NULL: nothing */
	size_t n_input;
	struct dv_strbuf queue; /* from at_queue on it is to be sent */
	size_t at_queue;
	uint64_t progress_at; /* uv_now(): the last time that a byte was sent */
};

void attach_client_new(struct stdio_attach *a, int take_fd);
/* What was queued is lost. The memory stays until the loop's next turn. */
void attach_client_free(struct attach_client *c);
/* All of @iov, or the client is cut off. */
void attach_client_send(struct attach_client *c, const struct iovec *iov, size_t n_iov);
/* Output is over: END, and the end of the connection behind it. */
void attach_client_end(struct attach_client *c);
/* Gives the process what of its input waits. */
void attach_client_resume(struct attach_client *c);
/* Its socket takes more from now on. */
void attach_client_widen(struct attach_client *c);
bool attach_client_is_behind(const struct attach_client *c);

/* ---- stdio-attach.c --------------------------------------------------------------------------- */

struct stdio_attach {
	struct shim_env *env;
	struct stdio_attach_opts opts;
	uv_poll_t poll;
	uv_timer_t resume; /* gives input that waits another try */
	unsigned n_handles;
	int fd;
	struct attach_client *clients;
	size_t n_clients, n_ready, n_full;
	struct attach_input input;
	unsigned n_streams; /* that have not ended */
	bool has_streams, has_exited;
	uint64_t exited_at; /* uv_now() */
};

/* Soon, from the loop, and not from within. */
void attach_clients_resume(struct stdio_attach *a);
bool attach_is_over(const struct stdio_attach *a); /* all streams have ended */
