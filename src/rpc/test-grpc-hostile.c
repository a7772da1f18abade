/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer must not achieve: frames by hand. Each attack ends with the connection cut off, the
 * stream refused, or bounded memory; and another client is served all the while.
 */

#include "test-grpc.h"

#define MS UINT64_C(1000000)

static struct grig g;
static struct graw r;

/* An honest client gets its answer, and quickly. */
static void check_served(void)
{
	struct grpc_client *c = grig_client(&g);
	static struct gresult res;

	gcall_wait(&g, c, "Echo", 1, "", &res);
	T_INT(res.code, ==, 0);
	grpc_client_free(c);
}

static struct grpc_server_stats stats(void)
{
	struct grpc_server_stats s;

	grpc_server_stats(g.peer.server, &s);
	return s;
}

static void turn(int rounds)
{
	for (int i = 0; i < rounds; i++)
		uv_run(&g.loop, UV_RUN_NOWAIT);
}

static void start(const struct grpc_limits *limits)
{
	grig_init(&g, limits);
	graw_open(&r, &g);
	RUN_UNTIL(&g.loop, grig_connections(&g) == 1);
}

static void end(void)
{
	check_served();
	graw_close(&r);
	grig_fini(&g);
}

static void until_closed(void)
{
	RUN_UNTIL(&g.loop, stats().connections_total > 0);
	RUN_UNTIL(&g.loop, grig_connections(&g) == 0);
}

/* ---- The beginning ---- */

Test(grpc_hostile, not_http2)
{
	grig_init(&g, NULL);
	graw_connect(&r, &g);
	graw_bytes(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
	until_closed();
	end();
}

Test(grpc_hostile, says_nothing)
{
	grig_init(&g, &(struct grpc_limits){ .handshake_ns = 30 * MS });
	graw_connect(&r, &g);
	turn(3);
	T_INT(grig_connections(&g), ==, 1);
	until_closed();
	end();
}

Test(grpc_hostile, preface_and_nothing_else)
{
	grig_init(&g, &(struct grpc_limits){ .handshake_ns = 30 * MS });
	graw_connect(&r, &g);
	graw_bytes(&r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	until_closed();
	end();
}

Test(grpc_hostile, too_many_connections)
{
	static struct graw others[5];

	grig_init(&g, &(struct grpc_limits){ .max_connections = 3 });
	for (int i = 0; i < 5; i++)
		graw_open(&others[i], &g);
	turn(20);
	T_INT(grig_connections(&g), ==, 3);
	T_INT(graw_goaway(&others[3]), ==, NGHTTP2_ENHANCE_YOUR_CALM);
	for (int i = 0; i < 5; i++)
		graw_close(&others[i]);
	graw_connect(&r, &g);
	until_closed();
	end();
}

Test(grpc_hostile, a_thousand_connections)
{
	enum { N = 1000 };
	static struct graw many[N];

	grig_init(&g, NULL);
	for (int i = 0; i < N; i++) {
		graw_open(&many[i], &g);
		graw_call(&many[i], 1, "Hold", NULL);
		graw_message(&many[i], 1, 0, "", NGHTTP2_FLAG_END_STREAM);
		turn(1);
	}
	RUN_UNTIL(&g.loop, g.peer.n_held == N);
	check_served();
	for (int i = 0; i < N; i++)
		graw_close(&many[i]);
	RUN_UNTIL(&g.loop, g.peer.n_held == 0 && grig_connections(&g) == 0);
	T_INT(g.peer.n_cancelled, ==, N);
	graw_connect(&r, &g);
	end();
}

/* ---- Headers ---- */

static void check_refusal(const char *const *extra, int http, int status)
{
	int got_http = 0;

	start(NULL);
	graw_call(&r, 1, "Echo", extra);
	graw_message(&r, 1, 1, "x", NGHTTP2_FLAG_END_STREAM);
	T_INT(graw_status(&r, 1, &got_http), ==, status);
	T_INT(got_http, ==, http);
	end();
}

#define PAIRS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

Test(grpc_hostile, not_grpc)
{
	check_refusal(PAIRS("content-type", "application/json"), 415, -3);
	check_refusal(PAIRS("content-type", "application/grpc-web"), 415, -3);
	check_refusal(PAIRS(":method", "GET"), 405, -3);
	check_refusal(PAIRS(":path", "/davit.test.Peer/Nope"), 200, DV_UNIMPLEMENTED);
	check_refusal(PAIRS(":path", "/nope/Nope"), 200, DV_UNIMPLEMENTED);
	check_refusal(PAIRS(":path", "/"), 200, DV_UNIMPLEMENTED);
	check_refusal(PAIRS(":path", "davit.test.Peer"), 0, -1); /* not even HTTP */
	check_refusal(PAIRS("grpc-timeout", "5 seconds"), 200, DV_INVALID);
	check_refusal(PAIRS("content-type", "application/grpc+proto"), 200, 0);
}

Test(grpc_hostile, no_time_left)
{
	start(NULL);
	graw_call(&r, 1, "Hold", PAIRS("grpc-timeout", "1n"));
	graw_message(&r, 1, 1, "x", NGHTTP2_FLAG_END_STREAM);
	T_INT(graw_status(&r, 1, NULL), ==, DV_DEADLINE);
	end();
}

Test(grpc_hostile, headers_too_long)
{
	static char value[3000];
	const char *extra[] = { "x-0", value, "x-1", value, "x-2", value, "x-3", value, NULL };
	int http = 0;

	memset(value, 'v', sizeof(value) - 1);
	start(&(struct grpc_limits){ .max_headers = 8 << 10 });
	graw_call(&r, 1, "Echo", extra);
	graw_message(&r, 1, 1, "x", NGHTTP2_FLAG_END_STREAM);
	graw_status(&r, 1, &http);
	T_INT(http, ==, 431);
	end();
}

/* A table entry of 3 KiB, and then references to it: 6 KiB become 18 MiB. */
Test(grpc_hostile, hpack_bomb)
{
	static char value[3000];
	const char *extra[] = { "x-big", value, NULL };
	static uint8_t bomb[6000];
	size_t memory;
	int http = 0;

	memset(value, 'v', sizeof(value) - 1);
	start(NULL);
	graw_call(&r, 1, "Echo", extra);
	graw_message(&r, 1, 1, "x", NGHTTP2_FLAG_END_STREAM);
	T_INT(graw_status(&r, 1, &http), ==, 0);
	memory = stats().memory;
	bomb[0] = 0x83; /* :method POST */
	bomb[1] = 0x86; /* :scheme http */
	bomb[2] = 0x84; /* :path / */
	memcpy(bomb + 3, "\1\1x", 3); /* :authority x, not for the table */
	memset(bomb + 6, 0x80 | 62, sizeof(bomb) - 6); /* the newest entry of the table */
	graw_frame(&r, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 3, bomb, sizeof(bomb));
	T_INT(graw_status(&r, 3, &http), ==, -3);
	T_INT(http, ==, 431);
	T_INT(stats().memory, <, memory + (80 << 10));
	end();
}

Test(grpc_hostile, continuation_flood)
{
	uint8_t nothing[] = { 0x00, 0x01, 'x', 0x01, 'y' };

	start(NULL);
	graw_frame(&r, NGHTTP2_HEADERS, 0, 1, "\x83\x86\x84\1\1x", 6);
	for (int i = 0; i < 1000; i++)
		graw_frame(&r, NGHTTP2_CONTINUATION, 0, 1, nothing, sizeof(nothing));
	until_closed();
	end();
}

Test(grpc_hostile, headers_half_sent)
{
	start(&(struct grpc_limits){ .handshake_ns = 30 * MS });
	graw_frame(&r, NGHTTP2_HEADERS, 0, 1, "\x83\x86\x84\1\1x", 6);
	turn(3);
	T_INT(grig_connections(&g), ==, 1);
	until_closed();
	end();
}

Test(grpc_hostile, bad_compression)
{
	start(NULL);
	graw_frame(&r, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff", 6);
	T_INT(graw_goaway(&r), ==, NGHTTP2_COMPRESSION_ERROR);
	end();
}

/* ---- Messages ---- */

static void check_body(const void *p, size_t n, int status)
{
	start(NULL);
	graw_call(&r, 1, "Echo", NULL);
	graw_frame(&r, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, p, n);
	T_INT(graw_status(&r, 1, NULL), ==, status);
	T_INT(g.peer.n_requests, ==, 0);
	end();
}

Test(grpc_hostile, bad_messages)
{
	check_body("", 0, DV_INTERNAL); /* none */
	check_body("\0\0\0", 3, DV_INTERNAL);
	check_body("\0\0\0\0\5ab", 7, DV_INTERNAL); /* cut off */
	check_body("\1\0\0\0\0", 5, DV_INTERNAL); /* compressed, without saying how */
	check_body("\7\0\0\0\0", 5, DV_INTERNAL);
	check_body("\0\377\377\377\377", 5, DV_EXHAUSTED); /* 4 GiB */
	check_body("\0\0\0\0\2\377\377", 7, DV_INVALID); /* not protobuf */
	check_body("\0\0\0\0\4\x12\2\377\377", 9, DV_INVALID); /* not text */
	check_body("\0\0\0\0\0\0\0\0\0\0", 10, DV_INTERNAL); /* two */
}

/* Bytes that are promised cost nothing; only those that come do. */
Test(grpc_hostile, promises)
{
	start(NULL);
	for (int32_t i = 0; i < 500; i++) {
		graw_call(&r, 2 * i + 1, "Echo", NULL);
		graw_frame(&r, NGHTTP2_DATA, 0, 2 * i + 1, "\0\0\xff\xff\xff", 5); /* 16 MiB */
	}
	turn(50);
	T_INT(stats().memory, <, 2 << 20);
	end();
}

Test(grpc_hostile, request_is_never_finished)
{
	start(&(struct grpc_limits){ .stall_ns = 30 * MS });
	graw_call(&r, 1, "Echo", NULL);
	graw_frame(&r, NGHTTP2_DATA, 0, 1, "\0\0\0\0\x20", 5);
	T_INT(graw_status(&r, 1, NULL), ==, DV_DEADLINE);
	end();
}

/* 64 streams with a megabyte each, of which the connection may hold four. */
Test(grpc_hostile, too_much_input)
{
	static uint8_t chunk[16 << 10];

	start(&(struct grpc_limits){ .max_input = 4 << 20 });
	graw_frame(&r, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0); /* large windows */
	chunk[1] = 0x10; /* 1 MiB is promised */
	for (int32_t i = 0; i < 64; i++) {
		graw_call(&r, 2 * i + 1, "Echo", NULL);
		for (int k = 0; k < 60; k++) {
			/* Credit for the connection comes back as bytes are read. */
			graw_frame(&r, NGHTTP2_DATA, 0, 2 * i + 1, chunk, sizeof(chunk));
			chunk[1] = 0;
		}
		chunk[1] = 0x10;
		turn(10);
		T_INT(stats().memory, <=, 5 << 20);
	}
	T_INT(g.peer.n_requests, ==, 0);
	T_INT(graw_status(&r, -1, NULL), ==, DV_EXHAUSTED);
	end();
}

/* ---- Floods ---- */

Test(grpc_hostile, rapid_reset)
{
	int32_t id = 1;

	start(NULL);
	for (int i = 0; i < 20000 && grig_connections(&g); i++, id += 2) {
		graw_call(&r, id, "Hold", NULL);
		graw_message(&r, id, 0, "", NGHTTP2_FLAG_END_STREAM);
		graw_frame(&r, NGHTTP2_RST_STREAM, 0, id, "\0\0\0\x8", 4);
		T_INT(g.peer.n_held, <=, 1);
	}
	until_closed();
	T_INT(id, <, 2 * 12000);
	T_INT(g.peer.n_held, ==, 0);
	T_INT(stats().memory, ==, 0);
	end();
}

/* Handlers that do not notice: they count though their streams are gone. */
Test(grpc_hostile, resets_do_not_hide_calls)
{
	enum { N = 100 };
	static struct gresult res;

	start(&(struct grpc_limits){ .max_streams = 10 });
	for (int32_t i = 0; i < N; i++) {
		graw_call(&r, 2 * i + 1, "Slow", NULL);
		graw_frame(&r, NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x8", 4);
		turn(1);
	}
	T_INT(stats().calls, <=, 20);
	(void)res;
	end();
}

Test(grpc_hostile, more_streams_than_allowed)
{
	int n_reset = 0;
	struct gframe f;

	start(&(struct grpc_limits){ .max_streams = 10 });
	graw_frame(&r, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
	turn(3);
	for (int32_t i = 0; i < 30; i++) {
		graw_call(&r, 2 * i + 1, "Hold", NULL);
		graw_message(&r, 2 * i + 1, 0, "", NGHTTP2_FLAG_END_STREAM);
	}
	turn(10);
	T_INT(g.peer.n_held, <=, 10);
	while (n_reset == 0 && graw_read(&r, &f))
		n_reset += f.type == NGHTTP2_RST_STREAM || f.type == NGHTTP2_GOAWAY;
	T_INT(n_reset, ==, 1);
	end();
}

static void flood(uint8_t type, const void *p, size_t n, int32_t id)
{
	start(NULL);
	if (id)
		graw_call(&r, id, "Slow", NULL);
	for (int i = 0; i < 40000 && grig_connections(&g); i++) {
		graw_frame(&r, type, 0, id, p, n);
		if (i % 100 == 0) {
			uint8_t sink[4096];

			turn(1);
			while (recv(r.fd, sink, sizeof(sink), 0) > 0)
				;
		}
	}
	until_closed();
	end();
}

Test(grpc_hostile, settings_flood)
{
	flood(NGHTTP2_SETTINGS, NULL, 0, 0);
}

Test(grpc_hostile, ping_flood)
{
	flood(NGHTTP2_PING, "12345678", 8, 0);
}

Test(grpc_hostile, empty_data_flood)
{
	flood(NGHTTP2_DATA, NULL, 0, 1);
}

/* Answers that are not read: PINGs whose ACKs fill the socket, and then memory. */
Test(grpc_hostile, pings_that_are_not_read)
{
	start(NULL);
	for (int i = 0; i < 9000; i++) {
		graw_frame(&r, NGHTTP2_PING, 0, 0, "12345678", 8);
		turn(i % 100 == 0);
	}
	T_INT(stats().memory, <, 1 << 20);
	end();
}

/* ---- Answers that are not taken ---- */

static void make_calls(int32_t n, int32_t size, uint32_t window)
{
	uint8_t settings[6] = { 0,
				4,
				(uint8_t)(window >> 24),
				(uint8_t)(window >> 16),
				(uint8_t)(window >> 8),
				(uint8_t)window };

	graw_frame(&r, NGHTTP2_SETTINGS, 0, 0, settings, sizeof(settings));
	for (int32_t i = 0; i < n; i++) {
		graw_call(&r, 2 * i + 1, "Make", NULL);
		graw_message(&r, 2 * i + 1, size, "", NGHTTP2_FLAG_END_STREAM);
	}
	turn(20);
}

Test(grpc_hostile, window_of_nothing)
{
	start(&(struct grpc_limits){ .stall_ns = 40 * MS });
	make_calls(1, 1000, 0);
	T_INT(grig_connections(&g), ==, 1);
	until_closed();
	end();
}

Test(grpc_hostile, output_is_bounded)
{
	start(&(struct grpc_limits){ .max_input = 4 << 20 });
	make_calls(100, 1 << 20, 0);
	T_INT(g.peer.n_requests, ==, 100);
	T_INT(stats().memory, <, 5 << 20);
	T_INT(graw_status(&r, 199, NULL), ==, DV_EXHAUSTED);
	end();
}

Test(grpc_hostile, all_memory_is_bounded)
{
	static struct graw others[4];

	start(&(struct grpc_limits){ .max_memory = 3 << 20 });
	graw_close(&r);
	for (size_t i = 0; i < DV_ARRAY_SIZE(others); i++) {
		graw_open(&others[i], &g);
		r = others[i];
		make_calls(4, 1 << 20, 0);
		others[i] = r;
		T_INT(stats().memory, <=, 3 << 20);
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(others) - 1; i++)
		graw_close(&others[i]);
	end();
}

/* It does not read its socket at all. */
Test(grpc_hostile, does_not_read)
{
	uint8_t big[4] = { 0x7f, 0, 0, 0 };

	start(&(struct grpc_limits){ .stall_ns = 100 * MS });
	graw_frame(&r, NGHTTP2_WINDOW_UPDATE, 0, 0, big, sizeof(big));
	make_calls(8, 4 << 20, 0x7fffffff);
	T_INT(grig_connections(&g), ==, 1);
	until_closed();
	T_INT(stats().memory, ==, 0);
	end();
}

Test(grpc_hostile, stream_that_is_not_read)
{
	start(NULL);
	graw_call(&r, 1, "Count", NULL);
	graw_message(&r, 1, 1000000, "some text", NGHTTP2_FLAG_END_STREAM);
	turn(50);
	T_INT(stats().memory, <, 1 << 20);
	T_INT(g.peer.n_held, ==, 1);
	end();
}

/* ---- Silence ---- */

Test(grpc_hostile, keepalive)
{
	struct gframe f;

	start(&(struct grpc_limits){ .keepalive_ns = 20 * MS });
	T_TRUE(graw_until(&r, NGHTTP2_PING, 0, &f));
	graw_frame(&r, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, f.p, 8);
	T_TRUE(graw_until(&r, NGHTTP2_PING, 0, &f)); /* the next one */
	T_INT(grig_connections(&g), ==, 1);
	until_closed(); /* which has no answer */
	end();
}
