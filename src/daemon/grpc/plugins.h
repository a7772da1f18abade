/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Our parts, under the types and ids that clients look for. The loop's. */

#include "api/containerd/introspection.pb-c.h"
#include "codec/filter.h"
#include "daemon-private.h"

enum { PLUGINS_MAX = 128 };

struct plugin_list {
	struct dv_arena *arena;
	Containerd__Services__Introspection__V1__Plugin *items[PLUGINS_MAX];
	size_t n_items;
};

void plugin_list_make(struct daemon *d, struct dv_arena *arena, struct plugin_list *ret);
void plugin_list_filter(struct plugin_list *list, const struct dv_filter *filter);
/* NULL: there is none. */
Containerd__Services__Introspection__V1__Plugin *plugin_list_find(struct plugin_list *list,
								  const char *type, const char *id);
