/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket is bound to a name beside its own, gets owner and mode, listens, and is renamed then:
 * who finds the name can connect, and nobody could who should not.
 */

#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "sys/file.h"
#include "sys/sock.h"

enum { BACKLOG = 1024 };

static struct dv_err *check_stale(const char *path)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int r;

	r = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	if (r == -ENOENT)
		return NULL;
	if (r < 0)
		return dv_err_sys(r, "look at socket %s", path);
	if (!S_ISSOCK(st.st_mode))
		return dv_err_new(DV_EXISTS, "%s is there and is not a socket", path);
	fd = sys_unix_connect(path);
	if (fd >= 0 || fd == -EAGAIN)
		return dv_err_new(DV_UNAVAILABLE, "another daemon listens on %s", path);
	return NULL;
}

static struct dv_err *make_directory(const char *path)
{
	DV_CLEANUP(dv_freep) char *dir = dv_strdup(path);
	DV_CLEANUP(sys_closep) int root = -1;
	char *slash = strrchr(dir, '/');
	int r;

	if (*path != '/')
		return dv_err_new(DV_INVALID, "socket %s: not an absolute path", path);
	slash[slash == dir] = '\0';
	root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	r = root < 0 ? root : sys_mkdir_in_root(root, dir, 0711);
	if (r < 0)
		return dv_err_sys(r, "make directory %s", dir);
	sys_close(r);
	return NULL;
}

static struct dv_err *bind_as(const struct daemon_socket *s, const char *name, int *ret_fd)
{
	DV_CLEANUP(sys_closep) int fd = sys_unix_socket();
	int r;

	if (fd < 0)
		return dv_err_sys(fd, "make a socket");
	(void)sys_unlinkat(AT_FDCWD, name, 0);
	r = sys_unix_bind(fd, name, 0600);
	if (r == 0)
		r = sys_fchownat(AT_FDCWD, name, s->uid, s->gid, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = sys_fchmodat(AT_FDCWD, name, s->mode);
	if (r == 0)
		r = sys_listen(fd, BACKLOG);
	if (r == 0)
		r = sys_renameat(AT_FDCWD, name, AT_FDCWD, s->path);
	if (r < 0) {
		(void)sys_unlinkat(AT_FDCWD, name, 0);
		return dv_err_sys(r, "listen on %s", s->path);
	}
	*ret_fd = dv_steal_fd(&fd);
	return NULL;
}

struct dv_err *daemon_socket_listen(const struct daemon_socket *s, int *ret_fd)
{
	DV_CLEANUP(dv_freep) char *name = dv_printf("%s~", s->path);
	struct dv_err *e;

	e = make_directory(s->path);
	if (!e)
		e = check_stale(s->path);
	if (!e)
		e = bind_as(s, name, ret_fd);
	return e;
}

void daemon_socket_remove_dead(const char *path)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;

	if (*path != '/' || sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISSOCK(st.st_mode))
		return;
	fd = sys_unix_connect(path);
	if (fd == -ECONNREFUSED)
		(void)sys_unlinkat(AT_FDCWD, path, 0);
}
