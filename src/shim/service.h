/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The shim's services on ttrpc: adapters between the messages of containerd and task.h. Task
 * is served under its two names, v2 and v3, whose messages are the same.
 */

#include "env.h"
#include "rpc/ttrpc.h"
#include "task.h"

struct shim_events;
struct shim_service;

/*
 * Everything is borrowed and outlives the service. @on_shutdown: Shutdown was asked for and
 * there is no container left; the reply is on its way. @on_retire: it will be, and nobody is to
 * find the socket any more.
 */
struct shim_service_opts {
	struct shim_env *env;
	struct shim_events *events;
	struct ttrpc_server *server;
	const char *program; /* our own executable */
	void (*on_retire)(void *arg);
	void (*on_shutdown)(void *arg);
	void *arg;
};

struct shim_service *shim_service_new(const struct shim_service_opts *opts);
/* Ends the shim (on_shutdown) when it has neither containers nor a sandbox. */
void shim_service_end_if_unused(struct shim_service *service);
/* Neither tasks nor a sandbox. */
bool shim_service_is_unused(const struct shim_service *service);
/* The same, if its sandbox was shut down before its last container was deleted. */
void shim_service_end_if_left(struct shim_service *service);
/* Writes what there is to the log. */
void shim_service_dump(const struct shim_service *service);
struct shim_service *shim_service_free(struct shim_service *service);
