/* SPDX-License-Identifier: Apache-2.0 */
/* The server's limits: peers that are too many, ask too much or read too little. */

#include <malloc.h>
#include <sys/resource.h>

#include "test-rpc.h"

Test(ttrpc_limits, other_uids_are_refused)
{
	struct ttrpc_server_opts opts = { .uid = getuid() + 1 };
	struct rig rig;
	int fd;

	rig_init(&rig, &opts);
	fd = raw_connect(&rig);
	RUN_UNTIL(&rig.loop, raw_is_closed(&rig, fd));
	T_INT(ttrpc_server_connections(rig.server), ==, 0);
	close(fd);
	rig_fini(&rig);

	opts.is_any_uid = true;
	rig_init(&rig, &opts);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Echo", "");
	raw_expect(&rig, fd, 1, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_limits, too_many_connections)
{
	struct ttrpc_server_opts opts = { .uid = getuid(), .limits.max_connections = 2 };
	struct rig rig;
	int fds[3];

	rig_init(&rig, &opts);
	for (size_t i = 0; i < DV_ARRAY_SIZE(fds); i++)
		fds[i] = raw_connect(&rig);
	RUN_UNTIL(&rig.loop, raw_is_closed(&rig, fds[2]));
	raw_request(&rig, fds[0], 1, "Echo", "");
	raw_expect(&rig, fds[0], 1, 0, NULL);
	close(fds[0]);
	RUN_UNTIL(&rig.loop, ttrpc_server_connections(rig.server) == 1);
	close(fds[2]);
	fds[2] = raw_connect(&rig);
	raw_request(&rig, fds[2], 1, "Echo", "");
	raw_expect(&rig, fds[2], 1, 0, NULL);
	close(fds[1]);
	close(fds[2]);
	rig_fini(&rig);
}

Test(ttrpc_limits, too_many_calls)
{
	struct ttrpc_server_opts opts = { .uid = getuid(), .limits.max_calls = 2 };
	struct rig rig;
	int fd;

	rig_init(&rig, &opts);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Hold", "");
	raw_request(&rig, fd, 3, "Hold", "");
	raw_request(&rig, fd, 5, "Hold", "");
	raw_expect(&rig, fd, 5, DV_EXHAUSTED, "more than 2 calls at a time on one connection");
	ttrpc_reply(rig.held[--rig.n_held], NULL);
	raw_expect(&rig, fd, 3, 0, NULL);
	raw_request(&rig, fd, 7, "Echo", "");
	raw_expect(&rig, fd, 7, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

/* Out of descriptors: whoever connects has to wait, and the loop does not spin. */
Test(ttrpc_limits, out_of_descriptors)
{
	struct rlimit limit;
	size_t n_rounds = 0;
	struct rig rig;
	int fd;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	getrlimit(RLIMIT_NOFILE, &limit);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)fd + 1, limit.rlim_max });
	for (uint64_t end = uv_hrtime() + 50000000; uv_hrtime() < end; n_rounds++) {
		rig_tick_start(&rig.loop);
		uv_run(&rig.loop, UV_RUN_ONCE);
		rig_tick_stop(&rig.loop);
	}
	T_INT(n_rounds, <, 1000);
	T_INT(ttrpc_server_connections(rig.server), ==, 0);
	setrlimit(RLIMIT_NOFILE, &limit);
	raw_request(&rig, fd, 1, "Echo", "");
	raw_expect(&rig, fd, 1, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

/* Requests that are being answered are paid for until they are. */
Test(ttrpc_limits, requests_have_a_budget)
{
	enum { N = 20 };
	struct ttrpc_server_opts opts = { .uid = getuid(), .limits.max_memory = 64 << 10 };
	DV_CLEANUP(dv_freep) char *id = dv_alloc(5001);
	uint32_t stream = 1;
	struct rig rig;
	int fd;

	memset(id, 'x', 5000);
	rig_init(&rig, &opts);
	fd = raw_connect(&rig);
	for (int i = 0; i < N; i++, stream += 2)
		raw_request(&rig, fd, stream, "Hold", id);
	raw_request(&rig, fd, stream, "Echo", "");
	for (uint32_t refused = 2 * (uint32_t)rig.n_held + 1; refused < stream; refused += 2)
		raw_expect(&rig, fd, refused, DV_EXHAUSTED, NULL);
	raw_expect(&rig, fd, stream, 0, NULL);
	T_INT(rig.n_held, >=, 8);
	T_INT(rig.n_held, <=, 13);
	ttrpc_reply(rig.held[--rig.n_held], NULL);
	raw_expect(&rig, fd, 2 * (uint32_t)rig.n_held + 1, 0, NULL);
	raw_request(&rig, fd, stream + 2, "Echo", id);
	raw_expect(&rig, fd, stream + 2, 0, NULL);
	close(fd);
	rig_fini(&rig);
}

/* Sends requests until nothing more goes out. */
static uint32_t flood(struct rig *rig, int fd)
{
	struct ttrpc_request r = { .service = "test.Service", .method = "Fail" };
	struct ttrpc_chunk *c = NULL;
	uint32_t stream = 1;

	T_NULL(ttrpc_request_chunk(&r, 0, &c));
	for (int stuck = 0; stuck < 100; stream += 2) {
		size_t n_sent = 0;

		ttrpc_chunk_set_stream(c, stream);
		for (; n_sent < c->n && stuck < 100; stuck++) {
			ssize_t n = send(fd, c->data + n_sent, c->n - n_sent, MSG_NOSIGNAL);

			if (n > 0) {
				n_sent += (size_t)n;
				stuck = -1;
			}
			if (n < 0)
				uv_run(&rig->loop, UV_RUN_NOWAIT);
		}
	}
	free(c);
	return stream / 2;
}

/* Asks as fast as it can and reads nothing: then it is not read from any more. */
Test(ttrpc_limits, peer_that_does_not_read_is_throttled)
{
	struct rig rig;
	size_t before;
	int fd, other;

	rig_init(&rig, NULL);
	fd = raw_connect(&rig);
	other = raw_connect(&rig);
	raw_request(&rig, other, 1, "Echo", "");
	raw_expect(&rig, other, 1, 0, NULL);
	before = (size_t)mallinfo2().uordblks;
	T_INT(flood(&rig, fd), >, 1000);
	T_INT(mallinfo2().uordblks - before, <, 2 << 20);
	T_INT(ttrpc_server_connections(rig.server), ==, 2);
	raw_request(&rig, other, 3, "Echo", "");
	raw_expect(&rig, other, 3, 0, NULL);
	/* It finds everything when it reads again. */
	for (uint32_t stream = 1; stream < 2000; stream += 2)
		raw_expect(&rig, fd, stream, DV_NOT_FOUND, NULL);
	close(fd);
	close(other);
	rig_fini(&rig);
}

Test(ttrpc_limits, peer_that_does_not_read_is_cut_off)
{
	struct ttrpc_server_opts opts = { .uid = getuid(), .limits.stall_ns = 20000000 };
	struct rig rig;
	int fd;

	rig_init(&rig, &opts);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Hold", "");
	raw_request(&rig, fd, 3, "Big", "1000000");
	RUN_UNTIL(&rig.loop, rig.n_cancelled == 1);
	T_INT(ttrpc_server_connections(rig.server), ==, 0);
	close(fd);
	rig_fini(&rig);
}

Test(ttrpc_limits, peer_that_leaves_too_much_is_cut_off)
{
	struct ttrpc_server_opts opts = { .uid = getuid(), .limits.max_output = 1 << 20 };
	struct rig rig;
	int fd;

	rig_init(&rig, &opts);
	fd = raw_connect(&rig);
	raw_request(&rig, fd, 1, "Count", "200000");
	RUN_UNTIL(&rig.loop, ttrpc_server_connections(rig.server) == 0);
	close(fd);
	rig_fini(&rig);
}

/* All together leave more than there is memory: the worst one goes. */
Test(ttrpc_limits, output_has_a_budget)
{
	struct ttrpc_server_opts opts = { .uid = getuid(), .limits.max_memory = 2 << 20 };
	struct ttrpc_frame f;
	uint8_t *payload = dv_alloc(1 << 20);
	struct rig rig;
	int fds[3];

	rig_init(&rig, &opts);
	for (size_t i = 0; i < DV_ARRAY_SIZE(fds); i++)
		fds[i] = raw_connect(&rig);
	raw_request(&rig, fds[0], 1, "Big", "1000000");
	raw_request(&rig, fds[1], 1, "Big", "1040000");
	RUN_UNTIL(&rig.loop, rig.n_requests == 2);
	raw_request(&rig, fds[2], 1, "Big", "900000");
	RUN_UNTIL(&rig.loop, rig.n_requests == 3);
	T_INT(ttrpc_server_connections(rig.server), ==, 2);
	T_TRUE(raw_frame(&rig, fds[0], &f, payload, 1 << 20));
	T_TRUE(raw_frame(&rig, fds[2], &f, payload, 1 << 20));
	T_FALSE(raw_frame(&rig, fds[1], &f, payload, 1 << 20));
	for (size_t i = 0; i < DV_ARRAY_SIZE(fds); i++)
		close(fds[i]);
	free(payload);
	rig_fini(&rig);
}

Test(ttrpc_limits, half_a_frame_is_not_waited_for)
{
	struct ttrpc_server_opts opts = { .uid = getuid(), .limits.stall_ns = 20000000 };
	struct rig rig;
	int fd, idle;

	rig_init(&rig, &opts);
	idle = raw_connect(&rig);
	fd = raw_connect(&rig);
	raw_send(&rig, fd, "\0\0\0\4\0\0\0\1\1\0\x0a", 11);
	RUN_UNTIL(&rig.loop, raw_is_closed(&rig, fd));
	T_FALSE(raw_is_closed(&rig, idle)); /* may wait for ever */
	close(fd);
	close(idle);
	rig_fini(&rig);
}

/* An idle connection costs its structures and nothing else. */
Test(ttrpc_limits, idle_connections_are_small)
{
	enum { N = 32 };
	struct rig rig;
	size_t before;
	int fds[N];

	rig_init(&rig, NULL);
	fds[0] = raw_connect(&rig);
	raw_request(&rig, fds[0], 1, "Echo", "");
	raw_expect(&rig, fds[0], 1, 0, NULL);
	before = (size_t)mallinfo2().uordblks;
	for (int i = 1; i < N; i++) {
		fds[i] = raw_connect(&rig);
		raw_request(&rig, fds[i], 1, "Big", "100000");
		uint8_t payload[110000];
		struct ttrpc_frame f;

		T_TRUE(raw_frame(&rig, fds[i], &f, payload, sizeof(payload)));
	}
	T_INT((mallinfo2().uordblks - before) / (N - 1), <, 2048);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	rig_fini(&rig);
}
