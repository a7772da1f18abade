/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Containers as davitd has them on record, with the state they are in. What is asked for here is in
 * the caller's arena. Labels of ours: see docs/davit.md.
 */

#include <time.h>

#include "api/containerd/containers.pb-c.h"
#include "client/client.h"

#define CLIENT_LABEL_NAME    "io.davit.name"
#define CLIENT_LABEL_MANAGED "io.davit.managed"
#define CLIENT_LABEL_EXIT    "io.davit.exit"
#define CLIENT_LABEL_REMOVE  "io.davit.rm"

enum client_state {
	CLIENT_CREATED,
	CLIENT_RUNNING,
	CLIENT_PAUSED,
	CLIENT_EXITED,
	CLIENT_UNKNOWN, /* its shim does not answer */
	CLIENT_STATE__N,
};

struct client_exit {
	uint32_t status;
	bool is_oom;
	struct timespec started, finished; /* 0: not known */
};

struct client_record {
	const Containerd__Services__Containers__V1__Container *container;
	const char *name; /* "" if it has none */
	enum client_state state;
	bool has_task; /* also of one that has ended, if nobody has deleted it */
	bool is_managed; /* davitd deletes the task and records the exit */
	uint32_t pid; /* 0: no process */
	struct client_exit exit; /* of EXITED */
	const char *stdin, *stdout, *stderr; /* of the task; "" */
	bool has_terminal;
};

/* Docker's word: "created", "running", "paused", "exited", "unknown". */
const char *client_state_name(enum client_state state);

/* NULL: it has no such label. */
const char *client_record_label(const struct client_record *r, const char *key);

/* The name, or the beginning of the id. */
const char *client_record_title(const struct client_record *r, struct dv_arena *arena);

/* @filters: containerd's, of containers; those that match any. In the order of their creation. */
struct dv_err *client_record_list(struct client *c, const char *const *filters, size_t n_filters,
				  struct dv_arena *arena, struct client_record **ret, size_t *ret_n)
	DV_CHECK;

/*
 * By name, by id, or by the beginning of an id that no other has.
 * DV_NOT_FOUND; DV_INVALID: several begin like that.
 */
struct dv_err *client_record_find(struct client *c, const char *ref, struct dv_arena *arena,
				  struct client_record *ret) DV_CHECK;

/* The label io.davit.exit. False: not such a text. */
bool client_exit_parse(const char *text, struct client_exit *ret) DV_CHECK;
