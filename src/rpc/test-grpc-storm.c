/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, by chance, but the same each time: clients whose calls are cancelled, time out
 * or are left unread, clients that are freed, raw peers that send sense and nonsense, a server
 * with little memory. Sanitizers look at the memory; here, no call may be lost and nothing be left.
 */

#include "test-grpc.h"

enum { CLIENTS = 3, PEERS = 4, CALLS = 400, STEPS = 3000 };

struct storm_call {
	struct storm *s;
	struct grpc_stream *st; /* NULL: free */
	int client;
	bool is_out, is_in, is_ended;
};

struct storm {
	struct grig g;
	struct grpc_client *clients[CLIENTS];
	struct storm_call calls[CALLS];
	struct graw peers[PEERS];
	bool is_open[PEERS];
	int32_t ids[PEERS];
	size_t n_begun, n_results;
	uint64_t state;
};

static struct storm s;

static uint32_t chance(uint32_t below)
{
	/* xorshift64 */
	s.state ^= s.state << 13;
	s.state ^= s.state >> 7;
	s.state ^= s.state << 17;
	return (uint32_t)(s.state >> 32) % below;
}

static const char *const methods[] = { "Echo",	"Fail",	   "Hold", "Meta", "Make",
				       "Count", "Collect", "Slow", "Chat", "Nope" };

static char *pick_text(void)
{
	static char text[60001];
	static const uint32_t sizes[] = { 0, 5, 300, 20000, 60000 };
	uint32_t n = sizes[chance(DV_ARRAY_SIZE(sizes))];

	memset(text, 'x', sizeof(text) - 1);
	text[n] = '\0';
	return text;
}

/* ---- Our clients ---- */

static void on_data(void *arg, const ProtobufCMessage *msg)
{
	struct storm_call *c = arg;

	cr_assert(c->st && msg);
	if (chance(4))
		grpc_stream_next(c->st);
	else if (chance(20) == 0)
		grpc_stream_cancel(c->st);
}

static void on_result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct storm_call *c = arg;

	cr_assert(c->st && !(take_e && reply));
	c->st = NULL;
	s.n_results++;
	dv_err_free(take_e);
}

static void begin(struct storm_call *c)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;
	struct grpc_stream_opts o = {
		.request = { .service = "davit.test.Peer",
			     .method = methods[chance(DV_ARRAY_SIZE(methods))],
			     .msg = &msg.base,
			     .reply = chance(4) ? &google__rpc__status__descriptor : NULL,
			     .timeout_ns = chance(2) ? 1 + chance(5000000) : 0 },
		.is_client_stream = chance(2),
		.is_server_stream = chance(2),
		.data = on_data,
		.result = on_result,
		.arg = c,
	};

	msg.code = (int32_t)chance(300000);
	msg.message = pick_text();
	*c = (struct storm_call){ .client = (int)chance(CLIENTS),
				  .is_in = o.is_client_stream,
				  .is_out = o.is_server_stream };
	s.n_begun++;
	c->st = grpc_client_stream(s.clients[c->client], &o);
}

static void call_step(struct storm_call *c)
{
	peer_msg msg = GOOGLE__RPC__STATUS__INIT;

	if (!c->st) {
		begin(c);
		return;
	}
	msg.message = pick_text();
	switch (chance(8)) {
	case 0:
		grpc_stream_cancel(c->st);
		break;
	case 1 ... 3:
		if (c->is_in && !c->is_ended)
			dv_err_free(grpc_stream_send(c->st, &msg.base));
		break;
	case 4:
		if (c->is_in && !c->is_ended)
			grpc_stream_end(c->st);
		c->is_ended = true;
		break;
	default:
		if (c->is_out)
			grpc_stream_next(c->st);
	}
}

static void free_client(int i)
{
	s.clients[i] = grpc_client_free(s.clients[i]);
	for (size_t k = 0; k < CALLS; k++)
		cr_assert(!s.calls[k].st || s.calls[k].client != i);
}

/* ---- Raw peers ---- */

static void raw_step(size_t i)
{
	static const char *const extra[] = { "grpc-timeout", "1m", "x", "y", NULL };
	struct graw *r = &s.peers[i];
	uint8_t junk[64];

	if (!s.is_open[i]) {
		graw_open(r, &s.g);
		s.is_open[i] = true;
		s.ids[i] = 1;
		return;
	}
	switch (chance(20)) {
	case 0:
		graw_close(r);
		s.is_open[i] = false;
		break;
	case 1:
		for (size_t k = 0; k < sizeof(junk); k++)
			junk[k] = (uint8_t)chance(256);
		graw_frame(r, (uint8_t)chance(12), (uint8_t)chance(256), (int32_t)chance(8), junk,
			   chance(sizeof(junk)));
		break;
	case 2:
		graw_frame(r, NGHTTP2_RST_STREAM, 0, s.ids[i] - 2, "\0\0\0\x8", 4);
		break;
	case 3 ... 8:
		graw_message(r, s.ids[i] - 2 * (int32_t)chance(3), (int32_t)chance(1000), "text",
			     (uint8_t)chance(2));
		break;
	case 9 ... 11:
		(void)!recv(r->fd, r->in, sizeof(r->in), 0);
		break;
	default:
		s.ids[i] += 2;
		graw_call(r, s.ids[i], methods[chance(DV_ARRAY_SIZE(methods))],
			  chance(3) ? NULL : extra);
		graw_message(r, s.ids[i], (int32_t)chance(100000), "text", (uint8_t)chance(2));
	}
}

/* ---- The storm ---- */

static void step(void)
{
	uint32_t i = chance(CLIENTS);

	if (!s.clients[i])
		s.clients[i] = grig_client(&s.g);
	for (i = 0; i < CLIENTS; i++) {
		if (!s.clients[i])
			return;
	}
	call_step(&s.calls[chance(CALLS)]);
	if (chance(3) == 0)
		raw_step(chance(PEERS));
	if (chance(300) == 0)
		free_client((int)chance(CLIENTS));
	if (chance(50) == 0)
		peer_next(&s.g.peer);
	if (chance(200) == 0)
		peer_release(&s.g.peer);
	if (chance(2))
		uv_run(&s.g.loop, UV_RUN_NOWAIT);
}

static void run_storm(uint64_t seed, uint64_t grace_ns)
{
	struct grpc_limits limits = { .max_connections = CLIENTS + PEERS + 2,
				      .max_streams = 100,
				      .max_input = 1 << 20,
				      .max_memory = 3 << 20,
				      .stall_ns = 20000000,
				      .keepalive_ns = 10000000 };
	struct grpc_server_stats stats;

	s = (struct storm){ .state = seed };
	grig_init(&s.g, &limits);
	for (int i = 0; i < STEPS; i++) {
		step();
		grpc_server_stats(s.g.peer.server, &stats);
		cr_assert(stats.memory < 4 << 20);
	}
	for (int i = 0; i < CLIENTS; i++) {
		if (grace_ns)
			free_client(i);
	}
	for (size_t i = 0; i < PEERS; i++) {
		if (s.is_open[i])
			graw_close(&s.peers[i]);
	}
	grig_close(&s.g, grace_ns);
	RUN_UNTIL(&s.g.loop, s.g.is_closed);
	for (int i = 0; i < CLIENTS; i++)
		free_client(i);
	T_INT(s.n_results, ==, s.n_begun);
	grig_fini(&s.g);
}

Test(grpc_storm, by_chance)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_storm(seed * UINT64_C(0x9e3779b97f4a7c15), seed % 2 * 1000000);
}
