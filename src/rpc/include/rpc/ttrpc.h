/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ttrpc, containerd's RPC between daemon and shims: a server and a client on one libuv loop. All
 * functions are for the loop's thread.
 *
 * Whatever the peer does costs bounded memory: see struct ttrpc_limits. An idle connection holds
 * no buffers.
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

/* ---- Server ---- */

struct ttrpc_server;
/* One request that is being answered. Ends with ttrpc_reply() or ttrpc_fail(), exactly once. */
struct ttrpc_call;

/*
 * @req lives as long as the call. The handler may answer before it returns or at any time later,
 * also when the connection, or the server, is gone by then.
 */
typedef void (*ttrpc_method_fn)(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg);

struct ttrpc_method {
	const char *name; /* "Create" */
	const ProtobufCMessageDescriptor *request;
	ttrpc_method_fn fn;
	bool is_client_stream; /* @req is NULL; all messages come through ttrpc_call_on_data() */
	bool is_server_stream; /* ttrpc_send(), then ttrpc_reply() with NULL */
};

/* Static data. */
struct ttrpc_service {
	const char *name; /* "containerd.task.v2.Task" */
	const struct ttrpc_method *methods;
	size_t n_methods;
};

/* 0 stands for the default. */
struct ttrpc_limits {
	size_t max_connections; /* 64; more are refused */
	size_t max_calls; /* 4096 being answered on one connection; more are refused */
	size_t max_output; /* 8 MiB that a peer has not read; above that it is cut off */
	size_t max_memory; /* 64 MiB for requests and replies of all connections together */
	uint64_t stall_ns; /* 30 s; a peer that reads nothing for so long is cut off */
};

struct ttrpc_server_opts {
	uv_loop_t *loop;
	int listen_fd; /* a listening stream socket, taken, also on failure */
	bool is_any_uid; /* else only peers whose uid is this one (SO_PEERCRED): */
	uid_t uid;
	const struct dv_log *log; /* borrowed, may be NULL; debug lines alone */
	struct ttrpc_limits limits;
};

struct dv_err *ttrpc_server_new(const struct ttrpc_server_opts *opts, struct ttrpc_server **ret)
	DV_CHECK;

/* Before the loop runs. @service and @arg are borrowed. */
void ttrpc_server_add(struct ttrpc_server *s, const struct ttrpc_service *service, void *arg);

/*
 * No new connections, no new requests. Calls that are not answered yet are cancelled. Replies that
 * are under way get a second to leave; then @closed is called (may be NULL) and @s is gone.
 */
void ttrpc_server_close(struct ttrpc_server *s, void (*closed)(void *arg), void *arg);

/* Connections at the moment; calls being answered. */
size_t ttrpc_server_connections(const struct ttrpc_server *s);
size_t ttrpc_server_calls(const struct ttrpc_server *s);

/* Freed with the call; for the request's temporaries and the reply. */
struct dv_arena *ttrpc_call_arena(struct ttrpc_call *call);

const char *ttrpc_call_service(const struct ttrpc_call *call);
const char *ttrpc_call_method(const struct ttrpc_call *call);

/* The first value of the key, NULL when there is none. */
const char *ttrpc_call_metadata(const struct ttrpc_call *call, const char *key);

/* In terms of uv_hrtime(); 0: none. */
uint64_t ttrpc_call_deadline(const struct ttrpc_call *call);

/*
 * @fn is called once, from the loop, when the deadline has passed or the connection is lost. The
 * call still must be ended; what it says then is dropped, except that after a deadline the peer
 * gets a DV_DEADLINE in its place. NULL takes the callback back.
 */
void ttrpc_call_on_cancel(struct ttrpc_call *call, void (*fn)(void *arg), void *arg);
bool ttrpc_call_is_cancelled(const struct ttrpc_call *call);

/* Ends the call. @msg is encoded before this returns; NULL stands for an empty message. */
void ttrpc_reply(struct ttrpc_call *take, const ProtobufCMessage *msg);
/* Ends the call with the code and the message of the error. */
void ttrpc_fail(struct ttrpc_call *take, struct dv_err *take_e);

/*
 * One message of a server's stream.
 * DV_CANCELLED: nobody is there to get it. DV_EXHAUSTED: the peer does not read; the message was
 * dropped, and later ones will be, too.
 */
struct dv_err *ttrpc_send(struct ttrpc_call *call, const ProtobufCMessage *msg) DV_CHECK;

/*
 * Messages of a client's stream; to be set in the handler. @msg is valid during @fn and NULL at
 * the end of the stream, which @fn sees once.
 */
typedef void (*ttrpc_data_fn)(void *arg, const ProtobufCMessage *msg);
void ttrpc_call_on_data(struct ttrpc_call *call, ttrpc_data_fn fn, void *arg);

/* ---- Client ---- */

struct ttrpc_client;

/*
 * Connects with the first call, and again with the next call after a loss. @path: of the socket,
 * "unix://" in front is allowed, "@name" is an abstract one.
 */
struct ttrpc_client *ttrpc_client_new(uv_loop_t *loop, const char *path);

/* Calls in flight end with DV_CANCELLED before this returns. Accepts NULL; always returns NULL. */
struct ttrpc_client *ttrpc_client_free(struct ttrpc_client *c);
DV_DEFINE_CLEANUP(struct ttrpc_client *, ttrpc_client_free);

/*
 * @fn is called, from the loop, each time that a connection was lost, after the results of the calls
 * that were in flight on it. An idle connection is watched as well. NULL takes it back.
 */
void ttrpc_client_on_loss(struct ttrpc_client *c, void (*fn)(void *arg), void *arg);

struct ttrpc_metadata {
	const char *key, *value;
};

struct ttrpc_request { /* all borrowed during the call that takes it */
	const char *service, *method;
	const ProtobufCMessage *msg; /* NULL: an empty one */
	const ProtobufCMessageDescriptor *reply; /* NULL: its content does not matter */
	uint64_t timeout_ns; /* 0: none */
	const struct ttrpc_metadata *metadata;
	size_t n_metadata;
};

/*
 * Exactly one of @take_e and @reply, which is valid during the callback (with no type of the
 * reply given: neither). Called once, and never from within ttrpc_client_call().
 *
 * The peer's errors have its code and its message. Ours: DV_UNAVAILABLE when nobody listens or
 * the connection was lost (the peer may or may not have acted), DV_DEADLINE, DV_EXHAUSTED for
 * messages over 4 MiB and for a peer that does not read, DV_CANCELLED.
 */
typedef void (*ttrpc_result_fn)(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply);

void ttrpc_client_call(struct ttrpc_client *c, const struct ttrpc_request *r, ttrpc_result_fn fn,
		       void *arg);

/* A call with several messages, in either direction or in both. Ends with its result. */
struct ttrpc_stream;

struct ttrpc_stream_opts {
	struct ttrpc_request request; /* .reply: type of the server's messages, too */
	bool is_client_stream; /* .msg, if there is one, is the first message */
	bool is_server_stream;
	ttrpc_data_fn data; /* the server's messages; its end is the result */
	ttrpc_result_fn result; /* with neither error nor reply at the end of a server's stream */
	void *arg;
};

/* Borrowed until the result. */
struct ttrpc_stream *ttrpc_client_stream(struct ttrpc_client *c, const struct ttrpc_stream_opts *o);
/* DV_CANCELLED, DV_EXHAUSTED as ttrpc_send(). */
struct dv_err *ttrpc_stream_send(struct ttrpc_stream *st, const ProtobufCMessage *msg) DV_CHECK;
/* No more messages from us. */
void ttrpc_stream_end(struct ttrpc_stream *st);
