/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gRPC over HTTP/2 (nghttp2): a server and a client on one libuv loop. The shape is that of
 * rpc/ttrpc.h. All functions are for the loop's thread, except those that say otherwise.
 *
 * Whatever a peer does costs bounded memory, and one connection cannot starve the others: see
 * struct grpc_limits. An idle connection holds no buffers.
 *
 * Rules of the wire: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#define GRPC_MESSAGE_MAX ((size_t)16 << 20) /* containerd's, in both directions */

/* ---- Server ---- */

struct grpc_server;
/* One request that is being answered. Ends with grpc_reply() or grpc_fail(), exactly once. */
struct grpc_call;

/*
 * @req lives as long as the call; NULL for a client's stream. The handler may answer before it
 * returns or at any time later, also when the connection, or the server, is gone by then.
 */
typedef void (*grpc_method_fn)(struct grpc_call *call, const ProtobufCMessage *req, void *arg);

struct grpc_method {
	const char *name; /* "Create" */
	const ProtobufCMessageDescriptor *request;
	grpc_method_fn fn;
	bool is_client_stream; /* all messages come through grpc_call_on_data() */
	bool is_server_stream; /* grpc_send(), then grpc_reply() with NULL */
	bool is_read_only; /* may be called through a read-only listener */
	const void *user; /* grpc_call_method_user(): whatever layers above keep with a method */
};

/* Static data. */
struct grpc_service {
	const char *name; /* "containerd.services.images.v1.Images" */
	const struct grpc_method *methods;
	size_t n_methods;
};

/* 0 stands for the default. */
struct grpc_limits {
	size_t max_connections; /* 1024; more are refused with a GOAWAY */
	size_t max_streams; /* 4096 on one connection (SETTINGS_MAX_CONCURRENT_STREAMS) */
	size_t max_headers; /* 64 KiB of one request; more: the stream is refused (431) */
	size_t max_message; /* GRPC_MESSAGE_MAX; longer: DV_EXHAUSTED */
	size_t max_input; /* 64 MiB of requests on one connection that are not answered yet */
	size_t max_memory; /* 512 MiB for requests and replies of all connections together */
	uint64_t handshake_ns; /* 20 s for the preface and the first SETTINGS */
	uint64_t stall_ns; /* 60 s: a peer that takes nothing of what waits for it is cut off */
	uint64_t keepalive_ns; /* 2 h without traffic: PING, and 20 s for its answer */
};

struct Google__Protobuf__Any;

struct grpc_server_opts {
	uv_loop_t *loop;
	const struct dv_log *log; /* borrowed, may be NULL; debug lines alone */
	struct grpc_limits limits;
};

struct dv_err *grpc_server_new(const struct grpc_server_opts *opts, struct grpc_server **ret)
	DV_CHECK;

struct grpc_listen_opts {
	int take_fd; /* a listening stream socket, also taken on failure */
	bool is_read_only; /* methods that are not: DV_PERMISSION */
};

/* Any number of times. */
struct dv_err *grpc_server_listen(struct grpc_server *s, const struct grpc_listen_opts *opts)
	DV_CHECK;

/* Before the loop runs. @service and @arg are borrowed. grpc.health.v1.Health is built in. */
void grpc_server_add(struct grpc_server *s, const struct grpc_service *service, void *arg);

/* grpc.health.v1: what Check and Watch say; SERVING for every service until told otherwise. */
void grpc_server_set_serving(struct grpc_server *s, bool is_serving);

/*
 * No new connections; GOAWAY. Calls that are being answered get until @grace_ns, then they are
 * cancelled; replies under way get a second. Then @closed is called (may be NULL) and @s is gone.
 */
void grpc_server_close(struct grpc_server *s, uint64_t grace_ns, void (*closed)(void *arg),
		       void *arg);

struct grpc_server_stats {
	size_t connections; /* now */
	size_t calls; /* being answered now */
	size_t memory; /* bytes accounted for now */
	uint64_t connections_total, calls_total, refused_total;
};
void grpc_server_stats(const struct grpc_server *s, struct grpc_server_stats *ret);

/* Called when a call has ended, for metrics and the access log. @code 0 is OK. May be NULL. */
typedef void (*grpc_observe_fn)(void *arg, const struct grpc_call *call, int code,
				uint64_t duration_ns);
void grpc_server_observe(struct grpc_server *s, grpc_observe_fn fn, void *arg);
/* For it alone: what the client was told, percent-encoded; "" if nothing. */
const char *grpc_call_message(const struct grpc_call *call);
const struct grpc_method *grpc_call_method_table(const struct grpc_call *call);

/* Freed with the call; for the request's temporaries and the reply. One thread at a time. */
struct dv_arena *grpc_call_arena(struct grpc_call *call);

const char *grpc_call_service(const struct grpc_call *call);
const char *grpc_call_method(const struct grpc_call *call);
const void *grpc_call_method_user(const struct grpc_call *call);
pid_t grpc_call_peer_pid(const struct grpc_call *call); /* 0: not known; for logs only */

/* The first value of the key (lower case), NULL when there is none. */
const char *grpc_call_metadata(const struct grpc_call *call, const char *key);

/* The same for keys that end in "-bin", whose values are bytes. */
const void *grpc_call_metadata_bin(const struct grpc_call *call, const char *key, size_t *ret_n);

/* In terms of uv_hrtime(); 0: none. */
uint64_t grpc_call_deadline(const struct grpc_call *call);

/*
 * @fn is called once, from the loop, when the deadline has passed, the client has cancelled or the
 * connection is lost. The call still must be ended; what it says then is dropped, except that
 * after a deadline the peer gets a DV_DEADLINE in its place. NULL takes the callback back.
 */
void grpc_call_on_cancel(struct grpc_call *call, void (*fn)(void *arg), void *arg);
bool grpc_call_is_cancelled(const struct grpc_call *call); /* from any thread */

/* Ends the call. @msg is encoded before this returns; NULL stands for an empty message. */
void grpc_reply(struct grpc_call *take, const ProtobufCMessage *msg);
/* Ends the call with the code and the message of the error (grpc-status, grpc-message). */
void grpc_fail(struct grpc_call *take, struct dv_err *take_e);
/*
 * The same with details (grpc-status-details-bin). With those the message must not be longer than some
 * hundred bytes: what is too long for a header is left out.
 */
void grpc_fail_details(struct grpc_call *take, struct dv_err *take_e,
		       struct Google__Protobuf__Any *const *details, size_t n_details);

/*
 * One message of a server's stream. It is queued whatever happens; a sender that has much to say
 * stops at false of grpc_call_is_writable() and goes on when it is told to.
 * DV_CANCELLED: nobody is there to get it. DV_EXHAUSTED: 16 MiB are queued already.
 */
struct dv_err *grpc_send(struct grpc_call *call, const ProtobufCMessage *msg) DV_CHECK;
bool grpc_call_is_writable(const struct grpc_call *call); /* less than 256 KiB are queued */
/* @fn is called, from the loop, each time that the call becomes writable again. */
void grpc_call_on_writable(struct grpc_call *call, void (*fn)(void *arg), void *arg);

/*
 * Messages of a client's stream; to be set in the handler. @msg is valid until @fn asks for the
 * next one and NULL at the end of the stream, which @fn sees once. One message is delivered, and
 * the next only after grpc_call_next(): the peer is held back by flow control meanwhile.
 */
typedef void (*grpc_data_fn)(void *arg, const ProtobufCMessage *msg);
void grpc_call_on_data(struct grpc_call *call, grpc_data_fn fn, void *arg);
void grpc_call_next(struct grpc_call *call);

/* ---- Client ---- */

struct grpc_client;

struct grpc_client_opts {
	uv_loop_t *loop;
	const char *path; /* of the socket; "unix://" in front is allowed */
	size_t max_message; /* of replies; 0: GRPC_MESSAGE_MAX */
	uint64_t
		connect_ns; /* 0: 10 s, in which a socket that does not exist yet is waited for... */
	bool is_patient; /* ... if this is set; else a missing socket fails at once */
};

/* Connects with the first call, and again with the next call after a loss. */
struct grpc_client *grpc_client_new(const struct grpc_client_opts *opts);

/* Calls in flight end with DV_CANCELLED before this returns. Accepts NULL; always returns NULL. */
struct grpc_client *grpc_client_free(struct grpc_client *c);
DV_DEFINE_CLEANUP(struct grpc_client *, grpc_client_free);

struct grpc_metadata {
	const char *key, *value;
	size_t n_value; /* of keys that end in "-bin", whose values are bytes; not used with others */
};

struct grpc_request { /* all borrowed during the call that takes it */
	const char *service, *method;
	const ProtobufCMessage *msg; /* NULL: an empty one */
	const ProtobufCMessageDescriptor *reply; /* NULL: its content does not matter */
	uint64_t timeout_ns; /* 0: none */
	const struct grpc_metadata *metadata;
	size_t n_metadata;
};

/*
 * Exactly one of @take_e and @reply, which is valid during the callback (with no type of the
 * reply given: neither). Called once, and never from within the function that asks.
 *
 * The peer's errors have its code and its message. Ours: DV_UNAVAILABLE when nobody listens or
 * the connection was lost (the peer may or may not have acted), DV_DEADLINE, DV_EXHAUSTED,
 * DV_CANCELLED.
 */
typedef void (*grpc_result_fn)(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply);

/* A call, for cancelling it. Borrowed until the result. */
struct grpc_stream;

struct grpc_stream *grpc_client_call(struct grpc_client *c, const struct grpc_request *r,
				     grpc_result_fn fn, void *arg);

struct grpc_stream_opts {
	struct grpc_request request; /* .reply: type of the server's messages, too */
	bool is_client_stream; /* .msg, if there is one, is the first message */
	bool is_server_stream;
	grpc_data_fn
		data; /* the server's messages, until grpc_stream_next(); its end is the result */
	grpc_result_fn result; /* with neither error nor reply at the end of a server's stream */
	void (*writable)(void *arg); /* as grpc_call_on_writable(); may be NULL */
	/*
	 * An encoded google.rpc.Status that came with the peer's error, before the result; borrowed.
	 * May be NULL.
	 */
	void (*details)(void *arg, const void *p, size_t n);
	void *arg;
};

struct grpc_stream *grpc_client_stream(struct grpc_client *c, const struct grpc_stream_opts *o);
/* DV_CANCELLED, DV_EXHAUSTED as grpc_send(). */
struct dv_err *grpc_stream_send(struct grpc_stream *st, const ProtobufCMessage *msg) DV_CHECK;
bool grpc_stream_is_writable(const struct grpc_stream *st);
/* The server's next message, please; the first one is delivered without. */
void grpc_stream_next(struct grpc_stream *st);
/* No more messages from us. */
void grpc_stream_end(struct grpc_stream *st);
/* The result comes, with DV_CANCELLED; the server is told. */
void grpc_stream_cancel(struct grpc_stream *st);
