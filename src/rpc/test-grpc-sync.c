/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that call through the loop. */

#include "rpc/grpc-sync.h"

#include "test-grpc.h"

static struct grig g;
static struct grpc_sync s;

struct job {
	const char *method, *text;
	int32_t code;
	uint64_t timeout_ns;
	struct dv_err *e;
	int32_t number;
	size_t n, n_text;
	bool is_done;
};

static void done(void *arg)
{
	((struct job *)arg)->is_done = true;
}

static struct grpc_request request(const struct job *j, peer_msg *msg)
{
	google__rpc__status__init(msg);
	msg->code = j->code;
	msg->message = (char *)j->text;
	return (struct grpc_request){ .service = "davit.test.Peer",
				      .method = j->method,
				      .msg = &msg->base,
				      .reply = &google__rpc__status__descriptor,
				      .timeout_ns = j->timeout_ns };
}

static void unary(void *arg)
{
	const ProtobufCMessage *reply = NULL;
	struct job *j = arg;
	struct dv_arena arena;
	peer_msg msg;
	struct grpc_request r = request(j, &msg);

	dv_arena_init(&arena);
	j->e = grpc_sync_call(&s, &r, &arena, &reply);
	if (!j->e) {
		j->number = ((const peer_msg *)reply)->code;
		j->n_text = strlen(((const peer_msg *)reply)->message);
	}
	dv_arena_fini(&arena);
}

static void read_stream(void *arg)
{
	DV_CLEANUP(grpc_sync_closep) struct grpc_sync_stream *st = NULL;
	const ProtobufCMessage *m = NULL;
	struct job *j = arg;
	peer_msg msg;
	struct grpc_request r = request(j, &msg);

	j->e = grpc_sync_open(&s, &r, false, &st);
	while (!j->e && !(j->e = grpc_sync_receive(st, &m)) && m) {
		j->n++;
		cr_assert(((const peer_msg *)m)->code == (int32_t)j->n);
		if (j->n == j->n_text)
			return; /* enough */
	}
}

static void write_stream(void *arg)
{
	DV_CLEANUP(grpc_sync_closep) struct grpc_sync_stream *st = NULL;
	const ProtobufCMessage *m = NULL;
	struct job *j = arg;
	peer_msg msg;
	struct grpc_request r = request(j, &msg);

	r.msg = NULL;
	j->e = grpc_sync_open(&s, &r, true, &st);
	for (int32_t i = 0; i < j->code && !j->e; i++)
		j->e = grpc_sync_send(st, &msg.base);
	if (j->e)
		return;
	grpc_sync_end(st);
	j->e = grpc_sync_receive(st, &m);
	if (!j->e && m)
		j->number = ((const peer_msg *)m)->code;
}

static void setup(void)
{
	struct io_work_pool_opts o = { .name = "test", .max_threads = 8 };

	grig_init(&g, NULL);
	o.loop = &g.loop;
	T_NULL(io_work_pool_new(&o, &s.pool));
	s.client = grig_client(&g);
}

static void teardown(void)
{
	s.client = grpc_client_free(s.client);
	s.pool = io_work_pool_free(s.pool);
	grig_fini(&g);
}

TestSuite(grpc_sync, .init = setup, .fini = teardown);

static void run(struct job *j, io_work_fn fn)
{
	io_work_submit(s.pool, fn, done, j);
	RUN_UNTIL(&g.loop, j->is_done);
}

Test(grpc_sync, unary)
{
	struct job j = { .method = "Echo", .code = 5, .text = "hello" };
	struct job big = { .method = "Make", .code = 10 << 20, .text = "" };

	run(&j, unary);
	T_NULL(j.e);
	T_INT(j.number, ==, 5);
	T_INT(j.n_text, ==, 5);
	run(&big, unary);
	T_NULL(big.e);
	T_INT(big.n_text, ==, 10 << 20);
}

static void check_error(const char *method, int32_t code, uint64_t timeout_ns, enum dv_code want)
{
	struct job j = { .method = method, .code = code, .text = "why", .timeout_ns = timeout_ns };

	run(&j, unary);
	T_NOT_NULL(j.e);
	T_INT(dv_err_code(j.e), ==, want);
	dv_err_free(j.e);
}

Test(grpc_sync, errors)
{
	check_error("Fail", DV_EXISTS, 0, DV_EXISTS);
	check_error("Hold", 0, 20000000, DV_DEADLINE);
	check_error("Nope", 0, 0, DV_UNIMPLEMENTED);
}

Test(grpc_sync, server_stream)
{
	/* Each message is two turns between threads, which take their time on a busy machine. */
	struct job j = { .method = "Count", .code = 100, .text = "x" };
	struct job partly = { .method = "Count", .code = 1 << 30, .text = "x", .n_text = 10 };

	run(&j, read_stream);
	T_NULL(j.e);
	T_INT(j.n, ==, 100);
	run(&partly, read_stream);
	T_INT(partly.n, ==, 10);
	RUN_UNTIL(&g.loop, !g.peer.n_held);
}

Test(grpc_sync, client_stream)
{
	struct job j = { .method = "Collect", .code = 100, .text = "some text" };

	run(&j, write_stream);
	T_NULL(j.e);
	T_INT(j.number, ==, 100);
}

Test(grpc_sync, side_by_side)
{
	enum { N = 64 };
	static struct job j[N];

	for (int i = 0; i < N; i++) {
		j[i] = (struct job){ .method = "Echo", .code = i, .text = "" };
		io_work_submit(s.pool, unary, done, &j[i]);
	}
	for (int i = 0; i < N; i++) {
		RUN_UNTIL(&g.loop, j[i].is_done);
		T_NULL(j[i].e);
		T_INT(j[i].number, ==, i);
	}
}

Test(grpc_sync, the_client_goes)
{
	struct job j = { .method = "Hold", .text = "" };

	io_work_submit(s.pool, unary, done, &j);
	RUN_UNTIL(&g.loop, g.peer.n_held == 1);
	s.client = grpc_client_free(s.client);
	RUN_UNTIL(&g.loop, j.is_done);
	T_INT(dv_err_code(j.e), ==, DV_CANCELLED);
	dv_err_free(j.e);
	check_error("Echo", 0, 0, DV_CANCELLED);
}
