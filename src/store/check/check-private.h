/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of check/ share. */

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/check.h"

struct check {
	const struct store_check_opts *opts;
	struct dv_arena arena; /* of one part of the check */
};

/* Strings that grow in number; they live in the arena. */
struct check_list {
	const char **items;
	size_t n, size;
};
void check_list_add(struct check_list *l, const char *item);
static inline void check_list_fini(struct check_list *l)
{
	free(l->items);
}

void check_tell(struct check *ck, const struct store_finding *finding);

/* Names in a directory, in no order; a directory that is not there has none. */
struct dv_err *check_read_dir(const char *path, struct dv_arena *arena, struct check_list *ret)
	DV_CHECK;

/* ---- check-snapshots.c ---- */

struct dv_err *check_snapshots(struct check *ck) DV_CHECK;
