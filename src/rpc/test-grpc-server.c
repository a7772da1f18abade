/* SPDX-License-Identifier: Apache-2.0 */
/* The server's life, and what it tells others. */

#include "api/grpc/health.pb-c.h"
#include "test-grpc.h"

#define SECOND UINT64_C(1000000000)

static struct grig g;
static struct grpc_client *c;

static void start(const struct grpc_limits *limits)
{
	grig_init(&g, limits);
	c = grig_client(&g);
}

static void end(void)
{
	c = grpc_client_free(c);
	grig_fini(&g);
}

/* ---- Its end ---- */

Test(grpc_server, closes_when_calls_have_ended)
{
	static struct gresult held;
	uint64_t begin;

	start(NULL);
	gcall(c, "Hold", 0, "", 0, &held);
	RUN_UNTIL(&g.loop, g.peer.n_held == 1);
	begin = uv_hrtime();
	grig_close(&g, 60 * SECOND);
	peer_release(&g.peer);
	RUN_UNTIL(&g.loop, g.is_closed);
	T_INT(uv_hrtime() - begin, <, SECOND);
	T_INT(held.code, ==, DV_ABORTED);
	end();
}

Test(grpc_server, grace_has_an_end)
{
	static struct gresult held;

	start(NULL);
	gcall(c, "Hold", 0, "", 0, &held);
	RUN_UNTIL(&g.loop, g.peer.n_held == 1);
	grig_close(&g, SECOND / 50);
	RUN_UNTIL(&g.loop, g.is_closed);
	T_INT(held.code, ==, DV_UNAVAILABLE);
	T_STR(held.text, "the server is shutting down");
	T_INT(g.peer.n_cancelled, ==, 1);
	end();
}

/* Calls whose owners do not listen outlive the server. */
static struct grpc_call *kept;

static void keep(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	(void)req;
	(void)arg;
	kept = call;
}

static const struct grpc_method keep_methods[] = {
	{ .name = "Keep", .request = &google__rpc__status__descriptor, .fn = keep, .user = &g },
};
static const struct grpc_service keep_service = { .name = "davit.test.Keep",
						  .methods = keep_methods,
						  .n_methods = 1 };

static void call_keep(struct gresult *r)
{
	struct grpc_request q = { .service = "davit.test.Keep",
				  .method = "Keep",
				  .reply = &google__rpc__status__descriptor,
				  .timeout_ns = 100 * SECOND };

	*r = (struct gresult){ 0 };
	grpc_client_call(c, &q, gresult_set, r);
	RUN_UNTIL(&g.loop, kept);
}

Test(grpc_server, a_call_outlives_it)
{
	static struct gresult r;

	start(NULL);
	grpc_server_add(g.peer.server, &keep_service, NULL);
	call_keep(&r);
	T_STR(grpc_call_service(kept), "davit.test.Keep");
	T_STR(grpc_call_method(kept), "Keep");
	T_INT(grpc_call_method_user(kept) == &g, ==, 1);
	T_TRUE(grpc_call_deadline(kept) > uv_hrtime());
	T_FALSE(grpc_call_is_cancelled(kept));
	grig_close(&g, 0);
	RUN_UNTIL(&g.loop, g.is_closed);
	T_TRUE(grpc_call_is_cancelled(kept));
	T_INT(r.code, ==, DV_UNAVAILABLE);
	T_STR(grpc_call_metadata(kept, "user-agent"), "grpc-c-davit/1");
	grpc_reply(kept, NULL);
	end();
}

Test(grpc_server, a_call_outlives_its_connection)
{
	struct grpc_server_stats stats;
	static struct gresult r;

	start(NULL);
	grpc_server_add(g.peer.server, &keep_service, NULL);
	call_keep(&r);
	c = grpc_client_free(c);
	RUN_UNTIL(&g.loop, grig_connections(&g) == 0);
	T_TRUE(grpc_call_is_cancelled(kept));
	grpc_server_stats(g.peer.server, &stats);
	T_INT(stats.calls, ==, 1);
	T_INT(stats.memory, >, 0);
	grpc_reply(kept, NULL);
	grpc_server_stats(g.peer.server, &stats);
	T_INT(stats.calls, ==, 0);
	T_INT(stats.memory, ==, 0);
	end();
}

Test(grpc_server, closed_by_a_handler)
{
	static struct gresult r;

	start(NULL);
	grpc_server_add(g.peer.server, &keep_service, NULL);
	call_keep(&r);
	grig_close(&g, 10 * SECOND);
	grpc_fail(kept, dv_err_new(DV_INTERNAL, "bye"));
	RUN_UNTIL(&g.loop, g.is_closed);
	T_INT(r.code, ==, DV_INTERNAL);
	end();
}

Test(grpc_server, closed_before_anybody_came)
{
	start(NULL);
	end();
}

/* ---- Read-only sockets ---- */

Test(grpc_server, read_only)
{
	struct grpc_listen_opts l = { .is_read_only = true };
	struct grpc_client_opts o = { 0 };
	struct grpc_client *reader;
	static struct gresult r;
	char path[64];

	start(NULL);
	l.take_fd = rig_listen(path);
	T_NULL(grpc_server_listen(g.peer.server, &l));
	o.loop = &g.loop;
	o.path = path;
	reader = grpc_client_new(&o);
	gcall_wait(&g, reader, "Meta", 0, "x", &r);
	T_INT(r.code, ==, 0);
	gcall_wait(&g, reader, "Echo", 0, "x", &r);
	T_INT(r.code, ==, DV_PERMISSION);
	gcall_wait(&g, reader, "Collect", 0, "x", &r);
	T_INT(r.code, ==, DV_PERMISSION);
	gcall_wait(&g, c, "Echo", 0, "x", &r); /* the other one */
	T_INT(r.code, ==, 0);
	T_INT(g.peer.n_requests, ==, 1);
	grpc_client_free(reader);
	end();
}

/* ---- Observed ---- */

struct seen {
	char text[1024];
};

static void observe(void *arg, const struct grpc_call *call, int code, uint64_t duration_ns)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	T_TRUE(duration_ns < 10 * SECOND);
	snprintf(s->text + n, sizeof(s->text) - n, "%s=%d ", grpc_call_method(call), code);
}

Test(grpc_server, observed)
{
	static struct gresult r, lazy = { .is_lazy = true };
	static struct seen seen;

	start(NULL);
	grpc_server_observe(g.peer.server, observe, &seen);
	gcall_wait(&g, c, "Echo", 1, "", &r);
	gcall_wait(&g, c, "Fail", DV_EXISTS, "", &r);
	gcall_wait(&g, c, "Nope", 0, "", &r); /* was never a call */
	gcall(c, "Hold", 0, "", SECOND / 100, &r);
	RUN_UNTIL(&g.loop, r.is_there && !g.peer.n_held);
	gstream(c, "Count", 3, "", false, true, &lazy);
	RUN_UNTIL(&g.loop, lazy.n_data == 1);
	grpc_stream_cancel(lazy.st);
	RUN_UNTIL(&g.loop, lazy.is_there);
	T_TRUE(dv_starts_with(seen.text, "Echo=0 Fail=6 Hold="));
	T_TRUE(dv_ends_with(seen.text, " Count=0 "));
	end();
}

/* ---- Health ---- */

typedef Grpc__Health__V1__HealthCheckResponse health_response;

struct health {
	struct grpc_stream *st;
	int status;
	size_t n;
	bool is_over;
	enum dv_code code;
};

static void health_data(void *arg, const ProtobufCMessage *msg)
{
	struct health *h = arg;

	h->status = ((const health_response *)msg)->status;
	h->n++;
	if (h->st)
		grpc_stream_next(h->st);
}

static void health_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct health *h = arg;

	if (reply)
		health_data(h, reply);
	h->is_over = true;
	h->code = take_e ? dv_err_code(take_e) : 0;
	dv_err_free(take_e);
}

static void check_health(const char *service, const char *method, struct health *h)
{
	Grpc__Health__V1__HealthCheckRequest msg = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	struct grpc_stream_opts o = {
		.request = { .service = "grpc.health.v1.Health",
			     .method = method,
			     .msg = &msg.base,
			     .reply = &grpc__health__v1__health_check_response__descriptor },
		.is_server_stream = dv_streq(method, "Watch"),
		.data = health_data,
		.result = health_result,
		.arg = h,
	};

	*h = (struct health){ .status = -1 };
	msg.service = (char *)service;
	h->st = grpc_client_stream(c, &o);
	if (!o.is_server_stream)
		h->st = NULL;
	RUN_UNTIL(&g.loop, h->n || h->is_over);
}

Test(grpc_server, health)
{
	static struct health h, watch, unknown;

	start(NULL);
	check_health("", "Check", &h);
	T_INT(h.status, ==, 1);
	check_health("davit.test.Peer", "Check", &h);
	T_INT(h.status, ==, 1);
	check_health("nobody", "Check", &h);
	T_INT(h.code, ==, DV_NOT_FOUND);
	check_health("", "Watch", &watch);
	T_INT(watch.status, ==, 1);
	check_health("nobody", "Watch", &unknown);
	T_INT(unknown.status, ==, 3);
	grpc_server_set_serving(g.peer.server, false);
	RUN_UNTIL(&g.loop, watch.n == 2);
	T_INT(watch.status, ==, 2);
	check_health("", "Check", &h);
	T_INT(h.status, ==, 2);
	grpc_server_set_serving(g.peer.server, false); /* no news */
	grpc_server_set_serving(g.peer.server, true);
	RUN_UNTIL(&g.loop, watch.n == 3);
	T_INT(watch.status, ==, 1);
	end();
}

/* ---- Fairness ---- */

/* A long answer does not keep a short one waiting on the same connection. */
Test(grpc_server, streams_take_turns)
{
	static struct gresult big, small;

	start(NULL);
	gcall(c, "Make", 15 << 20, "", 0, &big);
	gcall(c, "Make", 10, "", 0, &small);
	RUN_UNTIL(&g.loop, small.is_there);
	T_FALSE(big.is_there);
	RUN_UNTIL(&g.loop, big.is_there);
	T_INT(big.n_text, ==, 15 << 20);
	end();
}

/* Nor one on another connection. */
Test(grpc_server, connections_take_turns)
{
	static struct gresult big[4], small;
	struct grpc_client *other;

	start(NULL);
	other = grig_client(&g);
	gcall_wait(&g, other, "Echo", 1, "", &small);
	for (size_t i = 0; i < DV_ARRAY_SIZE(big); i++)
		gcall(c, "Make", 15 << 20, "", 0, &big[i]);
	gcall_wait(&g, other, "Echo", 1, "", &small);
	for (size_t i = 0; i < DV_ARRAY_SIZE(big); i++)
		T_FALSE(big[i].is_there);
	grpc_client_free(other);
	end();
}

/* What was said before an error arrives. */
static void say_and_fail(struct grpc_call *call, const ProtobufCMessage *req, void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++)
		T_NULL(grpc_send(call, req));
	grpc_fail(call, dv_err_new(DV_DATA_LOSS, "then it broke"));
}

static const struct grpc_method say_methods[] = {
	{ .name = "Say",
	  .request = &google__rpc__status__descriptor,
	  .fn = say_and_fail,
	  .is_server_stream = true },
};
static const struct grpc_service say_service = { .name = "davit.test.Say",
						 .methods = say_methods,
						 .n_methods = 1 };

struct said {
	struct grpc_stream *st;
	size_t n;
	struct gresult r;
};

static void said_data(void *arg, const ProtobufCMessage *msg)
{
	struct said *s = arg;

	(void)msg;
	s->n++;
	grpc_stream_next(s->st);
}

static void said_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	gresult_set(&((struct said *)arg)->r, take_e, reply);
}

Test(grpc_server, messages_before_an_error)
{
	static struct said s;
	struct grpc_stream_opts o = {
		.request = { .service = "davit.test.Say",
			     .method = "Say",
			     .reply = &google__rpc__status__descriptor },
		.is_server_stream = true,
		.data = said_data,
		.result = said_result,
		.arg = &s,
	};

	start(NULL);
	grpc_server_add(g.peer.server, &say_service, NULL);
	s.st = grpc_client_stream(c, &o);
	RUN_UNTIL(&g.loop, s.r.is_there);
	T_INT(s.n, ==, 100);
	T_INT(s.r.code, ==, DV_DATA_LOSS);
	end();
}
