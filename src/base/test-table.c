/* SPDX-License-Identifier: Apache-2.0 */
/* Columns, as Go's tabwriter makes them. */

#include "base/table.h"
#include "base/test.h"

static const char *format(const char *const *cells, size_t n_columns, size_t min_width,
			  size_t padding)
{
	static struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_table t = DV_TABLE_INIT(n_columns);

	for (; *cells; cells++)
		dv_table_add(&t, *cells);
	dv_strbuf_clear(&out);
	dv_table_format(&t, min_width, padding, &out);
	dv_table_fini(&t);
	return out.data;
}

/* What runc's list prints: at least 12 wide, 3 between columns, nothing behind the last. */
Test(table, like_list)
{
	static const char *const cells[] = { "ID",	"PID",	   "STATUS", "OWNER",	    "c1",
					     "0",	"stopped", "root",   "a-long-name", "12345",
					     "running", "#1000",   NULL };

	T_STR(format(cells, 4, 12, 3), "ID            PID         STATUS      OWNER\n"
				       "c1            0           stopped     root\n"
				       "a-long-name   12345       running     #1000\n");
}

Test(table, like_help)
{
	static const char *const cells[] = { "  --a x", "one", "  --bcd", "two", NULL };

	T_STR(format(cells, 2, 0, 2), "  --a x  one\n  --bcd  two\n");
}

Test(table, edges)
{
	static const char *const none[] = { NULL };
	static const char *const one[] = { "a", "b", NULL };
	static const char *const empty[] = { "", "b", "", "d", NULL };
	static const char *const wide[] = { "\xc3\xa4\xc3\xb6", "x", "abc", "y", NULL };

	T_STR(format(none, 3, 12, 3), "");
	T_STR(format(one, 1, 12, 3), "a\nb\n");
	T_STR(format(empty, 2, 0, 1), " b\n d\n");
	T_STR(format(wide, 2, 0, 1), "\xc3\xa4\xc3\xb6  x\nabc y\n");
}

Test(table, formatted_cells)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_table t = DV_TABLE_INIT(2);

	dv_table_addf(&t, "%d", 42);
	dv_table_addf(&t, "%s", "");
	dv_table_format(&t, 0, 1, &out);
	T_STR(out.data, "42 \n");
	dv_strbuf_fini(&out);
	dv_table_fini(&t);
	dv_table_fini(&t);
}
