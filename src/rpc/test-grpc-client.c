/* SPDX-License-Identifier: Apache-2.0 */
/* Our client against our server: calls and streams. */

#include "test-grpc.h"

#define MS UINT64_C(1000000)

static struct grig g;
static struct grpc_client *c;

static void setup(void)
{
	grig_init(&g, NULL);
	c = grig_client(&g);
}

static void teardown(void)
{
	c = grpc_client_free(c);
	grig_fini(&g);
}

TestSuite(grpc_client, .init = setup, .fini = teardown);

Test(grpc_client, unary)
{
	struct gresult r;

	gcall_wait(&g, c, "Echo", 7, "hello", &r);
	T_INT(r.code, ==, 0);
	T_INT(r.number, ==, 7);
	T_STR(r.text, "hello");
	gcall_wait(&g, c, "Echo", 0, "", &r); /* an empty message */
	T_INT(r.code, ==, 0);
	T_INT(r.n_text, ==, 0);
}

Test(grpc_client, errors_have_the_peers_code_and_words)
{
	struct gresult r;

	gcall_wait(&g, c, "Fail", DV_NOT_FOUND, "container \"\xc3\xa4\": 100% weg\n", &r);
	T_INT(r.code, ==, DV_NOT_FOUND);
	T_STR(r.text, "container \"\xc3\xa4\": 100% weg\n");
	gcall_wait(&g, c, "Nope", 0, "", &r);
	T_INT(r.code, ==, DV_UNIMPLEMENTED);
	T_STR(r.text, "unknown method Nope for service davit.test.Peer");
}

Test(grpc_client, metadata)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	struct grpc_metadata metadata[] = { { "containerd-namespace", "k8s.io" },
					    { "x", "1" },
					    { "x", "2" },
					    { "y-bin", "\0\1", 2 } };
	struct grpc_request q = { .service = "davit.test.Peer",
				  .method = "Meta",
				  .msg = &msg.base,
				  .reply = &google__rpc__status__descriptor,
				  .metadata = metadata,
				  .n_metadata = DV_ARRAY_SIZE(metadata) };
	static const char *const want[][2] = {
		{ "containerd-namespace", "k8s.io" },
		{ "x", "1" },
		{ "y-bin", "0001" },
		{ "grpc-timeout", "(none)" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(want); i++) {
		struct gresult r = { 0 };

		msg.message = (char *)want[i][0];
		grpc_client_call(c, &q, gresult_set, &r);
		RUN_UNTIL(&g.loop, r.is_there);
		T_STR(r.text, want[i][1]);
		T_INT(r.number, ==, getpid()); /* SO_PEERCRED */
	}
}

Test(grpc_client, large_messages)
{
	static char big[(16 << 20) - 64];
	struct gresult r;

	gcall_wait(&g, c, "Make", (16 << 20) - 10, "", &r);
	T_INT(r.code, ==, 0);
	T_INT(r.n_text, ==, (16 << 20) - 10);
	gcall_wait(&g, c, "Make", 16 << 20, "", &r);
	T_INT(r.code, ==, DV_EXHAUSTED);
	memset(big, 'y', sizeof(big) - 1);
	gcall_wait(&g, c, "Echo", 0, big, &r);
	T_INT(r.code, ==, 0);
	T_INT(r.n_text, ==, sizeof(big) - 1);
}

Test(grpc_client, too_large_for_us)
{
	struct grpc_client_opts o = { .loop = &g.loop, .path = g.path, .max_message = 1000 };
	struct grpc_client *small = grpc_client_new(&o);
	struct gresult r;

	gcall_wait(&g, small, "Make", 2000, "", &r);
	T_INT(r.code, ==, DV_EXHAUSTED);
	gcall_wait(&g, small, "Echo", 1, "", &r);
	T_INT(r.code, ==, 0);
	grpc_client_free(small);
}

Test(grpc_client, deadline)
{
	struct gresult r;

	gcall(c, "Hold", 0, "", 20 * MS, &r);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, DV_DEADLINE);
	RUN_UNTIL(&g.loop, g.peer.n_cancelled == 1);
}

Test(grpc_client, cancel)
{
	struct grpc_stream *st;
	struct gresult r;

	st = gcall(c, "Hold", 0, "", 0, &r);
	RUN_UNTIL(&g.loop, g.peer.n_held == 1);
	grpc_stream_cancel(st);
	T_FALSE(r.is_there);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, DV_CANCELLED);
	RUN_UNTIL(&g.loop, g.peer.n_cancelled == 1);
	gcall_wait(&g, c, "Echo", 1, "", &r);
	T_INT(r.code, ==, 0);
}

Test(grpc_client, cancel_before_it_is_sent)
{
	struct gresult r;

	grpc_stream_cancel(gcall(c, "Hold", 0, "", 0, &r));
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, DV_CANCELLED);
}

Test(grpc_client, server_stream)
{
	struct gresult r = { 0 };

	gstream(c, "Count", 5000, "some text", false, true, &r);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, 0);
	T_INT(r.n_data, ==, 5000);
	T_INT(r.last, ==, 5000);
}

Test(grpc_client, server_stream_is_held_back)
{
	struct gresult r = { .is_lazy = true };
	static char text[10000];

	memset(text, 'z', sizeof(text) - 1);
	gstream(c, "Count", 1000, text, false, true, &r);
	RUN_UNTIL(&g.loop, r.n_data == 1);
	for (int i = 0; i < 100; i++)
		uv_run(&g.loop, UV_RUN_NOWAIT);
	T_INT(r.n_data, ==, 1);
	T_INT(g.peer.held->at, <, 200); /* a window, and what the server queues */
	while (!r.is_there) {
		size_t n = r.n_data;

		grpc_stream_next(r.st);
		RUN_UNTIL(&g.loop, r.n_data > n || r.is_there);
	}
	T_INT(r.code, ==, 0);
	T_INT(r.n_data, ==, 1000);
}

/* The server's end comes before the messages are taken. */
Test(grpc_client, lazy_reader_gets_all)
{
	struct gresult r = { .is_lazy = true };

	gstream(c, "Count", 3, "x", false, true, &r);
	RUN_UNTIL(&g.loop, r.n_data == 1 && !g.peer.n_held);
	for (size_t i = 2; i <= 3; i++) {
		grpc_stream_next(r.st);
		RUN_UNTIL(&g.loop, r.n_data == i);
		T_FALSE(r.is_there);
	}
	grpc_stream_next(r.st);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, 0);
}

Test(grpc_client, client_stream)
{
	struct gresult r = { 0 };

	gstream(c, "Collect", 1, "first", true, false, &r);
	for (int i = 0; i < 1000; i++)
		T_NULL(gsend(&r, i, "ab"));
	grpc_stream_end(r.st);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, 0);
	T_INT(r.number, ==, 1001);
	T_STR(r.text, "2005");
}

Test(grpc_client, client_stream_is_held_back)
{
	struct gresult r = { 0 };
	static char text[100 << 10];
	size_t n = 0;

	memset(text, 'z', sizeof(text) - 1);
	gstream(c, "Slow", 0, NULL, true, false, &r);
	for (int i = 0; i < 2000; i++) {
		if (grpc_stream_is_writable(r.st)) {
			T_NULL(gsend(&r, (int32_t)n, text));
			n++;
		}
		uv_run(&g.loop, UV_RUN_NOWAIT);
	}
	T_INT(g.peer.n_slow, ==, 1);
	T_INT(n, >, 10);
	T_INT(n, <, 18); /* a window, a queue, and one message */
	grpc_stream_end(r.st);
	while (!r.is_there) {
		peer_next(&g.peer);
		uv_run(&g.loop, UV_RUN_NOWAIT);
	}
	T_INT(r.code, ==, 0);
	T_INT(r.number, ==, n);
}

Test(grpc_client, chat)
{
	struct gresult r = { 0 };

	gstream(c, "Chat", 0, NULL, true, true, &r);
	for (int32_t i = 1; i <= 100; i++) {
		T_NULL(gsend(&r, i, "ping"));
		RUN_UNTIL(&g.loop, r.n_data == (size_t)i);
		T_INT(r.last, ==, i);
	}
	T_FALSE(r.is_there);
	grpc_stream_end(r.st);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, 0);
}

/* The server answers before the client has sent all of it. */
Test(grpc_client, answer_before_the_end)
{
	struct gresult r = { 0 };

	gstream(c, "Slow", 0, NULL, true, false, &r);
	RUN_UNTIL(&g.loop, g.peer.n_held == 1);
	peer_release(&g.peer);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, DV_ABORTED);
	T_STR(r.text, "released");
}

Test(grpc_client, send_to_nobody)
{
	struct gresult r = { 0 };
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	struct grpc_stream *st;

	gstream(c, "Slow", 0, NULL, true, false, &r);
	st = r.st;
	grpc_stream_cancel(st);
	e = gsend(&r, 1, "x");
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_CANCELLED);
	RUN_UNTIL(&g.loop, r.is_there);
}

Test(grpc_client, too_much_is_queued)
{
	struct gresult r = { 0 };
	static char text[1 << 20];
	struct dv_err *e = NULL;
	int n = 0;

	memset(text, 'z', sizeof(text) - 1);
	gstream(c, "Slow", 0, NULL, true, false, &r);
	for (; n < 40 && !e; n++)
		e = gsend(&r, n, text);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
	T_INT(n, ==, 17);
	dv_err_free(e);
	grpc_stream_cancel(r.st);
	RUN_UNTIL(&g.loop, r.is_there);
}

Test(grpc_client, many_at_once)
{
	enum { N = 4000 };
	static struct gresult r[N];
	struct grpc_server_stats stats;

	for (size_t i = 0; i < N; i++)
		gcall(c, "Hold", 0, "", 0, &r[i]);
	RUN_UNTIL(&g.loop, g.peer.n_held == N);
	grpc_server_stats(g.peer.server, &stats);
	T_INT(stats.connections, ==, 1);
	T_INT(stats.calls, ==, N);
	peer_release(&g.peer);
	for (size_t i = 0; i < N; i++) {
		RUN_UNTIL(&g.loop, r[i].is_there);
		T_INT(r[i].code, ==, DV_ABORTED);
	}
	grpc_server_stats(g.peer.server, &stats);
	T_INT(stats.memory, ==, 0);
}

/* More than the peer allows wait in the client. */
Test(grpc_client, more_than_are_allowed)
{
	enum { N = 4500 };
	static struct gresult r[N];
	size_t n = 0;

	for (size_t i = 0; i < N; i++)
		gcall(c, "Hold", 0, "", 0, &r[i]);
	RUN_UNTIL(&g.loop, g.peer.n_held == 4096);
	for (size_t i = 4200; i < N; i++)
		grpc_stream_cancel(r[i].st); /* before they were sent */
	RUN_UNTIL(&g.loop, r[N - 1].is_there);
	while (n < 4200) {
		peer_release(&g.peer);
		uv_run(&g.loop, UV_RUN_NOWAIT);
		for (n = 0; n < 4200 && r[n].is_there;)
			n++;
	}
	T_INT(g.peer.n_requests, ==, 4200);
}

struct bomb {
	struct gresult other;
	bool is_done;
};

static void free_it(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct bomb *b = arg;

	T_NOT_NULL((void *)reply);
	dv_err_free(take_e);
	b->is_done = true;
	c = grpc_client_free(c);
	T_INT(b->other.code, ==, DV_CANCELLED); /* before it returned */
}

Test(grpc_client, freed_in_a_callback)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	struct grpc_request q = { .service = "davit.test.Peer",
				  .method = "Echo",
				  .msg = &msg.base,
				  .reply = &google__rpc__status__descriptor };
	struct bomb b = { 0 };

	gcall(c, "Hold", 0, "", 0, &b.other);
	grpc_client_call(c, &q, free_it, &b);
	RUN_UNTIL(&g.loop, b.is_done);
}

static void free_on_data(void *arg, const ProtobufCMessage *msg)
{
	(void)arg;
	(void)msg;
	c = grpc_client_free(c);
}

Test(grpc_client, freed_by_a_streams_message)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	struct gresult r = { 0 };
	struct grpc_stream_opts o = {
		.request = { .service = "davit.test.Peer",
			     .method = "Count",
			     .msg = &msg.base,
			     .reply = &google__rpc__status__descriptor },
		.is_server_stream = true,
		.data = free_on_data,
		.result = gresult_set,
		.arg = &r,
	};

	msg.code = 10;
	grpc_client_stream(c, &o);
	RUN_UNTIL(&g.loop, r.is_there);
	T_INT(r.code, ==, DV_CANCELLED);
}
