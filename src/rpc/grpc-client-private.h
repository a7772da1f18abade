/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The client's structures. Streams are in one list, in the order of their calls. */

#include "grpc-private.h"

struct grpc_client_conn {
	struct grpc_h2 h2;
	struct grpc_client *client;
	struct grpc_client_conn *next, **prev;
};

struct grpc_client {
	struct grpc_hub hub;
	char *path;
	size_t max_message;
	uint64_t connect_ns;
	bool is_patient, is_freed;
	struct grpc_client_conn *conns;
	struct grpc_client_conn *conn; /* of new calls; NULL: not connected */
	struct grpc_stream *streams, **last;
	struct grpc_budget input, output;
	struct grpc_alarm retry;
};

struct grpc_stream {
	struct grpc_flow flow;
	struct grpc_client *client;
	struct grpc_client_conn *conn; /* while the flow has a stream */
	struct grpc_stream *next, **prev;
	bool is_submitted, is_over; /* is_over: the result is known, and due */
	bool is_client_stream, is_server_stream;
	const char *path; /* "/service/Method" */
	struct grpc_metadata *metadata; /* until it is submitted */
	size_t n_metadata;
	const ProtobufCMessageDescriptor *reply_type;
	uint64_t deadline, connect_by;
	struct grpc_alarm alarm; /* the deadline */
	struct grpc_task
		finish; /* for results that must not come from within a call of the owner's */
	struct dv_err *failure;

	/* The answer. */
	size_t n_headers;
	uint32_t http_status;
	bool has_status, is_grpc;
	uint32_t status;
	char *text;
	uint8_t *status_details; /* heap; NULL: none came, or nobody wants them */
	size_t n_status_details;
	void (*details)(void *arg, const void *p, size_t n);
	ProtobufCMessage *reply;
	size_t charged;

	grpc_data_fn data;
	grpc_result_fn result;
	void (*writable)(void *arg);
	void *arg;
	struct dv_arena arena, message_arena;
};

/* ---- grpc-client.c ---- */

/* Connects if need be, and submits the call; what cannot be fails, later. */
void grpc_client_go(struct grpc_client *c, struct grpc_stream *st);

/* ---- grpc-stream.c ---- */

void grpc_stream_submit(struct grpc_stream *st, struct grpc_client_conn *conn);
/* The result comes soon, from the loop. */
void grpc_stream_fail(struct grpc_stream *st, struct dv_err *take_e);
/* The result, now. */
void grpc_stream_finish(struct grpc_stream *st, struct dv_err *take_e);
