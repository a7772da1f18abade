/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For tests alone: the service "davit.test.Peer", whose methods do what tests need. All its messages
 * are google.rpc.Status {code, message}.
 *
 *	Echo	what came
 *	Fail	the error with this code and message
 *	Hold	no answer until peer_release(), or until it is cancelled
 *	Meta	the metadata with the name `message`
 *	Make	a message of `code` bytes
 *	Stats	"connections calls memory cancelled": the numbers
 *	Count	stream out: `code` messages with the numbers 1, 2, 3 ..., each with `message`
 *	Collect	stream in: how many came, and the sum of their lengths as text
 *	Chat	both: what came, until the end
 *	Slow	stream in: takes the first message, and the next ones with peer_next()
 */

#include "api/google/rpc/status.pb-c.h"
#include "rpc/grpc.h"

typedef Google__Rpc__Status peer_msg;

struct peer_call {
	struct peer *peer;
	struct grpc_call *call;
	struct peer_call *next, **prev;
	int32_t at, end; /* Count */
	char *text;
	int32_t n; /* Collect, Slow */
	size_t n_bytes;
};

struct peer {
	struct grpc_server *server;
	struct peer_call *held;
	size_t n_held, n_cancelled, n_requests, n_slow;
};

extern const struct grpc_service peer_service; /* its argument: struct peer * */

void peer_release(struct peer *p);
void peer_next(struct peer *p); /* each Slow call takes one more */
