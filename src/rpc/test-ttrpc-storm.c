/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, by chance, but the same each time: peers that come, send sense and nonsense
 * and go, a client whose calls time out, calls that are answered late. Sanitizers look at the
 * memory; here, no call may be lost and nothing be left.
 */

#include "test-rpc.h"

enum { PEERS = 8, STEPS = 1000 };

struct storm {
	struct rig rig;
	struct ttrpc_client *client;
	size_t n_calls, n_results;
	int fds[PEERS];
	uint32_t streams[PEERS];
	uint64_t state;
};

static uint32_t chance(struct storm *s, uint32_t below)
{
	/* xorshift64 */
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return (uint32_t)(s->state >> 32) % below;
}

static const char *const methods[] = { "Echo", "Hold", "Fail", "Big", "Count", "Collect", "Nope" };
static const char *const ids[] = { "", "5", "hello", "40", "\xff" };

/* Some of the large replies are large. */
static char *pick_id(struct storm *s, const char *method)
{
	const char *id = ids[chance(s, DV_ARRAY_SIZE(ids))];

	return (char *)(dv_streq(method, "Big") && dv_streq(id, "40") ? "300000" : id);
}

static void result(void *arg, struct dv_err *take_e, const ProtobufCMessage *reply)
{
	struct storm *s = arg;

	(void)reply;
	s->n_results++;
	dv_err_free(take_e);
}

static void client_step(struct storm *s)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct ttrpc_stream_opts o = {
		.request = { .service = "test.Service",
			     .method = methods[chance(s, DV_ARRAY_SIZE(methods))],
			     .msg = &msg.base,
			     .reply = &containerd__task__v2__state_response__descriptor,
			     .timeout_ns = 1 + chance(s, 3000000) },
		.is_server_stream = chance(s, 2),
		.result = result,
		.arg = s,
	};

	msg.id = pick_id(s, o.request.method);
	s->n_calls++;
	if (chance(s, 2))
		ttrpc_client_call(s->client, &o.request, result, s);
	else
		ttrpc_client_stream(s->client, &o);
	if (chance(s, 50) == 0) {
		ttrpc_client_free(s->client);
		T_INT(s->n_results, ==, s->n_calls);
		s->client = ttrpc_client_new(&s->rig.loop, s->rig.path);
	}
}

static void send_some(struct storm *s, int fd, const void *p, size_t n)
{
	(void)!send(fd, p, n, MSG_NOSIGNAL);
	(void)s;
}

static void send_request(struct storm *s, size_t peer)
{
	Containerd__Task__V2__StateRequest msg = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	struct ttrpc_request r = { .service = "test.Service",
				   .method = methods[chance(s, DV_ARRAY_SIZE(methods))],
				   .msg = &msg.base,
				   .timeout_ns = chance(s, 2) ? chance(s, 2000000) : 0 };
	struct ttrpc_chunk *c = NULL;

	msg.id = pick_id(s, r.method);
	T_NULL(ttrpc_request_chunk(&r, (uint8_t)chance(s, 8), &c));
	ttrpc_chunk_set_stream(c, s->streams[peer]);
	s->streams[peer] += 2;
	send_some(s, s->fds[peer], c->data, chance(s, 30) ? c->n : chance(s, (uint32_t)c->n));
	free(c);
}

static void send_data(struct storm *s, size_t peer)
{
	uint8_t frame[13] = { 0, 0, 0, 3, 0, 0, 0, 0, TTRPC_DATA, 0, 0x0a, 1, 'x' };

	frame[7] = (uint8_t)(s->streams[peer] - 2 * chance(s, 3));
	frame[9] = (uint8_t)chance(s, 8);
	send_some(s, s->fds[peer], frame, sizeof(frame));
}

static void peer_step(struct storm *s, size_t peer)
{
	uint8_t junk[32 << 10];

	if (s->fds[peer] < 0) {
		s->fds[peer] = raw_connect(&s->rig);
		s->streams[peer] = 1;
		return;
	}
	switch (chance(s, 24)) {
	case 0:
		close(s->fds[peer]);
		s->fds[peer] = -1;
		break;
	case 1:
		shutdown(s->fds[peer], SHUT_WR);
		break;
	case 2:
		for (size_t i = 0; i < 64; i++)
			junk[i] = (uint8_t)chance(s, 256);
		send_some(s, s->fds[peer], junk, chance(s, 64));
		break;
	case 3 ... 8:
		send_data(s, peer);
		break;
	case 9 ... 12:
		(void)!recv(s->fds[peer], junk, sizeof(junk), 0);
		break;
	default:
		send_request(s, peer);
	}
}

static void answer_step(struct storm *s)
{
	struct rig *rig = &s->rig;
	struct ttrpc_call *call;
	size_t i;

	if (!rig->n_held)
		return;
	i = chance(s, (uint32_t)rig->n_held);
	call = rig->held[i];
	rig->held[i] = rig->held[--rig->n_held];
	if (chance(s, 2))
		ttrpc_reply(call, NULL);
	else
		ttrpc_fail(call, dv_err_new(DV_ABORTED, "by chance"));
}

static void run_storm(uint64_t seed)
{
	struct ttrpc_server_opts opts = { .uid = getuid(),
					  .limits = { .max_connections = PEERS,
						      .max_calls = 16,
						      .max_output = 1 << 20,
						      .max_memory = 2 << 20,
						      .stall_ns = 5000000 } };
	struct storm s = { .state = seed };

	rig_init(&s.rig, &opts);
	s.client = ttrpc_client_new(&s.rig.loop, s.rig.path);
	memset(s.fds, -1, sizeof(s.fds));
	for (int i = 0; i < STEPS; i++) {
		if (chance(&s, 3) == 0)
			client_step(&s);
		peer_step(&s, chance(&s, PEERS));
		if (s.rig.n_held > HELD_MAX - 16 || chance(&s, 4) == 0)
			answer_step(&s);
		if (chance(&s, 2))
			uv_run(&s.rig.loop, UV_RUN_NOWAIT);
		s.rig.data[0] = '\0';
	}
	RUN_UNTIL(&s.rig.loop, s.n_results == s.n_calls);
	ttrpc_client_free(s.client);
	for (size_t i = 0; i < PEERS; i++) {
		if (s.fds[i] >= 0)
			close(s.fds[i]);
	}
	RUN_UNTIL(&s.rig.loop, ttrpc_server_connections(s.rig.server) == 0);
	T_INT(ttrpc_server_calls(s.rig.server), ==, s.rig.n_held);
	rig_release(&s.rig);
	rig_fini(&s.rig);
}

Test(ttrpc_storm, by_chance)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run_storm(seed * UINT64_C(0x9e3779b97f4a7c15));
}
