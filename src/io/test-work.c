/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "io/work.h"

struct rig {
	uv_loop_t loop;
	uv_timer_t alive; /* a pool keeps no loop running */
	struct io_work_pool *pool;
	unsigned n_done, n_expected;
};

static void on_alive(uv_timer_t *timer)
{
	(void)timer;
}

static void rig_init(struct rig *rig, unsigned max_threads, unsigned n_expected)
{
	struct io_work_pool_opts opts = {
		.loop = &rig->loop, .name = "test", .max_threads = max_threads, .idle_ns = 20000000
	};

	*rig = (struct rig){ .n_expected = n_expected };
	cr_assert_eq(uv_loop_init(&rig->loop), 0);
	uv_timer_init(&rig->loop, &rig->alive);
	uv_timer_start(&rig->alive, on_alive, 1000, 1000);
	cr_assert_null(io_work_pool_new(&opts, &rig->pool));
}

static void rig_fini(struct rig *rig)
{
	io_work_pool_free(rig->pool);
	uv_close((uv_handle_t *)&rig->alive, NULL);
	/* The first one may see uv_stop() of the last job alone. */
	uv_run(&rig->loop, UV_RUN_NOWAIT);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&rig->loop), 0);
}

static void count(struct rig *rig)
{
	if (++rig->n_done == rig->n_expected)
		uv_stop(&rig->loop);
}

struct job {
	struct rig *rig;
	pthread_t loop_thread;
	pthread_barrier_t *barrier; /* may be NULL */
	bool was_elsewhere;
};

static void job_run(void *arg)
{
	struct job *job = arg;

	job->was_elsewhere = !pthread_equal(pthread_self(), job->loop_thread);
	if (job->barrier)
		pthread_barrier_wait(job->barrier);
}

static void job_done(void *arg)
{
	struct job *job = arg;

	cr_assert(pthread_equal(pthread_self(), job->loop_thread));
	count(job->rig);
}

Test(work, runs_elsewhere_and_comes_back)
{
	struct rig rig;
	struct job job = { .rig = &rig, .loop_thread = pthread_self() };

	rig_init(&rig, 1, 1);
	io_work_submit(rig.pool, job_run, job_done, &job);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	cr_assert(job.was_elsewhere);
	cr_assert_eq(io_work_pending(rig.pool), 0);
	rig_fini(&rig);
}

/* Eight that can only end together, submitted at once: nobody waits behind another. */
Test(work, as_many_threads_as_needed)
{
	pthread_barrier_t barrier;
	struct rig rig;
	struct job job[8];

	rig_init(&rig, 8, 16);
	pthread_barrier_init(&barrier, NULL, 8);
	for (int round = 0; round < 2; round++) {
		rig.n_expected = 8 * (unsigned)(round + 1);
		for (int i = 0; i < 8; i++) {
			job[i] = (struct job){ &rig, pthread_self(), &barrier, false };
			io_work_submit(rig.pool, job_run, job_done, &job[i]);
		}
		uv_run(&rig.loop, UV_RUN_DEFAULT);
	}
	cr_assert_eq(rig.n_done, 16);
	pthread_barrier_destroy(&barrier);
	rig_fini(&rig);
}

Test(work, more_work_than_threads)
{
	static struct job job[1000];
	struct rig rig;

	rig_init(&rig, 2, 1000);
	for (int i = 0; i < 1000; i++) {
		job[i] = (struct job){ &rig, pthread_self(), NULL, false };
		io_work_submit(rig.pool, job_run, job_done, &job[i]);
	}
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	cr_assert_eq(rig.n_done, 1000);
	rig_fini(&rig);
}

/* Freed with everything still under way. */
Test(work, free_waits)
{
	static struct job job[100];
	struct rig rig;

	rig_init(&rig, 3, 100);
	for (int i = 0; i < 100; i++) {
		job[i] = (struct job){ &rig, pthread_self(), NULL, false };
		io_work_submit(rig.pool, job_run, job_done, &job[i]);
	}
	rig_fini(&rig);
	cr_assert_eq(rig.n_done, 100);
	for (int i = 0; i < 100; i++)
		cr_assert(job[i].was_elsewhere);
}

struct poster {
	struct rig *rig;
	unsigned next; /* expected by the loop */
	unsigned numbers[1000];
};

static struct poster poster;

static void on_post(void *arg)
{
	cr_assert_eq(*(unsigned *)arg, poster.next);
	poster.next++;
	count(poster.rig);
}

static void post_all(void *arg)
{
	struct poster *p = arg;

	for (unsigned i = 0; i < DV_ARRAY_SIZE(p->numbers); i++) {
		p->numbers[i] = i;
		io_work_post(p->rig->pool, on_post, &p->numbers[i]);
	}
}

Test(work, posts_keep_their_order)
{
	struct rig rig;

	rig_init(&rig, 1, 1000);
	poster.rig = &rig;
	io_work_submit(rig.pool, post_all, NULL, &poster);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	cr_assert_eq(poster.next, 1000);
	rig_fini(&rig);
}
