/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making trees by descriptor. The tree may belong to somebody hostile who changes it
 * meanwhile: every step is relative to a descriptor that was resolved inside the root, so the
 * worst outcome is an error.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>

#include "sys/file.h"

enum { MAX_LINKS = 40 };

/* The directory of the longest existing prefix of @path; *rest is what is missing behind it. */
static int open_prefix(int rootfd, char *path, const char **rest)
{
	size_t end = strlen(path);
	int fd;

	for (;;) {
		while (end > 0 && path[end - 1] != '/')
			end--;
		*rest = path + end;
		while (end > 0 && path[end - 1] == '/')
			end--;
		if (end == 0)
			return sys_openat(rootfd, ".", O_PATH | O_DIRECTORY, 0);
		path[end] = '\0';
		fd = sys_open_in_root(rootfd, path, O_PATH | O_DIRECTORY);
		path[end] = '/';
		if (fd != -ENOENT)
			return fd;
	}
}

/* path := prefix/target/rest, or target/rest for an absolute link. */
static int splice_link(char path[PATH_MAX], size_t prefix_len, const char *target, const char *rest)
{
	size_t tlen = strlen(target), rlen = strlen(rest);

	if (target[0] == '/')
		prefix_len = 0;
	if (prefix_len + tlen + rlen + 3 > PATH_MAX)
		return -ENAMETOOLONG;
	memmove(path + prefix_len + 1 + tlen + 1, rest, rlen + 1);
	path[prefix_len] = '/';
	memcpy(path + prefix_len + 1, target, tlen);
	path[prefix_len + 1 + tlen] = '/';
	return 0;
}

/* One missing component below @dir. -ELOOP: it is a symlink, the caller looks where it goes. */
static int make_dir(int dir, const char *name, mode_t mode)
{
	int r = sys_mkdirat(dir, name, mode);

	if (r < 0 && r != -EEXIST)
		return r;
	return sys_openat2(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/*
 * Makes the components of @rest below *dir. Returns 0 with *dir at the last one, 1 when
 * @path was rewritten because of a dangling link, or -errno.
 */
static int make_rest(int *dir, char path[PATH_MAX], const char *rest, mode_t mode)
{
	char name[NAME_MAX + 1], target[PATH_MAX];

	while (*rest) {
		size_t n = strcspn(rest, "/");
		int next;

		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, rest, n);
		name[n] = '\0';
		if (strcmp(name, "..") == 0)
			return -ENOENT; /* below something that does not exist */
		if (n > 0 && strcmp(name, ".") != 0) {
			next = make_dir(*dir, name, mode);
			if (next == -ELOOP || next == -ENOTDIR) {
				ssize_t len = sys_readlinkat(*dir, name, target, sizeof(target));

				if (len < 0)
					return -ENOTDIR;
				next = splice_link(path, (size_t)(rest - path), target, rest + n);
				return next < 0 ? next : 1;
			}
			if (next < 0)
				return next;
			sys_close(*dir);
			*dir = next;
		}
		rest += n;
		rest += strspn(rest, "/");
	}
	return 0;
}

int sys_mkdir_in_root(int rootfd, const char *path, mode_t mode)
{
	char text[PATH_MAX];
	const char *rest;
	int fd, r;

	fd = sys_open_in_root(rootfd, path, O_PATH | O_DIRECTORY);
	if (fd != -ENOENT)
		return fd;
	if (strlen(path) >= sizeof(text))
		return -ENAMETOOLONG;
	memcpy(text, path, strlen(path) + 1);

	for (int i = 0; i < MAX_LINKS; i++) {
		fd = open_prefix(rootfd, text, &rest);
		if (fd < 0)
			return fd;
		r = make_rest(&fd, text, rest, mode);
		if (r == 0)
			return fd;
		sys_close(fd);
		if (r < 0)
			return r;
		fd = sys_open_in_root(rootfd, text, O_PATH | O_DIRECTORY);
		if (fd != -ENOENT)
			return fd;
	}
	return -ELOOP;
}

/* One try; -ELOOP when @path was a dangling link and is now what that pointed to. */
static int make_file(int rootfd, char path[PATH_MAX], mode_t mode)
{
	DV_CLEANUP(sys_closep) int dir = -1;
	char parent[PATH_MAX], target[PATH_MAX];
	char *name = strrchr(path, '/');
	size_t n = name ? (size_t)(name - path) : 0;
	int fd, r;

	name = name ? name + 1 : path;
	memcpy(parent, path, n);
	parent[n] = '\0';
	dir = sys_mkdir_in_root(rootfd, n ? parent : ".", 0755);
	if (dir < 0)
		return dir;
	fd = sys_openat2(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode,
			 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd < 0 && fd != -EEXIST)
		return fd;
	sys_close(fd);
	if (fd == -EEXIST && sys_readlinkat(dir, name, target, sizeof(target)) > 0) {
		r = splice_link(path, n, target, "");
		if (r < 0)
			return r;
		path[strlen(path) - 1] = '\0'; /* the slash before the empty rest */
		return -ELOOP;
	}
	return sys_openat2(dir, name, O_PATH | O_NOFOLLOW, 0,
			   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int sys_mkfile_in_root(int rootfd, const char *path, mode_t mode)
{
	char text[PATH_MAX];
	int fd = -ELOOP;

	if (strlen(path) >= sizeof(text))
		return -ENAMETOOLONG;
	memcpy(text, path, strlen(path) + 1);
	for (int i = 0; i < MAX_LINKS && fd == -ELOOP; i++) {
		fd = sys_open_in_root(rootfd, text, O_PATH);
		if (fd == -ENOENT)
			fd = make_file(rootfd, text, mode);
		else
			break;
	}
	return fd;
}
