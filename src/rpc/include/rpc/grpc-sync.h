/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gRPC for threads that may wait: a worker asks, the loop speaks. For plugins that are processes of
 * their own (proxy snapshotters, content stores, differs), which the stores call from workers.
 *
 * All functions are for any thread but the loop's. Bounded by the request's timeout_ns; without one
 * a peer that says nothing holds the thread for good.
 */

#include "io/work.h"
#include "rpc/grpc.h"

struct grpc_sync {
	struct grpc_client *client; /* of the loop; it sets NULL when it frees the client */
	struct io_work_pool *pool; /* whose loop it is; outlives all calls */
};

/*
 * One message there, one back, in @arena (@ret_reply may be NULL).
 * The codes of grpc_client_call(); DV_CANCELLED when the client was freed.
 */
struct dv_err *grpc_sync_call(const struct grpc_sync *s, const struct grpc_request *r,
			      struct dv_arena *arena, const ProtobufCMessage **ret_reply) DV_CHECK;

/* A call with many messages. For one thread at a time. */
struct grpc_sync_stream;

/* .msg of the request, if there is one, is the first message. @is_client_stream: more will follow. */
struct dv_err *grpc_sync_open(const struct grpc_sync *s, const struct grpc_request *r,
			      bool is_client_stream, struct grpc_sync_stream **ret) DV_CHECK;

/* Waits for room. DV_CANCELLED: the call is over, grpc_sync_receive() says how. */
struct dv_err *grpc_sync_send(struct grpc_sync_stream *st, const ProtobufCMessage *msg) DV_CHECK;
/* No more messages from us. */
void grpc_sync_end(struct grpc_sync_stream *st);
/* The next message, valid until the next call of this or the close; NULL: the end, without error. */
struct dv_err *grpc_sync_receive(struct grpc_sync_stream *st, const ProtobufCMessage **ret)
	DV_CHECK;

/* Cancels the call if it is not over. Accepts NULL; always returns NULL. */
struct grpc_sync_stream *grpc_sync_close(struct grpc_sync_stream *st);
DV_DEFINE_CLEANUP(struct grpc_sync_stream *, grpc_sync_close);
