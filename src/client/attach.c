/* SPDX-License-Identifier: Apache-2.0 */
/* See client/attach.h. The connection is one of a stream socket's, that does not block. */

#include "client/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/mem.h"
#include "base/str.h"
#include "codec/attach.h"
#include "sys/file.h"
#include "sys/sock.h"

enum { READ_SIZE = 64 * 1024 };

struct client_attach {
	uv_poll_t poll;
	struct client_attach_opts opts; /* .bundle: a copy */
	int fd; /* -1: closed */
	int interest;
	bool is_paused;
	bool is_over; /* closed() was called */
	bool has_said_end; /* of our input */
	bool is_full; /* writable() is owed */
	struct dv_attach_reader reader;
	struct dv_strbuf queue; /* from at_queue on it is to be sent */
	size_t at_queue;
	uint8_t buf[READ_SIZE];
};

static void on_event(uv_poll_t *poll, int status, int events);

static void update(struct client_attach *a)
{
	int interest = 0;

	if (a->fd < 0)
		return;
	if (!a->is_over && !a->is_paused)
		interest |= UV_READABLE;
	if (a->queue.len > a->at_queue || a->is_full)
		interest |= UV_WRITABLE;
	if (interest == a->interest)
		return;
	a->interest = interest;
	if (interest)
		(void)uv_poll_start(&a->poll, interest, on_event);
	else
		(void)uv_poll_stop(&a->poll);
}

static void drop_queue(struct client_attach *a)
{
	dv_strbuf_fini(&a->queue);
	a->queue = (struct dv_strbuf)DV_STRBUF_INIT;
	a->at_queue = 0;
}

static void end(struct client_attach *a, struct dv_err *take_e)
{
	a->is_over = true;
	a->is_full = false;
	drop_queue(a);
	update(a);
	a->opts.closed(a->opts.arg, dv_err_wrap(take_e, "attached to %s/" DV_ATTACH_SOCKET,
						a->opts.bundle)); /* may close */
}

/* ---- sending ------------------------------------------------------------------------------- */

/* Nobody is there any more: the reading side will find out. */
static void send_queued(struct client_attach *a)
{
	while (a->queue.len > a->at_queue) {
		ssize_t n = sys_send(a->fd, a->queue.data + a->at_queue, a->queue.len - a->at_queue,
				     MSG_DONTWAIT);

		if (n == -EAGAIN)
			return;
		if (n < 0)
			break;
		a->at_queue += (size_t)n;
	}
	drop_queue(a);
}

static void add_frame(struct client_attach *a, unsigned type, const void *p, size_t n)
{
	uint8_t header[DV_ATTACH_HEADER];

	dv_attach_header(type, n, header);
	dv_strbuf_add_n(&a->queue, header, sizeof(header));
	dv_strbuf_add_n(&a->queue, p, n);
}

bool client_attach_send(struct client_attach *a, const void *p, size_t n)
{
	dv_assert(a->opts.has_stdin && !a->has_said_end);
	if (a->is_over)
		return true;
	while (n > 0) {
		size_t n_frame = DV_MIN(n, (size_t)DV_ATTACH_MAX);

		add_frame(a, DV_ATTACH_STDIN, p, n_frame);
		p = (const char *)p + n_frame;
		n -= n_frame;
	}
	send_queued(a);
	a->is_full = a->queue.len > a->at_queue;
	update(a);
	return !a->is_full;
}

void client_attach_end_input(struct client_attach *a)
{
	if (!a->opts.has_stdin || a->has_said_end || a->is_over)
		return;
	a->has_said_end = true;
	add_frame(a, DV_ATTACH_STDIN_END, "", 0);
	send_queued(a);
	update(a);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static struct dv_err *lost(int neg_errno)
{
	if (neg_errno < 0)
		return dv_err_new(DV_UNAVAILABLE, "the connection was lost: %s",
				  dv_errno_text(-neg_errno));
	return dv_err_new(DV_UNAVAILABLE, "the connection ended before the output did: the shim is "
					  "gone, or output was not read in time");
}

static void take_piece(struct client_attach *a, const struct dv_attach_piece *piece)
{
	switch (piece->type) {
	case DV_ATTACH_READY:
		if (piece->is_last && a->opts.ready)
			a->opts.ready(a->opts.arg);
		return;
	case DV_ATTACH_STDOUT:
	case DV_ATTACH_STDERR:
		if (piece->n)
			a->opts.data(a->opts.arg, piece->type == DV_ATTACH_STDERR, piece->bytes,
				     piece->n);
		return;
	case DV_ATTACH_END:
		end(a, NULL);
		return;
	default:
		end(a, dv_err_new(DV_INTERNAL, "unknown frame %u: no shim of ours is there",
				  piece->type));
	}
}

/* One read, so that a pause counts soon. */
static void receive(struct client_attach *a)
{
	ssize_t r = sys_recv(a->fd, a->buf, sizeof(a->buf), MSG_DONTWAIT);
	const uint8_t *p = a->buf;
	size_t n = r > 0 ? (size_t)r : 0;
	struct dv_attach_piece piece;
	enum dv_attach_next next = DV_ATTACH_MORE;

	if (r == -EAGAIN)
		return;
	if (r <= 0) {
		end(a, lost((int)r));
		return;
	}
	/* A callback may have closed it. */
	while (a->fd >= 0 && !a->is_over &&
	       (next = dv_attach_read(&a->reader, &p, &n, &piece)) == DV_ATTACH_PIECE)
		take_piece(a, &piece);
	if (next == DV_ATTACH_BAD)
		end(a, dv_err_new(DV_INTERNAL, "a frame is too long: no shim of ours is there"));
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct client_attach *a = dv_container_of(poll, struct client_attach, poll);

	(void)events;
	if (status < 0) /* libuv has stopped it: the socket tells what it is */
		a->interest = 0;
	send_queued(a);
	if (a->is_full && a->queue.len == a->at_queue) {
		a->is_full = false;
		if (a->opts.writable)
			a->opts.writable(a->opts.arg);
	}
	if (a->fd >= 0 && !a->is_over && !a->is_paused)
		receive(a);
	update(a);
}

void client_attach_pause(struct client_attach *a)
{
	a->is_paused = true;
	update(a);
}

void client_attach_resume(struct client_attach *a)
{
	a->is_paused = false;
	update(a);
}

/* ---- its life ------------------------------------------------------------------------------ */

static int say_hello(int fd, const struct client_attach_opts *opts)
{
	uint8_t hello[DV_ATTACH_HEADER + 1];

	dv_attach_header(DV_ATTACH_HELLO, 1, hello);
	hello[DV_ATTACH_HEADER] = (uint8_t)((opts->is_waited_for ? DV_ATTACH_WAIT : 0) |
					    (opts->has_stdin ? DV_ATTACH_HAS_STDIN : 0));
	/* The first bytes of a connection always fit. */
	return (int)sys_send(fd, hello, sizeof(hello), 0);
}

struct dv_err *client_attach_open(uv_loop_t *loop, const struct client_attach_opts *opts,
				  struct client_attach **ret)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/" DV_ATTACH_SOCKET, opts->bundle);
	int fd = sys_unix_connect_nonblock(path);
	int r = fd < 0 ? fd : say_hello(fd, opts);
	struct client_attach *a;

	if (r == -EAGAIN)
		return dv_err_new(DV_UNAVAILABLE, "attach to %s: too many clients wait there",
				  path);
	if (r < 0) {
		sys_close(fd);
		return dv_err_sys(r, "attach to %s", path);
	}
	a = dv_new(struct client_attach);
	r = uv_poll_init(loop, &a->poll, fd);
	if (r < 0) {
		free(a);
		sys_close(fd);
		return dv_err_sys(r, "attach to %s: wait for the shim", path);
	}
	a->opts = *opts;
	a->opts.bundle = dv_strdup(opts->bundle);
	a->queue = (struct dv_strbuf)DV_STRBUF_INIT;
	a->fd = fd;
	update(a);
	*ret = a;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct client_attach *a =
		dv_container_of((uv_poll_t *)(void *)handle, struct client_attach, poll);

	free((char *)a->opts.bundle);
	free(a);
}

struct client_attach *client_attach_close(struct client_attach *a)
{
	if (!a)
		return NULL;
	a->is_over = true;
	a->is_full = false;
	drop_queue(a);
	uv_close((uv_handle_t *)&a->poll, on_closed);
	a->fd = sys_close(a->fd);
	return NULL;
}
