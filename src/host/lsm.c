/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor and SELinux through a trusted procfs. See host/lsm.h. */

#include "host/lsm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sys/file.h"

/* Longer names are refused by both LSMs (AppArmor: 4096 with its namespace). */
enum { LABEL_MAX = 4096 };

static bool exists(int rootfd, const char *path)
{
	struct stat st;

	return sys_fstatat(rootfd, path, &st, 0) == 0;
}

bool host_apparmor_is_enabled(int rootfd)
{
	char text[16];

	return exists(rootfd, "sys/kernel/security/apparmor") &&
	       sys_read_file_at(rootfd, "sys/module/apparmor/parameters/enabled", text,
				sizeof(text)) > 0 &&
	       text[0] == 'Y';
}

/*
 * Opens thread-self/attr/@name. thread-self is the one symbolic link on the way, so it is
 * read first, and then no link and no other mount is followed.
 */
static int open_attr(int procfd, const char *name, int flags)
{
	char self[64], path[128];
	ssize_t n;

	n = sys_readlinkat(procfd, "thread-self", self, sizeof(self));
	if (n < 0)
		return (int)n;
	n = snprintf(path, sizeof(path), "%s/attr/%s", self, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	return sys_openat2(procfd, path, flags | O_NOCTTY, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS |
				   RESOLVE_NO_SYMLINKS);
}

static int write_attr(int fd, const char *text, size_t n)
{
	ssize_t done = sys_write(fd, text, n);

	if (done < 0)
		return (int)done;
	return (size_t)done == n ? 0 : -EIO;
}

bool host_selinux_is_enabled(int rootfd, int procfd)
{
	DV_CLEANUP(sys_closep) int fs = -1;
	DV_CLEANUP(sys_closep) int fd = -1;
	char label[LABEL_MAX];
	ssize_t n;
	long type;

	fs = sys_openat(rootfd, "sys/fs/selinux", O_PATH | O_DIRECTORY, 0);
	if (fs < 0 || sys_fstatfs_type(fs, &type) < 0 || (unsigned long)type != SELINUX_MAGIC)
		return false;
	fd = open_attr(procfd, "current", O_RDONLY);
	if (fd < 0)
		return false;
	n = sys_read_all(fd, label, sizeof(label));
	if (n < 0)
		return false;
	/* What a kernel without a loaded policy says. */
	return !dv_streq(label, "kernel");
}

int host_apparmor_set_exec(int procfd, const char *profile)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	char text[LABEL_MAX];
	int n;

	n = snprintf(text, sizeof(text), "exec %s", profile);
	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	fd = open_attr(procfd, "apparmor/exec", O_WRONLY);
	if (fd == -ENOENT) /* before 5.8, or an LSM stack without the directory */
		fd = open_attr(procfd, "exec", O_WRONLY);
	if (fd < 0)
		return fd;
	return write_attr(fd, text, (size_t)n);
}

static int set_label(int procfd, const char *attr, const char *label)
{
	DV_CLEANUP(sys_closep) int fd = open_attr(procfd, attr, O_WRONLY);

	if (fd < 0)
		return fd;
	/* The terminating NUL counts: writing nothing at all would not reset the label. */
	return write_attr(fd, label, label[0] ? strlen(label) : 1);
}

int host_selinux_set_exec(int procfd, const char *label)
{
	return set_label(procfd, "exec", label);
}

int host_selinux_set_keycreate(int procfd, const char *label)
{
	return set_label(procfd, "keycreate", label);
}
