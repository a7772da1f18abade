/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the parents of davit-unpack have in common. */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "codec/digest.h"

struct unpack_msg; /* wire.h */

/* It hung up without a last word; @who for the message. */
struct dv_err *image_child_died(int pidfd, const char *who) DV_CHECK;

/*
 * What it says on @socket, and the descriptor that came with it (-1: none), the caller's. It is its last word
 * if *ret_is_last.
 */
struct dv_err *image_child_hear(int socket, int pidfd, const char *who, struct unpack_msg *ret,
				int *ret_fd, bool *ret_is_last) DV_CHECK;
/* The answer to a request: 0 or -errno; what else it needs is in @io. */
struct dv_err *image_child_answer(int socket, const char *who, struct unpack_msg *io, int code)
	DV_CHECK;

/* After its last word, or ours, it has nothing to do any more. Waits until it is gone. */
void image_child_end(int pidfd);

/* The last word: UNPACK_DONE with digest and size, or UNPACK_FAILED, which becomes the error. */
struct dv_err *image_child_verdict(const struct unpack_msg *m, struct dv_digest *ret_digest,
				   int64_t *ret_size) DV_CHECK;
