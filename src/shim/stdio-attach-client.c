/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One who is attached.
 *
 *	silent --hello--> ready --output is over--> ending --all is sent--> freed
 *	   \--10 s--------\----1 MiB behind, nonsense, gone--------------/
 *
 * What it has sent before it went away still goes to the process: as long as such bytes wait for
 * their turn it is kept, deaf.
 *
 * Each function may free the client: those that go on after a call look at ->hub.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "stdio-attach-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

enum {
	QUEUE_MAX = 1024 * 1024,
	READ_SIZE = 64 * 1024,
	ROUNDS = 8, /* then others have their turn */
	/* More than two pipes and a queue can hold: see stdio_attach_exited(). */
	LAST_BUFFER = 4 * 1024 * 1024,
};

/* ---- what is waited for -------------------------------------------------------------------- */

static void on_event(uv_poll_t *poll, int status, int events);

bool attach_client_is_behind(const struct attach_client *c)
{
	return c->queue.len > c->at_queue;
}

static void count_as_full(struct attach_client *c, bool is_full)
{
	struct stdio_attach *a = c->hub;

	if (is_full == c->counts_as_full)
		return;
	c->counts_as_full = is_full;
	a->n_full += is_full ? 1 : (size_t)-1;
	if (a->n_full == 0)
		a->opts.has_room(a->opts.arg);
}

static void update(struct attach_client *c)
{
	int interest = 0;

	if (!c->hub)
		return;
	count_as_full(c, c->is_waited_for && attach_client_is_behind(c));
	if (attach_client_is_behind(c))
		interest |= UV_WRITABLE;
	if (!c->input && !c->is_half_closed)
		interest |= UV_READABLE;
	/* A hang-up is told whatever is waited for, but something has to be. */
	if (interest == 0 && c->is_half_closed)
		interest = UV_PRIORITIZED;
	if (interest == c->interest)
		return;
	c->interest = interest;
	if (interest)
		(void)uv_poll_start(&c->poll, interest, on_event);
	else
		(void)uv_poll_stop(&c->poll);
}

/* ---- output -------------------------------------------------------------------------------- */

static void drop_queue(struct attach_client *c)
{
	dv_strbuf_fini(&c->queue);
	c->queue = (struct dv_strbuf)DV_STRBUF_INIT;
	c->at_queue = 0;
}

static void become_deaf(struct attach_client *c)
{
	c->is_deaf = true;
	(void)shutdown(c->fd, SHUT_WR); /* in case that it is there after all */
	drop_queue(c);
}

/* How much of it the socket took; all, if there is nobody to take it. */
static size_t send_now(struct attach_client *c, const struct iovec *iov, size_t n_iov)
{
	ssize_t n = sys_send_v(c->fd, iov, n_iov, MSG_DONTWAIT);

	if (n > 0)
		c->progress_at = uv_now(c->hub->env->loop);
	if (n >= 0 || n == -EAGAIN)
		return n > 0 ? (size_t)n : 0;
	become_deaf(c);
	return SIZE_MAX;
}

static void enqueue(struct attach_client *c, const struct iovec *iov, size_t n_iov, size_t skip)
{
	if (c->at_queue > c->queue.len / 2) {
		c->queue.len -= c->at_queue;
		memmove(c->queue.data, c->queue.data + c->at_queue, c->queue.len);
		c->at_queue = 0;
	}
	for (size_t i = 0; i < n_iov; i++) {
		size_t n = DV_MIN(skip, iov[i].iov_len);

		dv_strbuf_add_n(&c->queue, (const char *)iov[i].iov_base + n, iov[i].iov_len - n);
		skip -= n;
	}
}

/* False: what is queued is not all sent. */
static bool send_queued(struct attach_client *c)
{
	while (attach_client_is_behind(c)) {
		struct iovec rest = { c->queue.data + c->at_queue, c->queue.len - c->at_queue };
		size_t n = send_now(c, &rest, 1);

		if (c->is_deaf)
			return true;
		if (n == 0)
			return false;
		c->at_queue += n;
	}
	drop_queue(c);
	return true;
}

static void cut_off(struct attach_client *c, const char *why)
{
	dv_log(c->hub->env->log, DV_DEBUG, "stdio: a client of %s is cut off: %s", DV_ATTACH_SOCKET,
	       why);
	attach_client_free(c);
}

void attach_client_send(struct attach_client *c, const struct iovec *iov, size_t n_iov)
{
	size_t n = 0, total = 0;

	if (c->is_deaf || c->is_ending)
		return;
	for (size_t i = 0; i < n_iov; i++)
		total += iov[i].iov_len;
	if (!attach_client_is_behind(c))
		n = send_now(c, iov, n_iov);
	if (n < total)
		enqueue(c, iov, n_iov, n);
	if (c->queue.len - c->at_queue > QUEUE_MAX)
		cut_off(c, "it does not read");
	else
		update(c);
}

static void send_empty(struct attach_client *c, enum dv_attach_from_shim type)
{
	uint8_t header[DV_ATTACH_HEADER];

	dv_attach_header(type, 0, header);
	attach_client_send(c, &(struct iovec){ header, sizeof(header) }, 1);
}

void attach_client_end(struct attach_client *c)
{
	if (!c->is_ready || c->is_ending)
		return;
	send_empty(c, DV_ATTACH_END);
	if (!c->hub)
		return;
	c->is_ending = true;
	if (!attach_client_is_behind(c))
		attach_client_free(c);
}

void attach_client_widen(struct attach_client *c)
{
	(void)sys_sock_set_send_buffer(c->fd, LAST_BUFFER);
	if (send_queued(c) && c->is_ending)
		attach_client_free(c);
	else
		update(c);
}

/* ---- input --------------------------------------------------------------------------------- */

static void end_input(struct attach_client *c)
{
	struct stdio_attach *a = c->hub;

	if (c->is_input_over)
		return;
	c->is_input_over = true;
	if (c->has_stdin)
		attach_input_left(a);
}

/* NULL, or what is wrong with it. */
static const char *say_hello(struct attach_client *c, const struct dv_attach_piece *piece)
{
	struct stdio_attach *a = c->hub;
	unsigned flags;

	if (piece->type != DV_ATTACH_HELLO || piece->length != 1)
		return "it does not begin with a hello";
	flags = piece->bytes[0];
	if (flags & ~(unsigned)DV_ATTACH_FLAGS)
		return "unknown flags";
	c->is_ready = true;
	c->is_waited_for = flags & DV_ATTACH_WAIT;
	c->has_stdin = flags & DV_ATTACH_HAS_STDIN;
	a->n_ready++;
	(void)uv_timer_stop(&c->hello);
	send_empty(c, DV_ATTACH_READY);
	if (c->hub && a->has_exited)
		attach_client_widen(c);
	if (c->hub && attach_is_over(a))
		attach_client_end(c);
	return NULL;
}

/* The same for a frame after it. *ret_n: bytes of it that were used; fewer than all: wait. */
static const char *take_piece(struct attach_client *c, const struct dv_attach_piece *piece,
			      size_t *ret_n)
{
	*ret_n = piece->n;
	if (!c->is_ready)
		return say_hello(c, piece);
	if (!c->has_stdin || c->is_input_over)
		return "it sends what it has not announced";
	if (piece->type == DV_ATTACH_STDIN) {
		*ret_n = attach_input_write(c->hub, piece->bytes, piece->n);
		return NULL;
	}
	if (piece->type != DV_ATTACH_STDIN_END || piece->length)
		return "an unknown frame";
	end_input(c);
	return NULL;
}

static void keep_input(struct attach_client *c, const uint8_t *p, size_t n)
{
	c->input = dv_alloc(n);
	c->n_input = n;
	memcpy(c->input, p, n);
}

/* Takes the frames in @p; what the process does not take now is kept. False: no more for now. */
static bool take(struct attach_client *c, const uint8_t *p, size_t n)
{
	for (;;) {
		struct dv_attach_piece piece;
		enum dv_attach_next next = dv_attach_read(&c->reader, &p, &n, &piece);
		const char *wrong;
		size_t used;

		if (next == DV_ATTACH_MORE)
			return true;
		wrong = next == DV_ATTACH_BAD ? "a frame is too long"
					      : take_piece(c, &piece, &used);
		if (!c->hub)
			return false;
		if (wrong) {
			cut_off(c, wrong);
			return false;
		}
		if (used == piece.n)
			continue;
		dv_attach_unread(&c->reader, &piece, used);
		keep_input(c, piece.bytes + used, n + piece.n - used);
		return false;
	}
}

/* Closed by the other side, or only its sending half? */
static bool is_gone(const struct attach_client *c)
{
	struct pollfd p = { .fd = c->fd };

	return sys_poll(&p, 1, 0) != 0 && (p.revents & (POLLHUP | POLLERR));
}

static void receive_ended(struct attach_client *c)
{
	if (!c->is_ready || !dv_attach_is_between(&c->reader) || is_gone(c)) {
		attach_client_free(c);
		return;
	}
	c->is_half_closed = true;
	end_input(c);
}

static void receive(struct attach_client *c)
{
	void *buf = io_scratch_get(c->hub->env->scratch);

	for (int i = 0; i < ROUNDS && !c->is_half_closed; i++) {
		ssize_t n = sys_recv(c->fd, buf, READ_SIZE, MSG_DONTWAIT);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			if (n < 0)
				attach_client_free(c);
			else
				receive_ended(c);
			return;
		}
		if (!take(c, buf, (size_t)n))
			return;
	}
}

void attach_client_resume(struct attach_client *c)
{
	DV_CLEANUP(dv_freep) uint8_t *input = dv_steal(&c->input);

	if (input)
		(void)take(c, input, c->n_input);
	update(c);
}

/* ---- its life ------------------------------------------------------------------------------ */

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct attach_client *c = dv_container_of(poll, struct attach_client, poll);

	(void)events;
	if (status < 0) /* libuv has stopped it: the socket tells what it is */
		c->interest = 0;
	if (send_queued(c) && c->is_ending) {
		attach_client_free(c);
		return;
	}
	if (c->is_half_closed && is_gone(c))
		attach_client_free(c);
	else if (!c->is_half_closed && !c->input)
		receive(c);
	update(c);
}

static void on_hello_time(uv_timer_t *timer)
{
	cut_off(dv_container_of(timer, struct attach_client, hello), "no hello in time");
}

static void on_closed(uv_handle_t *handle)
{
	struct attach_client *c = handle->data;

	if (--c->n_handles == 0)
		free(c);
}

void attach_client_free(struct attach_client *c)
{
	struct stdio_attach *a = c->hub;
	struct attach_client **link = &a->clients;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	a->n_clients--;
	a->n_ready -= c->is_ready;
	drop_queue(c);
	count_as_full(c, false);
	end_input(c);
	c->hub = NULL;
	free(dv_steal(&c->input));
	uv_close((uv_handle_t *)&c->poll, on_closed);
	uv_close((uv_handle_t *)&c->hello, on_closed);
	c->fd = sys_close(c->fd);
}

void attach_client_new(struct stdio_attach *a, int take_fd)
{
	struct attach_client *c = dv_new(struct attach_client);

	if (uv_poll_init(a->env->loop, &c->poll, take_fd) < 0) {
		sys_close(take_fd);
		free(c);
		return;
	}
	(void)uv_timer_init(a->env->loop, &c->hello);
	c->poll.data = c->hello.data = c;
	c->n_handles = 2;
	c->hub = a;
	c->fd = take_fd;
	c->queue = (struct dv_strbuf)DV_STRBUF_INIT;
	c->next = a->clients;
	a->clients = c;
	a->n_clients++;
	(void)uv_timer_start(&c->hello, on_hello_time, a->opts.hello_ms, 0);
	update(c);
}
