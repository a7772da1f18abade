/* SPDX-License-Identifier: Apache-2.0 */
/* Making, finding and removing things below a root that somebody hostile filled. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sys/file.h"

static char top[64];
static int root;

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/davit-tree-XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	root = sys_openat(AT_FDCWD, top, O_RDONLY | O_DIRECTORY, 0);
	cr_assert_geq(root, 0);
}

static void teardown(void)
{
	cr_expect_eq(sys_remove_tree(AT_FDCWD, top), 0);
	cr_expect_eq(access(top, F_OK), -1);
	sys_close(root);
}

TestSuite(tree, .init = setup, .fini = teardown);

static bool exists(const char *path)
{
	struct stat st;

	return sys_fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void expect_dir(const char *path, const char *real)
{
	DV_CLEANUP(sys_closep) int fd = sys_mkdir_in_root(root, path, 0755);
	struct stat made, wanted;

	cr_assert_geq(fd, 0, "%s: %s", path, strerror(-fd));
	cr_assert_eq(sys_fstat(fd, &made), 0);
	cr_assert_eq(sys_fstatat(root, real, &wanted, AT_SYMLINK_NOFOLLOW), 0, "no %s", real);
	cr_expect_eq(made.st_ino, wanted.st_ino, "%s is not %s", path, real);
	cr_expect(S_ISDIR(made.st_mode));
}

Test(tree, mkdir_makes_every_component)
{
	expect_dir("/a/b/c", "a/b/c");
	expect_dir("a/b/c", "a/b/c");
	expect_dir("//a/./b//d/", "a/b/d");
}

Test(tree, mkdir_follows_links_inside_the_root)
{
	cr_assert_eq(sys_mkdirat(root, "run", 0755), 0);
	cr_assert_eq(sys_symlinkat("/run", root, "abs"), 0);
	cr_assert_eq(sys_symlinkat("run", root, "rel"), 0);
	expect_dir("/abs/x", "run/x");
	expect_dir("/rel/y", "run/y");
}

Test(tree, mkdir_makes_what_dangling_links_point_to)
{
	cr_assert_eq(sys_mkdirat(root, "var", 0755), 0);
	cr_assert_eq(sys_symlinkat("/run/deep", root, "var/run"), 0);
	expect_dir("/var/run/secrets", "run/deep/secrets");
}

Test(tree, mkdir_never_leaves_the_root)
{
	cr_assert_eq(sys_symlinkat("../../../../../../../../tmp", root, "up"), 0);
	expect_dir("/up/x", "tmp/x");
	expect_dir("/../../y", "y");
	cr_expect(!exists("../x"));
}

Test(tree, mkdir_ends_on_link_cycles)
{
	cr_assert_eq(sys_symlinkat("b", root, "a"), 0);
	cr_assert_eq(sys_symlinkat("a", root, "b"), 0);
	cr_expect_eq(sys_mkdir_in_root(root, "/a/x", 0755), -ELOOP);
}

Test(tree, mkdir_refuses_files_on_the_way)
{
	DV_CLEANUP(sys_closep) int fd = sys_mkfile_in_root(root, "/file", 0644);

	cr_assert_geq(fd, 0);
	cr_expect_eq(sys_mkdir_in_root(root, "/file/x", 0755), -ENOTDIR);
}

Test(tree, mkfile_makes_parents_and_keeps_what_is_there)
{
	DV_CLEANUP(sys_closep) int one = sys_mkfile_in_root(root, "/etc/resolv.conf", 0644);
	DV_CLEANUP(sys_closep) int two = sys_mkfile_in_root(root, "/etc/resolv.conf", 0644);
	struct stat a, b;

	cr_assert_geq(one, 0);
	cr_assert_geq(two, 0);
	cr_assert_eq(sys_fstat(one, &a), 0);
	cr_assert_eq(sys_fstat(two, &b), 0);
	cr_expect_eq(a.st_ino, b.st_ino);
}

Test(tree, mkfile_makes_what_a_dangling_link_points_to)
{
	DV_CLEANUP(sys_closep) int fd = -1;

	cr_assert_eq(sys_mkdirat(root, "etc", 0755), 0);
	cr_assert_eq(sys_symlinkat("/tmp/a/hosts", root, "etc/hosts"), 0);
	cr_assert_eq(sys_symlinkat("../tmp/rel", root, "etc/rel"), 0);
	fd = sys_mkfile_in_root(root, "/etc/hosts", 0644);
	cr_expect_geq(fd, 0, "%s", strerror(-fd));
	cr_expect(exists("tmp/a/hosts"));
	sys_close(fd);
	fd = sys_mkfile_in_root(root, "/etc/rel", 0644);
	cr_expect_geq(fd, 0);
	cr_expect(exists("tmp/rel"));
}

Test(tree, remove_does_not_follow_links)
{
	char other[] = "/tmp/davit-other-XXXXXX", path[80];

	cr_assert_not_null(mkdtemp(other));
	snprintf(path, sizeof(path), "%s/keep", other);
	cr_assert_eq(mkdir(path, 0700), 0);
	expect_dir("/d/e", "d/e");
	cr_assert_eq(sys_symlinkat(other, root, "d/e/link"), 0);
	cr_expect_eq(sys_remove_tree(root, "d"), 0);
	cr_expect(!exists("d"));
	cr_expect_eq(access(path, F_OK), 0);
	cr_expect_eq(sys_remove_tree(AT_FDCWD, other), 0);
}

Test(tree, remove_takes_many_entries)
{
	char name[32];

	cr_assert_eq(sys_mkdirat(root, "many", 0755), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "/many/%d", i);
		sys_close(sys_mkfile_in_root(root, name, 0600));
	}
	cr_expect_eq(sys_remove_tree(root, "many"), 0);
	cr_expect(!exists("many"));
	cr_expect_eq(sys_remove_tree(root, "many"), 0, "gone already is fine");
}

/* Far deeper than descriptors, stack and PATH_MAX reach. */
Test(tree, remove_takes_deep_trees, .timeout = 100)
{
	int fd, next;

	cr_assert_eq(sys_mkdirat(root, "deep", 0755), 0);
	fd = sys_openat(root, "deep", O_RDONLY | O_DIRECTORY, 0);
	for (int i = 0; i < 10 * 1000; i++) {
		cr_assert_eq(sys_mkdirat(fd, "d", 0755), 0);
		if (i % 1000 == 0)
			sys_close(sys_openat(fd, "file", O_CREAT | O_WRONLY, 0600));
		next = sys_openat(fd, "d", O_RDONLY | O_DIRECTORY, 0);
		cr_assert_geq(next, 0);
		sys_close(fd);
		fd = next;
	}
	sys_close(fd);
	cr_expect_eq(sys_remove_tree(root, "deep"), 0);
	cr_expect(!exists("deep"));
}

Test(tree, remove_stays_out_of_mounts)
{
	char path[96];

	expect_dir("/d/a/mnt", "d/a/mnt");
	expect_dir("/d/b/c", "d/b/c");
	snprintf(path, sizeof(path), "%s/d/a/mnt", top);
	if (mount("davit-test", path, "tmpfs", 0, NULL) != 0)
		cr_skip_test("no mounts here");
	sys_close(sys_mkfile_in_root(root, "/d/a/mnt/keep", 0600));
	cr_expect_neq(sys_remove_tree(root, "d"), 0);
	cr_expect(exists("d/a/mnt/keep"));
	cr_expect(!exists("d/b"), "the rest goes");
	cr_assert_eq(umount(path), 0);
	cr_expect_eq(sys_remove_tree(root, "d"), 0);
}
