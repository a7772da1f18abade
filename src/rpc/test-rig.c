/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this directory share. See test-rpc.h. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "test-rpc.h"

static const ProtobufCMessageDescriptor *const state_request =
	&containerd__task__v2__state_request__descriptor;

static void cancelled(void *arg)
{
	struct rig *rig = arg;

	rig->n_cancelled++;
}

static void do_echo(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Containerd__Task__V2__StateRequest *r = (const void *)req;
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	struct rig *rig = arg;

	rig->n_requests++;
	reply.id = r->id;
	ttrpc_reply(call, &reply.base);
}

static void do_hold(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct rig *rig = arg;

	(void)req;
	rig->n_requests++;
	if (rig->n_held == HELD_MAX) {
		ttrpc_fail(call, dv_err_new(DV_EXHAUSTED, "enough"));
		return;
	}
	rig->held[rig->n_held++] = call;
	ttrpc_call_on_cancel(call, cancelled, rig);
}

static void do_fail(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Containerd__Task__V2__StateRequest *r = (const void *)req;

	(void)arg;
	ttrpc_fail(call, dv_err_new(DV_NOT_FOUND, "container %s: not found", r->id));
}

/* Answers with as many bytes as the id says. */
static void do_big(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Containerd__Task__V2__StateRequest *r = (const void *)req;
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	struct rig *rig = arg;
	uint32_t n;

	rig->n_requests++;
	if (!dv_parse_u32(r->id, &n))
		n = 0;
	reply.id = dv_arena_alloc(ttrpc_call_arena(call), n + 1);
	memset(reply.id, 'x', n);
	ttrpc_reply(call, &reply.base);
}

static void do_meta(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Containerd__Task__V2__StateRequest *r = (const void *)req;
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	const char *value = ttrpc_call_metadata(call, r->id);

	(void)arg;
	reply.id = dv_arena_strdup(ttrpc_call_arena(call), value ? value : "(none)");
	reply.bundle = dv_arena_printf(ttrpc_call_arena(call), "%s/%s", ttrpc_call_service(call),
				       ttrpc_call_method(call));
	ttrpc_reply(call, &reply.base);
}

/* A server's stream: 1, 2, 3. */
static void do_count(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	Containerd__Task__V2__StateResponse msg = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	const Containerd__Task__V2__StateRequest *r = (const void *)req;
	struct dv_err *e = NULL;
	uint32_t n;

	(void)arg;
	if (!dv_parse_u32(r->id, &n)) {
		ttrpc_fail(call, dv_err_new(DV_INVALID, "not a number"));
		return;
	}
	for (uint32_t i = 1; i <= n && !e; i++) {
		msg.id = dv_arena_printf(ttrpc_call_arena(call), "%u", i);
		e = ttrpc_send(call, &msg.base);
	}
	if (e)
		ttrpc_fail(call, e);
	else
		ttrpc_reply(call, NULL);
}

struct collected {
	struct rig *rig;
	struct ttrpc_call *call;
};

/* A client's stream: the ids, joined. */
static void collect(void *arg, const ProtobufCMessage *msg)
{
	const Containerd__Task__V2__StateRequest *r = (const void *)msg;
	Containerd__Task__V2__StateResponse reply = CONTAINERD__TASK__V2__STATE_RESPONSE__INIT;
	struct collected *c = arg;
	size_t n = strlen(c->rig->data);

	snprintf(c->rig->data + n, sizeof(c->rig->data) - n, "%s", msg ? r->id : "|");
	if (msg)
		return;
	reply.id = c->rig->data;
	ttrpc_reply(c->call, &reply.base);
}

static void collect_cancelled(void *arg)
{
	struct collected *c = arg;

	ttrpc_fail(c->call, dv_err_new(DV_CANCELLED, "nobody reads this"));
}

static void do_collect(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct collected *c = dv_arena_new(ttrpc_call_arena(call), struct collected);

	T_NULL((void *)req);
	*c = (struct collected){ .rig = arg, .call = call };
	ttrpc_call_on_data(call, collect, c);
	ttrpc_call_on_cancel(call, collect_cancelled, c);
}

static void do_close(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg);

static const struct ttrpc_method methods[] = {
	{ .name = "Echo", .request = state_request, .fn = do_echo },
	{ .name = "Hold", .request = state_request, .fn = do_hold },
	{ .name = "Fail", .request = state_request, .fn = do_fail },
	{ .name = "Big", .request = state_request, .fn = do_big },
	{ .name = "Meta", .request = state_request, .fn = do_meta },
	{ .name = "Close", .request = state_request, .fn = do_close },
	{ .name = "Count", .request = state_request, .fn = do_count, .is_server_stream = true },
	{ .name = "Collect", .request = state_request, .fn = do_collect, .is_client_stream = true },
};

static const struct ttrpc_service service = { .name = "test.Service",
					      .methods = methods,
					      .n_methods = DV_ARRAY_SIZE(methods) };

static void closed(void *arg)
{
	struct rig *rig = arg;

	rig->is_closed = true;
}

static void do_close(struct ttrpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct rig *rig = arg;

	do_echo(call, req, rig);
	ttrpc_server_close(rig->server, closed, rig);
	rig->server = NULL;
}

int rig_listen(char path[64])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(sa.sun_family);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0);
	cr_assert(bind(fd, (struct sockaddr *)&sa, n) == 0); /* the kernel finds a name */
	n = sizeof(sa);
	cr_assert(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
	cr_assert(listen(fd, 64) == 0);
	snprintf(path, 64, "@%.*s", (int)(n - sizeof(sa.sun_family) - 1), sa.sun_path + 1);
	return fd;
}

void rig_init(struct rig *rig, const struct ttrpc_server_opts *opts)
{
	struct ttrpc_server_opts o = opts ? *opts : (struct ttrpc_server_opts){ .uid = getuid() };

	*rig = (struct rig){ 0 };
	uv_loop_init(&rig->loop);
	o.loop = &rig->loop;
	o.listen_fd = rig_listen(rig->path);
	T_NULL(ttrpc_server_new(&o, &rig->server));
	ttrpc_server_add(rig->server, &service, rig);
}

void rig_release(struct rig *rig)
{
	while (rig->n_held)
		ttrpc_reply(rig->held[--rig->n_held], NULL);
}

void rig_fini(struct rig *rig)
{
	if (rig->server)
		ttrpc_server_close(rig->server, closed, rig);
	RUN_UNTIL(&rig->loop, rig->is_closed);
	rig_release(rig);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&rig->loop), ==, 0);
}

static uv_timer_t ticker;

static void tick(uv_timer_t *timer)
{
	(void)timer;
}

void rig_tick_start(uv_loop_t *loop)
{
	uv_timer_init(loop, &ticker);
	uv_timer_start(&ticker, tick, 2, 2);
}

void rig_tick_stop(uv_loop_t *loop)
{
	uv_close((uv_handle_t *)&ticker, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
}

int raw_connect(const struct rig *rig)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = strlen(rig->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(sa.sun_path + 1, rig->path + 1, n - 1);
	cr_assert(connect(fd, (struct sockaddr *)&sa,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == 0);
	return fd;
}

void raw_send(struct rig *rig, int fd, const void *p, size_t n)
{
	const char *bytes = p;

	while (n) {
		ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return;
		}
		uv_run(&rig->loop, UV_RUN_NOWAIT);
	}
}

void raw_request(struct rig *rig, int fd, uint32_t stream, const char *method, const char *id)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct ttrpc_request r = { .service = "test.Service", .method = method, .msg = &msg.base };
	DV_CLEANUP(dv_freep) struct ttrpc_chunk *chunk = NULL;

	msg.id = (char *)id;
	T_NULL(ttrpc_request_chunk(&r, 0, &chunk));
	ttrpc_chunk_set_stream(chunk, stream);
	raw_send(rig, fd, chunk->data, chunk->n);
}

/* False at the end. */
static bool raw_read(struct rig *rig, int fd, void *p, size_t n)
{
	uint64_t end = uv_hrtime() + UINT64_C(10000000000);
	uint8_t *bytes = p;

	while (n) {
		ssize_t got = recv(fd, bytes, n, 0);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got > 0) {
			bytes += got;
			n -= (size_t)got;
		}
		uv_run(&rig->loop, UV_RUN_NOWAIT);
		cr_assert(uv_hrtime() < end, "nothing came");
	}
	return true;
}

bool raw_frame(struct rig *rig, int fd, struct ttrpc_frame *ret, uint8_t *payload, size_t size)
{
	uint8_t h[TTRPC_HEADER];

	if (!raw_read(rig, fd, h, sizeof(h)))
		return false;
	*ret = (struct ttrpc_frame){ .length = (uint32_t)h[0] << 24 | h[1] << 16 | h[2] << 8 | h[3],
				     .stream = (uint32_t)h[4] << 24 | h[5] << 16 | h[6] << 8 | h[7],
				     .type = h[8],
				     .flags = h[9],
				     .payload = payload };
	cr_assert(ret->length <= size);
	return raw_read(rig, fd, payload, ret->length);
}

void raw_expect(struct rig *rig, int fd, uint32_t stream, unsigned code, const char *text)
{
	struct ttrpc_response_msg msg = { 0 };
	struct ttrpc_frame frame = { 0 };
	uint8_t payload[8192];

	cr_assert(raw_frame(rig, fd, &frame, payload, sizeof(payload)), "connection was closed");
	T_INT(frame.type, ==, TTRPC_RESPONSE);
	T_INT(frame.stream, ==, stream);
	T_NULL(ttrpc_response_parse(payload, frame.length, &msg));
	T_INT(msg.code, ==, code);
	if (text) {
		DV_CLEANUP(dv_freep)
		char *got = dv_strndup(msg.message.n ? (const char *)msg.message.bytes : "",
				       msg.message.n);

		T_STR(got, text);
	}
}

bool raw_is_closed(struct rig *rig, int fd)
{
	char byte;
	ssize_t n;

	uv_run(&rig->loop, UV_RUN_NOWAIT);
	n = recv(fd, &byte, 1, MSG_PEEK);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

void result_set(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	const Containerd__Task__V2__StateResponse *msg = (const void *)reply;
	struct result *r = arg;

	T_FALSE(r->is_there);
	*r = (struct result){ .is_there = true, .code = take_e ? dv_err_code(take_e) : 0 };
	if (take_e)
		snprintf(r->text, sizeof(r->text), "%s", dv_err_message(take_e));
	else if (msg)
		snprintf(r->text, sizeof(r->text), "%s", msg->id);
	r->n_id = msg ? strlen(msg->id) : 0;
	dv_err_free(take_e);
}

void call_state(struct ttrpc_client *c, const char *method, const char *id, uint64_t timeout_ns,
		struct result *ret)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct ttrpc_request r = { .service = "test.Service",
				   .method = method,
				   .msg = &msg.base,
				   .reply = &containerd__task__v2__state_response__descriptor,
				   .timeout_ns = timeout_ns };

	msg.id = (char *)id;
	*ret = (struct result){ 0 };
	ttrpc_client_call(c, &r, result_set, ret);
	T_FALSE(ret->is_there);
}
