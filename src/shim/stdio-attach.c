/* SPDX-License-Identifier: Apache-2.0 */
#include "stdio-attach.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "stdio-attach-private.h"
#include "sys/file.h"
#include "sys/sock.h"

enum {
	CLIENTS_MAX = 64,
	BACKLOG = 64,
	FRAMES = 16, /* in one go */
	HELLO_MS = 10 * 1000,
	PATIENCE_MS = 5 * 1000,
};

/* ---- output ---------------------------------------------------------------------------------- */

static void send_all(struct stdio_attach *a, const struct iovec *iov, size_t n_iov)
{
	struct attach_client *next;

	/* Only the one that is sent to may go. */
	for (struct attach_client *c = a->clients; c; c = next) {
		next = c->next;
		if (c->is_ready)
			attach_client_send(c, iov, n_iov);
	}
}

void stdio_attach_write(struct stdio_attach *a, enum dv_attach_from_shim type, const void *p,
			size_t n)
{
	uint8_t headers[FRAMES][DV_ATTACH_HEADER];
	struct iovec iov[2 * FRAMES];

	while (a->n_ready > 0 && n > 0) {
		size_t n_iov = 0;

		for (size_t i = 0; i < FRAMES && n > 0; i++) {
			size_t n_frame = DV_MIN(n, (size_t)DV_ATTACH_MAX);

			dv_attach_header(type, n_frame, headers[i]);
			iov[n_iov++] = (struct iovec){ headers[i], DV_ATTACH_HEADER };
			iov[n_iov++] = (struct iovec){ (void *)(uintptr_t)p, n_frame };
			p = (const char *)p + n_frame;
			n -= n_frame;
		}
		send_all(a, iov, n_iov);
	}
}

bool stdio_attach_is_full(const struct stdio_attach *a)
{
	return a->n_full > 0;
}

bool attach_is_over(const struct stdio_attach *a)
{
	return a->has_streams && a->n_streams == 0;
}

void stdio_attach_add_stream(struct stdio_attach *a)
{
	a->has_streams = true;
	a->n_streams++;
}

static void end_all(struct stdio_attach *a)
{
	struct attach_client *next;

	for (struct attach_client *c = a->clients; c; c = next) {
		next = c->next;
		attach_client_end(c);
	}
}

void stdio_attach_stream_ended(struct stdio_attach *a)
{
	dv_assert(a->n_streams > 0);
	if (--a->n_streams == 0)
		end_all(a);
}

void stdio_attach_exited(struct stdio_attach *a)
{
	struct attach_client *next;

	if (a->has_exited)
		return;
	a->has_exited = true;
	a->exited_at = uv_now(a->env->loop);
	for (struct attach_client *c = a->clients; c; c = next) {
		next = c->next;
		attach_client_widen(c);
	}
}

bool stdio_attach_is_drained(struct stdio_attach *a)
{
	uint64_t now = uv_now(a->env->loop);
	struct attach_client *next;
	bool is_all = true;

	for (struct attach_client *c = a->clients; c; c = next) {
		next = c->next;
		if (!c->is_waited_for || !attach_client_is_behind(c))
			continue;
		if (now < DV_MAX(c->progress_at, a->exited_at) + a->opts.patience_ms) {
			is_all = false;
			continue;
		}
		dv_log(a->env->log, DV_WARN,
		       "stdio: a client of %s does not read: it does not get the last output",
		       DV_ATTACH_SOCKET);
		attach_client_free(c);
	}
	return is_all;
}

/* ---- clients --------------------------------------------------------------------------------- */

/* The first one gets what room there is: next time it is another one. */
static void rotate(struct stdio_attach *a)
{
	struct attach_client *first = a->clients, **end = &a->clients;

	if (!first)
		return;
	while (*end)
		end = &(*end)->next;
	*end = first;
	a->clients = first->next;
	first->next = NULL;
}

static void on_resume(uv_timer_t *timer)
{
	struct stdio_attach *a = dv_container_of(timer, struct stdio_attach, resume);
	struct attach_client *next;

	for (struct attach_client *c = a->clients; c; c = next) {
		next = c->next;
		attach_client_resume(c);
	}
	rotate(a);
}

void attach_clients_resume(struct stdio_attach *a)
{
	(void)uv_timer_start(&a->resume, on_resume, 0, 0);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct stdio_attach *a = dv_container_of(poll, struct stdio_attach, poll);
	int fd = sys_accept(a->fd);
	uid_t uid;

	(void)status;
	(void)events;
	if (fd < 0)
		return;
	/* Names of sockets can be had by descriptors, whatever the directory's mode. */
	if (a->n_clients >= CLIENTS_MAX || sys_peer_uid(fd, &uid) < 0 || uid != geteuid())
		sys_close(fd);
	else
		attach_client_new(a, fd);
}

/* ---- its life -------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct stdio_attach *a = handle->data;

	if (--a->n_handles == 0)
		free(a);
}

/* By a path through our descriptor, since that of a bundle may be longer than a socket's. */
static int listen_in(int dir_fd, int *ret)
{
	DV_CLEANUP(sys_closep) int fd = sys_unix_socket();
	char path[64];
	int r = fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, DV_ATTACH_SOCKET);
	(void)sys_unlinkat(dir_fd, DV_ATTACH_SOCKET, 0);
	if (r >= 0)
		r = sys_unix_bind(fd, path, 0600);
	if (r >= 0)
		r = sys_listen(fd, BACKLOG);
	if (r < 0)
		return r;
	*ret = dv_steal_fd(&fd);
	return 0;
}

struct dv_err *stdio_attach_new(struct shim_env *env, const struct stdio_attach_opts *opts,
				struct stdio_attach **ret)
{
	struct stdio_attach *a;
	int fd = -1, r;

	r = listen_in(opts->dir_fd, &fd);
	if (r < 0)
		return dv_err_sys(r, "stdio: make %s in the bundle", DV_ATTACH_SOCKET);
	a = dv_new(struct stdio_attach);
	r = uv_poll_init(env->loop, &a->poll, fd);
	if (r < 0) {
		free(a);
		sys_close(fd);
		return dv_err_sys(r, "stdio: watch %s", DV_ATTACH_SOCKET);
	}
	(void)uv_timer_init(env->loop, &a->resume);
	a->poll.data = a->resume.data = a;
	a->n_handles = 2;
	a->env = env;
	a->opts = *opts;
	if (!a->opts.hello_ms)
		a->opts.hello_ms = HELLO_MS;
	if (!a->opts.patience_ms)
		a->opts.patience_ms = PATIENCE_MS;
	a->fd = fd;
	a->input.fd = -1;
	(void)uv_poll_start(&a->poll, UV_READABLE, on_connection);
	*ret = a;
	return NULL;
}

struct stdio_attach *stdio_attach_free(struct stdio_attach *a)
{
	if (!a)
		return NULL;
	end_all(a);
	while (a->clients)
		attach_client_free(a->clients);
	stdio_attach_close_input(a);
	(void)sys_unlinkat(a->opts.dir_fd, DV_ATTACH_SOCKET, 0);
	uv_close((uv_handle_t *)&a->resume, on_closed);
	uv_close((uv_handle_t *)&a->poll, on_closed);
	a->fd = sys_close(a->fd);
	return NULL;
}
