/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Children that nobody watches: processes whose parent has ended are ours once we are a
 * subreaper, and somebody has to wait for them. While a start is in flight the sweep is held
 * back: the init of a container may be among them and its pid not be known yet.
 *
 * One per process. SIGCHLD is taken.
 */

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"
#include "base/macros.h"

struct io_orphans;

/* @is_subreaper: also becomes one (PR_SET_CHILD_SUBREAPER). */
struct dv_err *io_orphans_new(uv_loop_t *loop, bool is_subreaper, struct io_orphans **ret) DV_CHECK;
struct io_orphans *io_orphans_free(struct io_orphans *o);
DV_DEFINE_CLEANUP(struct io_orphans *, io_orphans_free);

/* Counted. Watches (io/pidfd.h) go on while it is held. The last release sweeps. NULL is fine. */
void io_orphans_hold(struct io_orphans *o);
void io_orphans_release(struct io_orphans *o);
