/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files task-*.c share. */

#include <uv.h>

#include "host/cgroup.h"
#include "io/pidfd.h"
#include "oci.h"
#include "shim/stdio.h"
#include "task.h"

/* ---- task-table.c ----------------------------------------------------------------------- */

/* May @op be done in @state? NULL when it may. @what is "container x" or "process y". */
struct dv_err *task_rule(bool is_exec, enum task_op op, enum task_state state, const char *what)
	DV_CHECK;
/* Where a successful @op leads from @state. */
enum task_state task_next(enum task_op op, enum task_state state);
const char *task_state_name(enum task_state state);

/* ---- objects ---------------------------------------------------------------------------- */

/* What the shim calls a runtime for by itself has no deadline of a request's. */
#define TASK_OWN_CALL_NS (10 * UINT64_C(1000000000))

struct task_job; /* a request that waits or is in flight */

struct task_wait {
	struct task_wait *next;
	struct task_proc *proc;
	task_done_fn done;
	void *arg;
};

struct task_proc {
	struct task *task;
	struct task_proc *next; /* execs of one container */
	unsigned n_refs;
	bool is_gone; /* deleted: only references keep it */

	char *exec_id; /* "" for the init */
	char *in, *out, *err; /* as asked for */
	bool is_terminal;
	enum task_state state;
	bool is_pausing, is_starting;
	bool is_stdin_closed; /* exec: asked for before it was started */

	pid_t pid;
	struct io_pidfd *watch; /* NULL: no process, or it has ended */
	bool has_exited; /* but that may not be reported yet */
	uint32_t exit_status;
	struct timespec exited_at;

	struct shim_stdio *stdio;
	struct task_wait *waits;
	struct task_job *jobs, **jobs_end; /* the first one is in flight */
	bool is_pumping; /* see task-op.c */

	uint16_t width, height; /* of its terminal, asked for before it was started; 0: never */
	char *process; /* exec: its part of config.json, until it is started */
	size_t n_process;
};

struct create; /* task-create.c */
/* It is not wanted any more: it is undone as soon as the runtime has answered. */
void task_create_abandon(struct create *c);

struct task {
	struct task_set *set;
	struct task *next;
	unsigned n_refs; /* one for each process, one while it is in the set */
	char *id, *bundle;
	int bundle_fd;
	struct host_fs_mount *mounts;
	size_t n_mounts;
	struct shim_options *options;
	struct oci oci;

	struct task_proc *init;
	struct task_proc *execs;
	bool is_created; /* visible to others */
	struct create *create; /* while it is being made */
	bool is_waiting; /* until another one of its id is undone; not to be found */
	bool shares_pids; /* the end of init does not end the others: we do */
	bool is_killing; /* that is being done */

	struct host_cgroup_oom oom;
	uv_poll_t *oom_poll; /* NULL: nobody watches */
};

struct task_set {
	struct shim_env *env;
	task_event_fn on_event;
	void *arg;
	struct task *tasks;
	size_t n_tasks;
};

/* ---- task.c ------------------------------------------------------------------------------ */

struct task_proc *task_proc_new(struct task *task, const char *exec_id,
				const struct task_stdio *stdio);
struct task_proc *task_proc_ref(struct task_proc *proc);
void task_proc_unref(struct task_proc *proc);
/* Takes the process out of its container: it cannot be found any more, its waits fail. */
void task_proc_remove(struct task_proc *proc);
/* Takes the container out of the set. It is freed with the last reference to its processes. */
void task_remove(struct task *task);
struct task *task_find(const struct task_set *set, const char *id);
void task_publish(struct task_proc *proc, enum task_event event);
/* Identifiers of containerd: letters, digits and single . _ - between them, at most 76. */
bool task_id_is_valid(const char *id);
bool task_proc_is_init(const struct task_proc *proc);
/* "container x" or "process y of container x", for messages; heap. */
char *task_proc_name(const struct task_proc *proc);
/* Opens the streams as the process wants them. */
typedef void (*task_stdio_fn)(void *arg, struct dv_err *take_e, struct shim_stdio *take);
void task_stdio_open(struct task_proc *proc, task_stdio_fn opened, void *arg);
struct task *task_new(struct task_set *set, const struct task_create *create);

/* ---- task-exit.c ------------------------------------------------------------------------- */

/* Reads "<name>" in the bundle, and watches the process. */
struct dv_err *task_proc_adopt(struct task_proc *proc, const char *pid_file) DV_CHECK;
/* The start is over, with success or not: an exit that was held back is reported now. */
void task_proc_started(struct task_proc *proc);
/*
 * Exec: it was never there, or is no more. That is final, and waits are answered, but no event
 * tells of it.
 */
void task_proc_start_failed(struct task_proc *proc);
/* The runtime has failed, maybe too late: a child of ours that "<name>" has the pid of is ended. */
void task_proc_disown(struct task_proc *proc, const char *pid_file);
/* Watches for out-of-memory kills; what is missing for it is logged. */
void task_oom_open(struct task *task);
void task_oom_close(struct task *task);

/* ---- task-exec.c --------------------------------------------------------------------------- */

typedef void (*task_step_fn)(void *arg, struct dv_err *take_e);
/* Opens the streams and has the runtime start it. On success it has a pid and is watched. */
void task_exec_start(struct task_proc *proc, uint64_t deadline, task_step_fn done, void *arg);
/* Removes the files that it left in the bundle. */
void task_exec_forget(struct task_proc *proc);

/* ---- task-console.c: the terminal's way from the runtime to us ------------------------------- */

struct task_console {
	int listen_fd, dir_fd;
	char name[32];
	char path[64]; /* for --console-socket */
};
struct dv_err *task_console_open(struct task *task, struct task_console *ret) DV_CHECK;
/* Once, from the loop; @take_master -1: @take_e. */
typedef void (*task_console_fn)(void *arg, struct dv_err *take_e, int take_master);
/* The runtime has ended, so the master is there, or will not come. @console stays until @done. */
void task_console_receive(struct task_console *console, uv_loop_t *loop, task_console_fn done,
			  void *arg);
void task_console_close(struct task_console *console);
