/* SPDX-License-Identifier: Apache-2.0 */
/* Syncing, positioned I/O, copies, directories, extended attributes. See sys/disk.h. */

#include "sys/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sys/file.h"

#define RETRY(call) \
	__extension__({ \
		__typeof__(call) retry_; \
		do \
			retry_ = (call); \
		while (retry_ < 0 && errno == EINTR); \
		retry_ < 0 ? -errno : retry_; \
	})

int sys_fsync(int fd)
{
	return RETRY(fsync(fd));
}

int sys_fdatasync(int fd)
{
	return RETRY(fdatasync(fd));
}

int sys_syncfs(int fd)
{
	return RETRY(syncfs(fd));
}

int sys_start_writeback(int fd, off_t offset, off_t n)
{
	return RETRY(sync_file_range(fd, offset, n, SYNC_FILE_RANGE_WRITE));
}

int sys_allocate(int fd, off_t n)
{
	return RETRY(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, n));
}

ssize_t sys_pread(int fd, void *p, size_t n, off_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r = RETRY(pread(fd, (char *)p + done, n - done, offset + (off_t)done));

		if (r < 0)
			return r;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int sys_pwrite_all(int fd, const void *p, size_t n, off_t offset)
{
	size_t done = 0;

	while (done < n) {
		ssize_t r =
			RETRY(pwrite(fd, (const char *)p + done, n - done, offset + (off_t)done));

		if (r < 0)
			return (int)r;
		if (r == 0)
			return -EIO;
		done += (size_t)r;
	}
	return 0;
}

void sys_fadvise(int fd, off_t offset, off_t n, int advice)
{
	(void)posix_fadvise(fd, offset, n, advice);
}

int sys_futimens(int fd, const struct timespec times[2])
{
	return RETRY(futimens(fd, times));
}

int sys_utimensat(int dirfd, const char *path, const struct timespec times[2], int flags)
{
	return RETRY(utimensat(dirfd, path, times, flags));
}

int sys_rename_noreplace(int olddir, const char *old, int newdir, const char *name)
{
	return RETRY(renameat2(olddir, old, newdir, name, RENAME_NOREPLACE));
}

int sys_reflink(int to, int from)
{
	return RETRY(ioctl(to, FICLONE, from));
}

/* Where copy_file_range() does not work, as between some file systems. */
static int copy_by_hand(int to, int from, off_t at, off_t end)
{
	char buf[16384];

	while (at < end) {
		size_t n = (size_t)DV_MIN((off_t)sizeof(buf), end - at);
		ssize_t got = sys_pread(from, buf, n, at);
		int r;

		if (got <= 0)
			return (int)got;
		r = sys_pwrite_all(to, buf, (size_t)got, at);
		if (r < 0)
			return r;
		at += got;
	}
	return 0;
}

static int copy_extent(int to, int from, off_t at, off_t end)
{
	while (at < end) {
		off_t in = at, out = at;
		ssize_t n = RETRY(copy_file_range(from, &in, to, &out, (size_t)(end - at), 0));

		if (n < 0)
			return copy_by_hand(to, from, at, end);
		if (n == 0)
			return 0; /* it became shorter */
		at += n;
	}
	return 0;
}

int sys_copy_whole(int to, int from, off_t size)
{
	return copy_extent(to, from, 0, size);
}

int sys_copy_sparse(int to, int from, off_t size)
{
	off_t at = 0;

	while (at < size) {
		off_t data = lseek(from, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break;
		if (data < 0) /* a file system that does not know */
			return copy_extent(to, from, at, size);
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			hole = size;
		r = copy_extent(to, from, data, DV_MIN(hole, size));
		if (r < 0)
			return r;
		at = hole;
	}
	return sys_ftruncate(to, size);
}

int sys_enable_verity(int fd)
{
	struct fsverity_enable_arg arg = {
		.version = 1,
		.hash_algorithm = FS_VERITY_HASH_ALG_SHA256,
		.block_size = 4096,
	};

	return RETRY(ioctl(fd, FS_IOC_ENABLE_VERITY, &arg));
}

struct linux_dirent64_head {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

void sys_dir_init(struct sys_dir *d, int fd)
{
	sys_dir_seek(d, fd, 0);
}

void sys_dir_seek(struct sys_dir *d, int fd, int64_t next)
{
	d->fd = fd;
	d->at = d->n = 0;
	(void)lseek(fd, next, SEEK_SET);
}

int sys_dir_next(struct sys_dir *d, struct sys_dirent *ret)
{
	const struct linux_dirent64_head *e;

	do {
		if (d->at >= d->n) {
			d->n = RETRY(syscall(SYS_getdents64, d->fd, d->buf, sizeof(d->buf)));
			d->at = 0;
			if (d->n <= 0)
				return (int)d->n;
		}
		e = (const void *)(d->buf + d->at);
		d->at += e->reclen;
	} while (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0);
	*ret = (struct sys_dirent){
		.ino = e->ino, .next = e->off, .type = e->type, .name = e->name
	};
	return 1;
}

ssize_t sys_llistxattr(const char *path, char *list, size_t size)
{
	return RETRY(llistxattr(path, list, size));
}

ssize_t sys_lgetxattr(const char *path, const char *name, void *value, size_t size)
{
	return RETRY(lgetxattr(path, name, value, size));
}

int sys_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)
{
	return RETRY(lsetxattr(path, name, value, size, flags));
}
