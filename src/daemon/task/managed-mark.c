/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file of its own rather than a label: it is written at each Create and Start, which must not wait
 * for the disk. After a power cut it may be missing or empty; then less is known.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
#include "codec/json.h"
#include "container-data.h"
#include "managed.h"
#include "sys/file.h"

#define NAME "task"

enum { MARK_MAX = 512 };

struct dv_err *managed_mark_set(const struct daemon *d, const char *ns, const char *id,
				const struct managed_mark *mark)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *path = container_data_path(d, ns, id);
	DV_CLEANUP(sys_closep) int dir = -1, fd = -1;
	char started[DV_CLOCK_SIZE] = "";
	struct dv_jw w;
	int r;

	if (mark->started.tv_sec)
		dv_clock_format(&mark->started, DV_CLOCK_NANOS, started);
	dv_jw_init(&w, &text, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "started", started);
	dv_jw_bool(&w, "oom", mark->is_oom);
	dv_jw_object_end(&w);
	dir = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	fd = dir < 0 ? dir
		     : sys_openat(dir, "." NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : sys_write_all(fd, text.data, text.len);
	if (r >= 0)
		r = sys_renameat(dir, "." NAME, dir, NAME);
	return r < 0 ? dv_err_sys(r, "write %s/" NAME, path) : NULL;
}

static void parse(const char *text, size_t n, struct managed_mark *ret)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e = dv_json_parse(text, n, &doc);
	const struct dv_json *started;

	if (e) {
		dv_err_free(e);
		return;
	}
	started = dv_json_get(doc, "started");
	if (dv_json_type(started) != DV_JSON_STRING ||
	    !dv_clock_parse(dv_json_string(started, NULL), &ret->started))
		ret->started = (struct timespec){};
	ret->is_oom = dv_json_type(dv_json_get(doc, "oom")) == DV_JSON_BOOL &&
		      dv_json_bool(dv_json_get(doc, "oom"));
}

bool managed_mark_get(const struct daemon *d, const char *ns, const char *id,
		      struct managed_mark *ret, struct timespec *ret_at)
{
	DV_CLEANUP(dv_freep) char *dir = container_data_path(d, ns, id);
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/" NAME, dir);
	DV_CLEANUP(sys_closep) int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW, 0);
	char text[MARK_MAX];
	struct stat st;
	ssize_t n;

	*ret = (struct managed_mark){};
	if (fd < 0 || sys_fstat(fd, &st) < 0)
		return false;
	if (ret_at)
		*ret_at = st.st_mtim;
	n = sys_read_all(fd, text, sizeof(text));
	if (n > 0)
		parse(text, (size_t)n, ret);
	return true;
}

void managed_mark_remove(const struct daemon *d, const char *ns, const char *id)
{
	DV_CLEANUP(dv_freep) char *dir = container_data_path(d, ns, id);
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/" NAME, dir);

	(void)sys_unlinkat(AT_FDCWD, path, 0);
}
