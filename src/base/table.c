/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns. See table.h. */

#include "base/table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"

/* Takes @cell. */
static void add(struct dv_table *t, char *cell)
{
	t->cells = dv_realloc_n(t->cells, t->n_cells + 1, sizeof(*t->cells));
	t->cells[t->n_cells++] = cell;
}

void dv_table_add(struct dv_table *t, const char *cell)
{
	add(t, dv_strdup(cell));
}

void dv_table_addf(struct dv_table *t, const char *fmt, ...)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dv_strbuf_addv(&b, fmt, ap);
	va_end(ap);
	add(t, dv_strbuf_steal(&b));
}

/* In characters: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct dv_table *t, size_t column, size_t min_width,
			   size_t padding)
{
	size_t width = min_width;

	for (size_t i = column; i < t->n_cells; i += t->n_columns)
		width = DV_MAX(width, width_of(t->cells[i]) + padding);
	return width;
}

void dv_table_format(const struct dv_table *t, size_t min_width, size_t padding,
		     struct dv_strbuf *out)
{
	size_t *widths = dv_new_n(size_t, t->n_columns);

	dv_assert(t->n_cells % t->n_columns == 0);
	for (size_t c = 0; c < t->n_columns; c++)
		widths[c] = column_width(t, c, min_width, padding);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t c = i % t->n_columns;

		dv_strbuf_add(out, t->cells[i]);
		if (c == t->n_columns - 1) {
			dv_strbuf_addc(out, '\n');
			continue;
		}
		for (size_t n = width_of(t->cells[i]); n < widths[c]; n++)
			dv_strbuf_addc(out, ' ');
	}
	free(widths);
}

void dv_table_fini(struct dv_table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->n_cells = 0;
}
