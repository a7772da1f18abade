/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs in a container. Its root file system is looked at before it is in use: mounted on a
 * directory of ours for a moment, and from then on a descriptor, which nobody finds by a path.
 */

#include <fcntl.h>

#include "client/root.h"
#include "container-private.h"
#include "sys/file.h"

#define PLACE "rootfs"

static struct dv_err *open_root(struct making *m, int *ret)
{
	const char *place;
	struct dv_err *e;
	int r;

	if (m->opts->rootfs) {
		r = sys_openat(AT_FDCWD, m->opts->rootfs, O_PATH | O_DIRECTORY, 0);
		if (r < 0)
			return dv_err_sys(r, "open %s", m->opts->rootfs);
		*ret = r;
		return NULL;
	}
	r = sys_mkdirat(m->dir, PLACE, 0700);
	if (r < 0)
		return dv_err_sys(r, "make a directory in %s", m->out->start.data_dir);
	place = dv_arena_printf(m->arena, "%s/" PLACE, m->out->start.data_dir);
	e = client_mounts_open(place, m->out->start.mounts, m->out->start.n_mounts, m->arena, ret);
	(void)sys_unlinkat(m->dir, PLACE, AT_REMOVEDIR);
	return e;
}

static struct dv_err *find(struct making *m, int root)
{
	const char *text = m->opts->user;
	struct dv_err *e;

	if (!text && m->image.config)
		text = m->image.config->user;
	e = host_user_find(root, text ? text : "", &m->user);
	for (size_t i = 0; !e && i < m->opts->n_groups; i++)
		e = host_user_add_group(root, m->opts->groups[i], &m->user);
	return e;
}

struct dv_err *making_user(struct making *m)
{
	DV_CLEANUP(sys_closep) int root = -1;
	struct dv_err *e;

	e = open_root(m, &root);
	if (e)
		return dv_err_wrap(e, "look at the container's files");
	e = find(m, root);
	if (e)
		return e;
	m->spec.uid = m->user.uid;
	m->spec.gid = m->user.gid;
	m->spec.groups = m->user.groups;
	m->spec.n_groups = m->user.n_groups;
	return NULL;
}
