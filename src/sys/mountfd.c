/* SPDX-License-Identifier: Apache-2.0 */
/* The mount API by descriptor. See sys/mountfd.h. */

#include "sys/mountfd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int ret(long r)
{
	return r < 0 ? -errno : (int)r;
}

int sys_fsopen(const char *fstype)
{
	return ret(syscall(SYS_fsopen, fstype, FSOPEN_CLOEXEC));
}

int sys_fsconfig_string(int fsfd, const char *key, const char *value)
{
	return ret(syscall(SYS_fsconfig, fsfd, FSCONFIG_SET_STRING, key, value, 0));
}

int sys_fsconfig_flag(int fsfd, const char *key)
{
	return ret(syscall(SYS_fsconfig, fsfd, FSCONFIG_SET_FLAG, key, NULL, 0));
}

int sys_fsconfig_create(int fsfd)
{
	return ret(syscall(SYS_fsconfig, fsfd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int sys_fsmount(int fsfd, unsigned attrs)
{
	return ret(syscall(SYS_fsmount, fsfd, FSMOUNT_CLOEXEC, attrs));
}

void sys_fs_message(int fsfd, char *buf, size_t size)
{
	ssize_t n = read(fsfd, buf, size - 1);

	if (n < 0)
		n = 0;
	buf[n] = '\0';
	/* "e text\n": a level letter in front. */
	if (n > 2 && buf[1] == ' ')
		memmove(buf, buf + 2, (size_t)n - 1);
	buf[strcspn(buf, "\n")] = '\0';
}

int sys_open_tree(int dirfd, const char *path, unsigned flags)
{
	return ret(syscall(SYS_open_tree, dirfd, path, flags | OPEN_TREE_CLOEXEC));
}

int sys_move_mount(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags)
{
	return ret(syscall(SYS_move_mount, from_dirfd, from, to_dirfd, to, flags));
}

int sys_move_mount_fd(int mountfd, int targetfd)
{
	return sys_move_mount(mountfd, "", targetfd, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int sys_mount_setattr(int fd, const char *path, unsigned at_flags, uint64_t set, uint64_t clear,
		      uint64_t propagation, int userns_fd)
{
	struct mount_attr attr = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
		.userns_fd = userns_fd >= 0 ? (uint64_t)userns_fd : 0,
	};

	return ret(syscall(SYS_mount_setattr, fd, path, at_flags, &attr, sizeof(attr)));
}

int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
	      const void *data)
{
	return ret(mount(source, target, type, flags, data));
}

int sys_umount2(const char *target, int flags)
{
	return ret(umount2(target, flags));
}

int sys_pivot_root(const char *new_root, const char *put_old)
{
	return ret(syscall(SYS_pivot_root, new_root, put_old));
}

int sys_chroot(const char *path)
{
	return ret(chroot(path));
}

int sys_mount_id(int fd, uint64_t *ret_id)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (!(sx.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	*ret_id = sx.stx_mnt_id;
	return 0;
}
