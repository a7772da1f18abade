/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Containers and their processes, as the Task API sees them: one `struct task` per container,
 * one `struct task_proc` for its init and for each exec'ed process.
 *
 * What a request may do is one table (task-table.c): state x operation. Requests that change a
 * process wait for the one in flight for it; kill, resize and closing of stdin do not. The
 * OCI runtime is a child process (oci.h) and nothing here waits for it: results come by
 * callbacks, which are never called from within the call that takes them.
 *
 *                  create            start                pause
 *	(creating) ----------> CREATED --------> RUNNING <---------> PAUSED
 *	                          |                 |      resume       |
 *	                          |     exit of the process             |
 *	                          +-----------> STOPPED <---------------+
 *	                          |                 | delete
 *	                          +--- delete ------+----> (gone)
 *
 * In CREATED the pid is known (init) or the process does not exist yet (exec). In STOPPED the
 * exit status and time are kept until deleted; an exec whose start fails is STOPPED as well,
 * with status 255. The exit of an init is reported after those of all other processes of its
 * container, and no exit before the start was reported.
 *
 * Everything belongs to the thread of the loop.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "env.h"
#include "options.h"
#include "rootfs.h"

struct task;
struct task_proc;
struct task_set;

enum task_state { TASK_CREATED, TASK_RUNNING, TASK_PAUSED, TASK_STOPPED, TASK_STATE__N };

/* The operations of task_submit(); TASK_EXIT is the one that nobody asks for. */
enum task_op {
	TASK_START,
	TASK_PAUSE,
	TASK_RESUME,
	TASK_UPDATE,
	TASK_CHECKPOINT,
	TASK_EXEC, /* by task_exec() */
	TASK_KILL,
	TASK_RESIZE,
	TASK_CLOSE_IO,
	TASK_STATS, /* asked with task_check() */
	TASK_DELETE,
	TASK_EXIT,
	TASK_OP__N,
};

struct task_stdio {
	const char *in, *out, *err; /* URIs or paths; "" for none */
	bool is_terminal;
};

/* What can be asked at any time. Strings are borrowed, until the next return to the loop. */
struct task_info {
	const char *id, *exec_id; /* exec_id "" for an init */
	const char *bundle;
	struct task_stdio stdio;
	const struct host_fs_mount *mounts;
	size_t n_mounts;
	enum task_state state;
	bool is_pausing;
	pid_t pid; /* 0: none yet */
	uint32_t exit_status; /* 128 + signal when killed by one */
	struct timespec exited_at; /* 0 until then */
};

enum task_event {
	TASK_EVENT_CREATE,
	TASK_EVENT_START,
	TASK_EVENT_EXIT,
	TASK_EVENT_DELETE,
	TASK_EVENT_EXEC_ADDED,
	TASK_EVENT_EXEC_STARTED,
	TASK_EVENT_OOM,
	TASK_EVENT_PAUSED,
	TASK_EVENT_RESUMED,
};

/* Gets every event, in the order in which the daemon must see them. */
typedef void (*task_event_fn)(void *arg, enum task_event event, const struct task_info *info);

/* @env is borrowed. */
struct task_set *task_set_new(struct shim_env *env, task_event_fn on_event, void *arg);
/* Containers are left as they are. Accepts NULL; always returns NULL. */
struct task_set *task_set_free(struct task_set *set);
/* Containers that exist or are being made. */
size_t task_set_count(const struct task_set *set);

/* SIGKILL for every container that has not ended. One that is being made is undone. */
void task_set_kill(struct task_set *set);
/* A line of the log for each process. */
void task_set_dump(const struct task_set *set);

/* Exactly one of @take_e and @info; the strings of @info last for the call. */
typedef void (*task_done_fn)(void *arg, struct dv_err *take_e, const struct task_info *info);

struct task_create {
	const char *id, *bundle;
	struct task_stdio stdio;
	const struct host_fs_mount *mounts;
	size_t n_mounts;
	const struct shim_options *options;
	bool is_restore; /* a checkpoint was given: not supported yet */
	uint64_t deadline; /* uv_hrtime(), 0: none: then the runtime is killed and all undone */
};

/*
 * Mounts the root file system, opens the streams, and has the runtime create the container.
 * Everything in @create is copied. A failure undoes all of it.
 * DV_EXISTS: the id is in use. DV_INVALID: malformed id or bundle. DV_UNIMPLEMENTED: restore.
 */
void task_create(struct task_set *set, const struct task_create *create, task_done_fn done,
		 void *arg);

/*
 * @exec_id "": the init. The result is borrowed, until the next return to the loop.
 * DV_NOT_FOUND: "container not created" or no such process.
 */
struct dv_err *task_lookup(struct task_set *set, const char *id, const char *exec_id,
			   struct task_proc **ret) DV_CHECK;

struct task_exec {
	const char *exec_id;
	struct task_stdio stdio;
	const char *process; /* JSON */
	size_t n_process;
};

/* Adds a process to be started. DV_INVALID, DV_EXISTS, DV_PRECONDITION. */
struct dv_err *task_exec(struct task_proc *init, const struct task_exec *exec) DV_CHECK;

struct task_request {
	enum task_op op;
	int signo; /* TASK_KILL */
	bool is_all; /* TASK_KILL: every process of the container */
	const char *resources; /* TASK_UPDATE: JSON, copied */
	size_t n_resources;
	uint16_t width, height; /* TASK_RESIZE */
	uint64_t deadline; /* as in task_create */
};

/* DV_PRECONDITION and others: what the table says. After TASK_DELETE the process is gone. */
void task_submit(struct task_proc *proc, const struct task_request *request, task_done_fn done,
		 void *arg);

/* What the table says about @op now. */
struct dv_err *task_check(const struct task_proc *proc, enum task_op op) DV_CHECK;

/* Calls @done when the process is STOPPED; with an error when it is deleted before it ran. */
struct task_wait;
struct task_wait *task_wait(struct task_proc *proc, task_done_fn done, void *arg);
/* The answer is no longer wanted: @done is not called. Not after it was. */
void task_wait_cancel(struct task_wait *wait);

void task_info(const struct task_proc *proc, struct task_info *ret);

struct task_pid {
	pid_t pid;
	const char *exec_id; /* NULL: not one of the exec'ed processes */
};

/* All processes of the container, none when it is stopped; the result is in @arena. */
struct dv_err *task_pids(struct task_proc *init, struct dv_arena *arena, struct task_pid **ret,
			 size_t *ret_n) DV_CHECK;

/* Reopens the logs of a process. DV_PRECONDITION: it has none. */
struct dv_err *task_reopen_logs(struct task_proc *proc) DV_CHECK;
