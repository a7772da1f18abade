/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd.services.sandbox.v1.Controller, of the kind "shim": a sandbox is what the shim of its
 * runtime makes of it. Most methods are the shim's, handed on with the client's deadline.
 */

#include "api/containerd/events.pb-c.h"
#include "api/containerd/sandboxes.pb-c.h"
#include "base/str.h"
#include "convert.h"
#include "rpc/pb.h"
#include "sandbox-controller-private.h"
#include "services.h"

#define TYPE(name)	 Containerd__Services__Sandbox__V1__Controller##name
#define DESCRIPTOR(name) containerd__services__sandbox__v1__controller_##name##__descriptor
#define SHIM(name)	 Containerd__Runtime__Sandbox__V1__##name
#define SHIM_REPLY(name) &containerd__runtime__sandbox__v1__##name##_response__descriptor

#define NS_PER_S UINT64_C(1000000000)

/* ---- one sandbox's call --------------------------------------------------------------------------- */

struct dv_err *sandbox_check_sandboxer(const char *name)
{
	if (!*name || dv_streq(name, "shim"))
		return NULL;
	if (dv_streq(name, "podsandbox"))
		return dv_err_new(DV_UNIMPLEMENTED,
				  "not supported yet: sandboxer podsandbox; "
				  "use sandboxer shim, which needs no pause image");
	return dv_err_new(DV_NOT_FOUND, "sandboxer %s: there is none with this name", name);
}

static void op_fail(struct sandbox_op *op, struct dv_err *take_e)
{
	struct sandbox *s = dv_steal(&op->s);

	grpc_fail(op->c.grpc, take_e);
	sandbox_unref(s);
}

static void op_reply(struct sandbox_op *op, const ProtobufCMessage *msg)
{
	struct sandbox *s = dv_steal(&op->s);

	grpc_reply(op->c.grpc, msg);
	sandbox_unref(s);
}

/* What the client leaves, or @max when that is shorter; 0: no limit. */
static uint64_t op_timeout(const struct sandbox_op *op, uint64_t max)
{
	uint64_t deadline = grpc_call_deadline(op->c.grpc), now = uv_hrtime(), left;

	if (deadline == 0)
		return max;
	left = deadline > now ? deadline - now : 1;
	return max ? DV_MIN(left, max) : left;
}

/* All requests begin with the id; NULL: the call has failed. */
static struct sandbox_op *op_begin(struct grpc_call *call, struct daemon *d,
				   const ProtobufCMessage *req, const char *id,
				   const char *sandboxer)
{
	struct sandbox_op *op = dv_arena_new(grpc_call_arena(call), struct sandbox_op);
	struct dv_err *e = daemon_call_begin(call, d, true, &op->c);

	if (!e)
		e = sandbox_check_sandboxer(sandboxer);
	if (!e)
		e = sandbox_lookup(d->sandboxes, op->c.ns, id, &op->s);
	if (e) {
		grpc_fail(call, e);
		return NULL;
	}
	op->req = req;
	sandbox_ref(op->s);
	return op;
}

/* METHOD(Stop, stop) is the function of the table; its body is called with `op`. */
#define METHOD(Type, name) \
	static void name##_go(struct sandbox_op *op); \
	static void name(struct grpc_call *call, const ProtobufCMessage *msg, void *arg) \
	{ \
		const TYPE(Type##Request) *req = (const TYPE(Type##Request) *)msg; \
		struct sandbox_op *op = op_begin(call, arg, msg, req->sandbox_id, req->sandboxer); \
		if (op) \
			name##_go(op); \
	} \
	static void name##_go(struct sandbox_op *op)

/* ---- Start ----------------------------------------------------------------------------------------- */

static void publish_start(struct sandbox *s)
{
	Containerd__Events__SandboxStart ev = CONTAINERD__EVENTS__SANDBOX_START__INIT;

	ev.sandbox_id = s->id;
	daemon_publish(s->ss->d, s->ns, "/sandboxes/start", &ev.base);
}

static void on_started(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	TYPE(StartResponse)
	reply = CONTAINERD__SERVICES__SANDBOX__V1__CONTROLLER_START_RESPONSE__INIT;
	const SHIM(StartSandboxResponse) *r = (const SHIM(StartSandboxResponse) *)msg;
	struct sandbox_op *op = arg;
	struct sandbox *s = op->s;

	if (take_e) {
		op_fail(op, dv_err_wrap(take_e, "start sandbox %s", s->id));
		return;
	}
	s->pid = r->pid;
	if (!r->created_at ||
	    !pb_timestamp_to(r->created_at->seconds, r->created_at->nanos, &s->created_at))
		clock_gettime(CLOCK_REALTIME, &s->created_at);
	if (s->state == SANDBOX_CREATED || s->state == SANDBOX_LOADING)
		sandbox_state_set(s, SANDBOX_READY);
	sandbox_watch(s);
	publish_start(s);
	reply.sandbox_id = s->id;
	reply.pid = r->pid;
	reply.created_at = convert_time_out(&s->created_at, op->c.arena);
	reply.address = dv_arena_printf(op->c.arena, "ttrpc+unix://%s", s->address);
	reply.version = s->version;
	reply.spec = r->spec;
	op_reply(op, &reply.base);
}

METHOD(Start, start)
{
	SHIM(StartSandboxRequest)
	req = CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_REQUEST__INIT;
	struct sandbox_call call = { .method = "StartSandbox",
				     .msg = &req.base,
				     .reply = SHIM_REPLY(start_sandbox),
				     .timeout_ns = op_timeout(op, 0) };

	req.sandbox_id = op->s->id;
	sandbox_call(op->s, &call, on_started, op);
}

/* ---- Stop ------------------------------------------------------------------------------------------ */

static void on_stopped(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct sandbox_op *op = arg;
	struct sandbox *s = op->s;
	struct timespec now;

	(void)reply;
	/* Its shim has died over it, and what is left is being cleaned up: then it is stopped, too. */
	if (take_e && (s->state != SANDBOX_STOPPED || dv_err_code(take_e) != DV_UNAVAILABLE)) {
		op_fail(op, dv_err_wrap(take_e, "stop sandbox %s", s->id));
		return;
	}
	dv_err_free(take_e);
	/* Nobody waits for the end of one that never ran. */
	if (s->state == SANDBOX_CREATED) {
		clock_gettime(CLOCK_REALTIME, &now);
		sandbox_exited(s, 0, &now);
	}
	op_reply(op, NULL);
}

METHOD(Stop, stop)
{
	const TYPE(StopRequest) *from = (const TYPE(StopRequest) *)op->req;
	SHIM(StopSandboxRequest) req = CONTAINERD__RUNTIME__SANDBOX__V1__STOP_SANDBOX_REQUEST__INIT;
	/* A shim that hangs is not waited for: Shutdown can deal with it. */
	uint64_t max = from->timeout_secs * NS_PER_S + op->c.d->config->shim_cleanup_ns;
	struct sandbox_call call = { .method = "StopSandbox",
				     .msg = &req.base,
				     .timeout_ns = op_timeout(op, max) };

	if (op->s->state == SANDBOX_STOPPED) {
		op_reply(op, NULL);
		return;
	}
	req.sandbox_id = op->s->id;
	req.timeout_secs = from->timeout_secs;
	sandbox_call(op->s, &call, on_stopped, op);
}

/* ---- Wait ------------------------------------------------------------------------------------------ */

struct waiting {
	struct sandbox_op *op;
	struct sandbox_waiter waiter;
};

static void wait_reply(struct sandbox_op *op)
{
	TYPE(WaitResponse)
	reply = CONTAINERD__SERVICES__SANDBOX__V1__CONTROLLER_WAIT_RESPONSE__INIT;

	reply.exit_status = op->s->exit_status;
	reply.exited_at = convert_time_out(&op->s->exited_at, op->c.arena);
	op_reply(op, &reply.base);
}

static void wait_done(void *arg, struct dv_err *take_e)
{
	struct waiting *w = arg;

	grpc_call_on_cancel(w->op->c.grpc, NULL, NULL);
	if (take_e)
		op_fail(w->op, take_e);
	else
		wait_reply(w->op);
}

static void wait_cancelled(void *arg)
{
	struct waiting *w = arg;

	sandbox_unwait(&w->waiter);
	op_fail(w->op, dv_err_new(DV_CANCELLED, "the client has gone"));
}

METHOD(Wait, wait)
{
	struct waiting *w;

	if (op->s->exited_at.tv_sec != 0) {
		wait_reply(op);
		return;
	}
	w = dv_arena_new(op->c.arena, struct waiting);
	w->op = op;
	w->waiter.done = wait_done;
	w->waiter.arg = w;
	grpc_call_on_cancel(op->c.grpc, wait_cancelled, w);
	sandbox_wait(op->s, &w->waiter);
}

/* ---- Status ---------------------------------------------------------------------------------------- */

static void status_reply(struct sandbox_op *op, TYPE(StatusResponse) * reply)
{
	struct sandbox *s = op->s;

	reply->sandbox_id = s->id;
	if (s->address)
		reply->address = dv_arena_printf(op->c.arena, "ttrpc+unix://%s", s->address);
	reply->version = s->version;
	op_reply(op, &reply->base);
}

/* Its shim is gone: what is known here. */
static void status_of_stopped(struct sandbox_op *op)
{
	TYPE(StatusResponse)
	reply = CONTAINERD__SERVICES__SANDBOX__V1__CONTROLLER_STATUS_RESPONSE__INIT;
	const struct sandbox *s = op->s;

	reply.pid = s->pid;
	reply.state = (char *)"SANDBOX_NOTREADY";
	reply.created_at = convert_time_out(&s->created_at, op->c.arena);
	reply.exited_at = convert_time_out(&s->exited_at, op->c.arena);
	status_reply(op, &reply);
}

static void on_status(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	const SHIM(SandboxStatusResponse) *r = (const SHIM(SandboxStatusResponse) *)msg;
	TYPE(StatusResponse)
	reply = CONTAINERD__SERVICES__SANDBOX__V1__CONTROLLER_STATUS_RESPONSE__INIT;
	struct sandbox_op *op = arg;

	if (take_e && op->s->state == SANDBOX_STOPPED) {
		dv_err_free(take_e);
		status_of_stopped(op);
		return;
	}
	if (take_e) {
		op_fail(op, take_e);
		return;
	}
	reply.pid = r->pid;
	reply.state = r->state;
	/* The entries of both are the same but for their types' names. */
	reply.info = (void *)r->info;
	reply.n_info = r->n_info;
	reply.created_at = r->created_at;
	reply.exited_at = r->exited_at;
	reply.extra = r->extra;
	status_reply(op, &reply);
}

METHOD(Status, status)
{
	SHIM(SandboxStatusRequest)
	req = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_REQUEST__INIT;
	struct sandbox_call call = { .method = "SandboxStatus",
				     .msg = &req.base,
				     .reply = SHIM_REPLY(sandbox_status),
				     .timeout_ns = op_timeout(op, op->c.d->config->shim_load_ns) };

	req.sandbox_id = op->s->id;
	req.verbose = ((const TYPE(StatusRequest) *)op->req)->verbose;
	sandbox_call(op->s, &call, on_status, op);
}

/* ---- Shutdown -------------------------------------------------------------------------------------- */

static void shutdown_ended(void *arg)
{
	op_reply(arg, NULL);
}

static void on_shut_down(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	struct sandbox_op *op = arg;
	struct sandbox *s = op->s;
	bool is_gone = e && (dv_err_code(e) == DV_UNAVAILABLE || dv_err_code(e) == DV_DEADLINE ||
			     dv_err_code(e) == DV_NOT_FOUND);

	(void)reply;
	if (s->state == SANDBOX_ENDING) {
		op_fail(op, dv_err_new(DV_NOT_FOUND, "sandbox %s: is being removed", s->id));
		return;
	}
	/* A shim that says why not is right; one that says nothing is in the way. */
	if (e && !is_gone) {
		op_fail(op, dv_err_wrap(dv_steal(&e), "shut down sandbox %s", s->id));
		return;
	}
	if (e && dv_err_code(e) == DV_DEADLINE)
		dv_log(s->ss->d->log, DV_WARN, "sandbox %s/%s: its shim does not answer: %s", s->ns,
		       s->id, dv_err_message(e));
	sandbox_end(s, &(struct sandbox_end){
			       .needs_delete = e != NULL, .done = shutdown_ended, .arg = op });
}

METHOD(Shutdown, shut_down)
{
	SHIM(ShutdownSandboxRequest)
	req = CONTAINERD__RUNTIME__SANDBOX__V1__SHUTDOWN_SANDBOX_REQUEST__INIT;
	struct sandbox_call call = { .method = "ShutdownSandbox",
				     .msg = &req.base,
				     .timeout_ns = op->c.d->config->shim_shutdown_ns };

	req.sandbox_id = op->s->id;
	sandbox_call(op->s, &call, on_shut_down, op);
}

/* ---- Platform, Metrics, Update --------------------------------------------------------------------- */

static void on_platform(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	TYPE(PlatformResponse)
	reply = CONTAINERD__SERVICES__SANDBOX__V1__CONTROLLER_PLATFORM_RESPONSE__INIT;
	struct sandbox_op *op = arg;

	if (take_e) {
		op_fail(op, take_e);
		return;
	}
	reply.platform = ((const SHIM(PlatformResponse) *)msg)->platform;
	op_reply(op, &reply.base);
}

METHOD(Platform, platform)
{
	SHIM(PlatformRequest) req = CONTAINERD__RUNTIME__SANDBOX__V1__PLATFORM_REQUEST__INIT;
	struct sandbox_call call = { .method = "Platform",
				     .msg = &req.base,
				     .reply = SHIM_REPLY(platform),
				     .timeout_ns = op_timeout(op, 0) };

	req.sandbox_id = op->s->id;
	sandbox_call(op->s, &call, on_platform, op);
}

static void on_metrics(void *arg, struct dv_err *take_e, const ProtobufCMessage *msg)
{
	TYPE(MetricsResponse)
	reply = CONTAINERD__SERVICES__SANDBOX__V1__CONTROLLER_METRICS_RESPONSE__INIT;
	struct sandbox_op *op = arg;

	if (take_e) {
		op_fail(op, take_e);
		return;
	}
	reply.metrics = ((const SHIM(SandboxMetricsResponse) *)msg)->metrics;
	op_reply(op, &reply.base);
}

METHOD(Metrics, metrics)
{
	SHIM(SandboxMetricsRequest)
	req = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_METRICS_REQUEST__INIT;
	struct sandbox_call call = { .method = "SandboxMetrics",
				     .msg = &req.base,
				     .reply = SHIM_REPLY(sandbox_metrics),
				     .timeout_ns = op_timeout(op, op->c.d->config->shim_load_ns) };

	req.sandbox_id = op->s->id;
	sandbox_call(op->s, &call, on_metrics, op);
}

/* The shim's API has no update. Labels and extensions are the record's, which the client changes
 * by itself (Store.Update): about those there is nothing to do. */
METHOD(Update, update)
{
	const TYPE(UpdateRequest) *req = (const TYPE(UpdateRequest) *)op->req;

	for (size_t i = 0; i < req->n_fields; i++) {
		const char *field = req->fields[i];

		if (dv_starts_with(field, "labels") || dv_starts_with(field, "extensions"))
			continue;
		op_fail(op, dv_err_new(DV_UNIMPLEMENTED,
				       "not supported yet: to change %s of sandbox %s", field,
				       op->s->id));
		return;
	}
	op_reply(op, NULL);
}

static const struct grpc_method methods[] = {
	{ "Create", &DESCRIPTOR(create_request), sandbox_create },
	{ "Start", &DESCRIPTOR(start_request), start },
	{ "Platform", &DESCRIPTOR(platform_request), platform, .is_read_only = true },
	{ "Stop", &DESCRIPTOR(stop_request), stop },
	{ "Wait", &DESCRIPTOR(wait_request), wait, .is_read_only = true },
	{ "Status", &DESCRIPTOR(status_request), status, .is_read_only = true },
	{ "Shutdown", &DESCRIPTOR(shutdown_request), shut_down },
	{ "Metrics", &DESCRIPTOR(metrics_request), metrics, .is_read_only = true },
	{ "Update", &DESCRIPTOR(update_request), update },
};

const struct grpc_service daemon_sandbox_controller_service = {
	.name = "containerd.services.sandbox.v1.Controller",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
