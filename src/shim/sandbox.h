/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The sandbox of a pod, for daemons that ask for one: namespaces that containers join by path,
 * held open by one process of ours that does nothing. No pause image, no container. At most
 * one per shim.
 *
 *	NONE --create--> CREATED --start--> READY --stop, or its process ends--> STOPPED
 *
 * The process has network (the one given, else the host's), ipc and uts namespaces for others
 * to join, or what the pod's configuration says, and dies with the shim.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "env.h"
#include "rootfs.h"

enum sandbox_state { SANDBOX_NONE, SANDBOX_CREATED, SANDBOX_READY, SANDBOX_STOPPED };

struct sandbox;

struct sandbox_info {
	const char *id; /* borrowed */
	enum sandbox_state state;
	pid_t pid;
	struct timespec created_at, exited_at; /* 0: not yet */
	uint32_t exit_status;
};

/* @program: our own executable, run with the argument "pause". Both are borrowed. */
struct sandbox *sandbox_new(struct shim_env *env, const char *program);
/* Ends the process and takes mounts back. Accepts NULL; always returns NULL. */
struct sandbox *sandbox_free(struct sandbox *s);

struct sandbox_sysctl {
	const char *key, *value;
};

/* What a pod's configuration asks for. */
struct sandbox_pod {
	const char *hostname; /* "": the host's */
	const char *cgroup_parent; /* "": its process stays in the shim's cgroup */
	bool has_host_net, has_host_ipc; /* with the host's network goes the host's name */
	bool has_own_pids; /* its process is the first one of a pid namespace */
	const struct sandbox_sysctl *sysctls;
	size_t n_sysctls;
};

struct sandbox_create {
	const char *id, *bundle; /* bundle may be "" when there are no mounts */
	const char *netns; /* path; "": what @pod says, without it the host's network */
	const struct sandbox_pod *pod; /* NULL: not given. Copied */
	const struct host_fs_mount *mounts;
	size_t n_mounts;
};

/* DV_EXISTS: there is one. DV_INVALID: the id, or what the pod's configuration asks for. */
struct dv_err *sandbox_create(struct sandbox *s, const struct sandbox_create *create) DV_CHECK;
bool sandbox_is_stopped(const struct sandbox *s);
bool sandbox_is_needed(const struct sandbox *s); /* created or running */
/* DV_NOT_FOUND: @id is not this one, or there is none. All below do that. */
struct dv_err *sandbox_lookup(const struct sandbox *s, const char *id, struct sandbox_info *ret)
	DV_CHECK;
/* DV_PRECONDITION: it was started before. */
struct dv_err *sandbox_start(struct sandbox *s, const char *id) DV_CHECK;

typedef void (*sandbox_fn)(void *arg, const struct sandbox_info *info);

/* SIGTERM, and SIGKILL after the time. A sandbox that does not run is stopped at once. */
struct dv_err *sandbox_stop(struct sandbox *s, const char *id, unsigned seconds) DV_CHECK;

/* Calls @fn once it is STOPPED; never from within. The sandbox is READY or CREATED. */
struct sandbox_wait;
struct sandbox_wait *sandbox_wait(struct sandbox *s, sandbox_fn fn, void *arg);
void sandbox_wait_cancel(struct sandbox *s, struct sandbox_wait *wait);

/* Takes mounts back; the sandbox is NONE again. DV_PRECONDITION: it still runs. */
struct dv_err *sandbox_remove(struct sandbox *s, const char *id) DV_CHECK;

/* The first process of the sandbox: waits for SIGTERM or SIGINT, reaps what becomes its child. */
int sandbox_pause(void);
