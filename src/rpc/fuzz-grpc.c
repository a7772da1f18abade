/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer can send, to our server and to our client. The first byte: bit 0 chooses the end, bit
 * 1 puts a greeting in front, the rest is the size of the pieces; then the bytes of the connection.
 * Afterwards all memory must be back, and every call have its result.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "grpc-private.h"
#include "test-grpc-service.h"

static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static const uint8_t settings[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };

static struct {
	uv_loop_t loop;
	struct peer peer;
	struct sockaddr_un server_sa, fake_sa;
	socklen_t n_server_sa, n_fake_sa;
	int fake_fd;
	char fake_path[64];
} g;

static int listen_somewhere(struct sockaddr_un *sa, socklen_t *n)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*n = sizeof(*sa);
	dv_assert(fd >= 0 && bind(fd, (struct sockaddr *)sa, sizeof(sa->sun_family)) == 0);
	dv_assert(getsockname(fd, (struct sockaddr *)sa, n) == 0);
	dv_assert(listen(fd, 64) == 0);
	return fd;
}

static void begin(void)
{
	struct grpc_server_opts opts = {
		.loop = &g.loop, .limits = { .max_message = 1 << 20, .max_input = 4 << 20 }
	};
	struct grpc_listen_opts l;

	uv_loop_init(&g.loop);
	dv_err_free(grpc_server_new(&opts, &g.peer.server));
	grpc_server_add(g.peer.server, &peer_service, &g.peer);
	l = (struct grpc_listen_opts){ .take_fd = listen_somewhere(&g.server_sa, &g.n_server_sa) };
	dv_err_free(grpc_server_listen(g.peer.server, &l));
	g.fake_fd = listen_somewhere(&g.fake_sa, &g.n_fake_sa);
	g.fake_path[0] = '@';
	memcpy(g.fake_path + 1, g.fake_sa.sun_path + 1,
	       g.n_fake_sa - sizeof(g.fake_sa.sun_family) - 1);
}

static void turn(int n)
{
	while (n-- > 0)
		uv_run(&g.loop, UV_RUN_NOWAIT);
}

static void feed(int fd, const uint8_t *p, size_t n, size_t piece)
{
	uint8_t sink[16 << 10];

	for (size_t at = 0; at < n; at += piece) {
		if (send(fd, p + at, DV_MIN(piece, n - at), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		turn(1);
		while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0)
			;
	}
	turn(3);
}

/* ---- The server ---- */

static void try_server(const uint8_t *p, size_t n, size_t piece, bool has_greeting)
{
	struct grpc_server_stats stats;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	dv_assert(connect(fd, (struct sockaddr *)&g.server_sa, g.n_server_sa) == 0);
	if (has_greeting) {
		feed(fd, (const uint8_t *)magic, sizeof(magic) - 1, sizeof(magic));
		feed(fd, settings, sizeof(settings), sizeof(settings));
	}
	feed(fd, p, n, piece);
	peer_next(&g.peer);
	close(fd);
	do {
		turn(1);
		grpc_server_stats(g.peer.server, &stats);
	} while (stats.connections);
	dv_assert(!stats.calls && !stats.memory && !g.peer.n_held);
}

/* ---- The client ---- */

enum { CALLS = 4 };

static struct call {
	struct grpc_stream *st;
	bool is_done;
} calls[CALLS];

static void got_data(void *arg, const ProtobufCMessage *msg)
{
	struct call *c = arg;

	(void)msg;
	dv_assert(!c->is_done);
	grpc_stream_next(c->st);
}

static void got_details(void *arg, const void *p, size_t n)
{
	const struct call *c = arg;

	dv_assert(!c->is_done && p && ((const uint8_t *)p)[n] == 0);
}

static void got_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct call *c = arg;

	dv_assert(!c->is_done && !(take_e && reply));
	c->is_done = true;
	dv_err_free(take_e);
}

static void try_client(const uint8_t *p, size_t n, size_t piece, bool has_greeting)
{
	struct grpc_client_opts opts = { .loop = &g.loop,
					 .path = g.fake_path,
					 .max_message = 1 << 20 };
	struct grpc_client *c = grpc_client_new(&opts);
	int fd;

	for (int i = 0; i < CALLS; i++) {
		struct grpc_stream_opts o = {
			.request = { .service = "davit.test.Peer",
				     .method = "Any",
				     .reply = &google__rpc__status__descriptor },
			.is_client_stream = i & 1,
			.is_server_stream = i & 2,
			.data = got_data,
			.result = got_result,
			.details = got_details,
			.arg = &calls[i],
		};

		calls[i] = (struct call){ 0 };
		calls[i].st = grpc_client_stream(c, &o);
	}
	fd = accept(g.fake_fd, NULL, NULL);
	dv_assert(fd >= 0);
	turn(2);
	if (has_greeting)
		feed(fd, settings, sizeof(settings), sizeof(settings));
	feed(fd, p, n, piece);
	close(fd);
	turn(3);
	grpc_client_free(c);
	for (int i = 0; i < CALLS; i++)
		dv_assert(calls[i].is_done);
	turn(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_begun;
	size_t piece;

	if (!is_begun)
		begin();
	is_begun = true;
	if (!size)
		return 0;
	piece = data[0] < 4 ? size : (size_t)(data[0] >> 2) * 16;
	if (data[0] & 1)
		try_client(data + 1, size - 1, piece, data[0] & 2);
	else
		try_server(data + 1, size - 1, piece, data[0] & 2);
	return 0;
}
