/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes between the loop and a thread. Fetching: the loop queues what comes, and waits once there is
 * enough of it. Pushing: the loop says which bytes it wants next, and the thread gets them.
 */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "session-private.h"

enum { QUEUE_MAX = 1024 * 1024, PIECE_MAX = 64 * 1024, CONNECTIONS = 3 };

/* ---- Fetching ---- */

struct piece {
	struct piece *next;
	size_t n, at;
	char data[];
};

struct registry_reader {
	struct session_op op;
	struct spec_descriptor blob;
	int64_t offset;
	struct piece *first, **last;
	size_t n_bytes;
	bool is_held; /* the loop waits for room */
	bool is_closed;
};

static struct dv_err *queue(void *arg, int64_t offset, const void *p, size_t n, bool *ret_wait)
{
	struct registry_reader *r = arg;
	struct piece *piece = dv_realloc_n(NULL, 1, sizeof(*piece) + n);

	(void)offset;
	*piece = (struct piece){ .n = n };
	memcpy(piece->data, p, n);
	pthread_mutex_lock(&r->op.session->lock);
	*r->last = piece;
	r->last = &piece->next;
	r->n_bytes += n;
	r->is_held = *ret_wait = r->n_bytes >= QUEUE_MAX;
	pthread_cond_broadcast(&r->op.session->changed);
	pthread_mutex_unlock(&r->op.session->lock);
	return NULL;
}

static void on_fetched(void *arg, struct dv_err *take_error)
{
	struct registry_reader *r = arg;

	session_done(&r->op, take_error);
}

static void start_fetch(void *arg)
{
	struct registry_reader *r = arg;
	struct registry_blob_opts o = {
		.blob = &r->blob,
		.sink = { .write = queue, .arg = r },
		.offset = r->offset,
		.is_hashed_by_sink = true,
		.n_parallel = CONNECTIONS,
	};
	struct dv_err *e;

	e = registry_fetch_blob(r->op.session->repo, &o, on_fetched, r, &r->op.request);
	if (e)
		session_done(&r->op, e);
}

/* On the loop: there is room again. */
static void resume(void *arg)
{
	struct registry_reader *r = arg;

	if (r->op.request)
		registry_fetch_resume(r->op.request);
}

struct dv_err *registry_reader_open(struct registry_session *s, const struct spec_descriptor *blob,
				    int64_t offset, struct registry_reader **ret)
{
	struct registry_reader *r = dv_new(struct registry_reader);

	r->op.session = s;
	r->blob = *blob;
	r->offset = offset;
	r->last = &r->first;
	io_work_post(s->pool, start_fetch, r);
	*ret = r;
	return NULL;
}

static size_t take(struct registry_reader *r, char *p, size_t n)
{
	size_t done = 0;

	while (done < n && r->first) {
		struct piece *piece = r->first;
		size_t part = DV_MIN(n - done, piece->n - piece->at);

		memcpy(p + done, piece->data + piece->at, part);
		piece->at += part;
		done += part;
		if (piece->at < piece->n)
			break;
		r->first = piece->next;
		if (!r->first)
			r->last = &r->first;
		free(piece);
	}
	r->n_bytes -= done;
	if (r->is_held && r->n_bytes <= QUEUE_MAX / 2) {
		r->is_held = false;
		io_work_post(r->op.session->pool, resume, r);
	}
	return done;
}

struct dv_err *registry_reader_read(struct registry_reader *r, void *p, size_t n, size_t *ret_n)
{
	struct registry_session *s = r->op.session;
	struct dv_err *e = NULL;

	pthread_mutex_lock(&s->lock);
	while (!r->first && !r->op.is_done && !s->is_interrupted)
		pthread_cond_wait(&s->changed, &s->lock);
	if (s->is_interrupted)
		e = dv_err_new(DV_CANCELLED, "interrupted");
	else if (r->first)
		*ret_n = take(r, p, n);
	else if (r->op.error)
		e = dv_err_new(dv_err_code(r->op.error), "%s", dv_err_message(r->op.error));
	else
		*ret_n = 0;
	pthread_mutex_unlock(&s->lock);
	return e;
}

/* On the loop, behind all that was posted for the reader. */
static void close_post(void *arg)
{
	struct registry_reader *r = arg;
	struct registry_session *s = r->op.session;

	r->op.request = registry_cancel(r->op.request);
	pthread_mutex_lock(&s->lock);
	r->is_closed = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

struct registry_reader *registry_reader_close(struct registry_reader *r)
{
	struct registry_session *s;

	if (!r)
		return NULL;
	s = r->op.session;
	pthread_mutex_lock(&s->lock);
	io_work_post(s->pool, close_post, r);
	while (!r->is_closed)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	while (r->first) {
		struct piece *piece = r->first;

		r->first = piece->next;
		free(piece);
	}
	dv_err_free(r->op.error);
	free(r);
	return NULL;
}

/* ---- Pushing ---- */

struct push_op {
	struct session_op op;
	const struct registry_push_opts *opts;
	enum registry_pushed how;
	bool is_wanted; /* by the loop: `n_wanted` bytes from `offset` on */
	int64_t offset;
	size_t n_wanted, n; /* n: what `buffer` has from there on */
	struct dv_err *source_error;
	bool is_idle; /* nothing that was posted is pending */
	char buffer[PIECE_MAX];
};

static struct dv_err *give(void *arg, int64_t offset, void *p, size_t n, size_t *ret_n)
{
	struct push_op *o = arg;
	struct dv_err *e = NULL;

	pthread_mutex_lock(&o->op.session->lock);
	if (o->source_error) {
		e = dv_steal(&o->source_error);
	} else if (!o->is_wanted && o->n && o->offset == offset) {
		*ret_n = DV_MIN(n, o->n);
		memcpy(p, o->buffer, *ret_n);
		o->n = 0;
	} else {
		o->is_wanted = true;
		o->offset = offset;
		o->n_wanted = DV_MIN(n, sizeof(o->buffer));
		pthread_cond_broadcast(&o->op.session->changed);
	}
	pthread_mutex_unlock(&o->op.session->lock);
	return e;
}

static void on_pushed(void *arg, enum registry_pushed how, struct dv_err *take_error)
{
	struct push_op *o = arg;

	o->how = how;
	session_done(&o->op, take_error);
}

static void start_push(void *arg)
{
	struct push_op *o = arg;
	struct registry_push_opts opts = *o->opts;

	opts.source = (struct registry_source){ .read = give, .arg = o };
	o->op.request = registry_push_blob(o->op.session->repo, &opts, on_pushed, o);
}

static void resume_push(void *arg)
{
	struct push_op *o = arg;

	if (o->op.request)
		registry_push_resume(o->op.request);
	pthread_mutex_lock(&o->op.session->lock);
	o->is_idle = true;
	pthread_cond_broadcast(&o->op.session->changed);
	pthread_mutex_unlock(&o->op.session->lock);
}

/* With the lock held, which is given up while the source is read. */
static void read_source(struct push_op *o)
{
	struct registry_session *s = o->op.session;
	int64_t offset = o->offset;
	size_t n = o->n_wanted, got = 0;
	struct dv_err *e;

	pthread_mutex_unlock(&s->lock);
	e = o->opts->source.read(o->opts->source.arg, offset, o->buffer, n, &got);
	if (!e && !got)
		e = dv_err_new(DV_DATA_LOSS, "the source ends after %lld bytes", (long long)offset);
	pthread_mutex_lock(&s->lock);
	o->source_error = e;
	o->n = got;
	o->is_wanted = false;
	o->is_idle = false;
	io_work_post(s->pool, resume_push, o);
}

struct dv_err *registry_session_push_blob(struct registry_session *s,
					  const struct registry_push_opts *opts,
					  enum registry_pushed *ret)
{
	struct push_op *o = dv_new(struct push_op);
	struct dv_err *e;

	o->op.session = s;
	o->opts = opts;
	o->is_idle = true;
	pthread_mutex_lock(&s->lock);
	io_work_post(s->pool, start_push, o);
	while (!o->op.is_done && !s->is_interrupted) {
		if (o->is_wanted && o->is_idle)
			read_source(o);
		else
			pthread_cond_wait(&s->changed, &s->lock);
	}
	e = session_wait(&o->op);
	/* What was posted for it may still be on its way. */
	while (!o->is_idle)
		pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	*ret = o->how;
	dv_err_free(o->source_error);
	free(o);
	return e;
}
