/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of three things is waited for at any time:
 *
 *	FROM    there is nothing to be read, and nothing pending
 *	TO      something is pending, or (splice) sits in the source's pipe
 *	NOTHING the relay has ended; the timer, with no time on it, tells so
 */

#include "io/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/process.h"

enum {
	CHUNK = 64 * 1024,
	SPLICE_MAX = 1024 * 1024,
	ROUNDS = 16, /* then others have their turn */
};

enum waits { WAIT_NOTHING, WAIT_FROM, WAIT_TO };

struct io_copy {
	uv_poll_t from_poll, to_poll;
	uv_timer_t timer;
	struct io_copy_opts opts;
	enum waits waits;
	bool can_splice, is_tty, has_to_poll, has_ended;
	int result; /* 0 or -errno, once it has ended */
	char *pending; /* NULL: nothing */
	size_t n_pending, at_pending;
	unsigned n_handles;
};

static void on_from(uv_poll_t *poll, int status, int events);
static void on_to(uv_poll_t *poll, int status, int events);
static void on_timer(uv_timer_t *timer);

static void wait_for(struct io_copy *c, enum waits waits)
{
	if (waits == c->waits)
		return;
	if (c->waits == WAIT_FROM)
		(void)uv_poll_stop(&c->from_poll);
	else if (c->waits == WAIT_TO)
		(void)uv_poll_stop(&c->to_poll);
	c->waits = waits;
	if (waits == WAIT_FROM)
		(void)uv_poll_start(&c->from_poll, UV_READABLE, on_from);
	else if (waits == WAIT_TO)
		(void)uv_poll_start(&c->to_poll, UV_WRITABLE, on_to);
}

static void end(struct io_copy *c, int result)
{
	c->has_ended = true;
	c->result = result;
	wait_for(c, WAIT_NOTHING);
	(void)uv_timer_start(&c->timer, on_timer, 0, 0);
}

static void keep_pending(struct io_copy *c, const char *p, size_t n)
{
	c->pending = dv_alloc(n);
	memcpy(c->pending, p, n);
	c->n_pending = n;
	c->at_pending = 0;
}

static void drop_pending(struct io_copy *c)
{
	free(c->pending);
	c->pending = NULL;
}

/* Writes what is pending. False: it waits, or has ended. */
static bool write_pending(struct io_copy *c)
{
	ssize_t n;

	while (c->pending) {
		n = sys_write(c->opts.take_to, c->pending + c->at_pending,
			      c->n_pending - c->at_pending);
		if (n == -EAGAIN && c->has_to_poll) {
			wait_for(c, WAIT_TO);
			return false;
		}
		if (n < 0) {
			drop_pending(c);
			end(c, (int)n);
			return false;
		}
		c->at_pending += (size_t)n;
		if (c->at_pending == c->n_pending)
			drop_pending(c);
	}
	return true;
}

static bool read_failed(struct io_copy *c, int r)
{
	if (r == -EAGAIN)
		wait_for(c, WAIT_FROM);
	else
		end(c, r == -EIO && c->is_tty ? 0 : r);
	return false;
}

/* The steps: true when there may be more to do at once. */
static bool step_splice(struct io_copy *c)
{
	struct pollfd p = { .fd = c->opts.take_from, .events = POLLIN };
	ssize_t n = splice(c->opts.take_from, NULL, c->opts.take_to, NULL, SPLICE_MAX,
			   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n > 0)
		return true;
	if (n == 0)
		return read_failed(c, 0);
	if (errno == EINTR)
		return true;
	if (errno == EINVAL) {
		c->can_splice = false;
		return true;
	}
	if (errno != EAGAIN)
		return read_failed(c, -errno);
	/* Which of both would block? */
	wait_for(c, sys_poll(&p, 1, 0) > 0 && (p.revents & POLLIN) ? WAIT_TO : WAIT_FROM);
	return false;
}

static bool step_read(struct io_copy *c)
{
	char *buf = io_scratch_get(c->opts.scratch);
	ssize_t n = sys_read(c->opts.take_from, buf,
			     DV_MIN((size_t)CHUNK, io_scratch_size(c->opts.scratch)));
	ssize_t written;

	if (n <= 0)
		return read_failed(c, (int)n);
	if (c->opts.take_to < 0)
		return true;
	written = sys_write(c->opts.take_to, buf, (size_t)n);
	if (written < 0 && written != -EAGAIN) {
		end(c, (int)written);
		return false;
	}
	written = DV_MAX(written, 0);
	if (written < n)
		keep_pending(c, buf + written, (size_t)(n - written));
	return true;
}

static void pump(struct io_copy *c)
{
	for (int i = 0; i < ROUNDS && !c->has_ended; i++) {
		if (!write_pending(c))
			return;
		if (!(c->can_splice ? step_splice(c) : step_read(c)))
			return;
	}
	/* More to do: the source is readable still, or the other end takes what is pending. */
	if (!c->has_ended)
		wait_for(c, c->pending && c->has_to_poll ? WAIT_TO : WAIT_FROM);
}

static bool is_idle(const struct io_copy *c)
{
	return c->has_ended ||
	       (c->waits == WAIT_FROM && !c->pending && sys_poll_in(c->opts.take_from, 0) == 0);
}

static void turn(struct io_copy *c)
{
	if (c->has_ended)
		return;
	pump(c);
	if (c->opts.idle && !c->has_ended && is_idle(c))
		c->opts.idle(c->opts.arg); /* may free */
}

static void on_from(uv_poll_t *poll, int status, int events)
{
	struct io_copy *c = dv_container_of(poll, struct io_copy, from_poll);

	(void)events;
	if (status < 0)
		c->waits = WAIT_NOTHING; /* libuv has stopped it */
	turn(c);
}

static void on_to(uv_poll_t *poll, int status, int events)
{
	struct io_copy *c = dv_container_of(poll, struct io_copy, to_poll);

	(void)events;
	if (status < 0)
		c->waits = WAIT_NOTHING;
	turn(c);
}

static void on_timer(uv_timer_t *timer)
{
	struct io_copy *c = dv_container_of(timer, struct io_copy, timer);

	c->opts.ended(c->opts.arg, c->result);
}

bool io_copy_flush(struct io_copy *c)
{
	if (!c->has_ended)
		pump(c);
	return is_idle(c);
}

static void on_closed(uv_handle_t *handle)
{
	struct io_copy *c = handle->data;

	if (--c->n_handles > 0)
		return;
	drop_pending(c);
	free(c);
}

static void close_handle(uv_handle_t *handle)
{
	uv_close(handle, on_closed);
}

static struct dv_err *open_handles(struct io_copy *c, uv_loop_t *loop)
{
	int r;

	(void)uv_timer_init(loop, &c->timer);
	c->timer.data = c->from_poll.data = c->to_poll.data = c;
	c->n_handles = 1;
	r = uv_poll_init(loop, &c->from_poll, c->opts.take_from);
	if (r < 0) {
		close_handle((uv_handle_t *)&c->timer);
		return dv_err_new(DV_INVALID, "relay: cannot wait for the source: %s",
				  dv_errno_text(-r));
	}
	c->n_handles++;
	if (c->opts.take_to < 0)
		return NULL;
	r = uv_poll_init(loop, &c->to_poll, c->opts.take_to);
	c->has_to_poll = r == 0;
	c->n_handles += c->has_to_poll;
	/* EPERM: a regular file, which never makes anybody wait. */
	if (r == 0 || r == UV_EPERM)
		return NULL;
	close_handle((uv_handle_t *)&c->from_poll);
	close_handle((uv_handle_t *)&c->timer);
	return dv_err_new(DV_INVALID, "relay: cannot wait for the destination: %s",
			  dv_errno_text(-r));
}

static bool can_splice(int from, int to)
{
	struct stat a, b;

	return to >= 0 && sys_fstat(from, &a) == 0 && sys_fstat(to, &b) == 0 &&
	       S_ISFIFO(a.st_mode) && (S_ISFIFO(b.st_mode) || S_ISSOCK(b.st_mode));
}

struct dv_err *io_copy_new(uv_loop_t *loop, const struct io_copy_opts *opts, struct io_copy **ret)
{
	struct io_copy *c = dv_new(struct io_copy);
	struct dv_err *e;

	c->opts = *opts;
	e = open_handles(c, loop);
	if (e) {
		sys_close(opts->take_from);
		sys_close(opts->take_to);
		return e;
	}
	c->is_tty = isatty(opts->take_from);
	c->can_splice = can_splice(opts->take_from, opts->take_to);
	wait_for(c, WAIT_FROM);
	*ret = c;
	return NULL;
}

struct io_copy *io_copy_free(struct io_copy *c)
{
	if (!c)
		return NULL;
	c->has_ended = true;
	close_handle((uv_handle_t *)&c->from_poll);
	if (c->has_to_poll)
		close_handle((uv_handle_t *)&c->to_poll);
	close_handle((uv_handle_t *)&c->timer);
	sys_close(c->opts.take_from);
	sys_close(c->opts.take_to);
	return NULL;
}
