/* SPDX-License-Identifier: Apache-2.0 */
/* Files by descriptor: thin wrappers. See sys/file.h. */

#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* openat2 gives EAGAIN when a rename or mount raced with ".."; it settles quickly. */
enum { OPENAT2_TRIES = 128 };

#define RET(call) \
	__extension__({ \
		__auto_type ret_ = (call); \
		ret_ < 0 ? -errno : ret_; \
	})

#define RETRY(call) \
	__extension__({ \
		__typeof__(call) retry_; \
		do \
			retry_ = (call); \
		while (retry_ < 0 && errno == EINTR); \
		retry_ < 0 ? -errno : retry_; \
	})

void sys_closep(int *fd)
{
	*fd = sys_close(*fd);
}

int sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}

int sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return RETRY(openat(dirfd, path, flags | O_CLOEXEC, mode));
}

int sys_openat2(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = resolve,
	};
	int r = -EAGAIN;

	for (int i = 0; i < OPENAT2_TRIES && (r == -EAGAIN || r == -EINTR); i++)
		r = (int)RET(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
	return r;
}

int sys_open_in_root(int rootfd, const char *path, int flags)
{
	return sys_openat2(rootfd, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int sys_reopen(int procfd, int fd, int flags)
{
	char path[40];

	/* The magic link is the point here; procfd is a verified /proc. */
	snprintf(path, sizeof(path), "thread-self/fd/%d", fd);
	return sys_openat(procfd, path, flags, 0);
}

ssize_t sys_read(int fd, void *p, size_t n)
{
	return RETRY(read(fd, p, n));
}

ssize_t sys_write(int fd, const void *p, size_t n)
{
	return RETRY(write(fd, p, n));
}

ssize_t sys_read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = sys_read(fd, buf + len, size - len);

		if (n < 0)
			return n;
		if (n == 0) {
			buf[len] = '\0';
			return (ssize_t)len;
		}
		len += (size_t)n;
	}
	return -EFBIG;
}

ssize_t sys_read_file_at(int dirfd, const char *path, char *buf, size_t size)
{
	int fd = sys_openat(dirfd, path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = sys_read_all(fd, buf, size);
	sys_close(fd);
	return n;
}

int sys_write_all(int fd, const void *p, size_t n)
{
	const char *s = p;

	while (n > 0) {
		ssize_t done = sys_write(fd, s, n);

		if (done < 0)
			return (int)done;
		s += done;
		n -= (size_t)done;
	}
	return 0;
}

int sys_write_file_at_n(int dirfd, const char *path, const void *p, size_t n)
{
	int fd = sys_openat(dirfd, path, O_WRONLY, 0);
	ssize_t done;

	if (fd < 0)
		return fd;
	done = sys_write(fd, p, n);
	sys_close(fd);
	if (done < 0)
		return (int)done;
	return (size_t)done == n ? 0 : -EIO;
}

int sys_write_file_at(int dirfd, const char *path, const char *text)
{
	return sys_write_file_at_n(dirfd, path, text, strlen(text));
}

int sys_fstat(int fd, struct stat *st)
{
	return RET(fstat(fd, st));
}

int sys_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	return RET(fstatat(dirfd, path, st, flags));
}

int sys_fstatfs_type(int fd, long *ret_type)
{
	struct statfs sf;

	if (fstatfs(fd, &sf) < 0)
		return -errno;
	*ret_type = (long)sf.f_type;
	return 0;
}

int sys_fstatfs_flags(int fd, unsigned long *ret_flags)
{
	struct statfs sf;

	if (fstatfs(fd, &sf) < 0)
		return -errno;
	*ret_flags = (unsigned long)sf.f_flags;
	return 0;
}

int sys_statfs_type(const char *path, long *ret_type)
{
	struct statfs sf;

	if (statfs(path, &sf) < 0)
		return -errno;
	*ret_type = (long)sf.f_type;
	return 0;
}

int sys_mkdirat(int dirfd, const char *path, mode_t mode)
{
	return RET(mkdirat(dirfd, path, mode));
}

int sys_mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
	return RET(mknodat(dirfd, path, mode, dev));
}

int sys_symlinkat(const char *target, int dirfd, const char *path)
{
	return RET(symlinkat(target, dirfd, path));
}

int sys_linkat(int olddir, const char *old, int newdir, const char *name, int flags)
{
	return RET(linkat(olddir, old, newdir, name, flags));
}

int sys_renameat(int olddir, const char *old, int newdir, const char *name)
{
	return RET(renameat(olddir, old, newdir, name));
}

int sys_unlinkat(int dirfd, const char *path, int flags)
{
	return RET(unlinkat(dirfd, path, flags));
}

ssize_t sys_readlinkat(int dirfd, const char *path, char *buf, size_t size)
{
	ssize_t n = readlinkat(dirfd, path, buf, size);

	if (n < 0)
		return -errno;
	if ((size_t)n >= size)
		return -ENAMETOOLONG;
	buf[n] = '\0';
	return n;
}

int sys_fchmod(int fd, mode_t mode)
{
	return RET(fchmod(fd, mode));
}

int sys_fchmodat(int dirfd, const char *path, mode_t mode)
{
	return RET(fchmodat(dirfd, path, mode, 0));
}

int sys_fchown(int fd, uid_t uid, gid_t gid)
{
	return RET(fchown(fd, uid, gid));
}

int sys_fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	return RET(fchownat(dirfd, path, uid, gid, flags));
}

int sys_fchdir(int fd)
{
	return RET(fchdir(fd));
}

int sys_chdir(const char *path)
{
	return RET(chdir(path));
}

int sys_getcwd(char *buf, size_t size)
{
	/* The system call, not glibc's: it reports "(unreachable)" instead of walking up. */
	return (int)RET(syscall(SYS_getcwd, buf, size));
}

int sys_ftruncate(int fd, off_t size)
{
	return RET(ftruncate(fd, size));
}

int sys_dup_cloexec(int fd, int at_least)
{
	return RET(fcntl(fd, F_DUPFD_CLOEXEC, at_least));
}

int sys_set_cloexec(int fd, bool on)
{
	return RET(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0));
}

int sys_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return RET(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

int sys_pipe(int fds[2])
{
	return RET(pipe2(fds, O_CLOEXEC));
}

int sys_memfd(const char *name, unsigned flags)
{
	return RET(memfd_create(name, flags | MFD_CLOEXEC));
}

int sys_fcntl(int fd, int cmd, long arg)
{
	return RET(fcntl(fd, cmd, arg));
}

int sys_lock(int fd)
{
	return (int)RETRY(syscall(SYS_flock, fd, LOCK_EX));
}

int sys_try_lock(int fd)
{
	return (int)RET(syscall(SYS_flock, fd, LOCK_EX | LOCK_NB));
}

int sys_unlock(int fd)
{
	return (int)RET(syscall(SYS_flock, fd, LOCK_UN));
}

int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return (int)RET(syscall(SYS_close_range, first, last, flags));
}
