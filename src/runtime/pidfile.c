/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pid file: whoever sees it sees all of it, so it is written beside, as ".<name>", and
 * renamed.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "launch-private.h"
#include "sys/file.h"

static int write_new(int dirfd, const char *name, const char *text)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_SYNC;
	int fd, r;

	fd = sys_openat(dirfd, name, flags, 0666);
	if (fd == -EEXIST) {
		/* Left behind by a runtime that was killed. */
		(void)sys_unlinkat(dirfd, name, 0);
		fd = sys_openat(dirfd, name, flags, 0666);
	}
	if (fd < 0)
		return fd;
	r = sys_write_all(fd, text, strlen(text));
	sys_close(fd);
	return r;
}

struct dv_err *rt_pid_file_write(const char *path, pid_t pid)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	DV_CLEANUP(dv_freep) char *dir = NULL, *temporary = NULL;
	DV_CLEANUP(sys_closep) int dirfd = -1;
	char text[16];
	int r;

	if (!*name)
		return dv_err_new(DV_INVALID, "pid file %s is a directory", path);
	dir = slash ? dv_strndup(path, DV_MAX((size_t)(slash - path), (size_t)1)) : dv_strdup(".");
	temporary = dv_printf(".%s", name);
	dirfd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	if (dirfd < 0)
		return dv_err_sys(dirfd, "open directory of pid file %s", path);

	snprintf(text, sizeof(text), "%d", pid);
	r = write_new(dirfd, temporary, text);
	if (r == 0)
		r = sys_renameat(dirfd, temporary, dirfd, name);
	if (r == 0)
		return NULL;
	(void)sys_unlinkat(dirfd, temporary, 0);
	return dv_err_sys(r, "write pid file %s", path);
}
