/* SPDX-License-Identifier: Apache-2.0 */
/* Streams between workers and clients: the registry and the queues. See streams.h. */

#include "streams-private.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "rpc/pb.h"

/* A reader's window; a sender's queue; the size of a Data message, which clients expect. */
enum { WINDOW = 512 << 10, QUEUE_MAX = 256 << 10, PIECE = 32 << 10, CHUNKS_MAX = 4096 };

struct streams {
	struct daemon *d;
	pthread_mutex_t lock; /* for the list; taken before a stream's own */
	struct stream *list;
};

/* ---- Queues ---- */

static void queue_add(struct stream_queue *q, struct stream_chunk *c)
{
	*q->last = c;
	q->last = &c->next;
	q->n_bytes += c->n;
	q->n_chunks++;
}

static struct stream_chunk *queue_take(struct stream_queue *q)
{
	struct stream_chunk *c = q->first;

	if (!c)
		return NULL;
	q->first = c->next;
	if (!q->first)
		q->last = &q->first;
	q->n_bytes -= c->n - c->at;
	q->n_chunks--;
	c->next = NULL;
	return c;
}

static void queue_drop(struct stream_queue *q)
{
	while (q->first)
		free(queue_take(q));
}

static struct stream_chunk *chunk_new(const char *type_url, const void *value, size_t n)
{
	size_t n_url = type_url ? strlen(type_url) + 1 : 0;
	struct stream_chunk *c = dv_realloc_n(NULL, 1, sizeof(*c) + n + n_url);

	*c = (struct stream_chunk){ .n = n };
	if (n)
		memcpy(c->data, value, n);
	if (type_url)
		c->type_url = memcpy(c->data + n, type_url, n_url);
	return c;
}

/* ---- References ---- */

/* With the lock held, which is gone afterwards. */
static void unref_unlock(struct stream *st)
{
	bool is_last = --st->refs == 0;

	pthread_mutex_unlock(&st->lock);
	if (!is_last)
		return;
	queue_drop(&st->in);
	queue_drop(&st->out);
	pthread_cond_destroy(&st->changed);
	pthread_mutex_destroy(&st->lock);
	free(st->ns);
	free(st->id);
	free(st);
}

static void pump(void *arg)
{
	struct stream *st = arg;

	pthread_mutex_lock(&st->lock);
	st->is_posted = false;
	pthread_mutex_unlock(&st->lock);
	if (st->call)
		stream_pump(st);
	pthread_mutex_lock(&st->lock);
	unref_unlock(st);
}

/* With the lock held. */
static void post(struct stream *st)
{
	if (st->is_posted || st->is_dead)
		return;
	st->is_posted = true;
	st->refs++;
	io_work_post(st->d->fast, pump, st);
}

/* ---- The loop's side ---- */

struct stream *stream_new(struct daemon *d, struct grpc_call *call, const char *ns, const char *id)
{
	struct stream *st = dv_new(struct stream);
	pthread_condattr_t attr;

	st->d = d;
	st->call = call;
	st->ns = dv_strdup(ns);
	st->id = dv_strdup(id);
	st->refs = 1;
	st->in.last = &st->in.first;
	st->out.last = &st->out.first;
	pthread_mutex_init(&st->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&st->changed, &attr);
	pthread_condattr_destroy(&attr);
	return st;
}

/* With the registry's lock held. */
static struct stream *find(const struct streams *s, const char *ns, const char *id)
{
	struct stream *st = s->list;

	while (st && (!dv_streq(st->id, id) || !dv_streq(st->ns, ns)))
		st = st->next;
	return st;
}

struct dv_err *stream_register(struct streams *s, struct stream *st)
{
	bool is_taken;

	pthread_mutex_lock(&s->lock);
	is_taken = find(s, st->ns, st->id);
	if (!is_taken) {
		st->owner = s;
		st->next = s->list;
		st->prev = &s->list;
		if (st->next)
			st->next->prev = &st->next;
		s->list = st;
	}
	pthread_mutex_unlock(&s->lock);
	return is_taken ? dv_err_new(DV_EXISTS, "stream \"%s\": already exists", st->id) : NULL;
}

static void unregister(struct streams *s, struct stream *st)
{
	pthread_mutex_lock(&s->lock);
	if (st->owner) {
		*st->prev = st->next;
		if (st->next)
			st->next->prev = st->prev;
		st->owner = NULL;
	}
	pthread_mutex_unlock(&s->lock);
}

void stream_detach(struct stream *st)
{
	unregister(st->d->streams, st);
	pthread_mutex_lock(&st->lock);
	st->call = NULL;
	st->is_dead = true;
	pthread_cond_broadcast(&st->changed);
	unref_unlock(st);
}

bool stream_input(struct stream *st, const char *type_url, const void *value, size_t n,
		  bool is_bytes)
{
	struct stream_chunk *c = chunk_new(is_bytes ? NULL : type_url, value, n);
	bool is_more;

	pthread_mutex_lock(&st->lock);
	queue_add(&st->in, c);
	if (is_bytes)
		st->window -= (int64_t)n;
	/* One who keeps to the window never gets there; another is held back by HTTP/2. */
	st->is_held = st->in.n_bytes > WINDOW || st->in.n_chunks > CHUNKS_MAX;
	is_more = !st->is_held;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
	return is_more;
}

void stream_input_end(struct stream *st)
{
	pthread_mutex_lock(&st->lock);
	st->is_in_end = true;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

void stream_add_credit(struct stream *st, int32_t n)
{
	pthread_mutex_lock(&st->lock);
	if (n > 0 && st->credit < INT64_MAX / 2)
		st->credit += n;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

static bool is_low(const struct stream *st)
{
	return st->in.n_bytes <= WINDOW / 2 && st->in.n_chunks <= CHUNKS_MAX / 2;
}

/* Credit that is worth a message. */
static int64_t window_room(const struct stream *st)
{
	int64_t room = WINDOW - (int64_t)st->in.n_bytes - st->window;

	return st->is_bytes && !st->is_in_end && room >= WINDOW / 2 ? room : 0;
}

bool stream_resume_input(struct stream *st)
{
	bool is_due;

	pthread_mutex_lock(&st->lock);
	is_due = st->is_held && is_low(st);
	if (is_due)
		st->is_held = false;
	pthread_mutex_unlock(&st->lock);
	return is_due;
}

struct stream_chunk *stream_output(struct stream *st, int32_t *ret_window, bool *ret_is_closing)
{
	struct stream_chunk *c;

	pthread_mutex_lock(&st->lock);
	*ret_window = (int32_t)window_room(st);
	st->window += *ret_window;
	c = queue_take(&st->out);
	*ret_is_closing = st->is_closing && !c;
	if (c)
		pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
	return c;
}

/* ---- The workers' side ---- */

struct dv_err *stream_open(struct streams *s, const char *ns, const char *id, struct stream **ret)
{
	struct stream *st;

	pthread_mutex_lock(&s->lock);
	st = find(s, ns, id);
	if (st) {
		pthread_mutex_lock(&st->lock);
		st->refs++;
		pthread_mutex_unlock(&st->lock);
	}
	pthread_mutex_unlock(&s->lock);
	if (!st)
		return dv_err_new(DV_NOT_FOUND, "stream \"%s\": not found", id);
	*ret = st;
	return NULL;
}

struct stream *stream_close(struct stream *st)
{
	if (!st)
		return NULL;
	unregister(st->d->streams, st);
	pthread_mutex_lock(&st->lock);
	st->is_closing = true;
	post(st);
	unref_unlock(st);
	return NULL;
}

void stream_interrupt(struct stream *st)
{
	pthread_mutex_lock(&st->lock);
	st->is_interrupted = true;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

/* The functions below are called with the lock held. */

static struct dv_err *check(const struct stream *st)
{
	if (st->is_interrupted)
		return dv_err_new(DV_CANCELLED, "stream \"%s\": interrupted", st->id);
	if (st->is_dead)
		return dv_err_new(DV_CANCELLED, "stream \"%s\": the client has gone", st->id);
	return NULL;
}

/* What came may be read although the client has gone. */
static struct dv_err *wait_input(struct stream *st, const struct timespec *until)
{
	while (!st->in.first && !st->is_in_end) {
		struct dv_err *e = check(st);

		if (e)
			return e;
		if (!until)
			pthread_cond_wait(&st->changed, &st->lock);
		else if (pthread_cond_timedwait(&st->changed, &st->lock, until) == ETIMEDOUT)
			return dv_err_new(DV_DEADLINE, "stream \"%s\": nothing came in time",
					  st->id);
	}
	return st->is_interrupted ? check(st) : NULL;
}

/* Room in the queue, and for bytes the client's leave. */
static struct dv_err *wait_output(struct stream *st, bool is_bytes)
{
	struct dv_err *e;

	while (!(e = check(st)) && (st->out.n_bytes >= QUEUE_MAX || (is_bytes && st->credit <= 0)))
		pthread_cond_wait(&st->changed, &st->lock);
	return e;
}

static void input_taken(struct stream *st)
{
	if ((st->is_held && is_low(st)) || window_room(st))
		post(st);
}

static size_t take_bytes(struct stream *st, uint8_t *to, size_t n)
{
	size_t done = 0;

	while (done < n && st->in.first) {
		struct stream_chunk *c = st->in.first;
		size_t part = DV_MIN(n - done, c->n - c->at);

		memcpy(to + done, c->data + c->at, part);
		c->at += part;
		done += part;
		st->in.n_bytes -= part;
		if (c->at == c->n)
			free(queue_take(&st->in));
	}
	return done;
}

/* The others take the lock. */

struct dv_err *stream_read(struct stream *st, void *buf, size_t n, size_t *ret_n)
{
	struct dv_err *e = NULL;
	size_t done = 0;

	pthread_mutex_lock(&st->lock);
	if (!st->is_bytes) {
		st->is_bytes = true;
		post(st);
	}
	while (!e && !done && n) {
		e = wait_input(st, NULL);
		if (e)
			break;
		done = take_bytes(st, buf, n);
		if (!done && st->is_in_end && !st->in.first)
			break;
	}
	if (!e) {
		*ret_n = done;
		input_taken(st);
	}
	pthread_mutex_unlock(&st->lock);
	return e;
}

struct dv_err *stream_write(struct stream *st, const void *p, size_t n)
{
	const uint8_t *bytes = p;
	struct dv_err *e = NULL;

	pthread_mutex_lock(&st->lock);
	while (n) {
		size_t part;

		e = wait_output(st, true);
		if (e)
			break;
		part = DV_MIN(DV_MIN(n, (size_t)PIECE), (size_t)st->credit);
		queue_add(&st->out, chunk_new(NULL, bytes, part));
		st->credit -= (int64_t)part;
		bytes += part;
		n -= part;
		post(st);
	}
	pthread_mutex_unlock(&st->lock);
	return e;
}

static struct stream_chunk *encode(const ProtobufCMessage *msg)
{
	struct dv_arena arena;
	struct stream_chunk *c;
	ProtobufCBinaryData b;

	dv_arena_init(&arena);
	b = pb_pack_arena(msg, &arena);
	c = chunk_new(pb_any_url(msg), b.data, b.len);
	dv_arena_fini(&arena);
	return c;
}

struct dv_err *stream_send(struct stream *st, const ProtobufCMessage *msg)
{
	DV_CLEANUP(dv_freep) struct stream_chunk *c = encode(msg);
	struct dv_err *e;

	pthread_mutex_lock(&st->lock);
	e = wait_output(st, false);
	if (!e) {
		queue_add(&st->out, dv_steal(&c));
		post(st);
	}
	pthread_mutex_unlock(&st->lock);
	return e;
}

void stream_try_send(struct stream *st, const ProtobufCMessage *msg)
{
	DV_CLEANUP(dv_freep) struct stream_chunk *c = encode(msg);

	pthread_mutex_lock(&st->lock);
	if (!st->is_dead && st->out.n_bytes < QUEUE_MAX) {
		queue_add(&st->out, dv_steal(&c));
		post(st);
	}
	pthread_mutex_unlock(&st->lock);
}

struct dv_err *stream_receive(struct stream *st, uint64_t timeout_ns, struct dv_arena *arena,
			      struct meta_any *ret)
{
	struct timespec until = { 0 };
	struct stream_chunk *c = NULL;
	struct dv_err *e;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(timeout_ns / 1000000000);
	until.tv_nsec += (long)(timeout_ns % 1000000000);
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&st->lock);
	e = wait_input(st, timeout_ns ? &until : NULL);
	if (!e) {
		c = queue_take(&st->in);
		input_taken(st);
	}
	pthread_mutex_unlock(&st->lock);
	if (e)
		return e;
	*ret = (struct meta_any){ 0 };
	if (c) {
		void *value = dv_arena_alloc(arena, c->n);

		memcpy(value, c->data, c->n);
		*ret = (struct meta_any){ .type_url = dv_arena_strdup(
						  arena, c->type_url ? c->type_url : ""),
					  .value = value,
					  .n_value = c->n };
	}
	free(c);
	return NULL;
}

/* ---- The registry ---- */

struct streams *streams_new(struct daemon *d)
{
	struct streams *s = dv_new(struct streams);

	s->d = d;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

struct streams *streams_free(struct streams *s)
{
	if (!s)
		return NULL;
	/* Calls end before this, with the server; what is left has lost its call. */
	dv_assert(!s->list);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}
