/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content.Write: a stream of requests, each of which has one response. A request is handled by a
 * slow worker, which writes and hashes the bytes where they were received; only then does the loop
 * take the next one, so the peer is held back by flow control.
 *
 *	waiting --message--> working --response--> waiting
 *	waiting --end of stream, cancellation--> closing --> (ended)
 *	working --error, commit, cancellation--> (ended), the ingest is closed by the worker
 *
 * A session is in the arena of its call, which ends with it.
 */

#include "content-write.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/containerd/content.pb-c.h"
#include "api/containerd/events-store.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "rpc/pb.h"
#include "service.h"
#include "store/content.h"

typedef Containerd__Services__Content__V1__WriteContentRequest Request;
typedef Containerd__Services__Content__V1__WriteContentResponse Response;

struct session {
	struct daemon_call c;
	struct content_ingest *in;
	char *ref, *expected;
	int64_t total;
	const Request *req; /* of the step */
	bool is_working, is_closing, is_ended; /* the loop's */
	bool is_last_step; /* the worker closes the ingest */
	/* The outcome of the step. */
	struct dv_err *e;
	bool is_committed;
	Response reply;
	Google__Protobuf__Timestamp started_at, updated_at;
	char digest[DV_DIGEST_STR];
};

/* ---- On the worker ---- */

static struct dv_err *open_ingest(struct session *s)
{
	struct content_ingest_opts opts = {
		.ns = s->c.ns,
		.lease = s->c.lease,
		.ref = s->req->ref,
		.total = s->req->total,
		.expected = s->req->expected,
	};

	if (!*s->req->ref)
		return dv_err_new(DV_INVALID, "first message must have a reference");
	s->ref = dv_strdup(s->req->ref);
	return content_ingest_open(s->c.d->content, &opts, &s->in);
}

/*
 * The client says what it will be: if the namespace has that by now, the ingest is over. Opening
 * it once more is what puts the blob on the lease, and says so.
 */
static struct dv_err *check_expected(struct session *s)
{
	struct content_ingest_opts again = {
		.ns = s->c.ns, .lease = s->c.lease, .ref = s->ref, .expected = s->req->expected
	};
	struct meta_blob blob;
	struct dv_arena arena;
	struct dv_err *e;

	if (!*s->req->expected)
		return NULL;
	free(s->expected);
	s->expected = dv_strdup(s->req->expected);
	dv_arena_init(&arena);
	e = content_info(s->c.d->content, s->c.ns, s->expected, &arena, &blob);
	dv_arena_fini(&arena);
	if (e)
		return dv_err_code(e) == DV_NOT_FOUND ? dv_err_free(e) : e;
	s->in = content_ingest_close(s->in);
	dv_err_free(content_ingest_abort(s->c.d->content, s->c.ns, s->c.lease, s->ref));
	e = content_ingest_open(s->c.d->content, &again, &s->in);
	if (e && dv_err_code(e) != DV_EXISTS)
		return e;
	dv_err_free(e);
	return dv_err_new(DV_EXISTS, "blob with expected digest %s exists", s->expected);
}

static struct dv_err *write_data(struct session *s)
{
	struct content_status status;
	struct dv_err *e = NULL;

	content_ingest_status(s->in, &status);
	if (s->req->offset != 0 && s->req->offset != status.offset)
		return dv_err_new(DV_OUT_OF_RANGE, "write @%lld must occur at current offset %lld",
				  (long long)s->req->offset, (long long)status.offset);
	if (s->req->offset == 0 && status.offset > 0)
		e = content_ingest_truncate(s->in);
	return e ? e : content_ingest_write(s->in, s->req->data.data, s->req->data.len);
}

static struct dv_err *commit(struct session *s)
{
	Containerd__Events__ContentCreate event = CONTAINERD__EVENTS__CONTENT_CREATE__INIT;
	struct meta_labels labels;
	struct content_commit cm = { .size = s->total, .expected = s->expected, .labels = &labels };
	struct meta_blob blob;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	labels = convert_labels_in(s->req->labels, s->req->n_labels, &arena);
	e = content_ingest_commit(dv_steal(&s->in), &cm, &arena, &blob);
	if (!e) {
		event.digest = (char *)blob.digest;
		event.size = blob.size;
		daemon_publish(s->c.d, s->c.ns, "/content/create", &event.base);
		s->is_committed = true;
		s->reply.offset = blob.size;
		snprintf(s->digest, sizeof(s->digest), "%s", blob.digest);
	}
	dv_arena_fini(&arena);
	return e;
}

static void fill_reply(struct session *s, const struct content_status *status)
{
	struct dv_digest d;

	s->reply.offset = status->offset;
	content_ingest_digest(s->in, &d);
	dv_digest_str(&d, s->digest);
	if (s->req->action != CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__STAT)
		return;
	s->reply.total = s->total ? s->total : status->total;
	PB_TIMESTAMP_SET(&s->started_at, &status->started_at);
	PB_TIMESTAMP_SET(&s->updated_at, &status->updated_at);
	s->reply.started_at = &s->started_at;
	s->reply.updated_at = &s->updated_at;
}

static struct dv_err *step(struct session *s)
{
	struct content_status status;
	struct dv_err *e = NULL;

	if (!s->in)
		e = open_ingest(s);
	if (!e)
		e = check_expected(s);
	if (e)
		return e;
	if (s->req->total > 0)
		s->total = s->req->total;
	containerd__services__content__v1__write_content_response__init(&s->reply);
	google__protobuf__timestamp__init(&s->started_at);
	google__protobuf__timestamp__init(&s->updated_at);
	s->reply.action = s->req->action;
	s->reply.digest = s->digest;
	switch (s->req->action) {
	case CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__STAT:
		break;
	case CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__WRITE:
		e = write_data(s);
		break;
	case CONTAINERD__SERVICES__CONTENT__V1__WRITE_ACTION__COMMIT:
		e = write_data(s);
		return e ? e : commit(s);
	default:
		e = dv_err_new(DV_INVALID, "no such action: %d", (int)s->req->action);
	}
	if (e)
		return e;
	content_ingest_status(s->in, &status);
	fill_reply(s, &status);
	return NULL;
}

static void work(void *arg)
{
	struct session *s = arg;

	s->e = s->is_last_step ? NULL : step(s);
	if (s->e || s->is_last_step || grpc_call_is_cancelled(s->c.grpc))
		s->in = content_ingest_close(s->in);
}

/* ---- On the loop ---- */

static void end(struct session *s, struct dv_err *take_e)
{
	s->is_ended = true;
	free(s->ref);
	free(s->expected);
	if (take_e)
		grpc_fail(s->c.grpc, take_e);
	else
		grpc_reply(s->c.grpc, NULL);
}

static void done(void *arg);

static void start(struct session *s)
{
	s->is_working = true;
	s->is_last_step = s->is_closing;
	io_work_submit(daemon_lane(s->c.d, DAEMON_SLOW), work, done, s);
}

/* The stream ends; what has arrived stays. */
static void close_session(struct session *s)
{
	s->is_closing = true;
	if (!s->is_working)
		start(s);
}

static void done(void *arg)
{
	struct session *s = arg;
	struct dv_err *e = s->e;

	s->is_working = false;
	if (e || (s->is_closing && !s->in)) {
		end(s, e);
		return;
	}
	if (s->is_closing) { /* it was cancelled just after the worker had looked */
		start(s);
		return;
	}
	e = grpc_send(s->c.grpc, &s->reply.base);
	if (e || s->is_committed) {
		if (!s->in) {
			end(s, e);
			return;
		}
		dv_err_free(e);
		close_session(s);
		return;
	}
	grpc_call_next(s->c.grpc);
}

static void on_data(void *arg, const ProtobufCMessage *msg)
{
	struct session *s = arg;

	if (s->is_closing || s->is_ended)
		return;
	if (!msg) {
		close_session(s);
		return;
	}
	s->req = (const Request *)msg;
	start(s);
}

static void on_cancel(void *arg)
{
	struct session *s = arg;

	if (!s->is_ended)
		close_session(s);
}

void content_write_call(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct session *s = dv_arena_new(grpc_call_arena(call), struct session);
	struct dv_err *e = daemon_call_begin(call, arg, true, &s->c);

	(void)req; /* all of them come through on_data() */
	if (e) {
		grpc_fail(call, e);
		return;
	}
	grpc_call_on_cancel(call, on_cancel, s);
	grpc_call_on_data(call, on_data, s);
}
