/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Starting the first process of a container, with or without being attached to it. */

#include "client/container.h"
#include "client/streams.h"
#include "client/task.h"

/* What `davit start` needs, from a container's record; everything is in @arena. */
struct dv_err *client_startable_find(struct client *c, const struct client_record *r,
				     struct dv_arena *arena, struct client_startable *ret) DV_CHECK;

/* By the name of a runtime: NULL, and what is not "io.", is an OCI runtime below our own shim. */
bool client_runtime_is_ours(const char *name);

struct client_started {
	uint32_t pid;
	struct client_streams *streams; /* NULL: not attached */
	struct client_pending *wait; /* for its end; NULL: not attached */
};

/*
 * Creates the task and starts it. @streams NULL: detached. @on_exit: as in client_start(). The task is
 * deleted again if it does not start.
 */
struct dv_err *client_container_start(struct client *c, const struct client_startable *s,
				      const struct client_streams_opts *streams,
				      void (*on_exit)(void *arg), void *arg,
				      struct client_started *ret) DV_CHECK;
void client_started_fini(struct client_started *s);
