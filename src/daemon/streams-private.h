/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between streams.c, which knows queues and threads, and grpc/streaming.c, which knows the wire.
 *
 * References: one of the call (until stream_detach()), one of each stream_open(), one of each post.
 */

#include <pthread.h>

#include "daemon-private.h"
#include "streams.h"

/* What waits for its reader: an Any, or some bytes of a Data message (type_url NULL). */
struct stream_chunk {
	struct stream_chunk *next;
	const char *type_url; /* in data, behind the value */
	size_t n, at; /* of the value; at: bytes read */
	uint8_t data[];
};

struct stream_queue {
	struct stream_chunk *first, **last;
	size_t n_bytes, n_chunks;
};

struct stream {
	struct streams *owner; /* NULL: not registered any more; loop's and the registry's lock */
	struct stream *next, **prev;
	char *ns, *id;
	struct daemon *d;
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t changed;
	unsigned refs;
	struct stream_queue in, out;
	bool is_in_end; /* the client has ended its side */
	bool is_dead; /* the call is gone */
	bool is_interrupted, is_closing;
	bool is_posted; /* stream_pump() will run */
	bool is_held; /* the client's next message was not asked for */
	bool is_bytes; /* it is read as bytes: the client gets credit */
	int64_t credit; /* bytes that the client lets us send */
	int64_t window; /* bytes that we let the client send, and it has not yet */
	/* Loop's thread alone. */
	struct grpc_call *call;
};

/* Loop's thread. */
struct stream *stream_new(struct daemon *d, struct grpc_call *call, const char *ns, const char *id);
/* DV_EXISTS */
struct dv_err *stream_register(struct streams *s, struct stream *st) DV_CHECK;
/* The call ends; the reference is given up. */
void stream_detach(struct stream *st);

/* What came. @is_bytes: of a Data message. True: ask for the next message. */
bool stream_input(struct stream *st, const char *type_url, const void *value, size_t n,
		  bool is_bytes);
void stream_input_end(struct stream *st);
void stream_add_credit(struct stream *st, int32_t n);
/* stream_input() said no: may the next message come now? */
bool stream_resume_input(struct stream *st);

/* Does what others asked for; on the loop (grpc/streaming.c). */
void stream_pump(struct stream *st);
/* The next chunk to send, the caller's; NULL: none. *ret_window: credit to tell the client of. */
struct stream_chunk *stream_output(struct stream *st, int32_t *ret_window, bool *ret_is_closing);
