/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a runtime's name to its shim: of "io.containerd.runc.v2" the last two parts make
 * "containerd-shim-runc-v2". A name with a slash is the path itself.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "io/child.h"
#include "shim.h"
#include "sys/file.h"

enum { NAME_MAX_LEN = 200 };

static const char *env(const char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; envp && *envp; envp++) {
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	}
	return "";
}

/* The part of @name before @end that starts behind the last dot; NULL: there is none. */
static const char *last_part(const char *name, const char *end, size_t *ret_n)
{
	const char *at = end;

	while (at > name && at[-1] != '.')
		at--;
	if (at == name || at == end)
		return NULL;
	*ret_n = (size_t)(end - at);
	return at;
}

static struct dv_err *program_name(const char *runtime, char **ret)
{
	const char *end = runtime + strlen(runtime), *major, *minor;
	size_t n_major, n_minor;

	minor = last_part(runtime, end, &n_minor);
	major = minor ? last_part(runtime, minor - 1, &n_major) : NULL;
	if (!major || strlen(runtime) > NAME_MAX_LEN)
		return dv_err_new(
			DV_INVALID,
			"invalid runtime name %s, correct runtime name should be either "
			"format like `io.containerd.runc.v2` or a full path to the binary",
			runtime);
	*ret = dv_printf("containerd-shim-%.*s-%.*s", (int)n_major, major, (int)n_minor, minor);
	return NULL;
}

static struct dv_err *check_path(const char *path, char **ret)
{
	if (*path != '/')
		return dv_err_new(DV_INVALID,
				  "invalid custom binary path %s: only absolute paths are allowed",
				  path);
	if (access(path, X_OK) < 0)
		return dv_err_sys(-errno, "runtime %s", path);
	*ret = dv_strdup(path);
	return NULL;
}

struct dv_err *shim_find(const char *runtime, const char *dir, const char *const *envp, char **ret)
{
	DV_CLEANUP(dv_freep) char *name = NULL;
	DV_CLEANUP(dv_freep) char *path = NULL;
	struct dv_err *e;

	if (strchr(runtime, '/'))
		return check_path(runtime, ret);
	e = program_name(runtime, &name);
	if (e)
		return e;
	path = dv_printf("%s:%s", dir, env(envp, "PATH"));
	e = io_path_find(name, path, ret);
	return dv_err_wrap(e, "runtime \"%s\" binary not installed \"%s\"", runtime, name);
}
