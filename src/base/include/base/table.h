/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Columns of text, each as wide as its widest cell: the alignment of Go's tabwriter, whose
 * output scripts have learnt to parse. The last column is not padded.
 */

#include <stddef.h>

#include "base/str.h"

struct dv_table {
	size_t n_columns;
	char **cells; /* row after row */
	size_t n_cells;
};

#define DV_TABLE_INIT(n) \
	{ \
		.n_columns = (n), .cells = NULL, .n_cells = 0 \
	}

/* Copies @cell. */
void dv_table_add(struct dv_table *t, const char *cell);
void dv_table_addf(struct dv_table *t, const char *fmt, ...) DV_PRINTF(2, 3);
/*
 * One line per row. A column takes its widest cell and @padding, at least @min_width.
 * Rows must be complete.
 */
void dv_table_format(const struct dv_table *t, size_t min_width, size_t padding,
		     struct dv_strbuf *out);
void dv_table_fini(struct dv_table *t);
