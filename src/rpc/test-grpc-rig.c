/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of gRPC share. See test-grpc.h. */

#include "test-grpc.h"

#include <errno.h>

void grig_init(struct grig *g, const struct grpc_limits *limits)
{
	struct grpc_server_opts opts = { .loop = &g->loop };
	struct grpc_listen_opts l = { 0 };

	*g = (struct grig){ 0 };
	if (limits)
		opts.limits = *limits;
	uv_loop_init(&g->loop);
	T_NULL(grpc_server_new(&opts, &g->peer.server));
	grpc_server_add(g->peer.server, &peer_service, &g->peer);
	l.take_fd = rig_listen(g->path);
	T_NULL(grpc_server_listen(g->peer.server, &l));
}

static void closed(void *arg)
{
	struct grig *g = arg;

	g->is_closed = true;
	g->peer.server = NULL;
}

void grig_close(struct grig *g, uint64_t grace_ns)
{
	g->is_closing = true;
	grpc_server_close(g->peer.server, grace_ns, closed, g);
}

void grig_fini(struct grig *g)
{
	if (!g->is_closing)
		grig_close(g, 0);
	RUN_UNTIL(&g->loop, g->is_closed);
	peer_release(&g->peer);
	uv_run(&g->loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&g->loop), ==, 0);
}

struct grpc_client *grig_client(struct grig *g)
{
	struct grpc_client_opts o = { .loop = &g->loop, .path = g->path };

	return grpc_client_new(&o);
}

size_t grig_connections(struct grig *g)
{
	struct grpc_server_stats stats;

	grpc_server_stats(g->peer.server, &stats);
	return stats.connections;
}

/* ---- Calls ---- */

void gresult_set(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	const peer_msg *msg = (const void *)reply;
	struct gresult *r = arg;

	T_FALSE(r->is_there);
	r->is_there = true;
	r->code = take_e ? dv_err_code(take_e) : 0;
	r->st = NULL;
	if (take_e)
		snprintf(r->text, sizeof(r->text), "%s", dv_err_message(take_e));
	else if (msg)
		snprintf(r->text, sizeof(r->text), "%.255s", msg->message);
	if (msg) {
		r->number = msg->code;
		r->n_text = strlen(msg->message);
	}
	dv_err_free(take_e);
}

static struct grpc_request request(const char *method, const peer_msg *msg)
{
	return (struct grpc_request){ .service = "davit.test.Peer",
				      .method = method,
				      .msg = msg ? &msg->base : NULL,
				      .reply = &google__rpc__status__descriptor };
}

struct grpc_stream *gcall(struct grpc_client *c, const char *method, int32_t code,
			  const char *message, uint64_t timeout_ns, struct gresult *ret)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	struct grpc_request r = request(method, &msg);

	msg.code = code;
	msg.message = (char *)message;
	r.timeout_ns = timeout_ns;
	*ret = (struct gresult){ 0 };
	ret->st = grpc_client_call(c, &r, gresult_set, ret);
	T_FALSE(ret->is_there);
	return ret->st;
}

void gcall_wait(struct grig *g, struct grpc_client *c, const char *method, int32_t code,
		const char *message, struct gresult *ret)
{
	gcall(c, method, code, message, 0, ret);
	RUN_UNTIL(&g->loop, ret->is_there);
}

static void got_data(void *arg, const ProtobufCMessage *reply)
{
	const peer_msg *msg = (const void *)reply;
	struct gresult *r = arg;

	r->n_data++;
	r->last = msg->code;
	snprintf(r->text, sizeof(r->text), "%.255s", msg->message);
	if (!r->is_lazy)
		grpc_stream_next(r->st);
}

void gstream(struct grpc_client *c, const char *method, int32_t code, const char *message,
	     bool is_client_stream, bool is_server_stream, struct gresult *ret)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	struct grpc_stream_opts o = { .request = request(method, message ? &msg : NULL),
				      .is_client_stream = is_client_stream,
				      .is_server_stream = is_server_stream,
				      .data = got_data,
				      .result = gresult_set,
				      .arg = ret };
	bool is_lazy = ret->is_lazy;

	msg.code = code;
	msg.message = (char *)message;
	*ret = (struct gresult){ .is_lazy = is_lazy };
	ret->st = grpc_client_stream(c, &o);
}

struct dv_err *gsend(struct gresult *r, int32_t code, const char *message)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;

	msg.code = code;
	msg.message = (char *)message;
	return grpc_stream_send(r->st, &msg.base);
}

/* ---- Raw peers ---- */

void graw_connect(struct graw *r, struct grig *g)
{
	struct rig rig = { 0 };

	memset(r, 0, sizeof(*r));
	snprintf(rig.path, sizeof(rig.path), "%s", g->path);
	r->g = g;
	r->fd = raw_connect(&rig);
	nghttp2_hd_deflate_new(&r->deflater, 4096);
	nghttp2_hd_inflate_new(&r->inflater);
}

void graw_open(struct graw *r, struct grig *g)
{
	static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

	graw_connect(r, g);
	graw_bytes(r, magic, sizeof(magic) - 1);
	graw_frame(r, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

void graw_close(struct graw *r)
{
	close(r->fd);
	nghttp2_hd_deflate_del(r->deflater);
	nghttp2_hd_inflate_del(r->inflater);
}

void graw_bytes(struct graw *r, const void *p, size_t n)
{
	const char *bytes = p;

	while (n) {
		ssize_t sent = send(r->fd, bytes, n, MSG_NOSIGNAL);

		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return;
		}
		if (n)
			uv_run(&r->g->loop, UV_RUN_NOWAIT);
	}
}

void graw_frame(struct graw *r, uint8_t type, uint8_t flags, int32_t id, const void *p, size_t n)
{
	uint8_t head[9] = {
		(uint8_t)(n >> 16),  (uint8_t)(n >> 8),	  (uint8_t)n,	      type,	  flags,
		(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id
	};

	graw_bytes(r, head, sizeof(head));
	graw_bytes(r, p, n);
}

static nghttp2_nv pair(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)name,
			     .namelen = strlen(name),
			     .value = (uint8_t *)value,
			     .valuelen = strlen(value) };
}

void graw_call(struct graw *r, int32_t id, const char *method, const char *const *extra)
{
	char path[256];
	nghttp2_nv nv[40] = { pair(":method", "POST"), pair(":scheme", "http"),
			      pair(":authority", "x"), pair(":path", "/"),
			      pair("content-type", "application/grpc") };
	uint8_t block[16 << 10];
	size_t n = 5;
	ssize_t len;

	snprintf(path, sizeof(path), "/davit.test.Peer/%s", method);
	nv[3] = pair(":path", path);
	for (; extra && *extra; extra += 2) {
		bool is_known = false;

		for (size_t i = 0; i < 5 && !is_known; i++) {
			is_known = dv_streq((char *)nv[i].name, extra[0]);
			if (is_known)
				nv[i] = pair(extra[0], extra[1]);
		}
		if (!is_known)
			nv[n++] = pair(extra[0], extra[1]);
	}
	len = nghttp2_hd_deflate_hd(r->deflater, block, sizeof(block), nv, n);
	cr_assert(len > 0);
	graw_frame(r, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, block, (size_t)len);
}

void graw_message(struct graw *r, int32_t id, int32_t code, const char *message, uint8_t flags)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	uint8_t body[8 << 10] = { 0 };
	size_t n;

	msg.code = code;
	msg.message = (char *)message;
	n = protobuf_c_message_pack(&msg.base, body + 5);
	body[3] = (uint8_t)(n >> 8);
	body[4] = (uint8_t)n;
	graw_frame(r, NGHTTP2_DATA, flags, id, body, n + 5);
}

/* False at the end. */
static bool fetch(struct graw *r, void *p, size_t n)
{
	uint64_t end = uv_hrtime() + UINT64_C(10000000000);
	uint8_t *bytes = p;

	while (n) {
		ssize_t got = recv(r->fd, bytes, n, 0);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got > 0) {
			bytes += got;
			n -= (size_t)got;
		} else {
			uv_run(&r->g->loop, UV_RUN_NOWAIT);
		}
		cr_assert(uv_hrtime() < end, "nothing came");
	}
	return true;
}

bool graw_read(struct graw *r, struct gframe *ret)
{
	uint8_t h[9];

	if (!fetch(r, h, sizeof(h)))
		return false;
	*ret = (struct gframe){ .n = (size_t)h[0] << 16 | (size_t)h[1] << 8 | h[2],
				.type = h[3],
				.flags = h[4],
				.id = (int32_t)((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 |
						(uint32_t)h[7] << 8 | h[8]),
				.p = r->in };
	cr_assert(ret->n <= sizeof(r->in));
	return fetch(r, r->in, ret->n);
}

bool graw_until(struct graw *r, uint8_t type, int32_t id, struct gframe *ret)
{
	while (graw_read(r, ret)) {
		if (ret->type == type && (id < 0 || ret->id == id))
			return true;
	}
	return false;
}

static void read_headers(struct graw *r, const struct gframe *f, bool is_ours, int *status,
			 int *http)
{
	const uint8_t *p = f->p;
	size_t n = f->n;
	int flags = 0;

	while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
		nghttp2_nv nv;
		ssize_t used = nghttp2_hd_inflate_hd2(r->inflater, &nv, &flags, p, n, 1);

		cr_assert(used >= 0);
		p += used;
		n -= (size_t)used;
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) || !is_ours)
			continue;
		if (dv_streq((char *)nv.name, "grpc-status"))
			*status = (int)strtol((char *)nv.value, NULL, 10);
		else if (dv_streq((char *)nv.name, ":status") && http)
			*http = (int)strtol((char *)nv.value, NULL, 10);
	}
	nghttp2_hd_inflate_end_headers(r->inflater);
}

int graw_status(struct graw *r, int32_t id, int *http)
{
	struct gframe f;
	int status = -3;

	while (graw_read(r, &f)) {
		if (f.type == NGHTTP2_HEADERS)
			read_headers(r, &f, f.id == id || id < 0, &status, http);
		if (f.id == id && f.type == NGHTTP2_RST_STREAM)
			return -1;
		if ((f.id == id || id < 0) && f.type == NGHTTP2_HEADERS &&
		    f.flags & NGHTTP2_FLAG_END_STREAM)
			return status;
	}
	return -2;
}

int graw_goaway(struct graw *r)
{
	struct gframe f;
	int code = -1;

	while (graw_read(r, &f)) {
		if (f.type == NGHTTP2_GOAWAY)
			code = f.p[7];
	}
	return code;
}
