/* SPDX-License-Identifier: Apache-2.0 */
/* Looking a program up in PATH. See io/child.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/child.h"
#include "sys/file.h"

/* 0, or -errno. */
static int check_executable(const char *path)
{
	struct stat st;
	int r = sys_fstatat(AT_FDCWD, path, &st, 0);

	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

static struct dv_err *not_found(int r, const char *name, const char *where)
{
	return dv_err_new(DV_NOT_FOUND, "program %s%s: %s", name, where, dv_errno_text(-r));
}

struct dv_err *io_path_find(const char *name, const char *path, char **ret)
{
	int worst = -ENOENT, r;

	if (*name == '\0')
		return not_found(-ENOENT, "\"\"", "");
	if (strchr(name, '/')) {
		r = check_executable(name);
		if (r < 0)
			return not_found(r, name, "");
		*ret = dv_strdup(name);
		return NULL;
	}
	while (path && *path) {
		size_t n = strcspn(path, ":");
		/* An empty or relative one depends on where we happen to be. */
		DV_CLEANUP(dv_freep)
		char *full = *path == '/' ? dv_printf("%.*s/%s", (int)n, path, name) : NULL;

		r = full ? check_executable(full) : -ENOENT;
		if (r == 0) {
			*ret = dv_steal(&full);
			return NULL;
		}
		if (r == -EACCES)
			worst = r;
		path += n + (path[n] == ':');
	}
	return not_found(worst, name, " in PATH");
}
