/* SPDX-License-Identifier: Apache-2.0 */

/* Checks of the database as such. */

#include <fcntl.h>

#include "meta-private.h"
#include "store/meta-check.h"

#include "base/str.h"
#include "sys/file.h"

struct dv_err *meta_check(struct meta *m, meta_problem_fn fn, void *arg)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	META_ROWS(rows);
	META_ROWS(keys);
	struct dv_err *e;
	bool is_row;

	e = meta_begin(m, META_READ, &tx);
	if (!e)
		e = meta_query(tx, &rows, "PRAGMA integrity_check(100)", "");
	while (!e && !(e = meta_next(&rows, &is_row)) && is_row)
		if (!dv_streq(meta_col_borrow(&rows, 0), "ok"))
			fn(arg, meta_col_borrow(&rows, 0));
	if (!e)
		e = meta_query(tx, &keys, "PRAGMA foreign_key_check", "");
	while (!e && !(e = meta_next(&keys, &is_row)) && is_row) {
		DV_CLEANUP(dv_freep)
		char *text = dv_printf("a row of table %s refers to one of %s that is not there",
				       meta_col_borrow(&keys, 0), meta_col_borrow(&keys, 2));

		fn(arg, text);
	}
	/* What cannot even be checked is damaged. */
	if (e && dv_err_code(e) == DV_DATA_LOSS) {
		fn(arg, dv_err_message(e));
		e = dv_err_free(e);
	}
	return e;
}

struct dv_err *meta_ask_salvage(struct meta *m)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s.salvage", m->path);
	DV_CLEANUP(sys_closep) int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0600);

	return fd < 0 ? dv_err_sys(fd, "make %s", path) : NULL;
}
