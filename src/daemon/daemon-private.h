/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parts of the daemon share. One struct daemon per process, made by daemon_new().
 *
 * Threads: the loop's thread owns everything but what is marked otherwise; the stores may be used
 * from any thread and block, so the loop uses them through work alone.
 */

#include <time.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/config.h"
#include "io/work.h"
#include "rpc/grpc.h"

struct Containerd__Types__Envelope;
struct content;
struct differs;
struct events;
struct gc;
struct meta;
struct mounts;
struct plugins;
struct sandboxes;
struct snapshots;
struct streams;
struct tasks;
struct ttrpc_server;

struct daemon {
	uv_loop_t *loop;
	const struct dv_log *log; /* any thread */
	const struct daemon_config *config;
	const char *program_dir; /* where our other programs are */
	const char *const *envp; /* of shims */
	char *ttrpc_address; /* a path */
	char *unpacker; /* path of davit-unpack */
	int root_lock, state_lock; /* held while we live */
	struct timespec started_at;

	struct io_work_pool *fast; /* metadata: what takes micro- or milliseconds */
	struct io_work_pool *slow; /* trees, blobs, processes that are waited for */
	struct io_work_pool *transfers; /* archives, at the pace of their clients */

	struct meta *meta; /* any thread */
	struct content *content; /* any thread */
	struct snapshots *snapshots; /* any thread */
	struct differs *differs; /* of other processes; workers */
	struct mounts *mounts; /* any thread */

	struct events *events;
	struct gc *gc;
	struct tasks *tasks;
	struct sandboxes *sandboxes;
	struct plugins *plugins;
	struct streams *streams;
	struct grpc_server *server;
	struct observations *observations;
	struct metrics *metrics;
	struct ttrpc_server *ttrpc;
	void (*stopped)(void *arg);
	void *stopped_arg;
	unsigned n_closing; /* servers that are being closed */
	uv_timer_t *patience; /* at the end */
};

/*
 * An event for whoever listens, in the order of the calls; after the commit of what it tells. From
 * any thread; @event is encoded before this returns.
 */
void daemon_publish(struct daemon *d, const char *ns, const char *topic,
		    const ProtobufCMessage *event);

/* One that a shim or a client hands on: time and namespace are kept. DV_INVALID. The loop's. */
struct dv_err *daemon_forward(struct daemon *d, const struct Containerd__Types__Envelope *envelope)
	DV_CHECK;

/* Something was deleted, or a lease has ended: the collector shall look. From any thread. */
void daemon_gc_kick(struct daemon *d);
/* The same, and returns when a collection that began later has ended. From workers alone. */
struct dv_err *daemon_gc_sync(struct daemon *d) DV_CHECK;
