/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A relay from one descriptor to another, with back-pressure: nothing is read while something
 * read before could not be written. Memory is held for such bytes only. Where both ends are
 * pipes nothing is copied (splice).
 */

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"
#include "io/scratch.h"

struct io_copy;

struct io_copy_opts {
	int take_from; /* both become O_NONBLOCK, and are closed when the relay is freed */
	int take_to; /* -1: what is read is dropped */
	struct io_scratch *scratch;
	/*
	 * Once, from the loop: the source has ended (EOF, or EIO of a terminal) and all of it was
	 * written: @neg_errno 0; or else reading or writing failed. May free the relay.
	 */
	void (*ended)(void *arg, int neg_errno);
	/* Whenever there is nothing to be read and nothing left to write. May be NULL. */
	void (*idle)(void *arg);
	void *arg;
};

/* The descriptors are taken also after a failure. DV_INVALID: one of them cannot be waited for. */
struct dv_err *io_copy_new(uv_loop_t *loop, const struct io_copy_opts *opts, struct io_copy **ret)
	DV_CHECK;
struct io_copy *io_copy_free(struct io_copy *c); /* accepts NULL; what is pending is lost */
DV_DEFINE_CLEANUP(struct io_copy *, io_copy_free);

/*
 * Moves what can be moved now. True when there is nothing to be read and nothing left to write,
 * or the relay has ended. No callback is called from within: they come from the loop.
 */
bool io_copy_flush(struct io_copy *c);
