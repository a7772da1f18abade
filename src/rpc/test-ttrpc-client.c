/* SPDX-License-Identifier: Apache-2.0 */
/* The client, against the server and against raw ones. */

#include <fcntl.h>

#include "test-rpc.h"

Test(ttrpc_client, calls)
{
	struct result got[3];
	struct ttrpc_client *c;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	call_state(c, "Echo", "hello", 0, &got[0]);
	call_state(c, "Fail", "c1", 0, &got[1]);
	call_state(c, "Nothing", "", 0, &got[2]);
	RUN_UNTIL(&rig.loop, got[0].is_there && got[1].is_there && got[2].is_there);
	T_INT(got[0].code, ==, 0);
	T_STR(got[0].text, "hello");
	T_INT(got[1].code, ==, DV_NOT_FOUND);
	T_STR(got[1].text, "container c1: not found");
	T_INT(got[2].code, ==, DV_UNIMPLEMENTED);
	T_STR(got[2].text, "method Nothing");
	T_INT(ttrpc_server_connections(rig.server), ==, 1);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_client, reply_of_no_interest)
{
	struct ttrpc_request r = { .service = "test.Service", .method = "Echo" };
	struct result got = { 0 };
	struct ttrpc_client *c;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	ttrpc_client_call(c, &r, result_set, &got);
	ttrpc_client_call(c, &r, NULL, NULL); /* not even the result */
	RUN_UNTIL(&rig.loop, got.is_there && rig.n_requests == 2);
	T_INT(got.code, ==, 0);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_client, many_in_flight)
{
	enum { N = 1000 };
	DV_CLEANUP(dv_freep) struct result *got = dv_alloc(N * sizeof(*got));
	struct ttrpc_client *c;
	size_t n_there = 0;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	for (int i = 0; i < N; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		call_state(c, "Echo", id, UINT64_C(60000000000), &got[i]);
	}
	RUN_UNTIL(&rig.loop, rig.n_requests == N && got[N - 1].is_there);
	for (int i = 0; i < N; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		n_there += got[i].is_there && dv_streq(got[i].text, id);
	}
	T_INT(n_there, ==, N);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_client, large_messages)
{
	DV_CLEANUP(dv_freep) char *id = dv_alloc(4000001);
	struct result got[2];
	struct ttrpc_client *c;
	struct rig rig;

	rig_init(&rig, NULL);
	memset(id, 'x', 4000000);
	c = ttrpc_client_new(&rig.loop, rig.path);
	call_state(c, "Echo", id, 0, &got[0]);
	RUN_UNTIL(&rig.loop, got[0].is_there);
	T_INT(got[0].code, ==, 0);
	T_INT(got[0].n_id, ==, 4000000);
	call_state(c, "Big", "4194304", 0, &got[0]);
	RUN_UNTIL(&rig.loop, got[0].is_there);
	T_INT(got[0].code, ==, DV_EXHAUSTED);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_client, request_that_is_too_long)
{
	DV_CLEANUP(dv_freep) char *id = dv_alloc(TTRPC_PAYLOAD_MAX + 1);
	struct ttrpc_client *c;
	struct result got;
	struct rig rig;

	memset(id, 'x', TTRPC_PAYLOAD_MAX);
	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	call_state(c, "Echo", id, 0, &got);
	RUN_UNTIL(&rig.loop, got.is_there);
	T_INT(got.code, ==, DV_EXHAUSTED);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_client, deadline)
{
	struct result got[3];
	struct ttrpc_client *c;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	call_state(c, "Hold", "", UINT64_C(60000000000), &got[0]);
	call_state(c, "Hold", "", 5000000, &got[1]);
	RUN_UNTIL(&rig.loop, got[1].is_there);
	T_INT(got[1].code, ==, DV_DEADLINE);
	T_FALSE(got[0].is_there);
	call_state(c, "Echo", "x", 0, &got[2]);
	RUN_UNTIL(&rig.loop, got[2].is_there && rig.n_cancelled == 1);
	T_STR(got[2].text, "x");
	rig_release(&rig); /* the late answer is nobody's */
	RUN_UNTIL(&rig.loop, got[0].is_there);
	T_INT(got[0].code, ==, 0);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

/* ---- Losing and finding the server ---- */

Test(ttrpc_client, nobody_listens)
{
	struct ttrpc_client *c;
	struct result got;
	uv_loop_t loop;

	uv_loop_init(&loop);
	c = ttrpc_client_new(&loop, "unix:///nonexistent/socket");
	call_state(c, "Echo", "x", 0, &got);
	RUN_UNTIL(&loop, got.is_there);
	T_INT(got.code, ==, DV_UNAVAILABLE);
	T_STR(got.text, "connect to /nonexistent/socket: no such file or directory");
	ttrpc_client_free(c);
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
}

Test(ttrpc_client, loss_and_return)
{
	struct ttrpc_client *c;
	struct result got[2];
	char path[64];
	struct rig rig;
	int fd, conn;

	rig_init(&rig, NULL);
	fd = rig_listen(path);
	c = ttrpc_client_new(&rig.loop, path);
	call_state(c, "Echo", "1", 0, &got[0]);
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	cr_assert(conn >= 0);
	close(conn);
	RUN_UNTIL(&rig.loop, got[0].is_there);
	T_INT(got[0].code, ==, DV_UNAVAILABLE);

	call_state(c, "Echo", "2", 0, &got[0]);
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	cr_assert(conn >= 0);
	/* Gone before the next call, and the loop has not seen it: that one goes elsewhere. */
	close(conn);
	call_state(c, "Echo", "3", 0, &got[1]);
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	cr_assert(conn >= 0);
	raw_send(&rig, conn, "\0\0\0\0\0\0\0\1\2\0", 10);
	RUN_UNTIL(&rig.loop, got[0].is_there && got[1].is_there);
	T_INT(got[0].code, ==, DV_UNAVAILABLE);
	T_INT(got[1].code, ==, 0);
	close(conn);
	close(fd);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

static void on_loss(void *arg)
{
	++*(unsigned *)arg;
}

/* An idle connection is watched as well. */
Test(ttrpc_client, loss_is_told)
{
	struct result got = { 0 };
	struct ttrpc_client *c;
	unsigned n_lost = 0;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	ttrpc_client_on_loss(c, on_loss, &n_lost);
	call_state(c, "Echo", "hello", 0, &got);
	RUN_UNTIL(&rig.loop, got.is_there);
	T_INT(n_lost, ==, 0);
	ttrpc_server_close(rig.server, NULL, NULL);
	rig.server = NULL;
	rig.is_closed = true;
	RUN_UNTIL(&rig.loop, n_lost > 0);
	T_INT(n_lost, ==, 1);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

/* A queue of one that is full: the call waits. */
Test(ttrpc_client, busy_listener)
{
	struct ttrpc_client *c;
	struct result got[2];
	char path[64];
	struct rig rig;
	int fd, conn, fill[8];

	rig_init(&rig, NULL);
	fd = rig_listen(path);
	cr_assert(listen(fd, 1) == 0);
	snprintf(rig.path, sizeof(rig.path), "%s", path);
	fill[0] = raw_connect(&rig);
	fill[1] = raw_connect(&rig);
	c = ttrpc_client_new(&rig.loop, path);
	call_state(c, "Echo", "1", 0, &got[0]);
	call_state(c, "Echo", "2", 30000000, &got[1]); /* does not wait as long */
	RUN_UNTIL(&rig.loop, got[1].is_there);
	T_INT(got[1].code, ==, DV_DEADLINE);
	T_FALSE(got[0].is_there);
	for (int i = 0; i < 2; i++) {
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		cr_assert(conn >= 0);
		close(conn);
		close(fill[i]);
	}
	cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	conn = -1;
	RUN_UNTIL(&rig.loop, conn >= 0 || (conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0);
	raw_send(&rig, conn, "\0\0\0\0\0\0\0\1\2\0", 10);
	RUN_UNTIL(&rig.loop, got[0].is_there);
	T_INT(got[0].code, ==, 0);
	close(conn);
	close(fd);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

/* ---- A hostile server ---- */

#define BYTES(s) s, sizeof(s) - 1

static const struct {
	const char *name, *bytes;
	size_t n;
	enum dv_code want;
} hostile[] = {
	{ "half a frame, then the end", BYTES("\0\0\0\4\0\0\0\1\2\0xx"), DV_UNAVAILABLE },
	{ "not a response", BYTES("\0\0\0\2\0\0\0\1\2\0\x0a\x05"), DV_INVALID },
	{ "a status cut off", BYTES("\0\0\0\3\0\0\0\1\2\0\x0a\x01\x08"), DV_INVALID },
	{ "a payload that is no message", BYTES("\0\0\0\4\0\0\0\1\2\0\x12\x02\x0a\x05"),
	  DV_INVALID },
	{ "data instead of a response", BYTES("\0\0\0\2\0\0\0\1\3\0\x0a\0"), DV_INTERNAL },
	{ "an unknown code", BYTES("\0\0\0\4\0\0\0\1\2\0\x0a\x02\x08\x63"), DV_UNKNOWN },
	{ "too long", BYTES("\x7f\0\0\0\0\0\0\1\2\0"), DV_EXHAUSTED },
	{ "other streams, requests, unknown types, then the end",
	  BYTES("\0\0\0\0\0\0\0\2\2\0\0\0\0\0\0\0\0\1\1\0\0\0\0\0\0\0\0\1\x63\0"
		"\0\0\0\0\xff\xff\xff\xff\3\5"),
	  DV_UNAVAILABLE },
};

Test(ttrpc_client, hostile_servers)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(hostile); i++) {
		struct ttrpc_client *c;
		struct result got;
		char path[64];
		struct rig rig;
		int fd, conn;

		rig_init(&rig, NULL);
		fd = rig_listen(path);
		c = ttrpc_client_new(&rig.loop, path);
		call_state(c, "Echo", "1", 0, &got);
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		cr_assert(conn >= 0);
		raw_send(&rig, conn, hostile[i].bytes, hostile[i].n);
		close(conn);
		close(fd);
		RUN_UNTIL(&rig.loop, got.is_there);
		cr_expect(got.code == hostile[i].want, "%s: %d %s", hostile[i].name, got.code,
			  got.text);
		ttrpc_client_free(c);
		rig_fini(&rig);
	}
}

/* The server takes nothing: calls fail one by one, memory stays bounded. */
Test(ttrpc_client, server_that_does_not_read)
{
	enum { N = 16 };
	DV_CLEANUP(dv_freep) char *id = dv_alloc(1000001);
	struct result got[N];
	struct ttrpc_client *c;
	char path[64];
	struct rig rig;
	int fd;

	memset(id, 'x', 1000000);
	rig_init(&rig, NULL);
	fd = rig_listen(path);
	c = ttrpc_client_new(&rig.loop, path);
	for (int i = 0; i < N; i++)
		call_state(c, "Echo", id, 0, &got[i]);
	RUN_UNTIL(&rig.loop, got[N - 1].is_there);
	T_INT(got[N - 1].code, ==, DV_EXHAUSTED);
	T_FALSE(got[0].is_there);
	ttrpc_client_free(c);
	T_INT(got[0].code, ==, DV_CANCELLED);
	close(fd);
	rig_fini(&rig);
}

/* ---- Freeing it ---- */

struct suicide {
	struct ttrpc_client *client;
	size_t n;
	enum dv_code last;
};

static void free_client(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct suicide *s = arg;

	(void)reply;
	s->n++;
	s->last = take_e ? dv_err_code(take_e) : 0;
	dv_err_free(take_e);
	s->client = ttrpc_client_free(s->client);
}

Test(ttrpc_client, freed_in_its_callback)
{
	static const char *const methods[] = { "Echo", "Fail", "Count" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(methods); i++) {
		struct ttrpc_request r = { .service = "test.Service", .method = methods[i] };
		struct suicide s = { 0 };
		struct rig rig;

		rig_init(&rig, NULL);
		s.client = ttrpc_client_new(&rig.loop, rig.path);
		ttrpc_client_call(s.client, &r, free_client, &s);
		ttrpc_client_call(s.client, &r, free_client, &s);
		RUN_UNTIL(&rig.loop, s.n == 2);
		T_INT(s.last, ==, DV_CANCELLED);
		rig_fini(&rig);
	}
	T_NULL(ttrpc_client_free(NULL));
}

/* ---- Streams ---- */

struct seen {
	char text[64];
	struct result result;
};

static void see(void *arg, const ProtobufCMessage *msg)
{
	const Containerd__Task__V2__StateResponse *m = (const void *)msg;
	struct seen *s = arg;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%s,", m->id);
}

static void seen_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct seen *s = arg;

	result_set(&s->result, take_e, reply);
}

static struct ttrpc_stream_opts stream_opts(const char *method, struct seen *s)
{
	return (struct ttrpc_stream_opts){
		.request = { .service = "test.Service",
			     .method = method,
			     .reply = &containerd__task__v2__state_response__descriptor },
		.data = see,
		.result = seen_result,
		.arg = s,
	};
}

Test(ttrpc_client, server_stream)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct seen s[2] = { 0 };
	struct ttrpc_stream_opts o[2] = { stream_opts("Count", &s[0]),
					  stream_opts("Count", &s[1]) };
	struct ttrpc_client *c;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	msg.id = (char *)"5";
	o[0].request.msg = &msg.base;
	o[0].is_server_stream = true;
	T_NOT_NULL(ttrpc_client_stream(c, &o[0]));
	o[1].is_server_stream = true; /* without a number: an error */
	T_NOT_NULL(ttrpc_client_stream(c, &o[1]));
	RUN_UNTIL(&rig.loop, s[0].result.is_there && s[1].result.is_there);
	T_STR(s[0].text, "1,2,3,4,5,");
	T_INT(s[0].result.code, ==, 0);
	T_STR(s[1].text, "");
	T_INT(s[1].result.code, ==, DV_INVALID);
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_client, client_stream)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct seen s = { 0 };
	struct ttrpc_stream_opts o = stream_opts("Collect", &s);
	struct ttrpc_stream *st;
	struct ttrpc_client *c;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	o.is_client_stream = true;
	st = ttrpc_client_stream(c, &o);
	for (int i = 0; i < 3; i++) {
		msg.id = (char[]){ (char)('a' + i), 0 };
		T_NULL(ttrpc_stream_send(st, &msg.base));
	}
	ttrpc_stream_end(st);
	RUN_UNTIL(&rig.loop, s.result.is_there);
	T_INT(s.result.code, ==, 0);
	T_STR(s.result.text, "abc|");
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_client, stream_without_a_server)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct seen s = { 0 };
	struct ttrpc_stream_opts o = stream_opts("Collect", &s);
	struct ttrpc_stream *st;
	struct ttrpc_client *c;
	struct dv_err *e;
	uv_loop_t loop;

	uv_loop_init(&loop);
	c = ttrpc_client_new(&loop, "/nonexistent");
	o.is_client_stream = true;
	st = ttrpc_client_stream(c, &o);
	e = ttrpc_stream_send(st, &msg.base);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_CANCELLED);
	dv_err_free(e);
	ttrpc_stream_end(st);
	RUN_UNTIL(&loop, s.result.is_there);
	T_INT(s.result.code, ==, DV_UNAVAILABLE);
	ttrpc_client_free(c);
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
}
