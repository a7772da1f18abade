/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has a file changed? As containerd judges: by everything that stat() tells but its place, by its
 * attributes, and by its bytes where the time is too coarse to tell.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pack-private.h"
#include "sys/file.h"

enum { PIECE = 64 << 10 };

static int open_file(const struct pack_file *f)
{
	int flags = S_ISDIR(f->st.st_mode) ? O_DIRECTORY : O_NONBLOCK;

	return sys_openat(f->dir, f->name, O_RDONLY | O_NOFOLLOW | flags, 0);
}

static struct dv_err *same_links(const struct pack_file *left, const struct pack_file *right,
				 bool *ret_eq)
{
	char a[PATH_MAX], b[PATH_MAX];
	ssize_t n = sys_readlinkat(left->dir, left->name, a, sizeof(a));
	ssize_t k = sys_readlinkat(right->dir, right->name, b, sizeof(b));

	if (n < 0 || k < 0)
		return dv_err_sys((int)(n < 0 ? n : k), "read the link");
	*ret_eq = dv_streq(a, b);
	return NULL;
}

static struct dv_err *same_bytes(int left, int right, bool *ret_eq)
{
	DV_CLEANUP(dv_freep) char *a = dv_alloc(PIECE), *b = NULL;

	b = dv_alloc(PIECE);
	for (*ret_eq = true; *ret_eq;) {
		ssize_t n = sys_read(left, a, PIECE), k = sys_read(right, b, PIECE);

		if (n < 0 || k < 0)
			return dv_err_sys((int)(n < 0 ? n : k), "read it");
		/* Regular files: fewer bytes than asked for are the last ones. */
		*ret_eq = n == k && memcmp(a, b, (size_t)n) == 0;
		if (n == 0)
			break;
	}
	return NULL;
}

/* Of those that can be opened. @has_bytes: look at them, too. */
static struct dv_err *same_inside(const struct pack_file *left, const struct pack_file *right,
				  bool has_bytes, bool *ret_eq)
{
	DV_CLEANUP(sys_closep) int l = open_file(left), r = open_file(right);
	DV_CLEANUP(pack_xattrs_fini) struct pack_xattrs a = {}, b = {};
	struct dv_err *e;

	if (l < 0 || r < 0)
		return dv_err_sys(l < 0 ? l : r, "open it");
	e = pack_xattrs_read(l, &a);
	if (!e)
		e = pack_xattrs_read(r, &b);
	if (e)
		return e;
	*ret_eq = pack_xattrs_eq(&a, &b);
	return *ret_eq && has_bytes ? same_bytes(l, r, ret_eq) : NULL;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

struct dv_err *pack_compare(const struct pack_file *left, const struct pack_file *right,
			    bool *ret_eq)
{
	const struct stat *a = &left->st, *b = &right->st;

	if (a->st_dev == b->st_dev && a->st_ino == b->st_ino) {
		*ret_eq = true;
		return NULL;
	}
	*ret_eq = a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
		  same_time(&a->st_mtim, &b->st_mtim);
	if (!*ret_eq)
		return NULL;
	if (S_ISCHR(a->st_mode) || S_ISBLK(a->st_mode))
		*ret_eq = a->st_rdev == b->st_rdev;
	if (S_ISLNK(a->st_mode))
		return same_links(left, right, ret_eq);
	if (S_ISREG(a->st_mode))
		*ret_eq = a->st_size == b->st_size;
	if (!*ret_eq || !(S_ISREG(a->st_mode) || S_ISDIR(a->st_mode)))
		return NULL;
	return same_inside(left, right, S_ISREG(a->st_mode) && a->st_mtim.tv_nsec == 0, ret_eq);
}
