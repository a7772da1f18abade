/* SPDX-License-Identifier: Apache-2.0 */
/* The ids below a state root. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "runtime/runtime.h"
#include "state-private.h"
#include "sys/file.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whatever cannot be a container id is something else of ours, the seccomp cache for one. */
static bool is_id(const char *name)
{
	struct dv_err *e = rt_id_check(name);

	dv_err_free(e);
	return !e;
}

struct dv_err *rt_list_ids(const struct rt_context *ctx, char ***ret, size_t *ret_n)
{
	struct dirent *d;
	char **ids = NULL;
	size_t n = 0;
	DIR *dir;

	dir = opendir(ctx->root);
	if (!dir && errno != ENOENT)
		return dv_err_sys(-errno, "open state root %s", ctx->root);
	while (dir && (d = readdir(dir))) {
		if (d->d_type != DT_DIR || !is_id(d->d_name))
			continue;
		ids = dv_realloc_n(ids, n + 1, sizeof(*ids));
		ids[n++] = dv_strdup(d->d_name);
	}
	if (dir)
		closedir(dir);
	if (n > 0)
		qsort(ids, n, sizeof(*ids), compare);
	*ret = ids;
	*ret_n = n;
	return NULL;
}
