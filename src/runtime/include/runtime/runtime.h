/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The OCI life cycle: what the commands of an OCI runtime do, without the command line.
 *
 * A container is a directory below ctx->root that holds its state file; every function
 * here opens it, acts, and leaves it consistent. Whatever a failed call made, it has
 * removed. Not thread-safe: functions fork, change the working directory (rt_create,
 * rt_run) and install signal masks.
 *
 * Codes that callers rely on: DV_NOT_FOUND "container does not exist", DV_EXISTS
 * "container with given ID already exists", DV_PRECONDITION for the wrong state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/str.h"
#include "host/cgroup.h"
#include "spec/runtime.h"

struct rt_context {
	const char *root; /* state root, absolute */
	const char *program; /* basename of argv[0], for messages */
	const struct dv_log *log; /* warnings and debug lines */
	bool is_rootless;
	const char *search_path; /* $PATH, for newuidmap; NULL: the usual directories */
	unsigned n_listen_fds; /* socket activation: handed down behind standard error */
	const char *notify_socket; /* $NOTIFY_SOCKET; NULL or "": nobody waits */
};

/* ---- state ---------------------------------------------------------------------------- */

enum rt_status { RT_CREATING, RT_CREATED, RT_RUNNING, RT_PAUSED, RT_STOPPED };

/* "creating", "created", "running", "paused", "stopped" */
const char *rt_status_name(enum rt_status status);

/* A loaded container. Read only for callers outside runtime/. */
struct rt_container {
	const char *id, *bundle, *rootfs, *owner, *created; /* RFC 3339 with nanoseconds */
	const char *oci_version;
	struct spec_string_pair *annotations;
	size_t n_annotations;
	enum rt_status status; /* as it was when it was loaded */
	pid_t pid; /* 0 while creating; of a stopped one what it was */
	struct host_cgroup *cgroup;
	struct rt_state *state; /* private */
};

/* DV_NOT_FOUND "container does not exist"; DV_INVALID "invalid container ID format". */
struct dv_err *rt_load(const struct rt_context *ctx, const char *id, struct rt_container **ret)
	DV_CHECK;
struct rt_container *rt_container_free(struct rt_container *c);
DV_DEFINE_CLEANUP(struct rt_container *, rt_container_free);

/* The JSON of `state` and of hooks: @indent NULL for one line. */
void rt_state_format(const struct rt_container *c, const char *indent, struct dv_strbuf *out);

/* Ids below the root, sorted; heap, strings too. A missing root is an empty list. */
struct dv_err *rt_list_ids(const struct rt_context *ctx, char ***ret, size_t *ret_n) DV_CHECK;

/* ---- life cycle ------------------------------------------------------------------------ */

struct rt_io_opts {
	const char *console_socket; /* NULL or a path */
	const char *pidfd_socket;
	const char *pid_file;
	unsigned preserve_fds;
	bool is_detached;
};

struct rt_create_opts {
	const char *id;
	const char *bundle; /* NULL: the working directory */
	struct rt_io_opts io;
	bool no_pivot, no_new_keyring, no_subreaper;
	bool keep; /* run: leave the stopped container */
};

/* Reads the bundle, makes the container; its process waits for rt_start(). */
struct dv_err *rt_create(const struct rt_context *ctx, const struct rt_create_opts *o) DV_CHECK;

/*
 * create + start; in the foreground also waits, forwards signals and terminal, and
 * deletes. *ret_status is the process' exit status, 128 + signal when it was killed.
 */
struct dv_err *rt_run(const struct rt_context *ctx, const struct rt_create_opts *o, int *ret_status)
	DV_CHECK;

struct dv_err *rt_start(const struct rt_context *ctx, const char *id) DV_CHECK;
/* @all: do not complain about a stopped container. */
struct dv_err *rt_kill(const struct rt_context *ctx, const char *id, int signo, bool all) DV_CHECK;
/* @force: kill first; a container that does not exist is fine. */
struct dv_err *rt_delete(const struct rt_context *ctx, const char *id, bool force) DV_CHECK;
struct dv_err *rt_pause(const struct rt_context *ctx, const char *id) DV_CHECK;
struct dv_err *rt_resume(const struct rt_context *ctx, const char *id) DV_CHECK;

/* Pids of the container's processes as the caller's pid namespace has them; heap. */
struct dv_err *rt_pids(const struct rt_context *ctx, const char *id, pid_t **ret, size_t *ret_n)
	DV_CHECK;

/* Limits of a live container; devices are left alone. RDT schemas may be NULL. */
struct dv_err *rt_update(const struct rt_context *ctx, const char *id,
			 const struct spec_resources *res, const char *l3_schema,
			 const char *mem_bw_schema) DV_CHECK;

/* ---- exec ------------------------------------------------------------------------------ */

struct rt_exec_opts {
	const char *id;
	struct rt_io_opts io;
	const char *process_file; /* -p; NULL: the bundle's process with the rest applied */
	const char **args; /* the command; n_args 0 with process_file */
	size_t n_args;
	const char *cwd, *user, *process_label, *apparmor;
	const char **env, **caps;
	size_t n_env, n_caps;
	const uint32_t *additional_gids;
	size_t n_additional_gids;
	const char **cgroups; /* --cgroup values */
	size_t n_cgroups;
	bool tty, no_new_privs, ignore_paused, no_subreaper;
};

struct dv_err *rt_exec(const struct rt_context *ctx, const struct rt_exec_opts *o, int *ret_status)
	DV_CHECK;
