/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new file takes the old one's name, so that nobody sees half of it; its mode is 0600 from the
 * first byte. Where the name is a symbolic link, what it leads to is replaced.
 */

#include "docker-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "docker-auth.h"
#include "sys/file.h"

enum { CONFIG_MAX = 1 << 20 };

struct dv_err *docker_file_load(const char *path, char **ret_text, size_t *ret_n)
{
	char *text = dv_new_n(char, CONFIG_MAX);
	ssize_t n = sys_read_file_at(AT_FDCWD, path, text, CONFIG_MAX);

	if (n >= 0) {
		*ret_text = text;
		*ret_n = (size_t)n;
		return NULL;
	}
	free(text);
	*ret_text = NULL;
	if (n == -ENOENT || n == -ENOTDIR)
		return NULL;
	return dv_err_sys((int)n, "read %s", path);
}

static struct dv_err *write_whole(const char *path, const struct dv_strbuf *text)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return dv_err_sys(fd, "create %s", path);
	r = sys_write_all(fd, text->data, text->len);
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? dv_err_sys(r, "write %s", path) : NULL;
}

static struct dv_err *replace(const char *path, const struct dv_strbuf *text)
{
	DV_CLEANUP(dv_freep) char *temporary = dv_printf("%s.%d.davit", path, (int)getpid());
	struct dv_err *e;
	int r;

	/* A leftover of a process that had our number. */
	sys_unlinkat(AT_FDCWD, temporary, 0);
	e = write_whole(temporary, text);
	if (!e) {
		r = sys_renameat(AT_FDCWD, temporary, AT_FDCWD, path);
		if (r >= 0)
			return NULL;
		e = dv_err_sys(r, "replace %s", path);
	}
	sys_unlinkat(AT_FDCWD, temporary, 0);
	return e;
}

/* The directory of @path, ~/.docker, if it is missing. */
static struct dv_err *make_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	DV_CLEANUP(dv_freep) char *dir = NULL;
	int r;

	if (!slash || slash == path)
		return NULL;
	dir = dv_strndup(path, (size_t)(slash - path));
	r = sys_mkdirat(AT_FDCWD, dir, 0700);
	return r < 0 && r != -EEXIST ? dv_err_sys(r, "make directory %s", dir) : NULL;
}

struct dv_err *docker_file_change(const char *path, const char *host,
				  const struct registry_cred *cred)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) char *target = realpath(path, NULL);
	DV_CLEANUP(dv_freep) char *text = NULL;
	struct dv_err *e;
	size_t n = 0;

	e = docker_file_load(path, &text, &n);
	if (e || (!text && !cred))
		return e;
	e = docker_auth_rewrite(text ? text : "{}", text ? n : 2, host, cred, &out);
	if (e)
		e = dv_err_wrap(e, "%s", path);
	else if (!target)
		e = make_directory(path);
	if (!e)
		e = replace(target ? target : path, &out);
	explicit_bzero(out.data, out.len);
	if (text)
		explicit_bzero(text, n);
	dv_strbuf_fini(&out);
	return e;
}
