/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a sandbox: its shim is killed, if need be, what it left is removed, then its bundle, then it is gone. */

#include <stdlib.h>

#include "base/fault.h"
#include "sandbox-private.h"

struct ending {
	struct sandbox *s;
	struct sandbox_end how;
	unsigned n_killed;
	struct dv_err *e; /* of the bundle's removal */
};

static void remove_run(void *arg)
{
	struct ending *end = arg;

	end->e = bundle_remove(end->s->bundle);
}

static void remove_done(void *arg)
{
	struct ending *end = arg;
	struct sandbox *s = end->s;

	DV_FAULT("sandbox.end.bundle-removed");
	if (end->e)
		dv_log(s->ss->d->log, DV_ERROR, "sandbox %s/%s: %s", s->ns, s->id,
		       dv_err_message(end->e));
	dv_err_free(end->e);
	sandbox_remove(s);
	if (end->how.done)
		end->how.done(end->how.arg);
	sandbox_unref(s);
	free(end);
}

static void step_bundle(struct ending *end)
{
	sandbox_disconnect(end->s);
	io_work_submit(end->s->ss->d->slow, remove_run, remove_done, end);
}

static void on_deleted(void *arg, struct dv_err *take_e,
		       const Containerd__Task__V2__DeleteResponse *r)
{
	struct ending *end = arg;
	struct sandbox *s = end->s;

	(void)r;
	if (take_e)
		dv_log(s->ss->d->log, DV_WARN, "sandbox %s/%s: clean up after its shim: %s", s->ns,
		       s->id, dv_err_message(take_e));
	dv_err_free(take_e);
	step_bundle(end);
}

static void kill_run(void *arg)
{
	struct ending *end = arg;

	end->n_killed = shim_kill(end->s->bundle, end->s->id, 0);
}

static void kill_done(void *arg)
{
	struct ending *end = arg;
	struct sandbox *s = end->s;
	struct shim_at at = sandbox_shim(s);

	if (end->n_killed)
		dv_log(s->ss->d->log, DV_WARN, "sandbox %s/%s: its shim was killed", s->ns, s->id);
	if (s->binary)
		shim_delete(&at, on_deleted, end);
	else
		step_bundle(end);
}

void sandbox_end(struct sandbox *s, const struct sandbox_end *how)
{
	struct ending *end = dv_new(struct ending);

	dv_assert(s->is_in_table);
	end->s = sandbox_ref(s);
	end->how = *how;
	sandbox_state_set(s, SANDBOX_ENDING);
	if (how->needs_delete)
		io_work_submit(s->ss->d->slow, kill_run, kill_done, end);
	else
		step_bundle(end);
}
