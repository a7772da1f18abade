/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The server's structures. Calls are in one list of the server's; each points at its connection
 * for as long as that lives.
 */

#include "conn-private.h"

struct server_conn {
	struct ttrpc_conn io;
	struct ttrpc_server *server;
	struct server_conn *next, **prev;
	struct ttrpc_session session;
	size_t n_calls;
	uint64_t last_input;
};

struct server_entry {
	const struct ttrpc_service *service;
	void *arg;
};

struct ttrpc_server {
	uv_loop_t *loop;
	uv_poll_t listener;
	uv_timer_t timer; /* deadlines, peers that stall, listening again after EMFILE */
	int listen_fd; /* -1: closing */
	bool is_listening;
	bool is_any_uid;
	uid_t uid;
	const struct dv_log *log;
	struct ttrpc_limits limits;
	struct ttrpc_budget budget;
	struct server_entry *entries;
	size_t n_entries;
	struct server_conn *conns;
	size_t n_conns;
	struct ttrpc_call *calls;
	size_t n_calls;
	uint64_t due; /* when the timer fires; 0: it does not run */
	size_t n_handles; /* of libuv that are not closed yet */
	uint64_t close_by; /* while closing: then the rest is cut off */
	void (*closed)(void *arg);
	void *closed_arg;
};

struct ttrpc_call {
	struct ttrpc_server *server; /* NULL: gone */
	struct server_conn *conn; /* NULL: gone */
	struct ttrpc_call *next, **prev; /* while there is a server */
	const struct ttrpc_service *service;
	const struct ttrpc_method *method;
	uint32_t stream;
	bool is_cancelled, is_answered;
	bool is_client_done; /* the end of the client's stream was seen */
	uint64_t deadline;
	size_t charged; /* to the server's budget */
	struct ttrpc_pair *metadata;
	void (*cancel)(void *arg);
	void *cancel_arg;
	ttrpc_data_fn data;
	void *data_arg;
	struct dv_arena arena;
};

/* What a connection's events do to calls (ttrpc-call.c). */
void ttrpc_call_begin(struct server_conn *conn, const struct ttrpc_frame *frame);
void ttrpc_call_data(struct server_conn *conn, const struct ttrpc_frame *frame);
void ttrpc_calls_lose(struct server_conn *conn);
/* Cancels those whose time is over; lowers *due to the next deadline (0: none so far). */
void ttrpc_calls_expire(struct ttrpc_server *s, uint64_t now, uint64_t *due);
/* The server goes, the calls' owners may keep them. */
void ttrpc_calls_orphan(struct ttrpc_server *s);

/* Makes the timer fire no later than at @due (ttrpc-server.c). */
void ttrpc_server_wake(struct ttrpc_server *s, uint64_t due);
/* False: the peer is gone. Consumes the frame. */
bool ttrpc_server_send(struct server_conn *conn, struct ttrpc_chunk *take);
