/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The mount API by descriptor (fsopen(2), open_tree(2), mount_setattr(2) ...). Results are
 * >= 0 or -errno; nothing allocates; safe between fork and exec.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/mount.h>

#include "base/macros.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif
#ifndef MOUNT_ATTR_IDMAP
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC 02000000
#endif

int sys_fsopen(const char *fstype);
int sys_fsconfig_string(int fsfd, const char *key, const char *value);
int sys_fsconfig_flag(int fsfd, const char *key);
int sys_fsconfig_create(int fsfd);
int sys_fsmount(int fsfd, unsigned attrs);
/* The kernel's own words about the last failure on @fsfd, "" when it said nothing. */
void sys_fs_message(int fsfd, char *buf, size_t size);

/* @flags: OPEN_TREE_CLONE, AT_RECURSIVE, AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. */
int sys_open_tree(int dirfd, const char *path, unsigned flags);
/* Places the detached mount @mountfd on the object @targetfd, an O_PATH descriptor. */
int sys_move_mount_fd(int mountfd, int targetfd);
int sys_move_mount(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags);
int sys_mount_setattr(int fd, const char *path, unsigned at_flags, uint64_t set, uint64_t clear,
		      uint64_t propagation, int userns_fd);

int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
	      const void *data);
int sys_umount2(const char *target, int flags);
int sys_pivot_root(const char *new_root, const char *put_old);
int sys_chroot(const char *path);

/* The mount id of an open object (statx STATX_MNT_ID). */
int sys_mount_id(int fd, uint64_t *ret_id);
