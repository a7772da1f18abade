/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The fields of an event that filters ask for. The payload is decoded when the first one does. */

#include <stdbool.h>

#include "base/mem.h"
#include "events.h"

struct event_fields {
	const struct event *event;
	struct dv_arena arena; /* of the message, and of texts */
	const void *msg; /* NULL: not decoded, or nothing that is known */
	bool is_decoded;
};

/* A dv_filter_field_fn. The object is a struct event_fields, which it changes. */
const char *event_field(const void *object, const struct dv_filter_path *path);
void event_fields_fini(struct event_fields *f);
