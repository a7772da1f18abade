/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ttrpc without I/O: frames, the two messages, and the rules of a connection. Bytes go in, events
 * come out; both ends use it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "rpc/ttrpc.h"

enum { TTRPC_HEADER = 10 };
enum { TTRPC_PAYLOAD_MAX = 4 << 20 };

enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE = 2, TTRPC_DATA = 3 };
enum { TTRPC_REMOTE_CLOSED = 1, TTRPC_REMOTE_OPEN = 2, TTRPC_NO_DATA = 4 };

/* Memory that peers can make us use, counted before it is taken. */
struct ttrpc_budget {
	size_t used, max;
};

bool ttrpc_budget_take(struct ttrpc_budget *b, size_t n) DV_CHECK;
void ttrpc_budget_give(struct ttrpc_budget *b, size_t n);

/* ---- Frames (ttrpc-frame.c) ---- */

struct ttrpc_frame {
	uint32_t length; /* of the payload */
	uint32_t stream;
	uint8_t type, flags;
	const uint8_t *payload;
};

/*
 * A frame that arrives in one piece is not copied. One in pieces is gathered, in memory that grows
 * as the bytes come and not as the header promises.
 */
struct ttrpc_reader {
	struct ttrpc_budget *budget;
	uint8_t head[TTRPC_HEADER];
	size_t n_head;
	struct ttrpc_frame frame;
	uint8_t *body; /* gathered so far */
	size_t n_body, body_size;
	size_t n_skip; /* of a payload that nobody wants */
	bool is_handed_out; /* body was given away with the last frame */
};

enum ttrpc_read {
	TTRPC_READ_MORE, /* all input was used */
	TTRPC_READ_FRAME, /* payload: valid until the next call */
	TTRPC_READ_TOO_LONG, /* the header of a frame whose payload will be skipped */
	TTRPC_READ_NO_MEMORY, /* the same: the budget is used up */
};

/* Advances *p and lowers *n by what it used. */
enum ttrpc_read ttrpc_reader_next(struct ttrpc_reader *r, const uint8_t **p, size_t *n,
				  struct ttrpc_frame *ret);
/* Is a frame half read? */
bool ttrpc_reader_is_midway(const struct ttrpc_reader *r);
void ttrpc_reader_fini(struct ttrpc_reader *r);

/* One frame on its way out; heap. */
struct ttrpc_chunk {
	struct ttrpc_chunk *next;
	size_t n, n_sent;
	uint8_t data[];
};

/* With its header; the payload starts at data + TTRPC_HEADER and is the caller's to fill. */
struct ttrpc_chunk *ttrpc_chunk_new(uint32_t stream, enum ttrpc_type type, uint8_t flags,
				    size_t length);
void ttrpc_chunk_set_stream(struct ttrpc_chunk *c, uint32_t stream);

/* ---- A connection's rules (ttrpc-session.c) ---- */

struct ttrpc_session {
	struct ttrpc_reader reader;
	bool is_client;
	uint32_t last_stream; /* of a request */
};

enum ttrpc_event_kind {
	TTRPC_EVENT_MORE, /* all input was used */
	TTRPC_EVENT_REQUEST, /* server */
	TTRPC_EVENT_RESPONSE, /* client */
	TTRPC_EVENT_DATA,
	/* Server: tell the peer so. Client: that is how the call ends. */
	TTRPC_EVENT_REFUSE,
};

struct ttrpc_event {
	enum ttrpc_event_kind kind;
	struct ttrpc_frame frame;
	enum dv_code code; /* of a refusal */
	char text[96];
};

void ttrpc_session_next(struct ttrpc_session *s, const uint8_t **p, size_t *n,
			struct ttrpc_event *ret);
void ttrpc_session_fini(struct ttrpc_session *s);

/* What Go's ttrpc says about messages over the limit. */
#define TTRPC_TOO_LONG_TEXT "message length %zu exceed maximum message size of %d"

/* ---- Messages (ttrpc-message.c) ---- */

struct ttrpc_slice {
	const uint8_t *bytes;
	size_t n;
};

struct ttrpc_pair {
	struct ttrpc_pair *next;
	const char *key, *value;
};

struct ttrpc_request_msg {
	struct ttrpc_slice service, method, payload; /* point into the input; text is checked */
	bool has_payload;
	int64_t timeout_ns;
	struct ttrpc_pair *metadata; /* in the arena, in order */
};

enum { TTRPC_METADATA_MAX = 128 }; /* pairs */
enum { TTRPC_METADATA_BYTES_MAX = 64 << 10 };

/* DV_INVALID; DV_EXHAUSTED for too much metadata. */
struct dv_err *ttrpc_request_parse(const uint8_t *bytes, size_t n, struct dv_arena *arena,
				   struct ttrpc_request_msg *ret) DV_CHECK;

struct ttrpc_response_msg {
	uint32_t code; /* 0: success */
	struct ttrpc_slice message, payload;
};

struct dv_err *ttrpc_response_parse(const uint8_t *bytes, size_t n, struct ttrpc_response_msg *ret)
	DV_CHECK;

/* These make whole frames. DV_EXHAUSTED: over the limit. */
struct dv_err *ttrpc_request_chunk(const struct ttrpc_request *r, uint8_t flags,
				   struct ttrpc_chunk **ret) DV_CHECK;
struct dv_err *ttrpc_response_chunk(uint32_t stream, const ProtobufCMessage *msg,
				    struct ttrpc_chunk **ret) DV_CHECK;
struct dv_err *ttrpc_data_chunk(uint32_t stream, const ProtobufCMessage *msg,
				struct ttrpc_chunk **ret) DV_CHECK;
struct ttrpc_chunk *ttrpc_status_chunk(uint32_t stream, enum dv_code code, const char *message);
