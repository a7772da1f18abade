/* SPDX-License-Identifier: Apache-2.0 */
/* Our client when the other side is not there, goes, or talks nonsense. */

#include "test-grpc.h"

#define MS UINT64_C(1000000)

static struct grig g;

Test(grpc_connect, nobody_listens)
{
	struct grpc_client *c;
	struct gresult r;

	grig_init(&g, NULL);
	snprintf(g.path, sizeof(g.path), "/nonexistent/davit.sock");
	c = grig_client(&g);
	gcall_wait(&g, c, "Echo", 1, "", &r);
	T_INT(r.code, ==, DV_UNAVAILABLE);
	T_STR(r.text, "connect to /nonexistent/davit.sock: no such file or directory");
	grpc_client_free(c);
	grig_fini(&g);
}

Test(grpc_connect, patience_has_an_end)
{
	struct grpc_client_opts o = { .path = "unix:///nonexistent/davit.sock",
				      .connect_ns = 50 * MS,
				      .is_patient = true };
	uint64_t start = uv_hrtime();
	struct grpc_client *c;
	struct gresult r;

	grig_init(&g, NULL);
	o.loop = &g.loop;
	c = grpc_client_new(&o);
	gcall_wait(&g, c, "Echo", 1, "", &r);
	T_INT(r.code, ==, DV_UNAVAILABLE);
	T_TRUE(uv_hrtime() - start >= 50 * MS);
	grpc_client_free(c);
	grig_fini(&g);
}

/* A socket that appears while it is waited for. */
Test(grpc_connect, patience_pays)
{
	struct grpc_client_opts o = { .is_patient = true };
	struct grpc_listen_opts l = { 0 };
	struct grpc_client *c;
	struct gresult r, r2;
	struct grig late;

	grig_init(&g, NULL);
	grig_init(&late, NULL);
	snprintf(late.path, sizeof(late.path), "@davit-test-grpc-%d", (int)getpid());
	o.loop = &g.loop;
	o.path = late.path;
	c = grpc_client_new(&o);
	gcall(c, "Echo", 5, "", 0, &r);
	gcall(c, "Echo", 6, "", 0, &r2);
	for (int i = 0; i < 10; i++)
		uv_run(&g.loop, UV_RUN_NOWAIT);
	T_FALSE(r.is_there);
	l.take_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	{
		struct sockaddr_un sa = { .sun_family = AF_UNIX };

		memcpy(sa.sun_path + 1, late.path + 1, strlen(late.path) - 1);
		cr_assert(bind(l.take_fd, (struct sockaddr *)&sa,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					   strlen(late.path))) == 0);
		cr_assert(listen(l.take_fd, 8) == 0);
	}
	T_NULL(grpc_server_listen(g.peer.server, &l));
	RUN_UNTIL(&g.loop, r.is_there && r2.is_there);
	T_INT(r.number, ==, 5);
	T_INT(r2.number, ==, 6);
	grpc_client_free(c);
	grig_fini(&late);
	grig_fini(&g);
}

Test(grpc_connect, lost_and_found)
{
	struct grpc_client *c;
	struct gresult r, held;
	struct grig first;

	grig_init(&first, NULL);
	c = grpc_client_new(&(struct grpc_client_opts){ .loop = &first.loop, .path = first.path });
	gcall(c, "Hold", 0, "", 0, &held);
	RUN_UNTIL(&first.loop, first.peer.n_held == 1);
	grig_close(&first, 0);
	RUN_UNTIL(&first.loop, held.is_there);
	T_INT(held.code, ==, DV_UNAVAILABLE);
	gcall_wait(&first, c, "Echo", 1, "", &r);
	T_INT(r.code, ==, DV_UNAVAILABLE);
	grpc_client_free(c);
	grig_fini(&first);
}

/* GOAWAY: what is under way is answered, new calls need another connection. */
Test(grpc_connect, goaway)
{
	struct grpc_client *c;
	struct gresult held, r;

	grig_init(&g, NULL);
	c = grig_client(&g);
	gcall(c, "Hold", 0, "", 0, &held);
	RUN_UNTIL(&g.loop, g.peer.n_held == 1);
	grig_close(&g, UINT64_C(60000000000));
	for (int i = 0; i < 20; i++)
		uv_run(&g.loop, UV_RUN_NOWAIT);
	T_FALSE(held.is_there);
	gcall_wait(&g, c, "Echo", 1, "", &r);
	T_INT(r.code, ==, DV_UNAVAILABLE);
	peer_release(&g.peer);
	RUN_UNTIL(&g.loop, held.is_there);
	T_INT(held.code, ==, DV_ABORTED);
	RUN_UNTIL(&g.loop, g.is_closed);
	grpc_client_free(c);
	grig_fini(&g);
}

/* ---- A server of bytes ---- */

struct fake {
	uv_loop_t loop;
	struct grpc_client *c;
	int listen_fd, fd;
	nghttp2_hd_deflater *deflater;
};

static void fake_open(struct fake *f, struct gresult *r)
{
	char path[64];

	uv_loop_init(&f->loop);
	f->listen_fd = rig_listen(path);
	f->c = grpc_client_new(&(struct grpc_client_opts){ .loop = &f->loop, .path = path });
	gcall(f->c, "Echo", 1, "", 0, r);
	f->fd = accept(f->listen_fd, NULL, NULL);
	cr_assert(f->fd >= 0);
	nghttp2_hd_deflate_new(&f->deflater, 4096);
}

static void fake_frame(struct fake *f, uint8_t type, uint8_t flags, int32_t id, const void *p,
		       size_t n)
{
	uint8_t head[9] = { (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags };

	head[8] = (uint8_t)id;
	(void)!send(f->fd, head, sizeof(head), MSG_NOSIGNAL);
	(void)!send(f->fd, p, n, MSG_NOSIGNAL);
}

static void fake_headers(struct fake *f, const char *const *pairs, uint8_t flags)
{
	nghttp2_nv nv[8];
	uint8_t block[4096];
	size_t n = 0;
	ssize_t len;

	for (; *pairs; pairs += 2, n++)
		nv[n] = (nghttp2_nv){ .name = (uint8_t *)pairs[0],
				      .namelen = strlen(pairs[0]),
				      .value = (uint8_t *)pairs[1],
				      .valuelen = strlen(pairs[1]) };
	len = nghttp2_hd_deflate_hd(f->deflater, block, sizeof(block), nv, n);
	fake_frame(f, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | flags, 1, block, (size_t)len);
}

static void fake_close(struct fake *f)
{
	nghttp2_hd_deflate_del(f->deflater);
	grpc_client_free(f->c);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	T_INT(uv_loop_close(&f->loop), ==, 0);
	close(f->fd);
	close(f->listen_fd);
}

#define PAIRS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

Test(grpc_connect, not_http2)
{
	struct gresult r;
	struct fake f;

	fake_open(&f, &r);
	(void)!send(f.fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
	RUN_UNTIL(&f.loop, r.is_there);
	T_INT(r.code, ==, DV_UNAVAILABLE);
	fake_close(&f);
}

Test(grpc_connect, not_grpc)
{
	struct gresult r;
	struct fake f;

	fake_open(&f, &r);
	fake_frame(&f, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
	fake_headers(&f, PAIRS(":status", "404", "content-type", "text/html"), 0);
	fake_frame(&f, NGHTTP2_DATA, 1, 1, "<html>", 6);
	RUN_UNTIL(&f.loop, r.is_there);
	T_INT(r.code, ==, DV_UNIMPLEMENTED);
	fake_close(&f);
}

Test(grpc_connect, no_status)
{
	struct gresult r;
	struct fake f;

	fake_open(&f, &r);
	fake_frame(&f, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
	fake_headers(&f, PAIRS(":status", "200", "content-type", "application/grpc"), 0);
	fake_frame(&f, NGHTTP2_DATA, 1, 1, "\0\0\0\0\0", 5);
	RUN_UNTIL(&f.loop, r.is_there);
	T_INT(r.code, ==, DV_INTERNAL);
	fake_close(&f);
}

Test(grpc_connect, odd_status)
{
	struct gresult r;
	struct fake f;

	fake_open(&f, &r);
	fake_frame(&f, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
	fake_headers(&f,
		     PAIRS(":status", "200", "content-type", "application/grpc", "grpc-status",
			   "4711", "grpc-message", "%C3%A4"),
		     1);
	RUN_UNTIL(&f.loop, r.is_there);
	T_INT(r.code, ==, DV_UNKNOWN);
	T_STR(r.text, "\xc3\xa4");
	fake_close(&f);
}

static void check_data(const void *p, size_t n, enum dv_code code)
{
	struct gresult r;
	struct fake f;

	fake_open(&f, &r);
	fake_frame(&f, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
	fake_headers(&f, PAIRS(":status", "200", "content-type", "application/grpc"), 0);
	fake_frame(&f, NGHTTP2_DATA, 1, 1, p, n);
	RUN_UNTIL(&f.loop, r.is_there);
	T_INT(r.code, ==, code);
	fake_close(&f);
}

Test(grpc_connect, bad_messages)
{
	check_data("\1\0\0\0\0", 5, DV_INTERNAL); /* compressed, without saying how */
	check_data("\2\0\0\0\0", 5, DV_INTERNAL);
	check_data("\0\377\377\377\377", 5, DV_EXHAUSTED); /* 4 GiB */
	check_data("\0\0\0\0\5ab", 7, DV_INTERNAL); /* cut off */
	check_data("\0\0\0\0\2\377\377", 7, DV_INVALID); /* not protobuf */
	check_data("\0\0\0\0\0\0\0\0\0\0", 10, DV_INTERNAL); /* two */
}

Test(grpc_connect, reset)
{
	struct gresult r;
	struct fake f;

	fake_open(&f, &r);
	fake_frame(&f, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
	fake_frame(&f, NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\7", 4);
	RUN_UNTIL(&f.loop, r.is_there);
	T_INT(r.code, ==, DV_UNAVAILABLE);
	fake_close(&f);
}

Test(grpc_connect, closed_by_the_peer)
{
	struct gresult r;
	struct fake f;

	fake_open(&f, &r);
	shutdown(f.fd, SHUT_RDWR);
	RUN_UNTIL(&f.loop, r.is_there);
	T_INT(r.code, ==, DV_UNAVAILABLE);
	fake_close(&f);
}
