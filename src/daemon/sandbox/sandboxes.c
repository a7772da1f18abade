/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sandboxes. */

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox-private.h"

/* ---- table ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const struct sandbox *x = a, *y = b;
	int r = strcmp(x->ns, y->ns);

	return r ? r : strcmp(x->id, y->id);
}

struct sandbox *sandbox_find(struct sandboxes *ss, const char *ns, const char *id)
{
	struct sandbox key = { .ns = (char *)ns, .id = (char *)id };
	struct sandbox *const *found = tfind(&key, &ss->tree, compare);

	return found ? *found : NULL;
}

struct dv_err *sandbox_lookup(struct sandboxes *ss, const char *ns, const char *id,
			      struct sandbox **ret)
{
	struct sandbox *s = sandbox_find(ss, ns, id);

	if (!s)
		return dv_err_new(DV_NOT_FOUND, "sandbox %s: not found", id);
	if (s->state == SANDBOX_MAKING || s->state == SANDBOX_ENDING)
		return dv_err_new(DV_NOT_FOUND, "sandbox %s: is being %s", id,
				  s->state == SANDBOX_MAKING ? "created" : "removed");
	*ret = s;
	return NULL;
}

struct sandbox *sandbox_ref(struct sandbox *s)
{
	s->n_refs++;
	return s;
}

struct sandbox *sandbox_unref(struct sandbox *s)
{
	if (!s || --s->n_refs > 0)
		return NULL;
	dv_assert(!s->is_in_table && !s->client && !s->log && !s->waiters);
	free(s->address);
	free(s->binary);
	free(s->bundle);
	free(s->id);
	free(s->ns);
	free(s);
	return NULL;
}

struct shim_at sandbox_shim(const struct sandbox *s)
{
	return (struct shim_at){ s->ss->d, s->ns, s->id, s->bundle, s->binary };
}

static bool is_unsettled(enum sandbox_state state)
{
	return state == SANDBOX_MAKING || state == SANDBOX_ENDING;
}

static void tell_settled(void *arg)
{
	struct sandboxes *ss = arg;
	void (*fn)(void *arg) = ss->settled;

	ss->settled = NULL;
	if (fn)
		fn(ss->settled_arg);
}

static void check_settled(struct sandboxes *ss)
{
	if (ss->settled && ss->n_unsettled == 0)
		io_work_post(ss->d->fast, tell_settled, ss);
}

void sandboxes_when_settled(struct sandboxes *ss, void (*fn)(void *arg), void *arg)
{
	ss->settled = fn;
	ss->settled_arg = arg;
	check_settled(ss);
}

void sandbox_state_set(struct sandbox *s, enum sandbox_state state)
{
	s->ss->n_unsettled -= is_unsettled(s->state);
	s->state = state;
	s->ss->n_unsettled += is_unsettled(state);
	check_settled(s->ss);
}

struct dv_err *sandbox_add(struct sandboxes *ss, const char *ns, const char *id,
			   enum sandbox_state state, struct sandbox **ret)
{
	struct sandbox *s;

	if (sandbox_find(ss, ns, id))
		return dv_err_new(DV_EXISTS, "sandbox %s: already exists", id);
	s = dv_new(struct sandbox);
	s->ss = ss;
	s->ns = dv_strdup(ns);
	s->id = dv_strdup(id);
	s->state = state;
	s->bundle = dv_printf("%s/%s/%s", ss->dir, ns, id);
	s->n_refs = 2;
	s->is_in_table = true;
	dv_assert(tsearch(s, &ss->tree, compare));
	ss->n_unsettled += is_unsettled(state);
	*ret = s;
	return NULL;
}

void sandbox_remove(struct sandbox *s)
{
	tdelete(s, &s->ss->tree, compare);
	s->is_in_table = false;
	s->ss->n_unsettled -= is_unsettled(s->state);
	check_settled(s->ss);
	sandbox_waiters_fail(s, DV_NOT_FOUND, "the sandbox was removed");
	sandbox_unref(s);
}

struct dv_err *sandboxes_endpoint(struct sandboxes *ss, const char *ns, const char *id,
				  struct sandbox_endpoint *ret)
{
	struct sandbox *s;
	struct dv_err *e = sandbox_lookup(ss, ns, id, &s);

	if (e)
		return e;
	if (s->state == SANDBOX_STOPPED || s->state == SANDBOX_CREATED || !s->client)
		return dv_err_new(DV_PRECONDITION, "sandbox %s: is not running", id);
	*ret = (struct sandbox_endpoint){ s->address, s->version, s->binary };
	return NULL;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

struct dv_err *sandboxes_new(struct daemon *d, struct sandboxes **ret)
{
	struct sandboxes *ss = dv_new(struct sandboxes);

	ss->d = d;
	ss->dir = dv_printf("%s/%s", d->config->state, SANDBOXES_DIR);
	*ret = ss;
	sandboxes_load(ss);
	return NULL;
}

struct sandboxes *sandboxes_free(struct sandboxes *ss)
{
	if (!ss)
		return NULL;
	ss->is_freed = true;
	while (ss->tree) {
		struct sandbox *s = sandbox_ref(*(struct sandbox **)ss->tree);

		sandbox_state_set(s, SANDBOX_ENDING); /* quietly: its shim goes on */
		sandbox_waiters_fail(s, DV_UNAVAILABLE, "the daemon is being stopped");
		sandbox_remove(s);
		sandbox_disconnect(s);
		sandbox_unref(s);
	}
	free(ss->dir);
	free(ss);
	return NULL;
}

static void dump(const void *node, VISIT which, void *closure)
{
	static const char *const names[] = { "making", "loading", "created",
					     "ready",  "stopped", "ending" };
	const struct sandbox *s = *(struct sandbox *const *)node;
	const struct dv_log *log = closure;

	if (which == postorder || which == leaf)
		dv_log(log, DV_INFO, "sandbox %s/%s: %s, pid %u%s", s->ns, s->id, names[s->state],
		       s->pid, s->client ? "" : ", no shim");
}

void sandboxes_dump(struct sandboxes *ss)
{
	twalk_r(ss->tree, dump, (void *)ss->d->log);
}
