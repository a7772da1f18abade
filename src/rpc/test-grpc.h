/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For the tests of gRPC: one loop with the server of test-grpc-service.h, clients of ours, and raw
 * peers that speak frames.
 */

#include <stdio.h>
#include <uv.h>

#include "base/test.h"
#include "grpc-private.h"
#include "test-grpc-service.h"
#include "test-rpc.h"

struct grig {
	uv_loop_t loop;
	struct peer peer;
	char path[64];
	bool is_closing, is_closed;
};

void grig_init(struct grig *g, const struct grpc_limits *limits);
void grig_close(struct grig *g, uint64_t grace_ns);
/* Closes what is left; checks that nothing stays on the loop, and no memory in the budget. */
void grig_fini(struct grig *g);
struct grpc_client *grig_client(struct grig *g);
size_t grig_connections(struct grig *g);

/* The result of a call of ours. */
struct gresult {
	bool is_there;
	enum dv_code code; /* 0: success */
	int32_t number; /* of the reply */
	char text[256];
	size_t n_text;
	/* Streams. */
	struct grpc_stream *st;
	size_t n_data;
	bool is_lazy; /* does not ask for the next message */
	int32_t last;
};
void gresult_set(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply);
struct grpc_stream *gcall(struct grpc_client *c, const char *method, int32_t code,
			  const char *message, uint64_t timeout_ns, struct gresult *ret);
/* Calls and waits. */
void gcall_wait(struct grig *g, struct grpc_client *c, const char *method, int32_t code,
		const char *message, struct gresult *ret);
void gstream(struct grpc_client *c, const char *method, int32_t code, const char *message,
	     bool is_client_stream, bool is_server_stream, struct gresult *ret);
struct dv_err *gsend(struct gresult *r, int32_t code, const char *message);

/* ---- Raw peers ---- */

struct graw {
	struct grig *g;
	int fd;
	nghttp2_hd_deflater *deflater;
	nghttp2_hd_inflater *inflater;
	uint8_t in[64 << 10];
	size_t n_in;
};

struct gframe {
	size_t n;
	uint8_t type, flags;
	int32_t id;
	const uint8_t *p; /* valid until the next one is read */
};

/* Connects and says hello: the preface and SETTINGS. */
void graw_open(struct graw *r, struct grig *g);
/* Only connects. */
void graw_connect(struct graw *r, struct grig *g);
void graw_close(struct graw *r);
void graw_bytes(struct graw *r, const void *p, size_t n);
void graw_frame(struct graw *r, uint8_t type, uint8_t flags, int32_t id, const void *p, size_t n);
/* The headers of a call of davit.test.Peer, END_HEADERS; @extra: name, value, ..., NULL. */
void graw_call(struct graw *r, int32_t id, const char *method, const char *const *extra);
/* A message in a DATA frame. */
void graw_message(struct graw *r, int32_t id, int32_t code, const char *message, uint8_t flags);
/* The next frame; false: the connection was closed. */
bool graw_read(struct graw *r, struct gframe *ret);
/* Reads frames until one of this type on this stream (-1: any); false: closed. */
bool graw_until(struct graw *r, uint8_t type, int32_t id, struct gframe *ret);
/* Reads until HEADERS with END_STREAM on the stream; its status, -1: the stream was reset, -2:
 * closed. @id -1: of any stream. @http: ":status". */
int graw_status(struct graw *r, int32_t id, int *http);
/* Reads whatever comes until the server closes; the code of the last GOAWAY, -1: none. */
int graw_goaway(struct graw *r);
