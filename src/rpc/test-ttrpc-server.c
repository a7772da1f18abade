/* SPDX-License-Identifier: Apache-2.0 */
/* The server against raw peers. */

#include <errno.h>
#include <fcntl.h>

#include "sys/file.h"
#include "test-rpc.h"

Test(ttrpc_server, answers)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Echo", "hello");
	raw_expect(&rig, fd, 1, 0, NULL);
	raw_request(&rig, fd, 3, "Fail", "c1");
	raw_expect(&rig, fd, 3, DV_NOT_FOUND, "container c1: not found");
	T_INT(ttrpc_server_calls(rig.server), ==, 0);
	T_INT(ttrpc_server_connections(rig.server), ==, 1);
	close(fd);
	rig_fini(&rig);
}

/* containerd tells by these what a shim cannot do. */
Test(ttrpc_server, unknown_methods)
{
	struct ttrpc_request r = { .service = "no.Service", .method = "Echo" };
	struct ttrpc_chunk *c = NULL;
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Nothing", "");
	raw_expect(&rig, fd, 1, DV_UNIMPLEMENTED, "method Nothing");
	T_NULL(ttrpc_request_chunk(&r, 0, &c));
	ttrpc_chunk_set_stream(c, 3);
	raw_send(&rig, fd, c->data, c->n);
	free(c);
	raw_expect(&rig, fd, 3, DV_UNIMPLEMENTED, "service no.Service");
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, calls_do_not_wait_for_each_other)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Hold", "");
	raw_request(&rig, fd, 3, "Hold", "");
	raw_request(&rig, fd, 5, "Echo", "x");
	raw_expect(&rig, fd, 5, 0, NULL);
	T_INT(ttrpc_server_calls(rig.server), ==, 2);
	T_FALSE(ttrpc_call_is_cancelled(rig.held[0]));
	ttrpc_reply(rig.held[1], NULL);
	raw_expect(&rig, fd, 3, 0, NULL);
	ttrpc_fail(rig.held[0], dv_err_new(DV_ABORTED, "enough"));
	raw_expect(&rig, fd, 1, DV_ABORTED, "enough");
	rig.n_held = 0;
	T_INT(rig.n_cancelled, ==, 0);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, byte_by_byte)
{
	struct ttrpc_request r = { .service = "test.Service", .method = "Echo" };
	struct ttrpc_chunk *c = NULL;
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	T_NULL(ttrpc_request_chunk(&r, 0, &c));
	ttrpc_chunk_set_stream(c, 1);
	for (size_t i = 0; i < c->n; i++)
		raw_send(&rig, fd, c->data + i, 1);
	free(c);
	raw_expect(&rig, fd, 1, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, stream_ids)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 2, "Echo", "");
	raw_expect(&rig, fd, 2, DV_INVALID, "StreamID must be odd for client initiated streams");
	raw_request(&rig, fd, 5, "Echo", "");
	raw_expect(&rig, fd, 5, 0, NULL);
	raw_request(&rig, fd, 5, "Echo", "");
	raw_expect(&rig, fd, 5, DV_INVALID, "StreamID cannot be re-used and must increment");
	raw_request(&rig, fd, 3, "Echo", "");
	raw_expect(&rig, fd, 3, DV_INVALID, "StreamID cannot be re-used and must increment");
	raw_send(&rig, fd, "\0\0\0\0\0\0\0\7\3\5", 10);
	raw_expect(&rig, fd, 7, DV_INVALID, "StreamID is no longer active");
	raw_send(&rig, fd, "\0\0\0\2\0\0\0\7\x63\0hi", 12); /* of an unknown type */
	raw_request(&rig, fd, 7, "Echo", "");
	raw_expect(&rig, fd, 7, 0, NULL);
	T_INT(rig.n_requests, ==, 2);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, bad_requests)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_send(&rig, fd, "\0\0\0\2\0\0\0\1\1\0\x0a\x05", 12);
	raw_expect(&rig, fd, 1, DV_INVALID, "request: malformed or cut off");
	raw_request(&rig, fd, 3, "Echo", "\xff");
	raw_expect(&rig, fd, 3, DV_INVALID,
		   "containerd.task.v2.StateRequest: field id: not UTF-8 text");
	raw_send(&rig, fd, "\0\0\0\0\0\0\0\5\1\0", 10);
	raw_expect(&rig, fd, 5, DV_UNIMPLEMENTED, "service ");
	T_INT(rig.n_requests, ==, 0);
	T_INT(ttrpc_server_calls(rig.server), ==, 0);
	raw_request(&rig, fd, 7, "Echo", "still here");
	raw_expect(&rig, fd, 7, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, too_long_is_refused_and_life_goes_on)
{
	enum { N = TTRPC_PAYLOAD_MAX + 1 };
	DV_CLEANUP(dv_freep) uint8_t *bytes = dv_alloc(TTRPC_HEADER + (size_t)N);
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	memcpy(bytes, "\x00\x40\x00\x01\0\0\0\1\1\0", 10);
	raw_send(&rig, fd, bytes, TTRPC_HEADER + (size_t)N);
	raw_expect(&rig, fd, 1, DV_EXHAUSTED,
		   "message length 4194305 exceed maximum message size of 4194304");
	raw_request(&rig, fd, 3, "Echo", "x");
	raw_expect(&rig, fd, 3, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, reply_that_is_too_long)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Big", "4194304");
	raw_expect(&rig, fd, 1, DV_EXHAUSTED, NULL);
	close(fd);
	rig_fini(&rig);
}

/* ---- Time ---- */

static void request_with_timeout(struct rig *rig, int fd, uint32_t stream, const char *method,
				 uint64_t timeout_ns)
{
	struct ttrpc_request r = { .service = "test.Service",
				   .method = method,
				   .timeout_ns = timeout_ns };
	struct ttrpc_chunk *c = NULL;

	T_NULL(ttrpc_request_chunk(&r, 0, &c));
	ttrpc_chunk_set_stream(c, stream);
	raw_send(rig, fd, c->data, c->n);
	free(c);
}

Test(ttrpc_server, deadline)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	request_with_timeout(&rig, fd, 1, "Hold", 3600 * UINT64_C(1000000000));
	request_with_timeout(&rig, fd, 3, "Hold", 5000000);
	raw_expect(&rig, fd, 3, DV_DEADLINE, "context deadline exceeded");
	request_with_timeout(&rig, fd, 5, "Hold", 1000000);
	raw_expect(&rig, fd, 5, DV_DEADLINE, "context deadline exceeded");
	request_with_timeout(&rig, fd, 7, "Hold", 0);
	raw_request(&rig, fd, 9, "Echo", "");
	raw_expect(&rig, fd, 9, 0, NULL);
	T_INT(rig.n_cancelled, ==, 2);
	T_TRUE(ttrpc_call_deadline(rig.held[0]) > uv_hrtime());
	T_TRUE(ttrpc_call_is_cancelled(rig.held[1]));
	T_TRUE(ttrpc_call_is_cancelled(rig.held[2]));
	T_INT(ttrpc_call_deadline(rig.held[3]), ==, 0);
	/* The handlers' own answers come too late and are dropped. */
	rig_release(&rig);
	raw_expect(&rig, fd, 7, 0, NULL);
	raw_expect(&rig, fd, 1, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, deadline_before_now)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	/* -1 is not what ttrpc_request can say. */
	raw_send(&rig, fd,
		 "\0\0\0\x1f\0\0\0\1\1\0"
		 "\x0a\x0ctest.Service\x12\x04Hold\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		 10 + 31);
	raw_expect(&rig, fd, 1, DV_DEADLINE, "context deadline exceeded");
	T_INT(rig.n_requests, ==, 0);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, loss_cancels)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Hold", "");
	raw_request(&rig, fd, 3, "Hold", "");
	RUN_UNTIL(&rig.loop, rig.n_held == 2);
	ttrpc_call_on_cancel(rig.held[1], NULL, NULL);
	close(fd);
	RUN_UNTIL(&rig.loop, rig.n_cancelled == 1);
	T_INT(ttrpc_server_connections(rig.server), ==, 0);
	T_TRUE(ttrpc_call_is_cancelled(rig.held[1]));
	T_INT(ttrpc_server_calls(rig.server), ==, 2);
	rig_release(&rig);
	T_INT(ttrpc_server_calls(rig.server), ==, 0);
	rig_fini(&rig);
}

/* As Go's: who says that nothing more will come has gone. */
Test(ttrpc_server, half_close_ends_the_connection)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Echo", "");
	raw_expect(&rig, fd, 1, 0, NULL);
	raw_request(&rig, fd, 3, "Hold", "");
	RUN_UNTIL(&rig.loop, rig.n_held == 1);
	shutdown(fd, SHUT_WR);
	RUN_UNTIL(&rig.loop, rig.n_cancelled == 1);
	T_TRUE(raw_is_closed(&rig, fd));
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, cut_off_in_the_middle)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	for (size_t n = 1; n < 14; n++) {
		fd = raw_connect(&rig);
		raw_send(&rig, fd, "\0\0\0\4\0\0\0\1\1\0\x0a\x02xy", n);
		close(fd);
		RUN_UNTIL(&rig.loop, ttrpc_server_connections(rig.server) == 0);
	}
	T_INT(rig.n_requests, ==, 0);
	rig_fini(&rig);
}

/* ---- Metadata, streams ---- */

Test(ttrpc_server, metadata)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	static const struct ttrpc_metadata md[] = { { "a", "1" }, { "b", "2" }, { "b", "3" } };
	struct ttrpc_request r = { .service = "test.Service",
				   .method = "Meta",
				   .msg = &msg.base,
				   .reply = &containerd__task__v2__state_response__descriptor,
				   .metadata = md,
				   .n_metadata = DV_ARRAY_SIZE(md) };
	struct result got[2] = { 0 };
	struct ttrpc_client *c;
	struct rig rig;

	rig_init(&rig, NULL);
	c = ttrpc_client_new(&rig.loop, rig.path);
	msg.id = (char *)"b";
	ttrpc_client_call(c, &r, result_set, &got[0]);
	msg.id = (char *)"c";
	ttrpc_client_call(c, &r, result_set, &got[1]);
	RUN_UNTIL(&rig.loop, got[0].is_there && got[1].is_there);
	T_STR(got[0].text, "2");
	T_STR(got[1].text, "(none)");
	ttrpc_client_free(c);
	rig_fini(&rig);
}

Test(ttrpc_server, client_stream_by_frames)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Collect", "a");
	raw_send(&rig, fd,
		 "\0\0\0\3\0\0\0\1\3\0\x0a\x01"
		 "b",
		 13);
	raw_send(&rig, fd, "\0\0\0\0\0\0\0\1\3\4", 10); /* no data, not the end */
	raw_send(&rig, fd, "\0\0\0\2\0\0\0\1\3\0\x0a\x05", 12); /* not a message */
	raw_expect(&rig, fd, 1, DV_INVALID, NULL);
	raw_send(&rig, fd,
		 "\0\0\0\3\0\0\0\1\3\1\x0a\x01"
		 "c",
		 13); /* data and the end */
	raw_expect(&rig, fd, 1, 0, NULL);
	T_STR(rig.data, "abc|");
	raw_send(&rig, fd, "\0\0\0\0\0\0\0\1\3\5", 10);
	raw_expect(&rig, fd, 1, DV_INVALID, "StreamID is no longer active");
	/* Data for a method without a stream. */
	raw_request(&rig, fd, 3, "Hold", "");
	raw_send(&rig, fd, "\0\0\0\0\0\0\0\3\3\5", 10);
	raw_expect(&rig, fd, 3, DV_INVALID, "StreamID is no longer active");
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, server_stream_by_frames)
{
	struct ttrpc_frame f = { 0 };
	uint8_t payload[64];
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Count", "2");
	for (int i = 0; i < 2; i++) {
		T_TRUE(raw_frame(&rig, fd, &f, payload, sizeof(payload)));
		T_INT(f.type, ==, TTRPC_DATA);
		T_INT(f.flags, ==, 0);
		T_INT(f.length, ==, 3);
	}
	T_TRUE(raw_frame(&rig, fd, &f, payload, sizeof(payload)));
	T_INT(f.type, ==, TTRPC_DATA);
	T_INT(f.flags, ==, TTRPC_REMOTE_CLOSED | TTRPC_NO_DATA);
	raw_request(&rig, fd, 3, "Count", "x");
	raw_expect(&rig, fd, 3, DV_INVALID, "not a number");
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, bad_descriptor)
{
	struct ttrpc_server *s = NULL;
	uv_loop_t loop;
	struct dv_err *e;

	uv_loop_init(&loop);
	e = ttrpc_server_new(&(struct ttrpc_server_opts){ .loop = &loop, .listen_fd = -1 }, &s);
	T_NOT_NULL(e);
	T_NULL(s);
	dv_err_free(e);
	/* No epoll for files. */
	e = ttrpc_server_new(
		&(struct ttrpc_server_opts){
			.loop = &loop, .listen_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC) },
		&s);
	T_NOT_NULL(e);
	T_NULL(s);
	dv_err_free(e);
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
}

/* ---- Close ---- */

Test(ttrpc_server, close_from_within_a_call)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Hold", "");
	raw_request(&rig, fd, 3, "Close", "bye");
	raw_expect(&rig, fd, 3, 0, NULL); /* the reply left before the end */
	RUN_UNTIL(&rig.loop, rig.is_closed);
	T_INT(rig.n_cancelled, ==, 1);
	T_TRUE(raw_is_closed(&rig, fd));
	close(fd);
	rig_fini(&rig); /* ends the held call behind the server's end */
}

Test(ttrpc_server, close_flushes)
{
	enum { N = 1000000 };
	DV_CLEANUP(dv_freep) uint8_t *payload = dv_alloc(N + 64);
	struct ttrpc_frame f = { 0 };
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Big", "1000000");
	RUN_UNTIL(&rig.loop, rig.n_requests == 1);
	rig.held[0] = NULL;
	ttrpc_server_close(rig.server, NULL, NULL);
	rig.server = NULL;
	T_TRUE(raw_frame(&rig, fd, &f, payload, N + 64));
	T_INT(f.length, >, N);
	rig.is_closed = true;
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	T_TRUE(raw_is_closed(&rig, fd));
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_server, close_does_not_wait_for_ever)
{
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Big", "1000000");
	RUN_UNTIL(&rig.loop, rig.n_requests == 1);
	rig_fini(&rig); /* the peer reads nothing */
	close(fd);
}
