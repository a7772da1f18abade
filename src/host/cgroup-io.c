/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories and files of cgroup file systems by descriptor. A mount's file system type is
 * checked once, when its root is opened; from there on nothing leaves it: directories are
 * opened beneath it without crossing mounts or following links, files by a single name.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cgroup-private.h"
#include "sys/file.h"

enum { RESOLVE_INSIDE = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS };

int cgroup_root(struct host_cgroup *cg, int i)
{
	long want = cg->pub[i].is_v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC;
	DV_CLEANUP(sys_closep) int fd = -1;
	long type;
	int r;

	if (cg->hiers[i].rootfd >= 0)
		return cg->hiers[i].rootfd;
	fd = sys_openat(AT_FDCWD, cg->pub[i].mountpoint, O_PATH | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = sys_fstatfs_type(fd, &type);
	if (r < 0)
		return r;
	if (type != want && !cg->is_test)
		return -ENODEV;
	cg->hiers[i].rootfd = dv_steal_fd(&fd);
	return cg->hiers[i].rootfd;
}

/* openat2 for kernels without it (before 5.6, or hidden by a seccomp profile). */
static int walk_below(int fd, const char *path)
{
	DV_CLEANUP(sys_closep) int dir = sys_dup_cloexec(fd, 0);
	struct stat top, st;
	int r;

	if (dir < 0)
		return dir;
	r = sys_fstat(fd, &top);
	if (r < 0)
		return r;
	while (*path) {
		size_t n = strcspn(path, "/");
		char name[NAME_MAX + 1];
		int next;

		if (n >= sizeof(name))
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		if (dv_streq(name, ".."))
			return -EXDEV;
		next = sys_openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		if (next < 0)
			return next;
		sys_close(dir);
		dir = next;
		r = sys_fstat(dir, &st);
		if (r < 0)
			return r;
		if (st.st_dev != top.st_dev)
			return -EXDEV;
		path += n;
		path += strspn(path, "/");
	}
	return dv_steal_fd(&dir);
}

int cgroup_open_below(int fd, const char *path)
{
	int r = sys_openat2(fd, path, O_PATH | O_DIRECTORY, 0, RESOLVE_INSIDE);

	return r == -ENOSYS || r == -EPERM ? walk_below(fd, path) : r;
}

int cgroup_dir(struct host_cgroup *cg, int i)
{
	int fd;

	if (cg->hiers[i].dirfd >= 0)
		return cg->hiers[i].dirfd;
	fd = cgroup_root(cg, i);
	if (fd < 0)
		return fd;
	fd = cgroup_open_below(fd, cgroup_rel(cg, i));
	if (fd < 0)
		return fd;
	cg->hiers[i].dirfd = fd;
	return fd;
}

int cgroup_open_file(const struct host_cgroup *cg, int dirfd, const char *name, int flags)
{
	if (strchr(name, '/'))
		return -EINVAL;
	if (cg->is_test && flags != O_RDONLY)
		flags |= O_CREAT | O_TRUNC;
	return sys_openat(dirfd, name, flags | O_NOFOLLOW, 0600);
}

int cgroup_write(const struct host_cgroup *cg, int dirfd, const char *name, const char *value)
{
	DV_CLEANUP(sys_closep) int fd = cgroup_open_file(cg, dirfd, name, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	/* One write: the kernel takes each as a command of its own. */
	n = sys_write(fd, value, strlen(value));
	return n < 0 ? (int)n : 0;
}

ssize_t cgroup_read(int dirfd, const char *name, char *buf, size_t size)
{
	DV_CLEANUP(sys_closep) int fd = -1;

	fd = sys_openat(dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
	return fd < 0 ? fd : sys_read_all(fd, buf, size);
}

int cgroup_read_text(int dirfd, const char *name, struct dv_strbuf *out)
{
	DV_CLEANUP(sys_closep) int fd = sys_openat(dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = sys_read(fd, buf, sizeof(buf))) > 0)
		dv_strbuf_add_n(out, buf, (size_t)n);
	return (int)n;
}

/* The number at @s, up to space or end; false when there is none. */
static bool parse_number(const char *s, uint64_t *ret)
{
	char text[32];
	size_t n = strcspn(s, " \t\n");

	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	if (dv_streq(text, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	if (text[0] == '-') {
		*ret = 0;
		return true;
	}
	return dv_parse_u64(text, ret);
}

int cgroup_read_u64(int dirfd, const char *name, uint64_t *ret)
{
	char buf[64];
	ssize_t n = cgroup_read(dirfd, name, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	return parse_number(buf, ret) ? 0 : -EBADMSG;
}

bool cgroup_find_key(const char *text, const char *key, uint64_t *ret)
{
	size_t n = strlen(key);

	for (;;) {
		if (strncmp(text, key, n) == 0 && text[n] == ' ')
			return parse_number(text + n + 1, ret);
		text = strchr(text, '\n');
		if (!text)
			return false;
		text++;
	}
}

int64_t cgroup_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void cgroup_pause_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

enum { GONE_MS = 50 }; /* until a removed cgroup is noticed */

int cgroup_wait_event(int dirfd, const char *key, uint64_t want, int64_t deadline_ms)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(dirfd, "cgroup.events", O_RDONLY | O_NOFOLLOW, 0);
	struct pollfd p = { .fd = fd, .events = POLLPRI };
	char buf[256];
	uint64_t value;

	if (fd < 0)
		return fd;
	for (;;) {
		int64_t left;
		ssize_t n;

		/* Reading arms the poll: a change after it wakes us, one before it we see. */
		if (lseek(fd, 0, SEEK_SET) < 0)
			return -errno;
		n = sys_read_all(fd, buf, sizeof(buf));
		if (n < 0)
			return (int)n;
		if (!cgroup_find_key(buf, key, &value))
			return -EBADMSG;
		if (value == want)
			return 0;
		left = deadline_ms - cgroup_now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		/*
		 * Interrupted or woken: the next round looks what there is. When somebody else
		 * removes the cgroup, the kernel wakes nobody.
		 */
		(void)poll(&p, 1, (int)DV_MIN(left, (int64_t)GONE_MS));
	}
}

int cgroup_each_subdir(int dirfd, cgroup_subdir_fn fn, void *arg)
{
	struct dirent *d;
	int fd, r = 0;
	DIR *dir;

	fd = sys_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		sys_close(fd);
		return -ENOMEM;
	}
	while (r == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (d->d_type == DT_DIR && !dv_streq(d->d_name, ".") && !dv_streq(d->d_name, ".."))
			r = fn(fd, d->d_name, arg);
	}
	if (r == 0)
		r = -errno; /* readdir's, 0 at the end */
	closedir(dir);
	return r;
}
