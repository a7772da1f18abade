/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/2 connection on the loop.
 *
 *	open  --grpc_h2_kill(), end of file, error--> dead  --the loop's closing phase--> closed()
 *
 * Frames are gathered and leave in few writes: small ones are copied, messages are pointed at. What
 * the socket does not take is copied once ("rest"), and nothing else is asked of nghttp2 until it
 * has left. Both directions are bounded in one round, so that no peer keeps the others waiting.
 */

#include <errno.h>
#include <sys/socket.h>

#include "grpc-private.h"
#include "sys/file.h"
#include "sys/sock.h"

enum { READ_SIZE = 32 << 10, READ_ROUNDS = 8 };
enum { SMALL = 16 << 10, PIECES = 64, WRITE_SIZE = 128 << 10, WRITE_ROUND = 1 << 20 };

/* Pieces up to this size are copied together. */
enum { COPY_MAX = 256 };

/* Frames that bring nothing: this many at once, and this many in a second. */
enum { TOKENS_MAX = 10000, TOKENS_SECOND = 2000 };

struct grpc_gather {
	struct iovec pieces[PIECES];
	size_t n_pieces, n, n_small;
	bool is_full;
	uint8_t small[SMALL];
};

static void ready(uv_poll_t *poll, int status, int events);

/* ---- Out ---- */

static void gather_point(struct grpc_gather *g, const void *p, size_t n)
{
	g->pieces[g->n_pieces++] = (struct iovec){ .iov_base = (void *)p, .iov_len = n };
	g->n += n;
}

static void gather_copy(struct grpc_gather *g, const void *p, size_t n)
{
	uint8_t *to = g->small + g->n_small;
	struct iovec *last = g->n_pieces ? &g->pieces[g->n_pieces - 1] : NULL;

	memcpy(to, p, n);
	g->n_small += n;
	if (last && (uint8_t *)last->iov_base + last->iov_len == to) {
		last->iov_len += n;
		g->n += n;
	} else {
		gather_point(g, to, n);
	}
}

bool grpc_h2_gather(struct grpc_h2 *h, const uint8_t *head, struct grpc_flow *f, size_t n)
{
	enum { HEAD = 9 };
	struct grpc_gather *g = h->gather;
	struct iovec pieces[GRPC_PIECES];
	size_t n_pieces;

	if (PIECES - g->n_pieces < GRPC_PIECES + 2 || g->n >= WRITE_SIZE ||
	    SMALL - g->n_small < HEAD + GRPC_PIECES * COPY_MAX) {
		g->is_full = true;
		return false;
	}
	gather_copy(g, head, HEAD);
	n_pieces = grpc_flow_take(f, n, pieces);
	for (size_t i = 0; i < n_pieces; i++) {
		if (pieces[i].iov_len <= COPY_MAX)
			gather_copy(g, pieces[i].iov_base, pieces[i].iov_len);
		else
			gather_point(g, pieces[i].iov_base, pieces[i].iov_len);
	}
	return true;
}

static void fill(struct grpc_h2 *h, struct grpc_gather *g)
{
	h->gather = g;
	g->n_pieces = g->n = g->n_small = 0;
	g->is_full = false;
	while (!g->is_full && !grpc_h2_is_dead(h)) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(h->session, &p);

		if (n < 0)
			grpc_h2_kill(h, nghttp2_strerror((int)n), 0);
		if (n <= 0)
			break;
		g->is_full = PIECES - g->n_pieces < 3 || g->n >= WRITE_SIZE;
		if ((size_t)n <= SMALL - g->n_small) {
			gather_copy(g, p, (size_t)n);
		} else { /* valid until nghttp2 is asked again */
			gather_point(g, p, (size_t)n);
			g->is_full = true;
		}
	}
	h->gather = NULL;
}

/* All but the first @sent bytes. */
static void keep_rest(struct grpc_h2 *h, const struct grpc_gather *g, size_t sent)
{
	struct grpc_rest *rest = dv_realloc_n(NULL, 1, sizeof(*rest) + g->n - sent);

	rest->at = 0;
	rest->n = 0;
	for (size_t i = 0; i < g->n_pieces; i++) {
		size_t skip = DV_MIN(sent, g->pieces[i].iov_len);
		size_t n = g->pieces[i].iov_len - skip;

		memcpy(rest->data + rest->n, (uint8_t *)g->pieces[i].iov_base + skip, n);
		rest->n += n;
		sent -= skip;
	}
	grpc_budget_force(&h->output, rest->n);
	h->rest = rest;
}

/* False: the socket is full, or dead. */
static bool write_gather(struct grpc_h2 *h, const struct grpc_gather *g)
{
	ssize_t sent = sys_send_v(h->fd, g->pieces, g->n_pieces, MSG_DONTWAIT);

	if (sent < 0 && sent != -EAGAIN) {
		grpc_h2_kill(h, "sending failed", (int)sent);
		return false;
	}
	h->progress = uv_hrtime();
	if ((size_t)DV_MAX(sent, (ssize_t)0) == g->n)
		return true;
	keep_rest(h, g, (size_t)DV_MAX(sent, (ssize_t)0));
	return false;
}

static void free_rest(struct grpc_h2 *h)
{
	if (!h->rest)
		return;
	grpc_budget_give(&h->output, h->rest->n);
	free(h->rest);
	h->rest = NULL;
}

static bool write_rest(struct grpc_h2 *h)
{
	struct grpc_rest *rest = h->rest;
	ssize_t sent;

	if (!rest)
		return true;
	sent = sys_send(h->fd, rest->data + rest->at, rest->n - rest->at, MSG_DONTWAIT);
	if (sent < 0) {
		if (sent != -EAGAIN)
			grpc_h2_kill(h, "sending failed", (int)sent);
		return false;
	}
	h->progress = uv_hrtime();
	rest->at += (size_t)sent;
	if (rest->at < rest->n)
		return false;
	free_rest(h);
	return true;
}

static void watch(struct grpc_h2 *h)
{
	int events = 0;

	/* Who does not take our answers may ask no more; the client reads whatever happens. */
	if (!h->is_server || !h->rest)
		events |= UV_READABLE;
	if (h->rest || h->is_more)
		events |= UV_WRITABLE;
	if (events == h->events) /* libuv would take it out of epoll and put it back */
		return;
	h->events = events;
	uv_poll_start(&h->poll, events, ready);
}

static void flush(struct grpc_h2 *h)
{
	struct grpc_gather g;
	size_t n_round = 0;

	if (grpc_h2_is_dead(h) || h->is_flushing || h->is_receiving)
		return;
	h->is_flushing = true;
	h->is_more = false;
	if (write_rest(h)) {
		do {
			fill(h, &g);
			n_round += g.n;
			h->is_more = n_round >= WRITE_ROUND;
		} while (g.n && !grpc_h2_is_dead(h) && write_gather(h, &g) && !h->is_more);
	}
	h->is_flushing = false;
	grpc_messages_free(h->spent);
	h->spent = NULL;
	if (grpc_h2_is_dead(h))
		return;
	if (!h->rest && !nghttp2_session_want_read(h->session) &&
	    !nghttp2_session_want_write(h->session)) {
		grpc_h2_kill(h, "ended", 0);
		return;
	}
	watch(h);
	if (h->ops->changed)
		h->ops->changed(h);
}

static void flush_task(struct grpc_task *t)
{
	flush(dv_container_of(t, struct grpc_h2, flush));
}

void grpc_h2_touch(struct grpc_h2 *h)
{
	/* Within those two it happens anyway. */
	if (!grpc_h2_is_dead(h) && !h->is_flushing && !h->is_receiving)
		grpc_task_post(h->hub, &h->flush);
}

/* ---- In ---- */

static void receive(struct grpc_h2 *h)
{
	uint8_t buf[READ_SIZE];
	ssize_t n = READ_SIZE, used;

	for (int i = 0; i < READ_ROUNDS && n == READ_SIZE && !grpc_h2_is_dead(h); i++) {
		n = sys_recv(h->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == -EAGAIN)
			break;
		if (n <= 0) {
			grpc_h2_kill(h, n ? "receiving failed" : "closed by the peer", (int)n);
			return;
		}
		h->last_input = uv_hrtime();
		h->is_receiving = true;
		used = nghttp2_session_mem_recv(h->session, buf, (size_t)n);
		h->is_receiving = false;
		if (used < 0)
			grpc_h2_kill(h, nghttp2_strerror((int)used), 0);
	}
	flush(h);
}

static void ready(uv_poll_t *poll, int status, int events)
{
	struct grpc_h2 *h = dv_container_of(poll, struct grpc_h2, poll);

	if (status < 0) {
		grpc_h2_kill(h, "polling failed", status);
		return;
	}
	if (events & UV_WRITABLE)
		flush(h);
	if (!grpc_h2_is_dead(h) && (events & UV_READABLE))
		receive(h);
}

bool grpc_h2_check(struct grpc_h2 *h)
{
	char byte;
	ssize_t n;

	if (!grpc_h2_is_dead(h)) {
		n = sys_recv(h->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			grpc_h2_kill(h, "closed by the peer", (int)n);
	}
	return !grpc_h2_is_dead(h);
}

bool grpc_h2_charge_frame(struct grpc_h2 *h)
{
	uint64_t now = uv_hrtime();
	uint64_t more = (now - h->tokens_at) / (UINT64_C(1000000000) / TOKENS_SECOND);

	if (more) {
		h->tokens = DV_MIN(h->tokens + more, (uint64_t)TOKENS_MAX);
		h->tokens_at = now;
	}
	if (!h->tokens)
		return false;
	h->tokens--;
	return true;
}

/* ---- Life ---- */

static void closed(uv_handle_t *handle)
{
	struct grpc_h2 *h = dv_container_of((uv_poll_t *)handle, struct grpc_h2, poll);
	struct grpc_hub *hub = h->hub;

	while (h->flows)
		grpc_flow_closed(h->flows, GRPC_H2_LOST);
	nghttp2_session_del(h->session);
	free_rest(h);
	grpc_messages_free(h->spent);
	h->ops->closed(h);
	grpc_hub_unref(hub);
}

void grpc_h2_kill(struct grpc_h2 *h, const char *why, int error)
{
	if (grpc_h2_is_dead(h))
		return;
	h->why = why;
	h->error = error;
	grpc_task_cancel(h->hub, &h->flush);
	uv_poll_stop(&h->poll);
	h->fd = sys_close(h->fd);
	uv_close((uv_handle_t *)&h->poll, closed);
}

int grpc_h2_open(struct grpc_h2 *h, int take_fd, uint32_t max_streams, uint32_t max_headers)
{
	int r;

	r = grpc_session_new(h, max_streams, max_headers);
	if (r < 0)
		return r;
	r = uv_poll_init(h->hub->loop, &h->poll, take_fd);
	if (r < 0) {
		nghttp2_session_del(h->session);
		return r;
	}
	h->hub->n_handles++;
	h->fd = take_fd;
	h->flush.fn = flush_task;
	h->last_input = h->progress = h->tokens_at = uv_hrtime();
	h->tokens = TOKENS_MAX;
	watch(h);
	grpc_h2_touch(h);
	return 0;
}
