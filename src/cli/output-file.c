/* SPDX-License-Identifier: Apache-2.0 */
/* A file that has its name only when it is complete. See output-file.h. */

#include "output-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "client/unique.h"
#include "sys/disk.h"
#include "sys/file.h"

/* Beside @path, since a name can only move within a file system. */
static char *temporary_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int n_dir = slash ? (int)(slash + 1 - path) : 0;
	char id[CLIENT_ID_SIZE];

	client_unique_id(id);
	return dv_printf("%.*s.davit-%.16s", n_dir, path, id);
}

static struct dv_err *open_file(struct cli_output *o)
{
	const char *slash = strrchr(o->path, '/');
	DV_CLEANUP(dv_freep)
	char *dir = slash ? dv_strndup(o->path, (size_t)(slash + 1 - o->path)) : dv_strdup(".");

	o->temporary = temporary_name(o->path);
	/* Without a name until the end, so that nothing stays of a process that is killed. */
	o->fd = sys_openat(AT_FDCWD, dir, O_TMPFILE | O_WRONLY, 0600);
	if (o->fd == -EOPNOTSUPP || o->fd == -EISDIR)
		o->fd = sys_openat(AT_FDCWD, o->temporary, O_CREAT | O_EXCL | O_WRONLY, 0600);
	return o->fd < 0 ? dv_err_sys(o->fd, "create a file in %s", dir) : NULL;
}

struct dv_err *cli_output_open(const char *path, struct cli_output *ret)
{
	struct stat st;

	*ret = (struct cli_output){ .fd = -1, .path = dv_strdup(path) };
	if (sys_fstatat(AT_FDCWD, path, &st, 0) < 0 || S_ISREG(st.st_mode))
		return open_file(ret);
	if (S_ISDIR(st.st_mode))
		return dv_err_new(DV_INVALID, "%s is a directory", path);
	ret->fd = sys_openat(AT_FDCWD, path, O_WRONLY, 0);
	return ret->fd < 0 ? dv_err_sys(ret->fd, "open %s", path) : NULL;
}

static void release(struct cli_output *o)
{
	o->fd = sys_close(o->fd);
	free(o->path);
	free(o->temporary);
}

struct dv_err *cli_output_drop(struct cli_output *o, struct dv_err *e)
{
	if (o->temporary)
		(void)sys_unlinkat(AT_FDCWD, o->temporary, 0);
	release(o);
	return e;
}

static int give_name(struct cli_output *o)
{
	DV_CLEANUP(dv_freep) char *self = dv_printf("/proc/self/fd/%d", o->fd);
	struct stat st;
	int r = sys_fsync(o->fd);

	if (r == 0)
		r = sys_fstat(o->fd, &st);
	if (r == 0 && st.st_nlink == 0)
		r = sys_linkat(AT_FDCWD, self, AT_FDCWD, o->temporary, AT_SYMLINK_FOLLOW);
	return r == 0 ? sys_renameat(AT_FDCWD, o->temporary, AT_FDCWD, o->path) : r;
}

struct dv_err *cli_output_keep(struct cli_output *o)
{
	int r = o->temporary ? give_name(o) : 0;

	if (r < 0)
		return cli_output_drop(o, dv_err_sys(r, "write %s", o->path));
	release(o);
	return NULL;
}
