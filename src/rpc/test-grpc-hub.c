/* SPDX-License-Identifier: Apache-2.0 */
#include "test-grpc.h"

struct ring {
	struct grpc_alarm alarm;
	struct grpc_hub *hub;
	bool is_taken_back;
};

static uint64_t last_rung;
static size_t n_rung, n_ran;
static bool is_closed;

static void closed(struct grpc_hub *hub)
{
	(void)hub;
	is_closed = true;
}

static void rang(struct grpc_alarm *a)
{
	struct ring *r = dv_container_of(a, struct ring, alarm);

	T_FALSE(r->is_taken_back);
	T_TRUE(a->at >= last_rung);
	T_TRUE(uv_hrtime() >= a->at);
	last_rung = a->at;
	n_rung++;
}

static void finish(uv_loop_t *loop, struct grpc_hub *hub)
{
	grpc_hub_close(hub);
	uv_run(loop, UV_RUN_DEFAULT);
	T_TRUE(is_closed);
	T_INT(uv_loop_close(loop), ==, 0);
}

Test(grpc_hub, alarms_ring_in_order)
{
	enum { N = 2000 };
	static struct ring rings[N];
	uint64_t now = uv_hrtime(), state = 88172645463325252u;
	struct grpc_hub hub = { 0 };
	size_t n_back = 0;
	uv_loop_t loop;

	uv_loop_init(&loop);
	grpc_hub_init(&hub, &loop, closed);
	for (size_t i = 0; i < N; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		rings[i].alarm.fn = rang;
		grpc_alarm_set(&hub, &rings[i].alarm, now + (state >> 33) % 50000000);
		if (i % 3 == 0)
			grpc_alarm_set(&hub, &rings[i / 2].alarm, now + (state >> 40) % 50000000);
	}
	for (size_t i = 0; i < N; i += 7, n_back++) {
		grpc_alarm_set(&hub, &rings[i].alarm, 0);
		rings[i].is_taken_back = true;
	}
	RUN_UNTIL(&loop, n_rung == N - n_back);
	T_INT(hub.n_alarms, ==, 0);
	finish(&loop, &hub);
}

Test(grpc_hub, by_only_moves_earlier)
{
	struct ring r = { .alarm.fn = rang };
	struct grpc_hub hub = { 0 };
	uint64_t now = uv_hrtime();
	uv_loop_t loop;

	uv_loop_init(&loop);
	grpc_hub_init(&hub, &loop, closed);
	grpc_alarm_by(&hub, &r.alarm, now + 1000);
	grpc_alarm_by(&hub, &r.alarm, now + 2000);
	T_INT(r.alarm.at, ==, now + 1000);
	grpc_alarm_by(&hub, &r.alarm, now + 500);
	T_INT(r.alarm.at, ==, now + 500);
	finish(&loop, &hub);
}

struct chain {
	struct grpc_task task;
	struct grpc_hub *hub;
	int left;
	struct chain *victim;
};

static void ran(struct grpc_task *t)
{
	struct chain *c = dv_container_of(t, struct chain, task);

	n_ran++;
	if (c->left-- > 0)
		grpc_task_post(c->hub, t);
	if (c->victim)
		grpc_task_cancel(c->hub, &c->victim->task);
}

Test(grpc_hub, tasks)
{
	struct grpc_hub hub = { 0 };
	struct chain a = { .task.fn = ran, .hub = &hub, .left = 3 }, b = a, c = a;
	uv_loop_t loop;

	uv_loop_init(&loop);
	grpc_hub_init(&hub, &loop, closed);
	b.left = 0;
	b.victim = &c;
	grpc_task_post(&hub, &a.task);
	grpc_task_post(&hub, &b.task);
	grpc_task_post(&hub, &c.task); /* b takes it back */
	grpc_task_post(&hub, &a.task); /* waits already */
	uv_run(&loop, UV_RUN_NOWAIT);
	T_INT(n_ran, ==, 2); /* once in a round */
	uv_run(&loop, UV_RUN_DEFAULT);
	T_INT(n_ran, ==, 5);
	finish(&loop, &hub);
}
