/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parts of the daemon share. One struct daemon per process, made by daemon_new().
 *
 * Threads: the loop's thread owns everything but what is marked otherwise; the stores may be used
 * from any thread and block, so the loop uses them through work alone.
 */

#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "io/work.h"
#include "rpc/grpc.h"

struct content;
struct daemon_config;
struct events;
struct gc;
struct meta;
struct plugins;
struct snapshots;
struct streams;
struct tasks;

struct daemon {
	uv_loop_t *loop;
	const struct dv_log *log; /* any thread */
	const struct daemon_config *config; /* a reload replaces it, on the loop */
	const char *root, *state; /* directories, absolute */
	const char *address; /* of the gRPC socket, absolute */

	struct io_work_pool *fast; /* metadata: what takes micro- or milliseconds */
	struct io_work_pool *slow; /* trees, blobs, processes that are waited for */

	struct meta *meta; /* any thread */
	struct content *content; /* any thread */
	struct snapshots *snapshots; /* any thread */

	struct events *events;
	struct gc *gc;
	struct tasks *tasks;
	struct plugins *plugins;
	struct streams *streams;
	struct grpc_server *server;
};

/*
 * An event for whoever listens, in the order of the calls; after the commit of what it tells. From
 * any thread; @event is encoded before this returns.
 */
void daemon_publish(struct daemon *d, const char *ns, const char *topic,
		    const ProtobufCMessage *event);

/* Something was deleted, or a lease has ended: the collector shall look. From any thread. */
void daemon_gc_kick(struct daemon *d);
/* The same, and returns when a collection that began later has ended. From workers alone. */
struct dv_err *daemon_gc_sync(struct daemon *d) DV_CHECK;
