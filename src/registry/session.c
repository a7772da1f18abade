/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, waiting, and what is small. */

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "session-private.h"

/* ---- Waiting ---- */

void session_done(struct session_op *op, struct dv_err *take_error)
{
	struct registry_session *s = op->session;

	pthread_mutex_lock(&s->lock);
	op->request = NULL;
	op->error = take_error;
	op->is_done = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void cancel(void *arg)
{
	struct session_op *op = arg;

	if (op->is_done)
		return;
	registry_cancel(op->request);
	session_done(op, dv_err_new(DV_CANCELLED, "interrupted"));
}

/* Looks at is_done without the lock: only the loop, where this is, sets it. */
static void cancel_post(void *arg)
{
	struct session_op *op = arg;
	struct registry_session *s = op->session;

	cancel(op);
	pthread_mutex_lock(&s->lock);
	op->session = NULL; /* nothing of it is on the loop any more */
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

struct dv_err *session_wait(struct session_op *op)
{
	struct registry_session *s = op->session;

	while (!op->is_done && !s->is_interrupted)
		pthread_cond_wait(&s->changed, &s->lock);
	if (!op->is_done) {
		io_work_post(s->pool, cancel_post, op);
		while (op->session)
			pthread_cond_wait(&s->changed, &s->lock);
		op->session = s;
	}
	return dv_steal(&op->error);
}

struct dv_err *session_run(struct session_op *op, void (*start)(void *op))
{
	struct registry_session *s = op->session;
	struct dv_err *e;

	pthread_mutex_lock(&s->lock);
	io_work_post(s->pool, start, op);
	e = session_wait(op);
	pthread_mutex_unlock(&s->lock);
	return e;
}

void registry_session_interrupt(struct registry_session *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_interrupted = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* ---- Opening and closing ---- */

struct open_op {
	struct session_op op;
	const struct registry_repo_opts *opts;
};

static void start_open(void *arg)
{
	struct open_op *o = arg;
	struct registry_session *s = o->op.session;

	session_done(&o->op, registry_repo_open(s->registry, o->opts, &s->repo));
}

static void start_close(void *arg)
{
	struct session_op *op = arg;

	op->session->repo = registry_repo_close(op->session->repo);
	session_done(op, NULL);
}

static void session_free(struct registry_session *s)
{
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct dv_err *registry_session_open(struct registry *r, struct io_work_pool *pool,
				     const struct registry_repo_opts *opts,
				     struct registry_session **ret)
{
	struct registry_session *s = dv_new(struct registry_session);
	struct open_op o = { .op.session = s, .opts = opts };
	struct dv_err *e;

	s->registry = r;
	s->pool = pool;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	e = session_run(&o.op, start_open);
	if (e)
		session_free(s);
	else
		*ret = s;
	return e;
}

struct registry_session *registry_session_close(struct registry_session *s)
{
	struct session_op op = { .session = s };

	if (!s)
		return NULL;
	s->is_interrupted = false;
	dv_err_free(session_run(&op, start_close));
	session_free(s);
	return NULL;
}

/* ---- Tags and documents ---- */

struct small_op {
	struct session_op op;
	const char *reference;
	const struct spec_descriptor *desc;
	const struct registry_push_document *push;
	struct dv_arena *arena;
	struct spec_descriptor found;
	struct registry_document doc;
};

static void on_resolved(void *arg, const struct spec_descriptor *found, struct dv_err *take_error)
{
	struct small_op *o = arg;

	if (!take_error) {
		o->found = *found;
		o->found.media_type = dv_arena_strdup(o->arena, found->media_type);
		o->found.digest_text = dv_arena_strdup(o->arena, found->digest_text);
	}
	session_done(&o->op, take_error);
}

static void start_resolve(void *arg)
{
	struct small_op *o = arg;

	o->op.request = registry_resolve(o->op.session->repo, o->reference, on_resolved, o);
}

struct dv_err *registry_session_resolve(struct registry_session *s, const char *reference,
					struct dv_arena *arena, struct spec_descriptor *ret)
{
	struct small_op o = { .op.session = s, .reference = reference, .arena = arena };
	struct dv_err *e = session_run(&o.op, start_resolve);

	if (!e)
		*ret = o.found;
	return e;
}

static void on_document(void *arg, const struct registry_document *doc, struct dv_err *take_error)
{
	struct small_op *o = arg;

	if (!take_error)
		o->doc = (struct registry_document){
			.media_type = dv_arena_strdup(o->arena, doc->media_type),
			.data = dv_arena_strndup(o->arena, doc->data, doc->n),
			.n = doc->n,
		};
	session_done(&o->op, take_error);
}

static void start_document(void *arg)
{
	struct small_op *o = arg;

	o->op.request = registry_fetch_document(o->op.session->repo, o->desc, on_document, o);
}

struct dv_err *registry_session_document(struct registry_session *s,
					 const struct spec_descriptor *desc, struct dv_arena *arena,
					 struct registry_document *ret)
{
	struct small_op o = { .op.session = s, .desc = desc, .arena = arena };
	struct dv_err *e = session_run(&o.op, start_document);

	if (!e)
		*ret = o.doc;
	return e;
}

static void on_pushed(void *arg, struct dv_err *take_error)
{
	struct small_op *o = arg;

	session_done(&o->op, take_error);
}

static void start_push(void *arg)
{
	struct small_op *o = arg;

	o->op.request = registry_push_document(o->op.session->repo, o->push, on_pushed, o);
}

struct dv_err *registry_session_push_document(struct registry_session *s,
					      const struct registry_push_document *doc)
{
	struct small_op o = { .op.session = s, .push = doc };

	return session_run(&o.op, start_push);
}
