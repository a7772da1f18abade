/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Processes of containers: the init one, and those of exec. @exec_id is NULL or "" for the former. */

#include "api/containerd/types.pb-c.h"
#include "client/client.h"

/* Where a process' streams go: fifos, or the URIs of davit's shim. "" or NULL: nowhere. */
struct client_task_io {
	const char *in, *out, *err;
	bool has_terminal;
};

/* Tasks.Create: the process waits for its start. @mounts: of its root file system. */
struct dv_err *client_task_create(struct client *c, const char *id,
				  Containerd__Types__Mount *const *mounts, size_t n_mounts,
				  const struct client_task_io *io, uint32_t *ret_pid) DV_CHECK;

/* @process: JSON of a `process` object. */
struct dv_err *client_task_exec(struct client *c, const char *id, const char *exec_id,
				const char *process, const struct client_task_io *io) DV_CHECK;

struct dv_err *client_task_start(struct client *c, const char *id, const char *exec_id,
				 uint32_t *ret_pid) DV_CHECK;
/* SIGKILL to the init process is for all of the container. DV_NOT_FOUND: it does not run. */
struct dv_err *client_task_kill(struct client *c, const char *id, const char *exec_id, int signo)
	DV_CHECK;

/* Deletes the task, or the process of an exec that has ended. Absent ones are no error. */
struct dv_err *client_task_delete(struct client *c, const char *id, const char *exec_id) DV_CHECK;

/* Begins to wait for the end of the process. @done as in client_start(). */
struct client_pending *client_task_wait_start(struct client *c, const char *id, const char *exec_id,
					      void (*done)(void *arg), void *arg);
/* Its exit status. */
struct dv_err *client_task_wait_finish(struct client_pending *take, uint32_t *ret_status) DV_CHECK;

/* In the background: to be finished, or freed. */
struct client_pending *client_task_kill_start(struct client *c, const char *id, const char *exec_id,
					      int signo);
struct client_pending *client_task_resize(struct client *c, const char *id, const char *exec_id,
					  uint16_t rows, uint16_t columns);
struct client_pending *client_task_close_stdin(struct client *c, const char *id,
					       const char *exec_id);
