/* SPDX-License-Identifier: Apache-2.0 */
/* Walks, usage and copies of trees with everything in them that a layer may have. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/test.h"
#include "snapshot-private.h"
#include "sys/disk.h"
#include "sys/file.h"

static char top[64];
static int root;

#define T_OK(expr) \
	do { \
		struct dv_err *t_err_ = (expr); \
		cr_assert(t_err_ == NULL, "%s: %s", #expr, t_err_ ? dv_err_message(t_err_) : ""); \
	} while (0)

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/davit-snaptree-XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	root = sys_openat(AT_FDCWD, top, O_RDONLY | O_DIRECTORY, 0);
	sys_mkdirat(root, "from", 0755);
	sys_mkdirat(root, "to", 0700);
}

static void teardown(void)
{
	sys_close(root);
	T_INT(sys_remove_tree(AT_FDCWD, top), ==, 0);
}

TestSuite(snaptree, .init = setup, .fini = teardown);

static void file(const char *path, const char *text)
{
	int fd = sys_openat(root, path, O_CREAT | O_EXCL | O_WRONLY, 0644);

	cr_assert_geq(fd, 0, "%s", path);
	T_INT(sys_write_all(fd, text, strlen(text)), ==, 0);
	sys_close(fd);
}

static struct dv_err *copy(void)
{
	DV_CLEANUP(sys_closep) int from = sys_openat(root, "from", O_RDONLY | O_DIRECTORY, 0);
	DV_CLEANUP(sys_closep) int to = sys_openat(root, "to", O_RDONLY | O_DIRECTORY, 0);

	return snapshot_tree_copy(to, from);
}

static struct stat look(const char *path)
{
	struct stat st = { 0 };

	cr_expect_eq(sys_fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW), 0, "no %s", path);
	return st;
}

static void expect_same(const char *name)
{
	char a[128], b[128];
	struct stat x, y;

	snprintf(a, sizeof(a), "from/%s", name);
	snprintf(b, sizeof(b), "to/%s", name);
	x = look(a);
	y = look(b);
	cr_expect_eq(x.st_mode, y.st_mode, "%s: mode %o, %o", name, x.st_mode, y.st_mode);
	cr_expect(x.st_uid == y.st_uid && x.st_gid == y.st_gid, "%s: owner", name);
	cr_expect_eq(x.st_rdev, y.st_rdev, "%s: device", name);
	cr_expect_eq(x.st_nlink, y.st_nlink, "%s: links", name);
	cr_expect(x.st_mtim.tv_sec == y.st_mtim.tv_sec && x.st_mtim.tv_nsec == y.st_mtim.tv_nsec,
		  "%s: time", name);
	if (!S_ISDIR(x.st_mode))
		cr_expect_eq(x.st_size, y.st_size, "%s: size", name);
}

Test(snaptree, copies_have_everything)
{
	static const char *const names[] = { ".",    "a",    "a/file", "a/other", "link",   "fifo",
					     "null", "suid", "a/deep", "sparse",  "dirlink" };
	struct timespec old[2] = { { 1000, 5 }, { 2000, 7 } };
	char value[16] = "", path[128];
	int fd;

	sys_mkdirat(root, "from/a", 0751);
	sys_mkdirat(root, "from/a/deep", 01777);
	file("from/a/file", "text");
	sys_linkat(root, "from/a/file", root, "from/a/other", 0);
	sys_linkat(root, "from/a/file", root, "from/a/deep/third", 0);
	sys_symlinkat("/etc/passwd", root, "from/link");
	sys_symlinkat("a", root, "from/dirlink");
	sys_linkat(root, "from/link", root, "from/link2", 0);
	sys_mknodat(root, "from/fifo", S_IFIFO | 0600, 0);
	sys_mknodat(root, "from/null", S_IFCHR | 0666, makedev(1, 3));
	file("from/suid", "x");
	sys_fchownat(root, "from/suid", 1, 2, 0);
	sys_fchmodat(root, "from/suid", 06755);
	sys_fchownat(root, "from/link", 3, 4, AT_SYMLINK_NOFOLLOW);
	fd = sys_openat(root, "from/sparse", O_CREAT | O_WRONLY, 0600);
	T_INT(sys_pwrite_all(fd, "end", 3, 4 << 20), ==, 0);
	sys_close(fd);
	snprintf(path, sizeof(path), "%s/from/a/file", top);
	setxattr(path, "user.test", "value", 5, 0);
	snprintf(path, sizeof(path), "%s/from/a", top);
	setxattr(path, "trusted.overlay.opaque", "y", 1, 0);
	sys_utimensat(root, "from/a/file", old, 0);
	sys_utimensat(root, "from/a", old, 0);
	sys_utimensat(root, "from/link", old, AT_SYMLINK_NOFOLLOW);
	sys_utimensat(root, "from", old, 0);

	T_OK(copy());
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++)
		expect_same(names[i]);
	T_INT(look("to/a/file").st_ino, ==, look("to/a/deep/third").st_ino);
	T_INT(look("to/link").st_ino, ==, look("to/link2").st_ino);
	T_INT(look("to/sparse").st_blocks * 512, <, 1 << 20);
	snprintf(path, sizeof(path), "%s/to/a/file", top);
	T_INT(getxattr(path, "user.test", value, sizeof(value)), ==, 5);
	T_STR(value, "value");
	snprintf(path, sizeof(path), "%s/to/a", top);
	T_INT(getxattr(path, "trusted.overlay.opaque", value, sizeof(value)), ==, 1);
}

Test(snaptree, copies_are_not_confused_by_what_is_there)
{
	T_OK(copy());
	file("from/x", "1");
	T_OK(copy());
	struct dv_err *e = copy();

	cr_expect_not_null(e, "to/x is there already");
	dv_err_free(e);
}

Test(snaptree, usage_counts_links_once)
{
	struct snapshot_usage one, two;

	file("from/a", "some bytes");
	T_OK(snapshot_tree_usage(root, "from", &one));
	T_INT(one.inodes, ==, 2);
	T_INT(one.size, >=, 512);
	sys_linkat(root, "from/a", root, "from/b", 0);
	T_OK(snapshot_tree_usage(root, "from", &two));
	T_INT(two.inodes, ==, one.inodes);
	T_INT(two.size, ==, one.size);
	for (int i = 0; i < 300; i++) {
		char name[32], other[32];

		snprintf(name, sizeof(name), "from/f%d", i);
		snprintf(other, sizeof(other), "from/f%d-too", i);
		file(name, "");
		T_INT(sys_linkat(root, name, root, other, 0), ==, 0);
	}
	T_OK(snapshot_tree_usage(root, "from", &two));
	T_INT(two.inodes, ==, one.inodes + 300);
}

/* Deeper than there are descriptors and than a path can be. */
Test(snaptree, depth_costs_nothing, .timeout = 60)
{
	enum { DEPTH = 3000 };
	struct snapshot_usage usage;
	int fd = sys_openat(root, "from", O_RDONLY | O_DIRECTORY, 0), next;

	for (int i = 0; i < DEPTH; i++) {
		sys_mkdirat(fd, "directory", 0755);
		next = sys_openat(fd, "directory", O_RDONLY | O_DIRECTORY, 0);
		cr_assert_geq(next, 0);
		sys_close(fd);
		fd = next;
	}
	sys_close(fd);
	T_OK(snapshot_tree_usage(root, "from", &usage));
	T_INT(usage.inodes, ==, DEPTH + 1);
	T_OK(copy());
	T_OK(snapshot_tree_usage(root, "to", &usage));
	T_INT(usage.inodes, ==, DEPTH + 1);
}

static void expect_all_seen(int dir)
{
	struct snapshot_usage usage;

	T_INT(sys_mkdirat(dir, "wide", 0755), ==, 0);
	for (int i = 0; i < 700; i++) {
		char name[80];
		int fd;

		snprintf(name, sizeof(name), "wide/a-directory-with-some-name-%d", i);
		T_INT(sys_mkdirat(dir, name, 0755), ==, 0);
		snprintf(name, sizeof(name), "wide/a-directory-with-some-name-%d/sub", i);
		T_INT(sys_mkdirat(dir, name, 0755), ==, 0);
		snprintf(name, sizeof(name), "wide/a-file-%d", i);
		fd = sys_openat(dir, name, O_CREAT | O_WRONLY, 0600);
		sys_close(fd);
	}
	T_OK(snapshot_tree_usage(dir, "wide", &usage));
	T_INT(usage.inodes, ==, 1 + 3 * 700);
}

Test(snaptree, each_subdirectory_is_seen_once)
{
	char other[] = "/dev/shm/davit-snaptree-XXXXXX";
	int fd;

	expect_all_seen(root);
	if (!mkdtemp(other))
		return; /* no file system of another kind */
	fd = sys_openat(AT_FDCWD, other, O_RDONLY | O_DIRECTORY, 0);
	expect_all_seen(fd);
	sys_close(fd);
	T_INT(sys_remove_tree(AT_FDCWD, other), ==, 0);
}
