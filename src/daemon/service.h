/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From gRPC's calls, which live on the loop, to functions that may block. A service is a table of
 * methods of three kinds:
 *
 *	DAEMON_UNARY	a synchronous function on a worker thread, for what asks the stores
 *	DAEMON_STREAM	the same for a server's stream, called for one message after the other
 *	(grpc_method)	a handler on the loop, for what waits for others; daemon_call_begin()
 *			does for it what the other kinds get done
 *
 * The arg of each service is the struct daemon.
 */

#include <stdbool.h>

#include "daemon-private.h"

struct daemon_call {
	struct daemon *d;
	struct grpc_call *grpc; /* grpc_call_is_cancelled() is all that a worker may ask it */
	struct dv_arena *arena; /* of the call */
	const char *ns; /* a valid name; NULL where the method needs none */
	const char *lease; /* NULL: none */
};

/* *ret_reply, in the arena; left alone it is an empty message. */
typedef struct dv_err *(*daemon_unary_fn)(struct daemon_call *c, const ProtobufCMessage *req,
					  const ProtobufCMessage **ret_reply)DV_CHECK;

/* One message of a stream. */
struct daemon_next {
	struct dv_arena *arena; /* of this message alone */
	const ProtobufCMessage *msg; /* NULL: none this time */
	bool is_last;
};

/*
 * @io_state is NULL at first, and then what it was set to. Called again when the client can take
 * more; never two at a time.
 */
typedef struct dv_err *(*daemon_next_fn)(struct daemon_call *c, const ProtobufCMessage *req,
					 void **io_state, struct daemon_next *next)DV_CHECK;

/* The last: what may take as long as its client likes, which nobody else shall wait for. */
enum daemon_lane { DAEMON_FAST, DAEMON_SLOW, DAEMON_LONG };

struct daemon_method {
	daemon_unary_fn unary; /* or */
	daemon_next_fn next;
	void (*end)(void *state); /* of next: on the loop, once, if there is a state; may be NULL */
	enum daemon_lane lane;
	bool needs_no_ns;
};

/*
 *	DAEMON_UNARY("Get", containerd__..., images_get, (.lane = DAEMON_FAST), .is_read_only = true)
 *
 * The fourth argument is members of daemon_method in parentheses, the rest are of grpc_method.
 */
#define DAEMON_UNARY(name_, type_, fn_, method_, ...) \
	{ \
		.name = (name_), .request = &type_##__descriptor, .fn = daemon_dispatch, \
		.user = &(const struct daemon_method){ .unary = (fn_), DAEMON_STRIP method_ }, \
		__VA_ARGS__ \
	}
#define DAEMON_STREAM(name_, type_, fn_, method_, ...) \
	{ \
		.name = (name_), .request = &type_##__descriptor, .fn = daemon_dispatch, \
		.is_server_stream = true, \
		.user = &(const struct daemon_method){ .next = (fn_), DAEMON_STRIP method_ }, \
		__VA_ARGS__ \
	}
#define DAEMON_STRIP(...) __VA_ARGS__

/* The handler of both kinds. */
void daemon_dispatch(struct grpc_call *call, const ProtobufCMessage *req, void *arg);

/* For handlers on the loop. DV_PRECONDITION: no namespace; DV_INVALID: a bad one. */
struct dv_err *daemon_call_begin(struct grpc_call *call, struct daemon *d, bool needs_ns,
				 struct daemon_call *ret) DV_CHECK;

struct io_work_pool *daemon_lane(struct daemon *d, enum daemon_lane lane);

/* Adds them all to the server. */
void daemon_services_add(struct daemon *d, struct grpc_server *server);
