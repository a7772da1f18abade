/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: the same that unpacking sets (attrs.c), so that a layer is what was packed. */

#include <errno.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "base/str.h"
#include "pack-private.h"

static bool is_wanted(const char *name)
{
	if (dv_streq(name, "security.capability") || dv_starts_with(name, "system.posix_acl_"))
		return true;
	return dv_starts_with(name, "user.") && !dv_starts_with(name, "user.overlay.");
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct pack_xattr *)a)->name, ((const struct pack_xattr *)b)->name);
}

/* The kernel's limits: a list of 64 KiB, values of 64 KiB. */
static struct dv_err *read_one(int fd, const char *name, struct pack_xattrs *x)
{
	DV_CLEANUP(dv_freep) void *value = dv_alloc(XATTR_SIZE_MAX);
	ssize_t n = fgetxattr(fd, name, value, XATTR_SIZE_MAX);

	if (n < 0 && errno == ENODATA)
		return NULL; /* it went meanwhile */
	if (n < 0)
		return dv_err_sys(-errno, "read attribute %s", name);
	x->items = dv_realloc_n(x->items, x->n_items + 1, sizeof(*x->items));
	x->items[x->n_items++] =
		(struct pack_xattr){ .name = dv_strdup(name),
				     .value = dv_realloc_n(dv_steal(&value), (size_t)n + 1, 1),
				     .n = (size_t)n };
	return NULL;
}

struct dv_err *pack_xattrs_read(int fd, struct pack_xattrs *ret)
{
	DV_CLEANUP(dv_freep) char *list = NULL;
	struct dv_err *e = NULL;
	ssize_t n;

	*ret = (struct pack_xattrs){};
	n = flistxattr(fd, NULL, 0);
	if (n == 0 || (n < 0 && errno == ENOTSUP))
		return NULL;
	list = dv_alloc(XATTR_LIST_MAX);
	n = flistxattr(fd, list, XATTR_LIST_MAX);
	if (n < 0)
		return dv_err_sys(-errno, "list its attributes");
	for (ssize_t at = 0; at < n && !e; at += (ssize_t)strlen(list + at) + 1) {
		if (is_wanted(list + at))
			e = read_one(fd, list + at, ret);
	}
	if (e)
		pack_xattrs_fini(ret);
	else if (ret->n_items > 0)
		qsort(ret->items, ret->n_items, sizeof(*ret->items), compare);
	return e;
}

void pack_xattrs_fini(struct pack_xattrs *x)
{
	for (size_t i = 0; i < x->n_items; i++) {
		free(x->items[i].name);
		free(x->items[i].value);
	}
	free(x->items);
	*x = (struct pack_xattrs){};
}

bool pack_xattrs_eq(const struct pack_xattrs *a, const struct pack_xattrs *b)
{
	if (a->n_items != b->n_items)
		return false;
	for (size_t i = 0; i < a->n_items; i++) {
		const struct pack_xattr *p = &a->items[i], *q = &b->items[i];

		if (!dv_streq(p->name, q->name) || p->n != q->n || memcmp(p->value, q->value, p->n))
			return false;
	}
	return true;
}
