/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * davitd as its clients see it: calls that wait. Everything happens on one private libuv loop, which
 * runs while a function here waits; so other calls in flight, terminals and sockets on that loop make
 * progress meanwhile, and their callbacks may be called from within any function here that waits. A
 * callback may not wait itself.
 *
 * One thread. Errors have the daemon's code and message; DV_UNAVAILABLE: nobody listens there, or the
 * connection was lost.
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/mem.h"

#define CLIENT_ADDRESS_DEFAULT "/run/davit/davitd.sock"

struct client;

struct client_opts {
	const char *address; /* path of the socket, "unix://" allowed; NULL: the default */
	const char *ns; /* containerd's namespace of all calls; NULL: "default" */
};

/* Connects with the first call. */
struct dv_err *client_new(const struct client_opts *opts, struct client **ret) DV_CHECK;
/* No call may be in flight. Accepts NULL; always returns NULL. */
struct client *client_free(struct client *c);
DV_DEFINE_CLEANUP(struct client *, client_free);

uv_loop_t *client_loop(struct client *c);
const char *client_address(const struct client *c);
const char *client_namespace(const struct client *c);

/* Borrowed during the call that takes it. client/services.h has short forms. */
struct client_request {
	const ProtobufCServiceDescriptor *service;
	const char *method; /* as in the .proto: "Create"; no such method: an assertion */
	const ProtobufCMessage *msg;
	uint64_t timeout_ns; /* 0: none */
	const char *ns; /* instead of the client's */
	const char *lease; /* what is made belongs to it; may be NULL */
};

/*
 * One message there, one back. @ret_reply: address of a pointer to the generated type of the reply,
 * which is in @arena; or NULL, then @arena may be, too.
 */
struct dv_err *client_call(struct client *c, const struct client_request *r, struct dv_arena *arena,
			   void *ret_reply) DV_CHECK;

/* ---- Calls in the background ---- */

struct client_pending;

/* @done may be NULL; it is called once, when the answer is there, never from within this. */
struct client_pending *client_start(struct client *c, const struct client_request *r,
				    void (*done)(void *arg), void *arg);
bool client_pending_is_done(const struct client_pending *p);
/* Waits for the answer, as client_call(). */
struct dv_err *client_pending_finish(struct client_pending *take, struct dv_arena *arena,
				     void *ret_reply) DV_CHECK;
/* Cancels the call if it is in flight. Accepts NULL; always returns NULL. */
struct client_pending *client_pending_free(struct client_pending *p);
DV_DEFINE_CLEANUP(struct client_pending *, client_pending_free);

/* ---- Calls with many messages ---- */

struct client_stream;

/* .msg of the request, if there is one, is the first message. @is_client_stream: more will follow. */
struct client_stream *client_stream_open(struct client *c, const struct client_request *r,
					 bool is_client_stream);
/* Waits for room. DV_CANCELLED: the call is over; client_stream_receive() says how. */
struct dv_err *client_stream_send(struct client_stream *st, const ProtobufCMessage *msg) DV_CHECK;
/* No more messages from us. */
void client_stream_end(struct client_stream *st);
/*
 * Waits for the next message; @ret_msg as in client_call(): valid until the next call of this, or the
 * close. NULL: the end, without error.
 */
struct dv_err *client_stream_receive(struct client_stream *st, void *ret_msg) DV_CHECK;
/*
 * The other way to receive: @fn for each message as it comes, valid during @fn, and with NULL at the
 * end of the call, once. To be set before the first wait; client_stream_receive() then only waits
 * for the end.
 */
void client_stream_on_message(struct client_stream *st,
			      void (*fn)(void *arg, const ProtobufCMessage *msg), void *arg);
/* Cancels the call if it is not over. Accepts NULL; always returns NULL. */
struct client_stream *client_stream_close(struct client_stream *st);
DV_DEFINE_CLEANUP(struct client_stream *, client_stream_close);
