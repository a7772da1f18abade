/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A sandbox and its shim.
 *
 *	          Create                Start               its end was seen
 *	(nothing) ------> MAKING -> CREATED -----> READY -----------------> STOPPED
 *	   |                                                                  ^
 *	   | found at the start                                               |
 *	   +---> LOADING --> CREATED, READY or STOPPED: what its shim says;   |
 *	                     nobody answers, or the connection is lost: ------+
 *
 *	any but MAKING --Shutdown--> ENDING --> (nothing)
 *
 * MAKING, ENDING: nobody else may do anything. STOPPED: the end is on record in the bundle
 * ("exit.json"), and /sandboxes/exit was published; a sandbox whose shim is gone is kept until Shutdown,
 * so that whoever is to tidy up a pod finds what it is looking for, also after a restart.
 *
 * A sandbox is counted: the table has it until its end, and each call in flight.
 */

#include <stdbool.h>
#include <time.h>

#include "api/containerd/sandbox.pb-c.h"
#include "rpc/ttrpc.h"
#include "sandboxes.h"
#include "shim.h"

enum sandbox_state {
	SANDBOX_MAKING,
	SANDBOX_LOADING,
	SANDBOX_CREATED,
	SANDBOX_READY,
	SANDBOX_STOPPED,
	SANDBOX_ENDING,
};

struct sandbox_waiter {
	struct sandbox_waiter *next, **prev;
	/* Without an error exit_status and exited_at are set. */
	void (*done)(void *arg, struct dv_err *take_e);
	void *arg;
};

struct sandbox {
	struct sandboxes *ss;
	unsigned n_refs;
	char *ns, *id;
	enum sandbox_state state;
	bool is_in_table;

	char *bundle, *binary, *address; /* paths; the last two are NULL as long as not known */
	unsigned version; /* of its task API */
	struct ttrpc_client *client; /* NULL: there is no shim (yet, or any more) */
	struct shim_log *log;

	uint32_t pid;
	struct timespec created_at; /* 0: not started */
	uint32_t exit_status;
	struct timespec exited_at; /* 0: not yet */
	bool is_asked; /* a WaitSandbox is in flight */
	struct sandbox_waiter *waiters;
};

struct sandboxes {
	struct daemon *d;
	void *tree; /* of sandboxes, by namespace and id (search.h) */
	size_t n_unsettled; /* MAKING, ENDING */
	void (*settled)(void *arg);
	void *settled_arg;
	char *dir;
	bool is_freed;
};

/* ---- table (sandboxes.c) ---- */

/* NULL: there is none. */
struct sandbox *sandbox_find(struct sandboxes *ss, const char *ns, const char *id);
/* One with which something can be done. DV_NOT_FOUND. */
struct dv_err *sandbox_lookup(struct sandboxes *ss, const char *ns, const char *id,
			      struct sandbox **ret) DV_CHECK;
/* A new one in the table, with one reference for the caller besides. DV_EXISTS. */
struct dv_err *sandbox_add(struct sandboxes *ss, const char *ns, const char *id,
			   enum sandbox_state state, struct sandbox **ret) DV_CHECK;
void sandbox_remove(struct sandbox *s); /* from the table; what waits fails */
struct sandbox *sandbox_ref(struct sandbox *s);
struct sandbox *sandbox_unref(struct sandbox *s); /* accepts NULL; always returns NULL */
void sandbox_state_set(struct sandbox *s, enum sandbox_state state);
struct shim_at sandbox_shim(const struct sandbox *s); /* borrows from it */

/* ---- calls (sandbox-call.c) ---- */

struct sandbox_call {
	const char *method;
	const ProtobufCMessage *msg;
	const ProtobufCMessageDescriptor *reply; /* NULL: empty */
	uint64_t timeout_ns; /* 0: none */
};
/* As ttrpc_client_call(); without a shim @fn gets DV_UNAVAILABLE, later. The sandbox is kept. */
void sandbox_call(struct sandbox *s, const struct sandbox_call *call, ttrpc_result_fn fn,
		  void *arg);
void sandbox_connect(struct sandbox *s); /* makes the client; its loss is noticed */
void sandbox_disconnect(struct sandbox *s);

/* ---- the end of what runs (sandbox-wait.c) ---- */

/* Asks the shim for the end, unless that was done. */
void sandbox_watch(struct sandbox *s);
/* @w->done is called once, unless it is taken back; never from within. exited_at is 0 yet. */
void sandbox_wait(struct sandbox *s, struct sandbox_waiter *w);
void sandbox_unwait(struct sandbox_waiter *w);
/* Puts the end on record, publishes it and tells who waits. The first one counts. */
void sandbox_exited(struct sandbox *s, uint32_t status, const struct timespec *at);
/* Its shim is dead, or does not answer: what is left of it is removed, the sandbox is STOPPED. */
void sandbox_lost(struct sandbox *s);
void sandbox_waiters_fail(struct sandbox *s, enum dv_code code, const char *why);

/* ---- the end of all (sandbox-end.c) ---- */

struct sandbox_end {
	bool needs_delete; /* the shim may be alive, or may have left something */
	void (*done)(void *arg);
	void *arg;
};
/* Runs `delete` if needed, removes the bundle, and takes the sandbox off the table. ENDING. */
void sandbox_end(struct sandbox *s, const struct sandbox_end *how);

/* ---- what is there already (sandbox-load.c), and the record of an end ---- */

void sandboxes_load(struct sandboxes *ss);
/* For workers. */
struct dv_err *sandbox_exit_save(const char *bundle, uint32_t status, const struct timespec *at)
	DV_CHECK;
bool sandbox_exit_load(const char *bundle, uint32_t *ret_status, struct timespec *ret_at);
