/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One connection on the loop: bytes in, frames out, within bounds. Used by both ends.
 *
 *	open  --ttrpc_conn_kill(), end of file, error--> dead  --the loop's closing phase--> closed()
 *
 * Dead: the descriptor and what was queued are gone, nothing is read or sent any more. The memory
 * is the owner's and stays until closed(), so a connection may die anywhere.
 */

#include <uv.h>

#include "ttrpc-private.h"

struct ttrpc_conn;

struct ttrpc_conn_ops {
	/* Some bytes came. */
	void (*input)(struct ttrpc_conn *c, const uint8_t *p, size_t n);
	/* The last callback: the owner may free it. */
	void (*closed)(struct ttrpc_conn *c);
	/* All that was queued has left; may be NULL. */
	void (*drained)(struct ttrpc_conn *c);
	/* The budget has no room for @n bytes; the owner may kill connections. May be NULL. */
	void (*make_room)(struct ttrpc_conn *c, size_t n);
};

struct ttrpc_conn {
	uv_poll_t poll;
	int fd; /* -1: dead */
	int events; /* that are polled for */
	const struct ttrpc_conn_ops *ops;
	struct ttrpc_budget *budget;
	struct ttrpc_chunk *first, **last; /* queued */
	size_t n_queued; /* bytes */
	size_t max_queued;
	uint64_t progress; /* uv_hrtime() of the last byte that left, or of the first that waits */
	bool is_input_off; /* by the owner */
	const char *why; /* it died; static text */
	int error; /* -errno or 0 */
};

/* Reading pauses above this: who does not take answers may ask no more. */
enum { TTRPC_QUEUE_HIGH = 256 << 10 };

/* Takes @take_fd, a socket that does not block, on success. Returns -errno. */
int ttrpc_conn_open(struct ttrpc_conn *c, uv_loop_t *loop, int take_fd);

/*
 * Sends the frame, or queues what the socket does not take. False: the connection is dead, or died
 * of it, and the peer did not get the whole frame.
 */
bool ttrpc_conn_send(struct ttrpc_conn *c, struct ttrpc_chunk *take);

/* Has the peer gone, and the loop not seen it yet? False: it has, and now the connection is dead. */
bool ttrpc_conn_check(struct ttrpc_conn *c);

void ttrpc_conn_stop_input(struct ttrpc_conn *c);
void ttrpc_conn_kill(struct ttrpc_conn *c, const char *why, int error);

static inline bool ttrpc_conn_is_dead(const struct ttrpc_conn *c)
{
	return c->fd < 0;
}
