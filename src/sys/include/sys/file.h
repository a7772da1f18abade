/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files by descriptor. Every function returns a non-negative result or -errno, allocates
 * nothing and is safe between fork and exec. All descriptors are opened O_CLOEXEC.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/macros.h"

/* Closes and empties; -1 is fine. */
void sys_closep(int *fd);
int sys_close(int fd); /* returns -1, so that `fd = sys_close(fd)` reads well */

int sys_openat(int dirfd, const char *path, int flags, mode_t mode);
/* @resolve: RESOLVE_*. EAGAIN (a rename raced) is retried a bounded number of times. */
int sys_openat2(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve);
/* Opens what is at @path as seen from inside the tree @rootfd: symlinks stay in the tree. */
int sys_open_in_root(int rootfd, const char *path, int flags);
/* A usable descriptor of the object behind an O_PATH one (through /proc/self/fd). */
int sys_reopen(int procfd, int fd, int flags);

/* Reads up to size-1 bytes and terminates; -EFBIG when there is more. */
ssize_t sys_read_all(int fd, char *buf, size_t size);
ssize_t sys_read_file_at(int dirfd, const char *path, char *buf, size_t size);
int sys_write_all(int fd, const void *p, size_t n);
/* One open, one write, close: kernel control files. */
int sys_write_file_at(int dirfd, const char *path, const char *text);
int sys_write_file_at_n(int dirfd, const char *path, const void *p, size_t n);

ssize_t sys_read(int fd, void *p, size_t n); /* EINTR is retried in all of these */
ssize_t sys_write(int fd, const void *p, size_t n);

int sys_fstat(int fd, struct stat *st);
int sys_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int sys_fstatfs_type(int fd, long *ret_type);
int sys_statfs_type(const char *path, long *ret_type);
/* ST_*: the flags of the mount behind @fd. */
int sys_fstatfs_flags(int fd, unsigned long *ret_flags);
int sys_mkdirat(int dirfd, const char *path, mode_t mode);
int sys_mknodat(int dirfd, const char *path, mode_t mode, dev_t dev);
int sys_symlinkat(const char *target, int dirfd, const char *path);
int sys_linkat(int olddir, const char *old, int newdir, const char *name, int flags);
int sys_renameat(int olddir, const char *old, int newdir, const char *name);
int sys_unlinkat(int dirfd, const char *path, int flags);
/* Terminates the text; -ENAMETOOLONG when it does not fit. */
ssize_t sys_readlinkat(int dirfd, const char *path, char *buf, size_t size);
int sys_fchmod(int fd, mode_t mode);
int sys_fchmodat(int dirfd, const char *path, mode_t mode);
int sys_fchown(int fd, uid_t uid, gid_t gid);
int sys_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags);
int sys_fchdir(int fd);
int sys_chdir(const char *path);
int sys_getcwd(char *buf, size_t size);
int sys_ftruncate(int fd, off_t size);
int sys_dup_cloexec(int fd, int at_least);
int sys_set_cloexec(int fd, bool on);
int sys_set_nonblock(int fd, bool on);
int sys_pipe(int fds[2]);
int sys_memfd(const char *name, unsigned flags);
int sys_fcntl(int fd, int cmd, long arg);
/* flock(2): waits until nobody else has @fd locked. Ends with the last descriptor of this opening. */
int sys_lock(int fd);
int sys_try_lock(int fd); /* -EAGAIN: somebody else has */
int sys_unlock(int fd);
/* CLOSE_RANGE_CLOEXEC or hard close of everything from @first on. */
int sys_close_range(unsigned first, unsigned last, unsigned flags);

/*
 * Removes a tree below @dirfd without following links or crossing into other mounts, however deep
 * it is. What cannot be removed stays, and the rest goes: returns the first error.
 */
int sys_remove_tree(int dirfd, const char *name);

/*
 * mkdir -p of @path below @rootfd, symlinks resolved inside the root; every directory made
 * is 0755-ish by @mode. Returns an O_PATH descriptor of the last component.
 */
int sys_mkdir_in_root(int rootfd, const char *path, mode_t mode);
/* The same for the parents, then an empty regular file. Existing objects are kept. */
int sys_mkfile_in_root(int rootfd, const char *path, mode_t mode);
