/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files whose bytes matter after a power cut, and copies of them. Results are >= 0 or -errno;
 * nothing allocates.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/macros.h"

int sys_fsync(int fd);
int sys_fdatasync(int fd);
int sys_syncfs(int fd);
/* Starts to write to the disk what is dirty in the range, and does not wait for it. */
int sys_start_writeback(int fd, off_t offset, off_t n);

/* Blocks for the first @n bytes; the file's size stays. */
int sys_allocate(int fd, off_t n);

/* Up to @n bytes, fewer at the end of the file alone. */
ssize_t sys_pread(int fd, void *p, size_t n, off_t offset);
int sys_pwrite_all(int fd, const void *p, size_t n, off_t offset);
/* POSIX_FADV_*: hints, of which failure does not matter. */
void sys_fadvise(int fd, off_t offset, off_t n, int advice);
int sys_futimens(int fd, const struct timespec times[2]);
int sys_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags);

/* -EEXIST when @name is there. */
int sys_rename_noreplace(int olddir, const char *old, int newdir, const char *name);

/* The whole of @from shares its blocks with @to, on file systems that can (btrfs, XFS). */
int sys_reflink(int to, int from);
/* The bytes of a regular file that has no holes; @to is empty. */
int sys_copy_whole(int to, int from, off_t size);
/* The same, leaving holes where it has some. */
int sys_copy_sparse(int to, int from, off_t size);

/* FS_IOC_ENABLE_VERITY with SHA-256. @fd is read-only, nobody has it open for writing. */
int sys_enable_verity(int fd);

/* Entries of a directory, "." and ".." left out. */
struct sys_dirent {
	uint64_t ino;
	int64_t next; /* where the one behind it is, for sys_dir_seek() */
	unsigned char type; /* DT_* */
	const char *name; /* valid until the next call */
};
struct sys_dir {
	int fd; /* borrowed; its position is ours */
	long at, n;
	_Alignas(8) char buf[4096];
};
void sys_dir_init(struct sys_dir *d, int fd); /* begins at the start */
/* Goes on where another opening of the same directory was. */
void sys_dir_seek(struct sys_dir *d, int fd, int64_t next);
int sys_dir_next(struct sys_dir *d, struct sys_dirent *ret); /* 1, 0 at the end, -errno */

/* Extended attributes of what a path (no link is followed at its end) or descriptor names. */
ssize_t sys_llistxattr(const char *path, char *list, size_t size);
ssize_t sys_lgetxattr(const char *path, const char *name, void *value, size_t size);
int sys_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
