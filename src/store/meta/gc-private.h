/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the collector share. */

#include "meta-private.h"
#include "store/meta-gc.h"

/* What a writer has touched since marking began. */
struct meta_log_item {
	enum meta_node_kind kind;
	int64_t ns;
	const char *snapshotter, *key;
};

struct meta_log {
	struct meta_vec items; /* struct meta_log_item */
	struct dv_arena arena;
};
