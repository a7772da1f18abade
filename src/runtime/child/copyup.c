/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: what is below a mount point is copied into the tmpfs that is about to cover it.
 * Both sides are descriptors; the tmpfs is not attached yet, so nobody sees half a copy.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child-private.h"
#include "sys/file.h"

enum { MAX_DEPTH = 64, CHUNK = 1 << 20 };

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int copy_dir(int from, int to, int depth);

static int copy_data(int from, int to)
{
	ssize_t n;

	do
		n = sendfile(to, from, NULL, CHUNK);
	while (n > 0);
	return n < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	DV_CLEANUP(sys_closep) int in = -1;
	DV_CLEANUP(sys_closep) int out = -1;

	in = sys_openat2(from, name, O_RDONLY | O_NOFOLLOW, 0, RESOLVE_BENEATH);
	if (in < 0)
		return in;
	out = sys_openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, st->st_mode & 07777);
	return out < 0 ? out : copy_data(in, out);
}

static int copy_subdir(int from, int to, const char *name, const struct stat *st, int depth)
{
	DV_CLEANUP(sys_closep) int in = -1;
	DV_CLEANUP(sys_closep) int out = -1;
	int r;

	in = sys_openat2(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH);
	if (in < 0)
		return in;
	r = sys_mkdirat(to, name, st->st_mode & 07777);
	if (r < 0)
		return r;
	out = sys_openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return out < 0 ? out : copy_dir(in, out, depth + 1);
}

static int copy_link(int from, int to, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = sys_readlinkat(from, name, target, sizeof(target));

	return n < 0 ? (int)n : sys_symlinkat(target, to, name);
}

static int copy_entry(int from, int to, const char *name, int depth)
{
	struct timespec times[2];
	struct stat st;
	int r;

	r = sys_fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return r;
	if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name, &st);
	else if (S_ISDIR(st.st_mode))
		r = copy_subdir(from, to, name, &st, depth);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name);
	else
		r = sys_mknodat(to, name, st.st_mode, st.st_rdev);
	if (r < 0)
		return r;
	r = sys_fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW);
	if (r == 0 && !S_ISLNK(st.st_mode)) /* chown drops set-id bits */
		r = sys_fchmodat(to, name, st.st_mode & 07777);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	(void)utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
	return r;
}

static int copy_dir(int from, int to, int depth)
{
	_Alignas(8) char buf[4096];
	long n;

	if (depth > MAX_DEPTH)
		return -ELOOP;
	while ((n = syscall(SYS_getdents64, from, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			struct entry *d = (void *)(buf + at);
			int r;

			at += d->reclen;
			if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
				continue;
			r = copy_entry(from, to, d->name, depth);
			if (r < 0)
				return r;
		}
	}
	return n < 0 ? -errno : 0;
}

int rt_child_copy_up(int fromfd, int tofd)
{
	DV_CLEANUP(sys_closep) int in = sys_openat(fromfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DV_CLEANUP(sys_closep) int out = sys_openat(tofd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct stat st;
	int r;

	if (in < 0 || out < 0)
		return in < 0 ? in : out;
	r = copy_dir(in, out, 0);
	/* The top as well: it looks like what it covers. */
	if (r == 0)
		r = sys_fstat(in, &st);
	if (r == 0)
		r = sys_fchown(out, st.st_uid, st.st_gid);
	if (r == 0)
		r = sys_fchmod(out, st.st_mode & 07777);
	return r;
}
