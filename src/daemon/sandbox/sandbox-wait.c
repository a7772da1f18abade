/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a sandbox. The shim is asked once, however many clients wait. The end is written down
 * before it is told, so that a daemon that is started anew does not tell it again.
 */

#include <stdlib.h>

#include "api/containerd/events.pb-c.h"
#include "base/fault.h"
#include "rpc/pb.h"
#include "sandbox-private.h"

typedef Containerd__Runtime__Sandbox__V1__WaitSandboxResponse WaitResponse;

enum { STATUS_KILLED = 137 };

/* ---- who waits -------------------------------------------------------------------------------- */

void sandbox_unwait(struct sandbox_waiter *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->prev = NULL;
}

static void tell(struct sandbox *s, const struct dv_err *e)
{
	while (s->waiters) {
		struct sandbox_waiter *w = s->waiters;

		sandbox_unwait(w);
		w->done(w->arg, e ? dv_err_new(dv_err_code(e), "%s", dv_err_message(e)) : NULL);
	}
}

void sandbox_waiters_fail(struct sandbox *s, enum dv_code code, const char *why)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = dv_err_new(code, "sandbox %s: %s", s->id, why);

	tell(s, e);
}

void sandbox_wait(struct sandbox *s, struct sandbox_waiter *w)
{
	dv_assert(s->exited_at.tv_sec == 0);
	w->next = s->waiters;
	if (w->next)
		w->next->prev = &w->next;
	w->prev = &s->waiters;
	s->waiters = w;
	if (s->state == SANDBOX_READY)
		sandbox_watch(s);
}

/* ---- the end is known --------------------------------------------------------------------------- */

struct exiting {
	struct sandbox *s;
	struct dv_err *e;
};

static void save_run(void *arg)
{
	struct exiting *x = arg;

	x->e = sandbox_exit_save(x->s->bundle, x->s->exit_status, &x->s->exited_at);
}

static void publish(struct sandbox *s)
{
	Containerd__Events__SandboxExit ev = CONTAINERD__EVENTS__SANDBOX_EXIT__INIT;
	Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	PB_TIMESTAMP_SET(&at, &s->exited_at);
	ev.sandbox_id = s->id;
	ev.exit_status = s->exit_status;
	ev.exited_at = &at;
	daemon_publish(s->ss->d, s->ns, "/sandboxes/exit", &ev.base);
}

static void save_done(void *arg)
{
	struct exiting *x = arg;
	struct sandbox *s = x->s;

	DV_FAULT("sandbox.exit.saved");
	/* In the table: it was not removed meanwhile, and neither was the daemon's part of it. */
	if (s->is_in_table) {
		if (x->e)
			dv_log(s->ss->d->log, DV_WARN, "sandbox %s/%s: note its end: %s", s->ns,
			       s->id, dv_err_message(x->e));
		publish(s);
		tell(s, NULL);
	}
	dv_err_free(x->e);
	sandbox_unref(s);
	free(x);
}

void sandbox_exited(struct sandbox *s, uint32_t status, const struct timespec *at)
{
	struct exiting *x;

	if (s->exited_at.tv_sec != 0 || !s->is_in_table)
		return;
	s->exit_status = status;
	s->exited_at = *at;
	if (s->state != SANDBOX_ENDING)
		sandbox_state_set(s, SANDBOX_STOPPED);
	x = dv_new(struct exiting);
	x->s = sandbox_ref(s);
	io_work_submit(s->ss->d->fast, save_run, save_done, x);
}

/* ---- asking the shim ------------------------------------------------------------------------------ */

static void on_answer(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = take_e;
	const WaitResponse *r = (const WaitResponse *)reply;
	struct sandbox *s = arg;
	struct timespec at;

	s->is_asked = false;
	if (!e) {
		if (!r->exited_at ||
		    !pb_timestamp_to(r->exited_at->seconds, r->exited_at->nanos, &at) ||
		    at.tv_sec == 0)
			clock_gettime(CLOCK_REALTIME, &at);
		sandbox_exited(s, r->exit_status, &at);
	} else if (dv_err_code(e) != DV_UNAVAILABLE && s->is_in_table) {
		tell(s, e);
	} /* else its shim is lost, and what becomes of it is decided there */
}

void sandbox_watch(struct sandbox *s)
{
	Containerd__Runtime__Sandbox__V1__WaitSandboxRequest req =
		CONTAINERD__RUNTIME__SANDBOX__V1__WAIT_SANDBOX_REQUEST__INIT;
	struct sandbox_call call = {
		.method = "WaitSandbox",
		.msg = &req.base,
		.reply = &containerd__runtime__sandbox__v1__wait_sandbox_response__descriptor
	};

	if (s->is_asked || !s->client)
		return;
	s->is_asked = true;
	req.sandbox_id = s->id;
	sandbox_call(s, &call, on_answer, s);
}

/* ---- the shim is lost ------------------------------------------------------------------------------ */

static void on_deleted(void *arg, struct dv_err *take_e,
		       const Containerd__Task__V2__DeleteResponse *r)
{
	struct sandbox *s = arg;
	struct timespec now;

	(void)r;
	if (take_e)
		dv_log(s->ss->d->log, DV_WARN, "sandbox %s/%s: clean up after its shim: %s", s->ns,
		       s->id, dv_err_message(take_e));
	dv_err_free(take_e);
	clock_gettime(CLOCK_REALTIME, &now);
	sandbox_exited(s, STATUS_KILLED, &now);
	sandbox_unref(s);
}

static void kill_run(void *arg)
{
	const struct sandbox *s = arg;

	(void)shim_kill(s->bundle, s->id, 0);
}

static void kill_done(void *arg)
{
	struct sandbox *s = arg;
	struct shim_at at = sandbox_shim(s);

	shim_delete(&at, on_deleted, s);
}

void sandbox_lost(struct sandbox *s)
{
	dv_log(s->ss->d->log, s->state == SANDBOX_STOPPED ? DV_DEBUG : DV_WARN,
	       "sandbox %s/%s: its shim is lost", s->ns, s->id);
	sandbox_ref(s);
	sandbox_state_set(s, SANDBOX_STOPPED);
	sandbox_disconnect(s);
	io_work_submit(s->ss->d->slow, kill_run, kill_done, s);
}
