/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mutex guards the queues and the number of threads. Threads are detached: a pool that is
 * freed waits for their number to be zero, which is the last thing that a thread changes.
 */

#include "io/work.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

enum { STACK_DEFAULT = 256 << 10, NAME_MAX_LEN = 16 };
#define IDLE_DEFAULT_NS 5000000000ULL
#define NS_PER_S	1000000000ULL

struct work {
	struct work *next;
	io_work_fn fn, done;
	void *arg;
};

struct queue {
	struct work *first, **last;
};

struct io_work_pool {
	uv_async_t wake; /* the loop: `finished` has something */
	pthread_mutex_t lock;
	pthread_cond_t more; /* for threads: something is waiting, or it is the end */
	pthread_cond_t ended; /* for io_work_pool_free(): a thread has ended */
	struct queue waiting, finished;
	size_t n_waiting, n_running;
	unsigned n_threads, n_idle, max_threads;
	uint64_t idle_ns;
	size_t stack_size;
	bool is_ending;
	char name[NAME_MAX_LEN];
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_put(struct queue *q, struct work *w)
{
	w->next = NULL;
	*q->last = w;
	q->last = &w->next;
}

static struct work *queue_get(struct queue *q)
{
	struct work *w = q->first;

	if (!w)
		return NULL;
	q->first = w->next;
	if (!q->first)
		q->last = &q->first;
	return w;
}

static struct timespec after(uint64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns += (uint64_t)now.tv_nsec;
	now.tv_sec += (time_t)(ns / NS_PER_S);
	now.tv_nsec = (long)(ns % NS_PER_S);
	return now;
}

/* With the lock held. NULL: this thread is to end. */
static struct work *next_work(struct io_work_pool *p)
{
	struct timespec until = after(p->idle_ns);
	struct work *w;
	int r = 0;

	while (!(w = queue_get(&p->waiting))) {
		if (p->is_ending || r == ETIMEDOUT)
			return NULL;
		p->n_idle++;
		r = pthread_cond_timedwait(&p->more, &p->lock, &until);
		p->n_idle--;
	}
	p->n_waiting--;
	p->n_running++;
	return w;
}

static void *thread_main(void *arg)
{
	struct io_work_pool *p = arg;
	struct work *w;

	pthread_mutex_lock(&p->lock);
	while ((w = next_work(p))) {
		pthread_mutex_unlock(&p->lock);
		w->fn(w->arg);
		pthread_mutex_lock(&p->lock);
		p->n_running--;
		queue_put(&p->finished, w);
		/* Under the lock: the pool, and its handle, cannot go away before we let go. */
		(void)uv_async_send(&p->wake);
	}
	p->n_threads--;
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* With the lock held. */
static int start_thread(struct io_work_pool *p)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, p->stack_size);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, thread_main, p);
	if (r == 0) {
		p->n_threads++;
		(void)pthread_setname_np(thread, p->name);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static void run_finished(struct io_work_pool *p)
{
	struct work *w, *next;

	pthread_mutex_lock(&p->lock);
	w = p->finished.first;
	queue_init(&p->finished);
	pthread_mutex_unlock(&p->lock);

	for (; w; w = next) {
		next = w->next;
		if (w->done)
			w->done(w->arg);
		free(w);
	}
}

static void on_wake(uv_async_t *wake)
{
	run_finished(dv_container_of(wake, struct io_work_pool, wake));
}

struct dv_err *io_work_pool_new(const struct io_work_pool_opts *opts, struct io_work_pool **ret)
{
	struct io_work_pool *p = dv_new(struct io_work_pool);
	pthread_condattr_t attr;
	int r;

	dv_assert(opts->max_threads > 0);
	r = uv_async_init(opts->loop, &p->wake, on_wake);
	if (r < 0) {
		free(p);
		return dv_err_sys(r, "make the %s threads' way back to the loop", opts->name);
	}
	/* A pool alone keeps no loop running. */
	uv_unref((uv_handle_t *)&p->wake);

	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->more, &attr);
	pthread_cond_init(&p->ended, &attr);
	pthread_condattr_destroy(&attr);
	queue_init(&p->waiting);
	queue_init(&p->finished);
	p->max_threads = opts->max_threads;
	p->idle_ns = opts->idle_ns ? opts->idle_ns : IDLE_DEFAULT_NS;
	p->stack_size = opts->stack_size ? opts->stack_size : STACK_DEFAULT;
	if (p->stack_size < (size_t)PTHREAD_STACK_MIN)
		p->stack_size = (size_t)PTHREAD_STACK_MIN;
	strncpy(p->name, opts->name, sizeof(p->name) - 1);
	*ret = p;
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct io_work_pool *p =
		dv_container_of((uv_async_t *)(void *)handle, struct io_work_pool, wake);

	pthread_cond_destroy(&p->ended);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static bool is_empty(struct io_work_pool *p)
{
	bool r;

	pthread_mutex_lock(&p->lock);
	r = p->n_threads == 0 && !p->waiting.first && !p->finished.first;
	pthread_mutex_unlock(&p->lock);
	return r;
}

struct io_work_pool *io_work_pool_free(struct io_work_pool *p)
{
	if (!p)
		return NULL;
	/* A `done` may have submitted more. */
	while (!is_empty(p)) {
		pthread_mutex_lock(&p->lock);
		p->is_ending = true;
		if (p->waiting.first && p->n_threads == 0)
			dv_assert(start_thread(p) == 0);
		pthread_cond_broadcast(&p->more);
		while (p->n_threads > 0)
			pthread_cond_wait(&p->ended, &p->lock);
		pthread_mutex_unlock(&p->lock);
		run_finished(p);
	}
	uv_close((uv_handle_t *)&p->wake, on_closed);
	return NULL;
}

void io_work_submit(struct io_work_pool *p, io_work_fn fn, io_work_fn done, void *arg)
{
	struct work *w = dv_new(struct work);

	w->fn = fn;
	w->done = done;
	w->arg = arg;

	pthread_mutex_lock(&p->lock);
	queue_put(&p->waiting, w);
	p->n_waiting++;
	/* Without a new thread the others do it, later; without any thread nobody would. */
	if (p->n_waiting > p->n_idle && p->n_threads < p->max_threads && start_thread(p) != 0)
		dv_assert(p->n_threads > 0);
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
}

size_t io_work_pending(struct io_work_pool *p)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->n_waiting + p->n_running;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void io_work_post(struct io_work_pool *p, io_work_fn fn, void *arg)
{
	struct work *w = dv_new(struct work);

	w->done = fn;
	w->arg = arg;

	pthread_mutex_lock(&p->lock);
	queue_put(&p->finished, w);
	(void)uv_async_send(&p->wake);
	pthread_mutex_unlock(&p->lock);
}
