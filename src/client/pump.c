/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See client/pump.h. A write of at most PIPE_BUF bytes to what poll(2) calls writable does not block;
 * what epoll does not take (files, /dev/null) never blocks for long, and is written and read at once.
 * libuv makes what it watches O_NONBLOCK, so it watches an epoll descriptor in place of the real one.
 */

#include "client/pump.h"

#include <errno.h>
#include <limits.h>

#include "base/mem.h"
#include "base/str.h"
#include "sys/file.h"
#include "sys/process.h"

enum { SINK_FULL = 64 * 1024, READ_SIZE = 32 * 1024 };

/* ---- sinks -------------------------------------------------------------------------- */

struct client_sink {
	int fd;
	int ready; /* what is watched, -1: a plain file */
	bool is_waiting;
	int error;
	struct dv_strbuf held;
	size_t done; /* of it */
	uv_poll_t poll;
	void (*fn)(void *arg);
	void *arg;
};

static void on_writable(uv_poll_t *poll, int status, int events);

/* Writes what can be written now. */
static void flush(struct client_sink *s)
{
	while (!s->error && s->done < s->held.len) {
		size_t n = s->held.len - s->done;
		ssize_t r;

		if (s->ready >= 0 && !sys_poll_in(s->ready, 0))
			break;
		r = sys_write(s->fd, s->held.data + s->done,
			      s->ready < 0 ? n : DV_MIN(n, (size_t)PIPE_BUF));
		if (r == -EAGAIN)
			break;
		if (r < 0)
			s->error = (int)r;
		else
			s->done += (size_t)r;
	}
	if (s->error || s->done == s->held.len) {
		dv_strbuf_clear(&s->held);
		s->done = 0;
	}
}

static void wait_if_needed(struct client_sink *s)
{
	if (s->ready < 0 || s->is_waiting == (s->held.len > 0))
		return;
	s->is_waiting = !s->is_waiting;
	if (s->is_waiting)
		(void)uv_poll_start(&s->poll, UV_READABLE, on_writable);
	else
		(void)uv_poll_stop(&s->poll);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
	struct client_sink *s = poll->data;

	(void)status;
	(void)events;
	flush(s);
	wait_if_needed(s);
	if (s->held.len == 0 && s->fn)
		s->fn(s->arg);
}

struct client_sink *client_sink_new(uv_loop_t *loop, int fd)
{
	struct client_sink *s = dv_new(struct client_sink);

	*s = (struct client_sink){ .fd = fd, .held = DV_STRBUF_INIT };
	s->poll.data = s;
	s->ready = sys_readiness_fd(fd, true);
	if (s->ready >= 0)
		(void)uv_poll_init(loop, &s->poll, s->ready);
	return s;
}

static void on_sink_closed(uv_handle_t *handle)
{
	struct client_sink *s = handle->data;

	sys_close(s->ready);
	free(s);
}

struct client_sink *client_sink_free(struct client_sink *s)
{
	if (!s)
		return NULL;
	dv_strbuf_fini(&s->held);
	if (s->ready < 0)
		free(s);
	else
		uv_close((uv_handle_t *)&s->poll, on_sink_closed);
	return NULL;
}

void client_sink_write(struct client_sink *s, const void *p, size_t n)
{
	if (s->error)
		return;
	dv_strbuf_add_n(&s->held, p, n);
	flush(s);
	wait_if_needed(s);
}

bool client_sink_is_full(const struct client_sink *s)
{
	return s->held.len - s->done >= SINK_FULL;
}

bool client_sink_is_empty(const struct client_sink *s)
{
	return s->held.len == 0;
}

int client_sink_error(const struct client_sink *s)
{
	return s->error;
}

void client_sink_on_empty(struct client_sink *s, void (*fn)(void *arg), void *arg)
{
	s->fn = fn;
	s->arg = arg;
}

/* ---- sources ------------------------------------------------------------------------ */

struct client_source {
	int fd;
	int ready; /* what is watched, -1: a plain file */
	bool is_paused, is_ended;
	union {
		uv_poll_t poll;
		uv_idle_t idle; /* of a plain one: reads at each turn of the loop */
		uv_handle_t handle;
	};
	client_source_fn fn;
	void *arg;
	char buf[READ_SIZE];
};

static void take(struct client_source *s)
{
	ssize_t n = sys_read(s->fd, s->buf, sizeof(s->buf));

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		client_source_pause(s);
		s->is_ended = true;
		n = 0;
	}
	s->fn(s->arg, s->buf, (size_t)n);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	take(dv_container_of(poll, struct client_source, poll));
}

static void on_idle(uv_idle_t *idle)
{
	take(dv_container_of(idle, struct client_source, idle));
}

void client_source_pause(struct client_source *s)
{
	if (s->is_ended || s->is_paused)
		return;
	s->is_paused = true;
	if (s->ready < 0)
		(void)uv_idle_stop(&s->idle);
	else
		(void)uv_poll_stop(&s->poll);
}

void client_source_resume(struct client_source *s)
{
	if (s->is_ended || !s->is_paused)
		return;
	s->is_paused = false;
	if (s->ready < 0)
		(void)uv_idle_start(&s->idle, on_idle);
	else
		(void)uv_poll_start(&s->poll, UV_READABLE, on_readable);
}

bool client_source_is_ended(const struct client_source *s)
{
	return s->is_ended;
}

struct client_source *client_source_new(uv_loop_t *loop, int fd, client_source_fn fn, void *arg)
{
	struct client_source *s = dv_new(struct client_source);

	s->fd = fd;
	s->fn = fn;
	s->arg = arg;
	s->is_paused = true;
	s->ready = sys_readiness_fd(fd, false);
	if (s->ready < 0)
		(void)uv_idle_init(loop, &s->idle);
	else
		(void)uv_poll_init(loop, &s->poll, s->ready);
	client_source_resume(s);
	return s;
}

static void on_source_closed(uv_handle_t *handle)
{
	struct client_source *s = dv_container_of(handle, struct client_source, handle);

	sys_close(s->ready);
	free(s);
}

struct client_source *client_source_free(struct client_source *s)
{
	if (s)
		uv_close(&s->handle, on_source_closed);
	return NULL;
}
