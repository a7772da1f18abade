/* SPDX-License-Identifier: Apache-2.0 */
/* One connection on the loop. See conn-private.h. */

#include <errno.h>
#include <sys/socket.h>

#include "conn-private.h"
#include "sys/file.h"
#include "sys/sock.h"

/*
 * The buffer lives on the stack while there is something to read. One round is bounded, so that
 * no peer keeps the others waiting.
 */
enum { READ_SIZE = 8 << 10, READ_ROUNDS = 32 };

static void free_queue(struct ttrpc_conn *c)
{
	while (c->first) {
		struct ttrpc_chunk *chunk = c->first;

		c->first = chunk->next;
		free(chunk);
	}
	c->last = &c->first;
	ttrpc_budget_give(c->budget, c->n_queued);
	c->n_queued = 0;
}

static void closed(uv_handle_t *handle)
{
	struct ttrpc_conn *c = dv_container_of((uv_poll_t *)handle, struct ttrpc_conn, poll);

	c->ops->closed(c);
}

void ttrpc_conn_kill(struct ttrpc_conn *c, const char *why, int error)
{
	if (ttrpc_conn_is_dead(c))
		return;
	c->why = why;
	c->error = error;
	free_queue(c);
	uv_poll_stop(&c->poll);
	c->fd = sys_close(c->fd);
	uv_close((uv_handle_t *)&c->poll, closed);
}

/* -EAGAIN: not all of it. */
static int send_chunk(struct ttrpc_conn *c, struct ttrpc_chunk *chunk)
{
	while (chunk->n_sent < chunk->n) {
		ssize_t n = sys_send(c->fd, chunk->data + chunk->n_sent, chunk->n - chunk->n_sent,
				     MSG_DONTWAIT);

		if (n < 0)
			return (int)n;
		chunk->n_sent += (size_t)n;
		c->progress = uv_hrtime();
	}
	return 0;
}

static void send_queue(struct ttrpc_conn *c)
{
	while (c->first) {
		struct ttrpc_chunk *chunk = c->first;
		int r = send_chunk(c, chunk);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			ttrpc_conn_kill(c, "sending failed", r);
			return;
		}
		c->first = chunk->next;
		if (!c->first)
			c->last = &c->first;
		c->n_queued -= chunk->n;
		ttrpc_budget_give(c->budget, chunk->n);
		free(chunk);
	}
	if (c->ops->drained)
		c->ops->drained(c);
}

static void receive(struct ttrpc_conn *c)
{
	uint8_t buf[READ_SIZE];
	ssize_t n = READ_SIZE;

	for (int i = 0; i < READ_ROUNDS && n == READ_SIZE; i++) {
		n = sys_recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			ttrpc_conn_kill(c, n ? "receiving failed" : "closed by the peer", (int)n);
			return;
		}
		c->ops->input(c, buf, (size_t)n);
		if (ttrpc_conn_is_dead(c) || c->is_input_off || c->n_queued > TTRPC_QUEUE_HIGH)
			return;
	}
}

static void ready(uv_poll_t *poll, int status, int events);

static void watch(struct ttrpc_conn *c)
{
	int events = 0;

	if (!c->is_input_off && c->n_queued <= TTRPC_QUEUE_HIGH)
		events |= UV_READABLE;
	if (c->first)
		events |= UV_WRITABLE;
	if (events == c->events) /* libuv would take it out of epoll and put it back */
		return;
	c->events = events;
	if (events)
		uv_poll_start(&c->poll, events, ready);
	else
		uv_poll_stop(&c->poll);
}

static void ready(uv_poll_t *poll, int status, int events)
{
	struct ttrpc_conn *c = dv_container_of(poll, struct ttrpc_conn, poll);

	if (status < 0) {
		ttrpc_conn_kill(c, "polling failed", status);
		return;
	}
	if (events & UV_WRITABLE)
		send_queue(c);
	if (!ttrpc_conn_is_dead(c) && (events & UV_READABLE))
		receive(c);
	if (!ttrpc_conn_is_dead(c))
		watch(c);
}

int ttrpc_conn_open(struct ttrpc_conn *c, uv_loop_t *loop, int take_fd)
{
	int r;

	r = uv_poll_init(loop, &c->poll, take_fd);
	if (r < 0)
		return r;
	c->fd = take_fd;
	c->last = &c->first;
	watch(c);
	return 0;
}

static void enqueue(struct ttrpc_conn *c, struct ttrpc_chunk *chunk)
{
	if (!c->first)
		c->progress = uv_hrtime();
	*c->last = chunk;
	c->last = &chunk->next;
	c->n_queued += chunk->n;
	watch(c);
}

static bool charge(struct ttrpc_conn *c, size_t n)
{
	if (n > c->max_queued - DV_MIN(c->n_queued, c->max_queued))
		return false;
	if (ttrpc_budget_take(c->budget, n))
		return true;
	if (c->ops->make_room)
		c->ops->make_room(c, n);
	return !ttrpc_conn_is_dead(c) && ttrpc_budget_take(c->budget, n);
}

bool ttrpc_conn_send(struct ttrpc_conn *c, struct ttrpc_chunk *take)
{
	int r = -EAGAIN;

	if (!ttrpc_conn_is_dead(c) && !c->first) {
		r = send_chunk(c, take);
		if (r < 0 && r != -EAGAIN)
			ttrpc_conn_kill(c, "sending failed", r);
	}
	if (ttrpc_conn_is_dead(c) || r == 0) {
		free(take);
		return r == 0;
	}
	if (!charge(c, take->n)) {
		free(take);
		ttrpc_conn_kill(c, "the peer does not read", 0);
		return false;
	}
	enqueue(c, take);
	return true;
}

bool ttrpc_conn_check(struct ttrpc_conn *c)
{
	char byte;
	ssize_t n = -EPIPE;

	if (!ttrpc_conn_is_dead(c)) {
		n = sys_recv(c->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			ttrpc_conn_kill(c, "closed by the peer", (int)n);
	}
	return !ttrpc_conn_is_dead(c);
}

void ttrpc_conn_stop_input(struct ttrpc_conn *c)
{
	c->is_input_off = true;
	if (!ttrpc_conn_is_dead(c))
		watch(c);
}
