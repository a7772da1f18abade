/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job carries one call to a worker and back. It lives in the call's arena: the call is ended by
 * the job alone, so it outlives it.
 */

#include "service.h"

#include "store/meta.h"

/* As containerd's clients send them. */
#define NS_KEY	  "containerd-namespace"
#define LEASE_KEY "containerd-lease"

struct job {
	struct daemon_call c;
	const struct daemon_method *method;
	const ProtobufCMessage *req;
	struct dv_err *e;
	const ProtobufCMessage *reply; /* of a unary call */
	void *state; /* of a stream */
	struct daemon_next next;
	struct dv_arena arena; /* next.arena */
	bool is_waiting; /* for the client to take what was sent */
};

struct io_work_pool *daemon_lane(struct daemon *d, enum daemon_lane lane)
{
	struct io_work_pool *const lanes[] = {
		[DAEMON_FAST] = d->fast, [DAEMON_SLOW] = d->slow, [DAEMON_LONG] = d->transfers
	};

	return lanes[lane];
}

struct dv_err *daemon_call_begin(struct grpc_call *call, struct daemon *d, bool needs_ns,
				 struct daemon_call *ret)
{
	const char *ns = grpc_call_metadata(call, NS_KEY);
	const char *lease = grpc_call_metadata(call, LEASE_KEY);
	struct dv_err *e;

	if (needs_ns) {
		if (!ns || !*ns)
			return dv_err_new(DV_PRECONDITION, "namespace is required");
		e = meta_id_check("namespace", ns);
		if (e)
			return e;
	}
	*ret = (struct daemon_call){ .d = d,
				     .grpc = call,
				     .arena = grpc_call_arena(call),
				     .ns = needs_ns ? ns : NULL,
				     .lease = lease && *lease ? lease : NULL };
	return NULL;
}

/* ---- Unary ---- */

static void unary_run(void *arg)
{
	struct job *job = arg;

	/* It may have waited for its turn, and nobody waits for it any more. */
	if (grpc_call_is_cancelled(job->c.grpc))
		job->e = dv_err_new(DV_CANCELLED, "the client has gone");
	else
		job->e = job->method->unary(&job->c, job->req, &job->reply);
}

static void unary_done(void *arg)
{
	struct job *job = arg;

	if (job->e)
		grpc_fail(job->c.grpc, job->e);
	else
		grpc_reply(job->c.grpc, job->reply);
}

/* ---- Server streams ---- */

static void stream_submit(struct job *job);

static void stream_end(struct job *job, struct dv_err *take_e)
{
	dv_arena_fini(&job->arena);
	if (job->state && job->method->end)
		job->method->end(job->state);
	if (take_e)
		grpc_fail(job->c.grpc, take_e);
	else
		grpc_reply(job->c.grpc, NULL);
}

static void stream_run(void *arg)
{
	struct job *job = arg;

	job->e = job->method->next(&job->c, job->req, &job->state, &job->next);
}

static void stream_done(void *arg)
{
	struct job *job = arg;
	struct dv_err *e = job->e;

	if (!e && job->next.msg)
		e = grpc_send(job->c.grpc, job->next.msg);
	if (e || job->next.is_last) {
		stream_end(job, e);
		return;
	}
	dv_arena_fini(&job->arena);
	if (grpc_call_is_writable(job->c.grpc))
		stream_submit(job);
	else
		job->is_waiting = true;
}

static void stream_on_writable(void *arg)
{
	struct job *job = arg;

	if (!job->is_waiting)
		return;
	job->is_waiting = false;
	stream_submit(job);
}

static void stream_on_cancel(void *arg)
{
	struct job *job = arg;

	/* Otherwise it finds out when it sends what is being made now. */
	if (!job->is_waiting)
		return;
	job->is_waiting = false;
	stream_end(job, dv_err_new(DV_CANCELLED, "the client has gone"));
}

static void stream_submit(struct job *job)
{
	dv_arena_init(&job->arena);
	job->next = (struct daemon_next){ .arena = &job->arena };
	io_work_submit(daemon_lane(job->c.d, job->method->lane), stream_run, stream_done, job);
}

void daemon_dispatch(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const struct daemon_method *method = grpc_call_method_user(call);
	struct job *job = dv_arena_new(grpc_call_arena(call), struct job);
	struct daemon *d = arg;
	struct dv_err *e;

	job->method = method;
	job->req = req;
	e = daemon_call_begin(call, d, !method->needs_no_ns, &job->c);
	if (e) {
		grpc_fail(call, e);
		return;
	}
	if (method->unary) {
		io_work_submit(daemon_lane(d, method->lane), unary_run, unary_done, job);
		return;
	}
	grpc_call_on_writable(call, stream_on_writable, job);
	grpc_call_on_cancel(call, stream_on_cancel, job);
	stream_submit(job);
}
