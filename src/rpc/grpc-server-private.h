/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The server's structures. A connection lives until its last call has ended, though its socket is
 * long gone; both may outlive the server.
 */

#include <stdatomic.h>

#include "grpc-private.h"

struct grpc_server_conn {
	struct grpc_h2 h2;
	struct grpc_server *server; /* NULL: gone */
	struct grpc_server_conn *next, **prev;
	struct grpc_alarm alarm; /* the next time to look at it */
	struct grpc_call *calls; /* that handlers have not ended */
	struct grpc_call *cursor; /* of whoever walks them; moves on when that one goes */
	size_t n_calls; /* all that are in memory */
	size_t n_leaving; /* answered, but not gone */
	uint64_t since, ping_at; /* it began; our PING left, 0: answered */
	pid_t pid;
	bool is_read_only, is_closed;
};

struct grpc_listener {
	uv_poll_t poll;
	int fd;
	struct grpc_server *server;
	struct grpc_listener *next;
	struct grpc_alarm again; /* after EMFILE */
	bool is_read_only;
};

struct grpc_entry {
	const struct grpc_service *service;
	void *arg;
	size_t n_name;
};

struct grpc_health;

struct grpc_server {
	struct grpc_hub hub;
	const struct dv_log *log;
	struct grpc_limits limits;
	struct grpc_budget memory;
	struct grpc_entry *entries;
	size_t n_entries;
	struct grpc_listener *listeners;
	struct grpc_server_conn *conns;
	size_t n_conns; /* that are not dead */
	struct grpc_health *health;
	struct grpc_server_stats stats;
	grpc_observe_fn observe;
	void *observe_arg;
	bool is_closing, is_cut; /* the calls were cancelled, too */
	struct grpc_alarm close_alarm;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct grpc_pair {
	struct grpc_pair *next;
	const char *key, *value;
	size_t n_value;
};

struct grpc_call {
	struct grpc_flow flow;
	struct grpc_server_conn *conn;
	struct grpc_call *next, **prev; /* in conn->calls */
	const struct grpc_entry *entry;
	const struct grpc_method *method;
	bool is_running; /* the handler has it */
	bool is_responding; /* the headers of the answer were submitted */
	bool is_answered; /* and all of it was queued */
	bool has_headers, is_too_long, is_short; /* of the request; is_short: no memory for them */
	bool is_post, is_grpc, is_timeout_bad, is_metadata_bad, is_encoding_bad;
	atomic_bool is_cancelled;
	size_t n_headers, charged, message_charged;
	char *path; /* in the arena until the method is known */
	uint64_t begin, timeout, deadline;
	struct grpc_alarm alarm;
	struct grpc_pair *metadata, **last_pair;
	const ProtobufCMessage *request;
	enum dv_code code; /* of the trailers */
	char *text;
	char *details; /* google.rpc.Status for the trailers, in base64; NULL: none */
	void (*cancel)(void *arg);
	void *cancel_arg;
	grpc_data_fn data;
	void *data_arg;
	void (*writable)(void *arg);
	void *writable_arg;
	struct dv_arena arena, message_arena;
};

/* ---- grpc-request.c: from a stream's headers to the handler ---- */

bool grpc_call_begin(struct grpc_h2 *h, int32_t id);

/* ---- grpc-call.c ---- */

/* For calls that no handler has. */
void grpc_call_http_error(struct grpc_call *call, const char *status);
void grpc_call_answer(struct grpc_call *call, enum dv_code code, const char *text);
/* The owner of a running call is told, and may end it at once: @call may be gone behind this. */
void grpc_call_cancel(struct grpc_call *call);
void grpc_call_trailers(struct grpc_flow *f);
/* Answers and tells the owner. */
void grpc_call_abort(struct grpc_call *call, enum dv_code code, const char *text);
bool grpc_call_charge(struct grpc_call *call, size_t n) DV_CHECK;
void grpc_call_free(struct grpc_call *call); /* no stream and no handler has it */

/* ---- grpc-server.c ---- */

void grpc_server_conn_unref(struct grpc_server_conn *conn);

/* ---- grpc-health.c ---- */

struct grpc_health *grpc_health_new(struct grpc_server *s);
void grpc_health_free(struct grpc_health *h);
void grpc_health_set(struct grpc_health *h, bool is_serving);
