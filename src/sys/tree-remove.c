/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing trees by descriptor. The tree may belong to somebody hostile who changes it meanwhile:
 * every step is relative to a descriptor that was resolved inside the tree, no link is followed,
 * no mount entered. Depth costs neither stack nor descriptors: directories below the deepest level
 * that is entered are moved up to the top of the tree, where they are found again.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>

#include "sys/disk.h"
#include "sys/file.h"

/* A frame has a buffer of 4 KiB: this fits into the stack of a worker thread. */
enum { MAX_DEPTH = 24 };

struct removal {
	int top; /* the tree itself; -1 until it is open */
	unsigned long long n_moved;
	int error; /* the first one; what it is about stays */
};

static int remove_at(struct removal *rm, int dirfd, const char *name, int depth);

/* True when something is gone, so that another pass makes sense. */
static bool remove_entries(struct removal *rm, int fd, int depth)
{
	bool is_less = false;
	struct sys_dir dir;
	struct sys_dirent e;
	int r;

	sys_dir_init(&dir, fd);
	while ((r = sys_dir_next(&dir, &e)) > 0) {
		r = remove_at(rm, fd, e.name, depth + 1);
		if (r == 0)
			is_less = true;
		else if (rm->error == 0)
			rm->error = r;
	}
	if (r < 0 && rm->error == 0)
		rm->error = r;
	return is_less;
}

/* A deep directory gets a new place directly below the top. */
static int move_up(struct removal *rm, int dirfd, const char *name)
{
	char to[40];
	int r;

	do {
		snprintf(to, sizeof(to), ".davit-deep-%llu", rm->n_moved++);
		r = sys_rename_noreplace(dirfd, name, rm->top, to);
	} while (r == -EEXIST);
	return r == -ENOENT ? 0 : r;
}

/* 0: it is gone, or has moved to where it will be found. */
static int remove_at(struct removal *rm, int dirfd, const char *name, int depth)
{
	int fd, r;

	r = sys_unlinkat(dirfd, name, 0);
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r != -EISDIR && r != -EPERM)
		return r;
	r = sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r != -ENOTEMPTY && r != -EEXIST)
		return r;
	if (depth >= MAX_DEPTH)
		return move_up(rm, dirfd, name);
	/* The caller's own words may be any path; what is found below may not lead elsewhere. */
	fd = sys_openat2(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
			 depth == 0 ? 0 : RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (depth == 0)
		rm->top = fd;
	/* Entries vanish while we read, and appear at the top: until a pass changes nothing. */
	while (remove_entries(rm, fd, depth))
		;
	sys_close(fd);
	r = sys_unlinkat(dirfd, name, AT_REMOVEDIR);
	return r == -ENOENT ? 0 : r;
}

int sys_remove_tree(int dirfd, const char *name)
{
	struct removal rm = { .top = -1 };
	int r = remove_at(&rm, dirfd, name, 0);

	/* "Not empty" is the consequence; the cause is what could not be removed. */
	return r < 0 && rm.error < 0 ? rm.error : r;
}
