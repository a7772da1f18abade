/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory is removed by giving it another name first, ".<id>": whoever makes a container of that
 * id again finds nothing in the way. Logs may be large, so the rest is a slow worker's.
 */

#include "container-data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/str.h"
#include "sys/file.h"

struct removal {
	struct daemon *d;
	char *dir, *name;
};

char *container_data_path(const struct daemon *d, const char *ns, const char *id)
{
	return dv_printf("%s/%s/%s/%s", d->config->root, CONTAINER_DATA_DIR, ns, id);
}

struct dv_err *container_data_make(const struct daemon *d, const char *ns, const char *id)
{
	DV_CLEANUP(dv_freep) char *below = dv_printf("%s/%s/%s", CONTAINER_DATA_DIR, ns, id);
	DV_CLEANUP(sys_closep) int root = -1, dir = -1;

	root = sys_openat(AT_FDCWD, d->config->root, O_PATH | O_DIRECTORY, 0);
	dir = root < 0 ? root : sys_mkdir_in_root(root, below, 0700);
	return dir < 0 ? dv_err_sys(dir, "make directory %s/%s", d->config->root, below) : NULL;
}

static void remove_run(void *arg)
{
	struct removal *rm = arg;
	int dir = sys_openat(AT_FDCWD, rm->dir, O_RDONLY | O_DIRECTORY, 0);
	int r = dir < 0 ? dir : sys_remove_tree(dir, rm->name);

	if (r < 0 && r != -ENOENT)
		dv_log(rm->d->log, DV_WARN, "remove %s/%s: %s", rm->dir, rm->name,
		       dv_errno_text(-r));
	sys_closep(&dir);
	free(rm->dir);
	free(rm->name);
	free(rm);
}

void container_data_remove(struct daemon *d, const char *ns, const char *id)
{
	DV_CLEANUP(dv_freep)
	char *path = dv_printf("%s/%s/%s", d->config->root, CONTAINER_DATA_DIR, ns);
	DV_CLEANUP(dv_freep) char *hidden = dv_printf(".%s", id);
	DV_CLEANUP(sys_closep) int dir = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	struct removal *rm;
	int r;

	if (dir < 0) /* nobody has made one */
		return;
	r = sys_renameat(dir, id, dir, hidden);
	if (r == -ENOTEMPTY || r == -EEXIST) { /* one that could not be removed before */
		(void)sys_remove_tree(dir, hidden);
		r = sys_renameat(dir, id, dir, hidden);
	}
	if (r < 0 && r != -ENOENT)
		dv_log(d->log, DV_WARN, "remove %s/%s: %s", path, id, dv_errno_text(-r));
	if (r < 0)
		return;
	DV_FAULT("container.data.hidden");
	rm = dv_new(struct removal);
	*rm = (struct removal){ d, dv_steal(&path), dv_steal(&hidden) };
	io_work_submit(d->slow, remove_run, NULL, rm);
}
