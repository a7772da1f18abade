/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file has besides its bytes, in the order that the kernel wants: the owner takes setuid bits
 * and capabilities away, so mode and attributes come behind it.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/mem.h"
#include "sys/disk.h"
#include "sys/file.h"
#include "unpack-private.h"

/*
 * trusted.* is the host's, overlayfs's own attributes above all; the archive's are not believed.
 * Of security.*, capabilities are part of the file; labels and signatures are the host's.
 */
static bool is_wanted(const char *name)
{
	if (dv_starts_with(name, "user.overlay.") || dv_starts_with(name, "trusted."))
		return false;
	return !dv_starts_with(name, "security.") || dv_streq(name, "security.capability");
}

/* By descriptor, or else by the parent's /proc-less way: the link's own, l* calls, from its parent. */
static int set_xattr(struct layer *l, int fd, const char *name, const void *value, size_t n)
{
	if (fd >= 0)
		return fsetxattr(fd, name, value, n, 0) < 0 ? -errno : 0;
	if (fchdir(l->parent_fd) < 0)
		return -errno;
	return sys_lsetxattr(l->name, name, value, n, 0);
}

static struct dv_err *set_xattrs(struct layer *l, struct archive_entry *entry, int fd)
{
	const char *name;
	const void *value;
	size_t n;
	int r;

	if (archive_entry_xattr_reset(entry) == 0)
		return NULL;
	while (archive_entry_xattr_next(entry, &name, &value, &n) == ARCHIVE_OK) {
		if (!is_wanted(name))
			continue;
		if (dv_starts_with(name, "system.posix_acl_default"))
			l->has_default_acl = true;
		r = set_xattr(l, fd, name, value, n);
		/* What the file system cannot hold is left out, as by containerd. */
		if (r < 0 && r != -ENOTSUP && r != -EPERM)
			return dv_err_sys(r, "set attribute %s", name);
	}
	return NULL;
}

static int set_owner(struct layer *l, struct archive_entry *entry, int fd)
{
	la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	/* What was made just now is root's, as this process is; a directory may have been there. */
	if (uid == 0 && gid == 0 && !l->has_setgid && !S_ISDIR(archive_entry_mode(entry)))
		return 0;
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return -EINVAL;
	if (fd >= 0)
		return sys_fchown(fd, (uid_t)uid, (gid_t)gid);
	return sys_fchownat(l->parent_fd, l->name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW);
}

/* Of what was made with its mode; the bits beyond 0777 come behind the owner. */
static int set_mode(struct layer *l, struct archive_entry *entry, int fd)
{
	mode_t mode = archive_entry_mode(entry) & 07777;

	if (S_ISLNK(archive_entry_mode(entry)))
		return 0;
	if (fd >= 0)
		return sys_fchmod(fd, mode);
	return sys_fchmodat(l->parent_fd, l->name, mode);
}

static void get_times(struct archive_entry *entry, struct timespec times[2])
{
	times[1].tv_sec = archive_entry_mtime(entry);
	times[1].tv_nsec = archive_entry_mtime_nsec(entry);
	if (times[1].tv_nsec < 0 || times[1].tv_nsec > 999999999)
		times[1].tv_nsec = 0;
	times[0] = times[1];
	if (archive_entry_atime_is_set(entry)) {
		times[0].tv_sec = archive_entry_atime(entry);
		times[0].tv_nsec = archive_entry_atime_nsec(entry);
		if (times[0].tv_nsec < 0 || times[0].tv_nsec > 999999999)
			times[0].tv_nsec = 0;
	}
}

void layer_late_time(struct layer *l, struct archive_entry *entry)
{
	size_t n = strlen(l->path) + 1;
	struct late_time *t = dv_alloc(sizeof(*t) + n);
	struct timespec times[2];

	get_times(entry, times);
	t->mtime = times[1];
	memcpy(t->path, l->path, n);
	t->next = l->times;
	l->times = t;
}

struct dv_err *layer_set_time(struct layer *l, struct archive_entry *entry, int fd)
{
	struct timespec times[2];
	int r;

	get_times(entry, times);
	r = fd >= 0 ? sys_futimens(fd, times)
		    : sys_utimensat(l->parent_fd, l->name, times, AT_SYMLINK_NOFOLLOW);
	return r < 0 ? dv_err_sys(r, "set its time") : NULL;
}

struct dv_err *layer_set_attrs(struct layer *l, struct archive_entry *entry, int fd)
{
	bool is_dir = S_ISDIR(archive_entry_mode(entry));
	struct dv_err *e;
	int r;

	r = set_owner(l, entry, fd);
	if (r < 0)
		return dv_err_sys(r, "set its owner");
	r = set_mode(l, entry, fd);
	if (r < 0)
		return dv_err_sys(r, "set its mode");
	e = set_xattrs(l, entry, fd);
	if (e)
		return e;
	if (is_dir) {
		layer_late_time(l, entry);
		return NULL;
	}
	return layer_set_time(l, entry, fd);
}

struct dv_err *layer_set_late_times(struct layer *l)
{
	struct dv_err *e = NULL;

	/* The last entry for a directory comes first in the list, and would be overwritten. */
	struct late_time *in_order = NULL;

	while (l->times) {
		struct late_time *t = l->times;

		l->times = t->next;
		t->next = in_order;
		in_order = t;
	}
	while (in_order) {
		struct late_time *t = in_order;
		struct timespec times[2] = { t->mtime, t->mtime };
		int fd = e ? -1
			   : sys_openat2(l->opts->root, *t->path ? t->path : ".",
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_IN_ROOT);
		int r = fd < 0 ? 0 : sys_futimens(fd, times);

		/* One that is gone was replaced by a later entry. */
		if (r < 0)
			e = dv_err_sys(r, "set the time of %s", t->path);
		sys_closep(&fd);
		in_order = t->next;
		free(t);
	}
	return e;
}
