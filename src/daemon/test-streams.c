/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: a client of ours, the service, and a worker that reads and writes. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/containerd/streaming.pb-c.h"
#include "api/containerd/transfer-types.pb-c.h"
#include "api/google/protobuf/any.pb-c.h"
#include "base/test.h"
#include "daemon-private.h"
#include "rpc/pb.h"
#include "services.h"
#include "streams.h"
#include "sys/sock.h"

typedef Google__Protobuf__Any any_msg;
typedef Containerd__Types__Transfer__Data data_msg;
typedef Containerd__Types__Transfer__WindowUpdate window_msg;

static uv_loop_t loop;
static struct daemon d;
static struct grpc_client *c;
static char dir[] = "/tmp/davit-streams-XXXXXX";
static char path[64];
static bool is_closed;

struct client {
	struct grpc_stream *st;
	size_t n_messages, n_bytes, n_window;
	char last[128];
	bool is_over, is_ready;
	enum dv_code code;
	int64_t credit; /* we may send */
	size_t to_send;
	bool is_ended;
};

/* ---- The worker's work ---- */

struct work {
	struct stream *st;
	struct dv_err *e;
	size_t n;
	size_t limit; /* of bytes to write */
	uint64_t timeout_ns;
	char type[128];
	bool is_done;
};

static void work_done(void *arg)
{
	((struct work *)arg)->is_done = true;
}

static void read_all(void *arg)
{
	static uint8_t buf[100000];
	struct work *w = arg;
	size_t n;

	while (!(w->e = stream_read(w->st, buf, sizeof(buf), &n)) && n) {
		for (size_t i = 0; i < n; i++)
			cr_assert(buf[i] == (uint8_t)((w->n + i) % 251));
		w->n += n;
	}
	w->st = stream_close(w->st);
}

static void write_all(void *arg)
{
	static uint8_t buf[100000];
	struct work *w = arg;

	while (w->n < w->limit && !w->e) {
		size_t n = DV_MIN(sizeof(buf), w->limit - w->n);

		w->e = stream_write(w->st, buf, n);
		w->n += n;
	}
	w->st = stream_close(w->st);
}

static void receive_one(void *arg)
{
	struct work *w = arg;
	struct dv_arena arena;
	struct meta_any any = { 0 };

	dv_arena_init(&arena);
	w->e = stream_receive(w->st, w->timeout_ns, &arena, &any);
	if (!w->e)
		snprintf(w->type, sizeof(w->type), "%s %.*s", any.type_url ? any.type_url : "(end)",
			 (int)any.n_value, any.value ? (const char *)any.value : "");
	dv_arena_fini(&arena);
}

/* ---- The client's side ---- */

static void wait_for(bool (*fn)(const void *), const void *arg)
{
	uint64_t end = uv_hrtime() + UINT64_C(10000000000);

	while (!fn(arg)) {
		uv_run(&loop, UV_RUN_NOWAIT);
		cr_assert(uv_hrtime() < end, "it never happened");
	}
}

static bool is_true(const void *arg)
{
	return *(const volatile bool *)arg;
}

static void send_any(struct client *cl, const char *type, const void *value, size_t n)
{
	any_msg any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)type;
	any.value = (ProtobufCBinaryData){ .data = (uint8_t *)value, .len = n };
	T_NULL(grpc_stream_send(cl->st, &any.base));
}

static void send_msg(struct client *cl, const ProtobufCMessage *msg)
{
	struct dv_arena arena;
	ProtobufCBinaryData b;

	dv_arena_init(&arena);
	b = pb_pack_arena(msg, &arena);
	send_any(cl, pb_any_url(msg), b.data, b.len);
	dv_arena_fini(&arena);
}

static void send_data(struct client *cl, size_t n)
{
	static uint8_t buf[32 << 10];
	data_msg m = CONTAINERD__TYPES__TRANSFER__DATA__INIT;

	for (size_t i = 0; i < n; i++)
		buf[i] = (uint8_t)((cl->n_bytes + i) % 251);
	m.data = (ProtobufCBinaryData){ .data = buf, .len = n };
	send_msg(cl, &m.base);
	cl->n_bytes += n;
}

static void send_more(struct client *cl)
{
	while (cl->to_send && cl->credit > 0) {
		size_t n = DV_MIN(DV_MIN(cl->to_send, (size_t)32 << 10), (size_t)cl->credit);

		send_data(cl, n);
		cl->to_send -= n;
		cl->credit -= (int64_t)n;
		if (!cl->to_send) {
			grpc_stream_end(cl->st);
			cl->is_ended = true;
		}
	}
}

static void client_data(void *arg, const ProtobufCMessage *msg)
{
	const any_msg *any = (const void *)msg;
	struct client *cl = arg;
	struct dv_arena arena;
	ProtobufCMessage *m;

	dv_arena_init(&arena);
	cl->n_messages++;
	cl->is_ready = true;
	snprintf(cl->last, sizeof(cl->last), "%s", any->type_url);
	if (pb_any_is(any->type_url, &containerd__types__transfer__data__descriptor)) {
		T_NULL(pb_unpack(&containerd__types__transfer__data__descriptor, any->value.data,
				 any->value.len, &arena, 0, &m));
		cl->n_bytes += ((data_msg *)m)->data.len;
		T_INT(((data_msg *)m)->data.len, <=, 32 << 10);
	} else if (pb_any_is(any->type_url,
			     &containerd__types__transfer__window_update__descriptor)) {
		T_NULL(pb_unpack(&containerd__types__transfer__window_update__descriptor,
				 any->value.data, any->value.len, &arena, 0, &m));
		cl->credit += ((window_msg *)m)->update;
		send_more(cl);
	}
	dv_arena_fini(&arena);
	grpc_stream_next(cl->st);
}

static void client_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct client *cl = arg;

	(void)reply;
	cl->is_over = true;
	cl->is_ready = true;
	cl->code = take_e ? dv_err_code(take_e) : 0;
	snprintf(cl->last, sizeof(cl->last), "%s", take_e ? dv_err_message(take_e) : "");
	dv_err_free(take_e);
}

/* Opens a stream and waits for the daemon's answer. */
static void client_open(struct client *cl, const char *id)
{
	Containerd__Services__Streaming__V1__StreamInit init =
		CONTAINERD__SERVICES__STREAMING__V1__STREAM_INIT__INIT;
	static const struct grpc_metadata ns = { "containerd-namespace", "default" };
	struct grpc_stream_opts o = {
		.request = { .service = "containerd.services.streaming.v1.Streaming",
			     .method = "Stream",
			     .reply = &google__protobuf__any__descriptor,
			     .metadata = &ns,
			     .n_metadata = 1 },
		.is_client_stream = true,
		.is_server_stream = true,
		.data = client_data,
		.result = client_result,
		.arg = cl,
	};

	*cl = (struct client){ 0 };
	cl->st = grpc_client_stream(c, &o);
	init.id = (char *)id;
	send_msg(cl, &init.base);
	wait_for(is_true, &cl->is_ready);
}

static void server_closed(void *arg)
{
	(void)arg;
	is_closed = true;
}

static void setup(void)
{
	struct grpc_server_opts opts = { .loop = &loop };
	struct io_work_pool_opts pool = { .loop = &loop, .name = "test", .max_threads = 4 };
	struct grpc_listen_opts l = { .take_fd = sys_unix_socket() };
	struct grpc_client_opts co = { .loop = &loop, .path = path };

	uv_loop_init(&loop);
	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	cr_assert(sys_unix_bind(l.take_fd, path, 0600) == 0);
	cr_assert(sys_listen(l.take_fd, 16) == 0);
	d.loop = &loop;
	T_NULL(io_work_pool_new(&pool, &d.fast));
	T_NULL(grpc_server_new(&opts, &d.server));
	d.streams = streams_new(&d);
	grpc_server_add(d.server, &daemon_streaming_service, &d);
	T_NULL(grpc_server_listen(d.server, &l));
	c = grpc_client_new(&co);
}

static void teardown(void)
{
	c = grpc_client_free(c);
	grpc_server_close(d.server, 0, server_closed, NULL);
	wait_for(is_true, &is_closed);
	d.fast = io_work_pool_free(d.fast);
	d.streams = streams_free(d.streams);
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&loop), ==, 0);
	unlink(path);
	rmdir(dir);
}

TestSuite(streams, .init = setup, .fini = teardown);

Test(streams, opened_by_id)
{
	struct stream *st = NULL;
	static struct client cl, other;
	struct dv_err *e;

	client_open(&cl, "a");
	T_STR(cl.last, "google.protobuf.Empty");
	T_NULL(stream_open(d.streams, "default", "a", &st));
	e = stream_open(d.streams, "k8s.io", "a", &(struct stream *){ NULL });
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
	client_open(&other, "a");
	T_INT(other.code, ==, DV_EXISTS);
	st = stream_close(st);
	wait_for(is_true, &cl.is_over);
	T_INT(cl.code, ==, 0);
	client_open(&cl, "a"); /* free again */
	T_STR(cl.last, "google.protobuf.Empty");
}

Test(streams, needs_a_name)
{
	static struct client cl;

	client_open(&cl, "");
	T_INT(cl.code, ==, DV_INVALID);
}

/* An import: much more than the window, and all of it arrives in order. */
Test(streams, bytes_in)
{
	static struct work w = { 0 };
	static struct client cl;

	client_open(&cl, "in");
	T_NULL(stream_open(d.streams, "default", "in", &w.st));
	cl.to_send = (20 << 20) + 17;
	io_work_submit(d.fast, read_all, work_done, &w);
	wait_for(is_true, &w.is_done);
	T_NULL(w.e);
	T_INT(w.n, ==, (20 << 20) + 17);
	wait_for(is_true, &cl.is_over);
	T_INT(cl.code, ==, 0);
}

/* An export, to a client whose credit is small. */
Test(streams, bytes_out)
{
	window_msg window = CONTAINERD__TYPES__TRANSFER__WINDOW_UPDATE__INIT;
	static struct work w = { .limit = 10 << 20 };
	static struct client cl;
	size_t seen = 0;

	client_open(&cl, "out");
	T_NULL(stream_open(d.streams, "default", "out", &w.st));
	io_work_submit(d.fast, write_all, work_done, &w);
	for (int i = 0; i < 50; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	T_INT(cl.n_bytes, ==, 0);
	while (!cl.is_over) {
		if (cl.n_bytes == seen) {
			window.update = 50000;
			seen += 50000;
			if (seen <= (10 << 20) + 50000)
				send_msg(&cl, &window.base);
		}
		uv_run(&loop, UV_RUN_NOWAIT);
		cr_assert(cl.n_bytes <= seen);
	}
	T_INT(cl.code, ==, 0);
	T_INT(cl.n_bytes, ==, 10 << 20);
	wait_for(is_true, &w.is_done);
	T_NULL(w.e);
}

Test(streams, messages)
{
	static struct work w = { 0 };
	static struct client cl;

	client_open(&cl, "m");
	T_NULL(stream_open(d.streams, "default", "m", &w.st));
	send_any(&cl, "x.Y", "hello", 5);
	io_work_submit(d.fast, receive_one, work_done, &w);
	wait_for(is_true, &w.is_done);
	T_NULL(w.e);
	T_STR(w.type, "x.Y hello");

	w.is_done = false;
	w.timeout_ns = 20000000;
	io_work_submit(d.fast, receive_one, work_done, &w);
	wait_for(is_true, &w.is_done);
	T_INT(dv_err_code(w.e), ==, DV_DEADLINE);
	w.e = dv_err_free(w.e);

	w.is_done = false;
	grpc_stream_end(cl.st);
	io_work_submit(d.fast, receive_one, work_done, &w);
	wait_for(is_true, &w.is_done);
	T_STR(w.type, "(end) ");
	w.st = stream_close(w.st);
	wait_for(is_true, &cl.is_over);
}

Test(streams, client_goes)
{
	static struct work w = { .limit = 1 << 20 };
	static struct client cl;

	client_open(&cl, "g");
	T_NULL(stream_open(d.streams, "default", "g", &w.st));
	io_work_submit(d.fast, write_all, work_done, &w);
	grpc_stream_cancel(cl.st);
	wait_for(is_true, &w.is_done);
	T_INT(dv_err_code(w.e), ==, DV_CANCELLED);
	dv_err_free(w.e);
}

Test(streams, interrupted)
{
	static struct work w = { 0 };
	static struct client cl;

	client_open(&cl, "i");
	T_NULL(stream_open(d.streams, "default", "i", &w.st));
	io_work_submit(d.fast, receive_one, work_done, &w);
	stream_interrupt(w.st);
	wait_for(is_true, &w.is_done);
	T_INT(dv_err_code(w.e), ==, DV_CANCELLED);
	dv_err_free(w.e);
	w.st = stream_close(w.st);
}

/* A client that keeps to no window is held back. */
Test(streams, flood)
{
	static struct work w = { 0 };
	static struct client cl;
	size_t n = 0;

	client_open(&cl, "f");
	T_NULL(stream_open(d.streams, "default", "f", &w.st));
	for (int i = 0; i < 3000; i++) {
		if (grpc_stream_is_writable(cl.st)) {
			send_data(&cl, 32 << 10);
			n++;
		}
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	T_INT(n, <, 100);
	grpc_stream_end(cl.st);
	io_work_submit(d.fast, read_all, work_done, &w);
	wait_for(is_true, &w.is_done);
	T_INT(w.n, ==, n * (32 << 10));
}
