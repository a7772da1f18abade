/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When garbage is collected: a moment after something was deleted, after many changes, when a lease
 * expires, and when somebody asks and waits. The collector itself is store/meta-gc.h.
 */

#include "daemon-private.h"

struct gc *gc_new(struct daemon *d);
/* No work may be under way that it was asked for. Accepts NULL; always returns NULL. */
struct gc *gc_free(struct gc *gc);
