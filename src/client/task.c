/* SPDX-License-Identifier: Apache-2.0 */
/* See client/task.h. */

#include "client/task.h"

#include <signal.h>
#include <string.h>

#include "api/containerd/tasks.pb-c.h"
#include "client/services.h"

#define PROCESS_TYPE "types.containerd.io/opencontainers/runtime-spec/1/Process"

static char *or_empty(const char *s)
{
	return s ? (char *)s : (char *)"";
}

struct dv_err *client_task_create(struct client *c, const char *id,
				  Containerd__Types__Mount *const *mounts, size_t n_mounts,
				  const struct client_task_io *io, uint32_t *ret_pid)
{
	Containerd__Services__Tasks__V1__CreateTaskRequest r =
		CONTAINERD__SERVICES__TASKS__V1__CREATE_TASK_REQUEST__INIT;
	const Containerd__Services__Tasks__V1__CreateTaskResponse *reply = NULL;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	r.container_id = (char *)id;
	r.rootfs = (Containerd__Types__Mount **)mounts;
	r.n_rootfs = n_mounts;
	r.stdin = or_empty(io->in);
	r.stdout = or_empty(io->out);
	r.stderr = or_empty(io->err);
	r.terminal = io->has_terminal;
	e = client_call(c, CLIENT_TASKS("Create", &r), &arena, &reply);
	if (!e && ret_pid)
		*ret_pid = reply->pid;
	dv_arena_fini(&arena);
	return e;
}

struct dv_err *client_task_exec(struct client *c, const char *id, const char *exec_id,
				const char *process, const struct client_task_io *io)
{
	Containerd__Services__Tasks__V1__ExecProcessRequest r =
		CONTAINERD__SERVICES__TASKS__V1__EXEC_PROCESS_REQUEST__INIT;
	Google__Protobuf__Any spec = GOOGLE__PROTOBUF__ANY__INIT;

	spec.type_url = (char *)PROCESS_TYPE;
	spec.value.data = (uint8_t *)process;
	spec.value.len = strlen(process);
	r.container_id = (char *)id;
	r.exec_id = (char *)exec_id;
	r.spec = &spec;
	r.stdin = or_empty(io->in);
	r.stdout = or_empty(io->out);
	r.stderr = or_empty(io->err);
	r.terminal = io->has_terminal;
	return client_call(c, CLIENT_TASKS("Exec", &r), NULL, NULL);
}

struct dv_err *client_task_start(struct client *c, const char *id, const char *exec_id,
				 uint32_t *ret_pid)
{
	Containerd__Services__Tasks__V1__StartRequest r =
		CONTAINERD__SERVICES__TASKS__V1__START_REQUEST__INIT;
	const Containerd__Services__Tasks__V1__StartResponse *reply = NULL;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	r.container_id = (char *)id;
	r.exec_id = or_empty(exec_id);
	e = client_call(c, CLIENT_TASKS("Start", &r), &arena, &reply);
	if (!e && ret_pid)
		*ret_pid = reply->pid;
	dv_arena_fini(&arena);
	return e;
}

struct client_pending *client_task_kill_start(struct client *c, const char *id, const char *exec_id,
					      int signo)
{
	Containerd__Services__Tasks__V1__KillRequest r =
		CONTAINERD__SERVICES__TASKS__V1__KILL_REQUEST__INIT;

	r.container_id = (char *)id;
	r.exec_id = or_empty(exec_id);
	r.signal = (uint32_t)signo;
	/* Without the first process of a pid namespace that it shares the others would go on. */
	r.all = signo == SIGKILL && !*r.exec_id;
	return client_start(c, CLIENT_TASKS("Kill", &r), NULL, NULL);
}

struct dv_err *client_task_kill(struct client *c, const char *id, const char *exec_id, int signo)
{
	return client_pending_finish(client_task_kill_start(c, id, exec_id, signo), NULL, NULL);
}

struct dv_err *client_task_delete(struct client *c, const char *id, const char *exec_id)
{
	Containerd__Services__Tasks__V1__DeleteTaskRequest task =
		CONTAINERD__SERVICES__TASKS__V1__DELETE_TASK_REQUEST__INIT;
	Containerd__Services__Tasks__V1__DeleteProcessRequest process =
		CONTAINERD__SERVICES__TASKS__V1__DELETE_PROCESS_REQUEST__INIT;
	struct dv_err *e;

	task.container_id = process.container_id = (char *)id;
	process.exec_id = or_empty(exec_id);
	if (*process.exec_id)
		e = client_call(c, CLIENT_TASKS("DeleteProcess", &process), NULL, NULL);
	else
		e = client_call(c, CLIENT_TASKS("Delete", &task), NULL, NULL);
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e);
	return e;
}

struct client_pending *client_task_wait_start(struct client *c, const char *id, const char *exec_id,
					      void (*done)(void *arg), void *arg)
{
	Containerd__Services__Tasks__V1__WaitRequest r =
		CONTAINERD__SERVICES__TASKS__V1__WAIT_REQUEST__INIT;

	r.container_id = (char *)id;
	r.exec_id = or_empty(exec_id);
	return client_start(c, CLIENT_TASKS("Wait", &r), done, arg);
}

struct dv_err *client_task_wait_finish(struct client_pending *take, uint32_t *ret_status)
{
	const Containerd__Services__Tasks__V1__WaitResponse *reply = NULL;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = client_pending_finish(take, &arena, &reply);
	if (!e)
		*ret_status = reply->exit_status;
	dv_arena_fini(&arena);
	return e;
}

struct client_pending *client_task_resize(struct client *c, const char *id, const char *exec_id,
					  uint16_t rows, uint16_t columns)
{
	Containerd__Services__Tasks__V1__ResizePtyRequest r =
		CONTAINERD__SERVICES__TASKS__V1__RESIZE_PTY_REQUEST__INIT;

	r.container_id = (char *)id;
	r.exec_id = or_empty(exec_id);
	r.width = columns;
	r.height = rows;
	return client_start(c, CLIENT_TASKS("ResizePty", &r), NULL, NULL);
}

struct client_pending *client_task_close_stdin(struct client *c, const char *id,
					       const char *exec_id)
{
	Containerd__Services__Tasks__V1__CloseIORequest r =
		CONTAINERD__SERVICES__TASKS__V1__CLOSE_IOREQUEST__INIT;

	r.container_id = (char *)id;
	r.exec_id = or_empty(exec_id);
	r.stdin = true;
	return client_start(c, CLIENT_TASKS("CloseIO", &r), NULL, NULL);
}
