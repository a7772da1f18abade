/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Working memory of a loop: one buffer that whoever is being called back may use until it
 * returns. It is given back to the system once it was not used for a second, so that an idle
 * process has none.
 */

#include <stddef.h>
#include <uv.h>

#include "base/macros.h"

struct io_scratch;

struct io_scratch *io_scratch_new(uv_loop_t *loop, size_t size);
struct io_scratch *io_scratch_free(struct io_scratch *s); /* accepts NULL */
DV_DEFINE_CLEANUP(struct io_scratch *, io_scratch_free);

/* Page-aligned, with anything in it. */
void *io_scratch_get(struct io_scratch *s);
size_t io_scratch_size(const struct io_scratch *s);
