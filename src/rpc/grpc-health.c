/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc.health.v1.Health: all services of a server serve, or none does. A Watch is answered at once
 * and whenever that changes; it ends with its client.
 */

#include "api/grpc/health.pb-c.h"
#include "base/str.h"
#include "grpc-server-private.h"

typedef Grpc__Health__V1__HealthCheckRequest health_request;
typedef Grpc__Health__V1__HealthCheckResponse health_response;

#define STATUS(name) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

struct health_watch {
	struct grpc_health *health; /* NULL: gone */
	struct health_watch *next, **prev;
	struct grpc_call *call;
	bool is_known; /* the service */
};

struct grpc_health {
	struct grpc_server *server;
	struct health_watch *watches;
	bool is_serving;
};

static bool is_known(const struct grpc_server *s, const char *service)
{
	bool is_found = !service[0];

	for (size_t i = 0; i < s->n_entries && !is_found; i++)
		is_found = dv_streq(s->entries[i].service->name, service);
	return is_found;
}

static health_response response(const struct grpc_health *h)
{
	health_response r = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	r.status = h->is_serving ? STATUS(SERVING) : STATUS(NOT_SERVING);
	return r;
}

static void do_check(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const health_request *r = (const void *)req;
	const struct grpc_health *h = arg;
	health_response reply = response(h);

	if (is_known(h->server, r->service))
		grpc_reply(call, &reply.base);
	else
		grpc_fail(call, dv_err_new(DV_NOT_FOUND, "unknown service"));
}

static void tell(struct health_watch *w)
{
	health_response r = response(w->health);

	if (!w->is_known)
		r.status = STATUS(SERVICE_UNKNOWN);
	/* Who does not read misses it; the call ends when its client does. */
	dv_err_free(grpc_send(w->call, &r.base));
}

static void watch_unlink(struct health_watch *w)
{
	if (!w->health)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->health = NULL;
}

static void watch_cancelled(void *arg)
{
	struct health_watch *w = arg;

	watch_unlink(w);
	grpc_fail(w->call, dv_err_new(DV_CANCELLED, "the watch ended"));
}

static void do_watch(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct health_watch *w = dv_arena_new(grpc_call_arena(call), struct health_watch);
	const health_request *r = (const void *)req;
	struct grpc_health *h = arg;

	w->health = h;
	w->call = call;
	w->is_known = is_known(h->server, r->service);
	w->next = h->watches;
	w->prev = &h->watches;
	if (w->next)
		w->next->prev = &w->next;
	h->watches = w;
	grpc_call_on_cancel(call, watch_cancelled, w);
	tell(w);
}

static const struct grpc_method methods[] = {
	{ .name = "Check",
	  .request = &grpc__health__v1__health_check_request__descriptor,
	  .fn = do_check,
	  .is_read_only = true },
	{ .name = "Watch",
	  .request = &grpc__health__v1__health_check_request__descriptor,
	  .fn = do_watch,
	  .is_server_stream = true,
	  .is_read_only = true },
};

static const struct grpc_service service = { .name = "grpc.health.v1.Health",
					     .methods = methods,
					     .n_methods = DV_ARRAY_SIZE(methods) };

struct grpc_health *grpc_health_new(struct grpc_server *s)
{
	struct grpc_health *h = dv_new(struct grpc_health);

	h->server = s;
	h->is_serving = true;
	grpc_server_add(s, &service, h);
	return h;
}

void grpc_health_free(struct grpc_health *h)
{
	while (h->watches)
		watch_unlink(h->watches);
	free(h);
}

void grpc_health_set(struct grpc_health *h, bool is_serving)
{
	if (h->is_serving == is_serving)
		return;
	h->is_serving = is_serving;
	for (struct health_watch *w = h->watches; w; w = w->next)
		tell(w);
}
