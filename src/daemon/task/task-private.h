/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A task and its shim.
 *
 *	            tasks_create()          Create answered
 *	  (nothing) ------------> CREATING -----------------> LIVE
 *	      |                      | failed                  | deleted, or its shim was lost
 *	      | found at the start   v                         v
 *	      +---> LOADING --+--> ENDING <--------------------+
 *	               |      | nobody answers                 ^
 *	               |      +--------------------------------+
 *	               +------> LIVE
 *
 * ENDING: the shim is told to go, or what it left is removed (task-end.c); then the task is gone.
 *
 * A task is counted: the table has it until its end, and each call in flight.
 */

#include <stdbool.h>

#include "api/containerd/task.pb-c.h"
#include "io/child.h"
#include "managed.h"
#include "rpc/ttrpc.h"
#include "shim.h"
#include "tasks.h"

#define TASK_NS_PER_S UINT64_C(1000000000)

enum task_phase { TASK_CREATING, TASK_LOADING, TASK_LIVE, TASK_ENDING };

/* Somebody who waits for the end of a process. */
struct task_waiter {
	struct task_waiter *next, **prev;
	void (*done)(void *arg, struct dv_err *take_e, const Containerd__Task__V2__WaitResponse *r);
	void *arg;
};

/* A process that somebody waits for. The init's is always there. */
struct task_proc {
	struct task_proc *next;
	char *exec_id; /* "" for the init */
	bool is_asked; /* a Wait is in flight to the shim */
	struct task_waiter *waiters;
};

/* What the shim said last, of the init. */
struct task_last {
	Containerd__V1__Types__Status status;
	uint32_t pid;
	uint32_t exit_status;
	struct timespec exited_at; /* 0: not yet */
};

struct task {
	struct tasks *ts;
	unsigned n_refs;
	char *ns, *id;
	enum task_phase phase;
	bool is_in_table;

	char *bundle; /* path */
	char *shim_binary; /* path; NULL: not known (yet) */
	char *address; /* of the shim, without "unix://" */
	unsigned version; /* of its task API */
	bool has_foreign_shim; /* it is a sandbox's: not ours to shut down */
	bool is_mute; /* LOADING, and its shim has not answered in time; it is asked again */
	struct task_asking *asking; /* LOADING: between two questions (task-load.c) */
	struct io_child *starting; /* `start`, while it runs */
	bool is_managed; /* its container is: davitd ends it */
	bool is_marking; /* the mark is being written */
	struct managed_mark mark;
	struct task_going *going; /* LIVE, managed, and its init has exited */
	struct ttrpc_client *client;
	struct shim_log *log; /* of the shim */
	struct task_last last;
	char *stdio[3]; /* as given to Create; never NULL once it is LIVE */
	bool is_terminal;
	struct task_proc *procs;
	unsigned n_busy; /* calls to the shim that are in flight, Waits apart */
};

struct tasks {
	struct daemon *d;
	void *tree; /* of tasks, by namespace and id (search.h) */
	size_t n_tasks;
	size_t n_loading; /* those that are mute apart */
	size_t n_unsettled; /* CREATING, ENDING */
	void (*settled)(void *arg);
	void *settled_arg;
	bool is_scanned; /* the state directory was looked through */
	bool is_freed;
	bool is_late; /* the time in which lists wait for the end of loading is over */
	struct tasks_sleeper *loaded; /* who waits for it */
	struct tasks_sleeper *sleepers; /* who waits for any change */
	bool is_waking;
	uv_timer_t load_timer;
	struct events_listener *listener;
	char *dir;
};

/* ---- table (tasks.c) ---- */

/* NULL when there is none. Also one that is not LIVE. */
struct task *task_find(struct tasks *ts, const char *ns, const char *id);
/* A new one in the table, with one reference for the caller besides. DV_EXISTS. */
struct dv_err *task_add(struct tasks *ts, const char *ns, const char *id, enum task_phase phase,
			struct task **ret) DV_CHECK;
void task_remove(struct task *t); /* from the table */
struct task *task_ref(struct task *t);
struct task *task_unref(struct task *t); /* accepts NULL; always returns NULL */
/* Sorted by namespace and id; each is LIVE or LOADING. */
void tasks_each(struct tasks *ts, void (*fn)(void *arg, struct task *t), void *arg);
void task_phase_set(struct task *t, enum task_phase phase);
/* It has the same shim as another one that is not ENDING. */
bool task_is_grouped(const struct task *t);

/* Somebody who waits, in one list at a time. */
struct tasks_sleeper {
	struct tasks_sleeper *next, **prev;
	void (*fn)(void *arg);
	void *arg;
};
/*
 * @fn is called once, later, when something has changed: a task has another phase, or is gone, or
 * the state directory was looked through. Who wants to know more looks, and may come again.
 */
void tasks_sleep(struct tasks *ts, struct tasks_sleeper *s);
void tasks_sleep_end(struct tasks_sleeper *s); /* without its callback; also of one that is awake */
void tasks_wake(struct tasks *ts);
void tasks_sleeper_add(struct tasks_sleeper **list, struct tasks_sleeper *s);

/* ---- its shim (shim.h) ---- */

/* Borrows from the task. */
struct shim_at task_shim(const struct task *t);

/* ---- calls (task-call.c) ---- */

struct task_call {
	const char *method;
	const ProtobufCMessage *msg;
	const ProtobufCMessageDescriptor *reply; /* NULL: empty */
	uint64_t timeout_ns; /* 0: none */
	bool is_long; /* a Wait: no sign of a shim that is busy */
};
/* As ttrpc_client_call(). The task is kept meanwhile. It has a client. */
void task_call(struct task *t, const struct task_call *call, ttrpc_result_fn fn, void *arg);
void task_connect(struct task *t); /* makes the client; its loss ends the task */

/* ---- waiting (task-wait.c) ---- */

void task_wait(struct task *t, const char *exec_id, struct task_waiter *w);
/* Asks for the init's end: an event about it may have been lost while no daemon was there. */
void task_watch(struct task *t);
void task_unwait(struct task_waiter *w); /* without its callback */
/* The init runs, from an event or an answer. */
void task_started(struct task *t, const struct timespec *at);
/* The init's end, from an event or an answer; who waits is told. */
void task_exited(struct task *t, const Containerd__Task__V2__WaitResponse *r);
void task_waiters_fail(struct task *t, enum dv_code code, const char *why);

/* ---- the end (task-end.c) ---- */

struct task_end {
	bool is_lost; /* the shim cannot be asked: kill it, run `delete`, tell exit and deletion */
	bool needs_delete; /* the shim may know the container: run `delete` */
	bool is_undone; /* it never became a task: nothing is recorded */
	void (*done)(void *arg);
	void *arg;
};
/*
 * From any phase but ENDING. Of one that is managed the exit is put on record, and what has to go with
 * it goes.
 */
void task_end(struct task *t, const struct task_end *end);

/* ---- managed ones (managed-end.c) ---- */

/* If it is managed and its init has exited: begins its end. */
void task_going_begin(struct task *t);
void task_going_stop(struct task *t); /* somebody else ends it */
void task_exit_of(const struct task *t, struct managed_exit *ret);
/* Writes the mark, if it is managed, after a change. */
void task_mark(struct task *t);

/* ---- what is there already (task-load.c) ---- */

void tasks_load(struct tasks *ts);
/* @s is called when no task is LOADING any more, or after a while; perhaps at once. */
void tasks_when_loaded(struct tasks *ts, struct tasks_sleeper *s);
void tasks_load_check(struct tasks *ts);
void tasks_load_end(struct tasks *ts); /* whoever waits for it goes on */
/* No more questions. */
void task_load_stop(struct task *t);
