/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket that a shim's address names. Several starts may want the same one at the same time,
 * and any of them may be killed at any time, so all changes happen under the lock of the
 * directory, and a socket without the mode that its start gives it last counts for nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "start-private.h"
#include "sys/file.h"
#include "sys/sock.h"

enum { BACKLOG = 128, MODE_COMMITTED = 0600 };

/* ---- its name ------------------------------------------------------------------------------- */

/* Go's filepath.Join: empty elements are left out, the result is cleaned. */
static char *join(const char *const *parts, size_t n)
{
	struct dv_strbuf b = DV_STRBUF_INIT;
	char *clean;

	for (size_t i = 0; i < n; i++) {
		if (parts[i] && *parts[i])
			dv_strbuf_addf(&b, "%s%s", b.len ? "/" : "", parts[i]);
	}
	clean = b.len ? dv_path_clean(b.data) : dv_strdup("");
	dv_strbuf_fini(&b);
	return clean;
}

struct dv_err *shim_socket_path(const struct shim_socket_name *name, char ret[SHIM_SOCKET_SIZE])
{
	const char *parts[] = { name->address, name->ns, name->group };
	DV_CLEANUP(dv_freep) char *joined = join(parts, DV_ARRAY_SIZE(parts));
	DV_CLEANUP(dv_freep)
	char *dir = dv_path_clean(name->dir && *name->dir ? name->dir : SHIM_SOCKET_DIR);
	char hex[SHA256_DIGEST_STRING_LENGTH];
	struct dv_strbuf path = DV_STRBUF_INIT;
	bool fits;

	(void)SHA256Data((const uint8_t *)joined, strlen(joined), hex);
	dv_strbuf_addf(&path, "%s/%s", dir, hex);
	fits = path.len < SHIM_SOCKET_SIZE;
	if (fits)
		memcpy(ret, path.data, path.len + 1);
	dv_strbuf_fini(&path);
	return fits ? NULL
		    : dv_err_new(
			      DV_INVALID,
			      "socket directory %s: a socket's path in it would be longer than %d bytes",
			      dir, SHIM_SOCKET_SIZE - 1);
}

/* ---- its directory -------------------------------------------------------------------------- */

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash != path ? dv_strndup(path, (size_t)(slash - path)) : dv_strdup("/");
}

static int make_dir(const char *dir)
{
	DV_CLEANUP(sys_closep) int root = -1;
	int fd;

	root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	if (root < 0)
		return root;
	fd = sys_mkdir_in_root(root, dir, 0700);
	sys_close(fd);
	return fd < 0 ? fd : 0;
}

struct dv_err *shim_socket_lock(const char *path, bool is_made, int *ret)
{
	DV_CLEANUP(dv_freep) char *dir = dir_of(path);
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -ENOENT && !is_made) {
		*ret = -1;
		return NULL;
	}
	if (fd == -ENOENT) {
		r = make_dir(dir);
		if (r < 0)
			return dv_err_sys(r, "make the socket directory %s", dir);
		fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	}
	if (fd < 0)
		return dv_err_sys(fd, "open the socket directory %s", dir);
	r = sys_lock(fd);
	if (r < 0)
		return dv_err_sys(r, "lock the socket directory %s", dir);
	*ret = dv_steal_fd(&fd);
	return NULL;
}

char *shim_spool_path(const char *socket_path)
{
	return dv_printf("%s.events", socket_path);
}

/* ---- who is there --------------------------------------------------------------------------- */

bool shim_socket_is_committed(const struct stat *st)
{
	return S_ISSOCK(st->st_mode) && (st->st_mode & 0777) == MODE_COMMITTED;
}

struct dv_err *shim_socket_probe(const char *path, enum shim_socket_state *ret, pid_t *ret_pid)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	struct stat st;
	int r;

	if (ret_pid)
		*ret_pid = 0;
	r = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);
	if (r == -ENOENT) {
		*ret = SHIM_SOCKET_NONE;
		return NULL;
	}
	if (r < 0)
		return dv_err_sys(r, "stat %s", path);
	if (!S_ISSOCK(st.st_mode))
		return dv_err_new(DV_PRECONDITION, "%s: not a socket, and in the way of one", path);
	if (!shim_socket_is_committed(&st)) {
		*ret = SHIM_SOCKET_STALE;
		return NULL;
	}
	fd = sys_unix_connect_nonblock(path);
	if (fd == -EAGAIN)
		*ret = SHIM_SOCKET_HUNG;
	else if (fd == -ECONNREFUSED || fd == -ENOENT)
		*ret = SHIM_SOCKET_STALE;
	else if (fd < 0)
		return dv_err_sys(fd, "connect to %s", path);
	else
		*ret = SHIM_SOCKET_LIVE;
	if (fd >= 0 && ret_pid)
		(void)sys_peer_pid(fd, ret_pid);
	return NULL;
}

struct dv_err *shim_socket_listen(int fd, const char *path)
{
	int r = sys_unlinkat(AT_FDCWD, path, 0);

	if (r < 0 && r != -ENOENT)
		return dv_err_sys(r, "remove the old socket %s", path);
	r = sys_unix_bind(fd, path, 0);
	if (r < 0)
		return dv_err_sys(r, "make the socket %s", path);
	r = sys_listen(fd, BACKLOG);
	if (r < 0) {
		(void)sys_unlinkat(AT_FDCWD, path, 0);
		return dv_err_sys(r, "listen on %s", path);
	}
	return NULL;
}

int shim_socket_commit(const char *path)
{
	return sys_fchmodat(AT_FDCWD, path, MODE_COMMITTED);
}
