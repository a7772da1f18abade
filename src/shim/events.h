/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Events on their way to the daemon: in the order in which they were published, one at a time,
 * each as often as it takes until the daemon has it. Until then an event is in a spool file,
 * which outlives this process: the next one that opens the spool sends what is left. An event
 * whose acknowledgement got lost is sent twice.
 *
 * Limits: 16 MiB in the spool; without a spool, or when it cannot be written, 256 KiB of memory.
 * What is published beyond that is dropped, with one warning for a row of them. So is what the
 * daemon refuses for good.
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"

struct shim_events;

struct shim_events_opts { /* strings are copied; NULL and "" are the same */
	uv_loop_t *loop;
	const char *ns;
	const char *ttrpc_address; /* of the daemon */
	/* Without that address: run `publish_binary --address grpc_address publish ...` */
	const char *publish_binary, *grpc_address;
	const char *const *envp; /* of that program; borrowed */
	const char *spool; /* path of the file; made when it is needed */
	const struct dv_log *log; /* borrowed, may be NULL */
};

/* What an earlier process left in the spool is sent first. */
struct shim_events *shim_events_new(const struct shim_events_opts *opts);

/* Topic and type come from the message's descriptor, the time is now. @event is copied. */
void shim_events_publish(struct shim_events *events, const ProtobufCMessage *event);

/* "/tasks/exit"; NULL when such a message is not an event. */
const char *shim_events_topic(const ProtobufCMessageDescriptor *type);

/* Published, and not taken yet. */
size_t shim_events_pending(const struct shim_events *events);

/*
 * @done is called once, from the loop: @is_empty, or else @timeout_ms has passed. One flush at a
 * time. With @is_once it also ends with the first try that fails.
 */
struct shim_events_flush {
	uint64_t timeout_ms;
	bool is_once;
	void (*done)(void *arg, bool is_empty);
	void *arg;
};
void shim_events_flush(struct shim_events *events, const struct shim_events_flush *flush);

/* What is pending stays in the spool. Accepts NULL; returns NULL. Not from within a callback. */
struct shim_events *shim_events_free(struct shim_events *events);
DV_DEFINE_CLEANUP(struct shim_events *, shim_events_free);
