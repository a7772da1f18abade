/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Work that blocks, off the loop: a pool of threads that start when there is work and end when
 * there was none for a while, so that an idle process has one thread. Work owns its input; its
 * result is handed back to the loop.
 *
 * And the way back: a post from any thread is run by the loop. A pool keeps no loop running, also
 * with work in it.
 */

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"

struct io_work_pool;

struct io_work_pool_opts {
	uv_loop_t *loop;
	const char *name; /* of the threads, as ps -L shows it; at most 15 bytes */
	unsigned max_threads;
	uint64_t idle_ns; /* a thread without work for so long ends; 0: 5 s */
	size_t stack_size; /* 0: 256 KiB */
};

struct dv_err *io_work_pool_new(const struct io_work_pool_opts *opts, struct io_work_pool **ret)
	DV_CHECK;

/*
 * Waits for the work that is queued or running; each `done` is still called, before this returns.
 * From the loop's thread. Accepts NULL.
 */
struct io_work_pool *io_work_pool_free(struct io_work_pool *p);
DV_DEFINE_CLEANUP(struct io_work_pool *, io_work_pool_free);

typedef void (*io_work_fn)(void *arg);

/*
 * @fn on a thread of the pool, in the order of submission but side by side; then @done (may be
 * NULL) on the loop's thread. From any thread.
 */
void io_work_submit(struct io_work_pool *p, io_work_fn fn, io_work_fn done, void *arg);

/* Queued and running; for metrics. */
size_t io_work_pending(struct io_work_pool *p);

/* Runs @fn on the loop's thread, in the order of the posts. From any thread, also the loop's. */
void io_work_post(struct io_work_pool *p, io_work_fn fn, void *arg);
