/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of workers. Each step is a post to the loop that is waited for, so what it borrows may be
 * the worker's. Messages change threads as bytes, one at a time: the loop's own may go at any time,
 * with its connection. See rpc/grpc-sync.h.
 */

#include "rpc/grpc-sync.h"

#include <pthread.h>

#include "base/str.h"
#include "rpc/pb.h"

struct grpc_sync_stream {
	const struct grpc_sync *sync;
	struct grpc_stream *st; /* loop's; NULL: over */
	bool is_ended; /* worker's: nothing more to send */
	bool is_taken; /* worker's: a message was handed out */
	struct dv_arena arena; /* worker's: of that message */
	pthread_mutex_t lock; /* for all below */
	pthread_cond_t changed;
	struct dv_strbuf bytes; /* of a message, if has_msg */
	const ProtobufCMessageDescriptor *type;
	struct dv_err *e;
	bool has_msg, is_over, is_writable;
};

/* ---- On the loop ---- */

static void on_data(void *arg, const ProtobufCMessage *msg)
{
	struct grpc_sync_stream *st = arg;

	pthread_mutex_lock(&st->lock);
	dv_strbuf_clear(&st->bytes);
	pb_pack(msg, &st->bytes);
	st->has_msg = true;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct grpc_sync_stream *st = arg;

	(void)reply;
	st->st = NULL;
	pthread_mutex_lock(&st->lock);
	st->e = take_e;
	st->is_over = true;
	pthread_cond_broadcast(&st->changed); /* the worker may free it once the lock is free */
	pthread_mutex_unlock(&st->lock);
}

static void on_writable(void *arg)
{
	struct grpc_sync_stream *st = arg;

	pthread_mutex_lock(&st->lock);
	st->is_writable = true;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

/* ---- Steps: the worker waits until the loop has done them ---- */

struct step {
	struct grpc_sync_stream *st;
	void (*fn)(struct step *step);
	const struct grpc_stream_opts *opts;
	const ProtobufCMessage *msg;
	struct dv_err *e;
	bool is_done;
};

static void run_step(void *arg)
{
	struct step *step = arg;
	struct grpc_sync_stream *st = step->st;

	step->fn(step);
	pthread_mutex_lock(&st->lock);
	step->is_done = true;
	pthread_cond_broadcast(&st->changed);
	pthread_mutex_unlock(&st->lock);
}

static struct dv_err *take_step(struct step *step)
{
	struct grpc_sync_stream *st = step->st;

	io_work_post(st->sync->pool, run_step, step);
	pthread_mutex_lock(&st->lock);
	while (!step->is_done)
		pthread_cond_wait(&st->changed, &st->lock);
	pthread_mutex_unlock(&st->lock);
	return step->e;
}

static void step_open(struct step *step)
{
	struct grpc_sync_stream *st = step->st;

	if (st->sync->client)
		st->st = grpc_client_stream(st->sync->client, step->opts);
	else
		step->e = dv_err_new(DV_CANCELLED, "%s: the client was closed",
				     step->opts->request.method);
}

static void step_send(struct step *step)
{
	struct grpc_sync_stream *st = step->st;

	if (!st->st) {
		step->e = dv_err_new(DV_CANCELLED, "the call is over");
		return;
	}
	step->e = grpc_stream_send(st->st, step->msg);
	pthread_mutex_lock(&st->lock);
	st->is_writable = grpc_stream_is_writable(st->st);
	pthread_mutex_unlock(&st->lock);
}

static void step_end(struct step *step)
{
	if (step->st->st)
		grpc_stream_end(step->st->st);
}

static void step_next(struct step *step)
{
	if (step->st->st)
		grpc_stream_next(step->st->st);
}

static void step_cancel(struct step *step)
{
	if (step->st->st)
		grpc_stream_cancel(step->st->st);
}

/* ---- For workers ---- */

static struct grpc_sync_stream *sync_free(struct grpc_sync_stream *st)
{
	dv_err_free(st->e);
	dv_strbuf_fini(&st->bytes);
	dv_arena_fini(&st->arena);
	pthread_cond_destroy(&st->changed);
	pthread_mutex_destroy(&st->lock);
	free(st);
	return NULL;
}

struct dv_err *grpc_sync_open(const struct grpc_sync *s, const struct grpc_request *r,
			      bool is_client_stream, struct grpc_sync_stream **ret)
{
	struct grpc_sync_stream *st = dv_new(struct grpc_sync_stream);
	struct grpc_stream_opts opts = { .request = *r,
					 .is_client_stream = is_client_stream,
					 .is_server_stream = true,
					 .data = on_data,
					 .result = on_result,
					 .writable = on_writable,
					 .arg = st };
	struct step step = { .st = st, .fn = step_open, .opts = &opts };
	struct dv_err *e;

	st->sync = s;
	st->is_ended = !is_client_stream;
	st->is_writable = true;
	st->bytes = (struct dv_strbuf)DV_STRBUF_INIT;
	st->type = r->reply;
	dv_arena_init(&st->arena);
	pthread_mutex_init(&st->lock, NULL);
	pthread_cond_init(&st->changed, NULL);
	e = take_step(&step);
	if (e) {
		sync_free(st);
		return e;
	}
	*ret = st;
	return NULL;
}

struct dv_err *grpc_sync_send(struct grpc_sync_stream *st, const ProtobufCMessage *msg)
{
	struct step step = { .st = st, .fn = step_send, .msg = msg };

	dv_assert(!st->is_ended);
	pthread_mutex_lock(&st->lock);
	while (!st->is_writable && !st->is_over)
		pthread_cond_wait(&st->changed, &st->lock);
	pthread_mutex_unlock(&st->lock);
	return take_step(&step);
}

void grpc_sync_end(struct grpc_sync_stream *st)
{
	struct step step = { .st = st, .fn = step_end };

	dv_assert(!st->is_ended);
	st->is_ended = true;
	dv_err_free(take_step(&step));
}

/* False: there is none, and the call is over. */
static bool wait_message(struct grpc_sync_stream *st, struct dv_strbuf *ret)
{
	bool has_msg;

	pthread_mutex_lock(&st->lock);
	while (!st->has_msg && !st->is_over)
		pthread_cond_wait(&st->changed, &st->lock);
	has_msg = st->has_msg;
	st->has_msg = false;
	if (has_msg) {
		*ret = st->bytes;
		st->bytes = (struct dv_strbuf)DV_STRBUF_INIT;
	}
	pthread_mutex_unlock(&st->lock);
	return has_msg;
}

struct dv_err *grpc_sync_receive(struct grpc_sync_stream *st, const ProtobufCMessage **ret)
{
	struct step step = { .st = st, .fn = step_next };
	struct dv_strbuf bytes = DV_STRBUF_INIT;
	ProtobufCMessage *msg = NULL;
	struct dv_err *e;

	dv_arena_fini(&st->arena);
	if (st->is_taken)
		dv_err_free(take_step(&step));
	st->is_taken = wait_message(st, &bytes);
	if (!st->is_taken) {
		if (st->e) /* nobody changes it any more */
			return dv_steal(&st->e);
		*ret = NULL;
		return NULL;
	}
	e = pb_unpack(st->type, bytes.data, bytes.len, &st->arena, 4 * GRPC_MESSAGE_MAX, &msg);
	dv_strbuf_fini(&bytes);
	if (!e)
		*ret = msg;
	return e;
}

struct grpc_sync_stream *grpc_sync_close(struct grpc_sync_stream *st)
{
	struct step step = { .st = st, .fn = step_cancel };
	bool is_over;

	if (!st)
		return NULL;
	pthread_mutex_lock(&st->lock);
	is_over = st->is_over;
	pthread_mutex_unlock(&st->lock);
	if (!is_over)
		dv_err_free(take_step(&step));
	pthread_mutex_lock(&st->lock);
	while (!st->is_over)
		pthread_cond_wait(&st->changed, &st->lock);
	pthread_mutex_unlock(&st->lock);
	return sync_free(st);
}

/* The loop's message as one in the caller's arena. */
static struct dv_err *copy_message(const ProtobufCMessage *msg, struct dv_arena *arena,
				   const ProtobufCMessage **ret)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	ProtobufCMessage *copy = NULL;
	struct dv_err *e;

	pb_pack(msg, &b);
	e = pb_unpack(msg->descriptor, b.data, b.len, arena, 4 * GRPC_MESSAGE_MAX, &copy);
	dv_strbuf_fini(&b);
	*ret = copy;
	return e;
}

struct dv_err *grpc_sync_call(const struct grpc_sync *s, const struct grpc_request *r,
			      struct dv_arena *arena, const ProtobufCMessage **ret_reply)
{
	DV_CLEANUP(grpc_sync_closep) struct grpc_sync_stream *st = NULL;
	const ProtobufCMessage *msg = NULL, *reply = NULL;
	struct dv_err *e;

	e = grpc_sync_open(s, r, false, &st);
	if (!e)
		e = grpc_sync_receive(st, &msg);
	if (!e && msg && ret_reply)
		e = copy_message(msg, arena, &reply);
	while (!e && msg) /* the end may still bring an error */
		e = grpc_sync_receive(st, &msg);
	if (e)
		return e;
	if (r->reply && !reply && ret_reply)
		return dv_err_new(DV_INTERNAL, "%s: the answer has no message", r->method);
	if (ret_reply)
		*ret_reply = reply;
	return NULL;
}
