/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What both ends of gRPC share, from the bottom up:
 *
 *	hub	time, and work that must not happen within somebody's callback
 *	h2	one connection: bytes in and out of nghttp2
 *	flow	one HTTP/2 stream: messages in both directions
 *
 * Owners (grpc_call, grpc_stream) embed a flow and get its events through struct grpc_flow_ops;
 * owners of connections embed an h2. Nothing here knows of methods and statuses.
 */

#include <nghttp2/nghttp2.h>
#include <string.h>
#include <sys/uio.h>
#include <uv.h>

#include "rpc/grpc.h"

/* ---- The wire's small things (grpc-wire.c) ---- */

enum { GRPC_PREFIX = 5 }; /* in front of each message: is it compressed, and its length */

struct grpc_text { /* not terminated */
	const char *s;
	size_t n;
};

static inline bool grpc_text_is(struct grpc_text t, const char *s)
{
	return t.n == strlen(s) && memcmp(t.s, s, t.n) == 0;
}

/* "100m"; false: malformed. Saturates. */
bool grpc_timeout_parse(struct grpc_text t, uint64_t *ret_ns) DV_CHECK;
/* At most eight digits and a unit, rounded up. */
void grpc_timeout_format(uint64_t ns, char buf[12]);

/* "application/grpc", also with "+proto" or parameters behind it. */
bool grpc_is_content_type(struct grpc_text t);

/* For grpc-message: heap; what is too long for a header loses its end. */
char *grpc_message_encode(const char *s);
/* Heap; always text: bytes that are not become '?'. */
char *grpc_message_decode(struct grpc_text t);

/* Heap; without padding. */
char *grpc_base64_encode(const void *p, size_t n);
/* With padding or without. Heap, with a NUL behind it that does not count; NULL: malformed. */
uint8_t *grpc_base64_decode(struct grpc_text t, size_t *ret_n);
/* Is this the name of a key whose values are bytes? */
bool grpc_is_binary_key(struct grpc_text name);

/* The code for answers that are not gRPC's, and for the ways a stream can be reset. */
enum dv_code grpc_code_of_http(uint32_t status);
enum dv_code grpc_code_of_h2(uint32_t error_code);

/* ---- Memory that peers can make us use, counted before it is taken ---- */

struct grpc_budget {
	size_t used, max;
	struct grpc_budget *parent; /* may be NULL; has to have room, too */
};

bool grpc_budget_take(struct grpc_budget *b, size_t n) DV_CHECK;
/* Whether there is room or not. */
void grpc_budget_force(struct grpc_budget *b, size_t n);
void grpc_budget_give(struct grpc_budget *b, size_t n);
size_t grpc_budget_left(const struct grpc_budget *b);

/* ---- Hub (grpc-hub.c) ---- */

struct grpc_alarm {
	uint64_t at; /* uv_hrtime() */
	size_t slot; /* in the heap, from 1 on; 0: not set */
	void (*fn)(struct grpc_alarm *a); /* the alarm is not set any more */
};

/* Something to do soon, from the loop. */
struct grpc_task {
	struct grpc_task *next, **prev; /* prev NULL: not waiting */
	void (*fn)(struct grpc_task *t);
};

struct grpc_hub {
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_idle_t idle; /* runs while there are tasks */
	struct grpc_alarm **heap; /* [1] is the first */
	size_t n_alarms, size;
	uint64_t due; /* of the timer; 0: it does not run */
	struct grpc_task *tasks, **last_task;
	nghttp2_session_callbacks *callbacks; /* grpc-session.c */
	nghttp2_option *options;
	size_t n_handles; /* of the hub and its connections that are not closed yet */
	void (*closed)(struct grpc_hub *hub); /* n_handles is 0 */
};

void grpc_hub_init(struct grpc_hub *hub, uv_loop_t *loop, void (*closed)(struct grpc_hub *hub));
/* Alarms and tasks are dropped; closed() comes when all handles are closed. */
void grpc_hub_close(struct grpc_hub *hub);
void grpc_hub_unref(struct grpc_hub *hub); /* a handle was closed */

/* Sets it, or sets it anew. @at 0: takes it back. */
void grpc_alarm_set(struct grpc_hub *hub, struct grpc_alarm *a, uint64_t at);
/* Never later than @at: leaves it alone if it is set to an earlier time. */
void grpc_alarm_by(struct grpc_hub *hub, struct grpc_alarm *a, uint64_t at);
void grpc_task_post(struct grpc_hub *hub,
		    struct grpc_task *t); /* does nothing if it waits already */
void grpc_task_cancel(struct grpc_hub *hub, struct grpc_task *t);

/* ---- Connection (grpc-h2.c, grpc-session.c) ---- */

struct grpc_h2;
struct grpc_flow;
struct grpc_gather;

/* How streams of a lost connection end; behind HTTP/2's own codes. */
enum { GRPC_H2_LOST = 0x100 };

enum { GRPC_STREAM_WINDOW = 1 << 20, GRPC_CONN_WINDOW = 4 << 20 };

struct grpc_h2_ops {
	/* Server: the headers of a new stream begin. False: refuse it. */
	bool (*begin)(struct grpc_h2 *h, int32_t id);
	/* The peer's first SETTINGS came. May be NULL. */
	void (*ready)(struct grpc_h2 *h);
	/* GOAWAY came: no new streams. May be NULL. */
	void (*goaway)(struct grpc_h2 *h);
	/* Output is stuck or flows again, streams end: the owner may look at its times. May be NULL. */
	void (*changed)(struct grpc_h2 *h);
	/* The last callback, after closed() of all flows: the owner may free it. */
	void (*closed)(struct grpc_h2 *h);
};

/* Bytes that the socket did not take. */
struct grpc_rest {
	size_t at, n;
	uint8_t data[];
};

struct grpc_h2 {
	struct grpc_hub *hub;
	const struct grpc_h2_ops *ops;
	nghttp2_session *session;
	uv_poll_t poll;
	int fd; /* -1: dead */
	int events; /* that are polled for */
	bool is_server, is_flushing, is_receiving, is_ready, is_goaway;
	bool is_more; /* there was more to send than fits into one round */
	struct grpc_task flush;
	struct grpc_gather *gather; /* while flushing: what leaves in one write */
	struct grpc_rest *rest;
	struct grpc_message *spent; /* sent, but perhaps not written yet */
	struct grpc_flow *flows;
	size_t n_flows;
	struct grpc_budget input, output;
	uint64_t last_input, progress; /* bytes came; bytes left, or output began to wait */
	uint64_t headers_since; /* a header block that is not complete; 0: none */
	uint64_t tokens, tokens_at; /* for frames that cost us and bring nothing */
	const char *why; /* it died; static text */
	int error; /* -errno or 0 */
};

/*
 * Takes @take_fd, a socket that does not block, on success. The caller has set hub, ops, is_server
 * and the budgets' limits. @max_streams: that the peer may open. Returns -errno.
 */
int grpc_h2_open(struct grpc_h2 *h, int take_fd, uint32_t max_streams, uint32_t max_headers);
/* Anywhere, also in callbacks: flows and memory go in the loop's closing phase. */
void grpc_h2_kill(struct grpc_h2 *h, const char *why, int error);
/* Something was submitted: send it soon. */
void grpc_h2_touch(struct grpc_h2 *h);
/* Has the peer gone, and the loop not seen it yet? False: it has, and now the connection is dead. */
bool grpc_h2_check(struct grpc_h2 *h);
/* One of the frames that cost more than they bring; false: too many of them. */
bool grpc_h2_charge_frame(struct grpc_h2 *h);

static inline bool grpc_h2_is_dead(const struct grpc_h2 *h)
{
	return h->fd < 0;
}

/* nghttp2's callbacks. */
void grpc_session_init(struct grpc_hub *hub);
int grpc_session_new(struct grpc_h2 *h, uint32_t max_streams, uint32_t max_headers);

/* From nghttp2's send callback: a DATA frame's header and its @n bytes. False: no room, later. */
bool grpc_h2_gather(struct grpc_h2 *h, const uint8_t *head, struct grpc_flow *f, size_t n);

/* ---- Flow (grpc-flow.c) ---- */

/* One encoded message on its way out, with its prefix. */
struct grpc_message {
	struct grpc_message *next;
	size_t n, n_sent;
	uint8_t data[];
};

struct grpc_flow_ops {
	void (*header)(struct grpc_flow *f, struct grpc_text name, struct grpc_text value);
	/* A header block is complete; @is_end: and so is the peer's side of the stream. */
	void (*headers)(struct grpc_flow *f, bool is_end);
	/* A whole message, valid during the callback. The next one comes after grpc_flow_want(). */
	void (*message)(struct grpc_flow *f, const uint8_t *p, size_t n);
	/* The peer's side has ended, and all messages were delivered. Counts as a message. */
	void (*end)(struct grpc_flow *f);
	/* What came is no sequence of messages we can take. Nothing else will be delivered. */
	void (*broken)(struct grpc_flow *f, struct dv_err *take_e);
	/* All is sent that was queued and the flow was ended: say the last words (trailers). */
	void (*trailers)(struct grpc_flow *f);
	void (*writable)(struct grpc_flow *f);
	/* The stream is gone, f->h2 is NULL. The owner may free it. */
	void (*closed)(struct grpc_flow *f, uint32_t error_code);
};

struct grpc_flow {
	const struct grpc_flow_ops *ops;
	struct grpc_hub *hub;
	struct grpc_h2 *h2; /* NULL: no stream, yet or any more */
	struct grpc_flow *next, **prev; /* in h2->flows */
	int32_t id;
	size_t max_message; /* that may come, also once it is no longer compressed */
	bool is_gzip; /* the peer may compress messages */
	bool *gone; /* set to true by grpc_flow_fini(), for whoever calls back */

	/* Out. */
	struct grpc_budget *out_budget;
	struct grpc_message *first, **last;
	size_t n_out; /* bytes not sent yet */
	size_t n_promised; /* of them: in a frame that nghttp2 has made, but not sent */
	bool is_out_end; /* nothing will be added */
	bool is_deferred; /* nghttp2 waits for grpc_flow_resume() */
	bool is_full; /* grpc_flow_is_writable() was false */
	bool is_writable_due;

	/* In. */
	uint8_t *in; /* bytes of messages that are not complete or not wanted yet */
	size_t n_in, in_at, in_size; /* in_size: charged to the budget */
	struct grpc_budget *in_budget;
	size_t n_held; /* bytes for which the peer has no new credit yet */
	bool is_wanted, is_end, is_end_told, is_broken, is_delivering;
	struct grpc_task task;
};

void grpc_flow_init(struct grpc_flow *f, struct grpc_hub *hub, const struct grpc_flow_ops *ops);
void grpc_flow_attach(struct grpc_flow *f, struct grpc_h2 *h, int32_t id);
/* Leaves the stream, if there is one, and resets it; what came and was not delivered stays. */
void grpc_flow_detach(struct grpc_flow *f, uint32_t error_code);
/* The same, and drops everything. */
void grpc_flow_fini(struct grpc_flow *f, uint32_t error_code);

/*
 * Encodes and queues a message. @is_last: nothing follows.
 * DV_EXHAUSTED: longer than a message may be, 16 MiB are queued, no memory. DV_CANCELLED: no stream.
 */
struct dv_err *grpc_flow_send(struct grpc_flow *f, const ProtobufCMessage *msg, bool is_last)
	DV_CHECK;
/* Nothing follows; @is_drop: and what was not begun is not sent. */
void grpc_flow_send_end(struct grpc_flow *f, bool is_drop);
bool grpc_flow_is_writable(const struct grpc_flow *f);
void grpc_flow_resume(struct grpc_flow *f);
nghttp2_data_provider grpc_flow_provider(struct grpc_flow *f);

/* The owner takes one more message. It is delivered from the loop, or as it comes. */
void grpc_flow_want(struct grpc_flow *f);

/* ---- Compressed messages (grpc-inflate.c) ---- */

/* *ret is heap. DV_EXHAUSTED: more than a message of the flow may be; DV_INVALID, DV_INTERNAL. */
struct dv_err *grpc_inflate(const struct grpc_flow *f, const uint8_t *p, size_t n, uint8_t **ret,
			    size_t *ret_n) DV_CHECK;

/* From nghttp2's callbacks. */
void grpc_flow_input(struct grpc_flow *f, const uint8_t *p, size_t n);
void grpc_flow_input_end(struct grpc_flow *f);
void grpc_flow_closed(struct grpc_flow *f, uint32_t error_code);
/* Takes @n bytes out of the queue and names the pieces of memory they are in. */
enum { GRPC_PIECES = 16 };
size_t grpc_flow_take(struct grpc_flow *f, size_t n, struct iovec pieces[GRPC_PIECES]);
void grpc_messages_free(struct grpc_message *m);
