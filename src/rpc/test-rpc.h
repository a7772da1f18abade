/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For the tests of this directory: one loop with a server whose methods do what tests need, on a
 * socket in the abstract namespace, and raw peers that speak bytes.
 */

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "api/containerd/task.pb-c.h"
#include "base/test.h"
#include "rpc/pb.h"
#include "rpc/ttrpc.h"
#include "ttrpc-private.h"

enum { HELD_MAX = 64 };

struct rig {
	uv_loop_t loop;
	struct ttrpc_server *server;
	char path[64];
	struct ttrpc_call *held[HELD_MAX];
	size_t n_held, n_cancelled, n_requests;
	char data[256]; /* what streams brought, "|" at the end */
	bool is_closed;
};

void rig_init(struct rig *rig,
	      const struct ttrpc_server_opts *opts); /* @opts: without loop and fd */
/* Closes everything; checks that nothing is left on the loop. */
void rig_fini(struct rig *rig);
/* Ends the calls that are held. */
void rig_release(struct rig *rig);

/* A listening socket; @path gets "@name". */
int rig_listen(char path[64]);

/* Runs the loop until @cond, for ten seconds at most. */
#define RUN_UNTIL(loop, cond) \
	do { \
		uint64_t ru_end_ = uv_hrtime() + UINT64_C(10000000000); \
		rig_tick_start(loop); \
		while (!(cond) && uv_hrtime() < ru_end_) \
			uv_run((loop), UV_RUN_ONCE); \
		rig_tick_stop(loop); \
		cr_assert((cond), "never came true: %s", #cond); \
	} while (0)

/* Keeps uv_run() from sleeping for good. */
void rig_tick_start(uv_loop_t *loop);
void rig_tick_stop(uv_loop_t *loop);

/* A connection of bytes, without a loop of its own; does not block. */
int raw_connect(const struct rig *rig);
void raw_send(struct rig *rig, int fd, const void *p, size_t n);
/* A request with a StateRequest of this id. */
void raw_request(struct rig *rig, int fd, uint32_t stream, const char *method, const char *id);
/* Reads one frame while the loop runs; false at the end of the connection. */
bool raw_frame(struct rig *rig, int fd, struct ttrpc_frame *ret, uint8_t *payload, size_t size);
/* The next frame is a response on this stream with this code and this text (NULL: any). */
void raw_expect(struct rig *rig, int fd, uint32_t stream, unsigned code, const char *text);
bool raw_is_closed(struct rig *rig, int fd);

/* The result of a client's call. */
struct result {
	bool is_there;
	enum dv_code code; /* 0: success */
	char text[256]; /* message, or StateResponse.id */
	size_t n_id;
};
void result_set(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply);
/* Calls a method with a StateRequest. */
void call_state(struct ttrpc_client *c, const char *method, const char *id, uint64_t timeout_ns,
		struct result *ret);
