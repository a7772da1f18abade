/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between the files of sessions. An operation is in the memory of the thread that waits for it,
 * until the loop has said that it is done:
 *
 *	thread:  session_run() -- post start --> waits ------------------> is_done --> returns
 *	loop:                     start(), request ... its callback -- session_done() --^
 *
 * After an interruption the thread posts session_cancel, and waits for that: the loop never sees an
 * operation that is gone.
 */

#include <pthread.h>

#include "registry/session.h"

struct registry_session {
	struct registry *registry;
	struct io_work_pool *pool;
	struct registry_repo *repo; /* the loop's */
	pthread_mutex_t lock; /* for what follows, and for all operations */
	pthread_cond_t changed;
	bool is_interrupted;
};

struct session_op {
	struct registry_session *session;
	struct registry_request *request; /* the loop's */
	bool is_done;
	struct dv_err *error;
};

/* Posts @start, which gets @op, and waits. */
struct dv_err *session_run(struct session_op *op, void (*start)(void *op));
/* With the lock held: waits until it is done, interrupted or not. The error is the caller's. */
struct dv_err *session_wait(struct session_op *op);
/* On the loop. */
void session_done(struct session_op *op, struct dv_err *take_error);
