/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* At most so many exchanges at a time with one server; the others wait in their order. */

#include "registry-private.h"

struct slot {
	struct slots *owner; /* NULL: neither held nor waited for */
	bool is_held;
	struct slot *next, **prev; /* while it waits */
	struct http_task task;
	void (*granted)(struct slot *slot);
};

/* @granted from the loop, once there is room. */
void slot_request(struct registry *r, const char *server, struct slot *slot,
		  void (*granted)(struct slot *slot));
/* Also of one that waits, or of none. */
void slot_release(struct registry *r, struct slot *slot);
/* When nobody holds any. */
void slots_free(struct slots *s);
