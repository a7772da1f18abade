/* SPDX-License-Identifier: Apache-2.0 */
/* Copies with holes, directories, names that are not replaced. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/test.h"
#include "sys/disk.h"
#include "sys/file.h"

static char top[64];
static int root;

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/davit-disk-XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	root = sys_openat(AT_FDCWD, top, O_RDONLY | O_DIRECTORY, 0);
}

static void teardown(void)
{
	sys_close(root);
	T_INT(sys_remove_tree(AT_FDCWD, top), ==, 0);
}

TestSuite(disk, .init = setup, .fini = teardown);

static int make(const char *name)
{
	int fd = sys_openat(root, name, O_CREAT | O_EXCL | O_RDWR, 0600);

	cr_assert_geq(fd, 0);
	return fd;
}

Test(disk, copies_keep_holes)
{
	DV_CLEANUP(sys_closep) int from = make("from"), to = make("to");
	enum { SIZE = 8 << 20, AT = 4 << 20 };
	struct stat st;
	char text[8] = "";

	T_INT(sys_pwrite_all(from, "middle", 6, AT), ==, 0);
	T_INT(sys_ftruncate(from, SIZE), ==, 0);
	T_INT(sys_copy_sparse(to, from, SIZE), ==, 0);
	T_INT(sys_fstat(to, &st), ==, 0);
	T_INT(st.st_size, ==, SIZE);
	T_INT(st.st_blocks, <, AT / 512);
	T_INT(sys_pread(to, text, 6, AT), ==, 6);
	T_STR(text, "middle");
}

Test(disk, reading_stops_at_the_end)
{
	DV_CLEANUP(sys_closep) int fd = make("f");
	char buf[16];

	T_INT(sys_pwrite_all(fd, "0123456789", 10, 0), ==, 0);
	T_INT(sys_pread(fd, buf, sizeof(buf), 4), ==, 6);
	T_INT(sys_pread(fd, buf, sizeof(buf), 10), ==, 0);
	T_INT(sys_pread(-1, buf, sizeof(buf), 0), ==, -EBADF);
	T_INT(sys_fsync(fd), ==, 0);
	T_INT(sys_fdatasync(fd), ==, 0);
	T_INT(sys_start_writeback(fd, 0, 10), ==, 0);
}

Test(disk, names_are_not_replaced)
{
	sys_close(make("a"));
	sys_close(make("b"));
	T_INT(sys_rename_noreplace(root, "a", root, "b"), ==, -EEXIST);
	T_INT(sys_rename_noreplace(root, "a", root, "c"), ==, 0);
}

Test(disk, directories_are_read_to_the_end)
{
	struct sys_dirent e;
	struct sys_dir dir;
	char name[32];
	int n = 0, r;

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "a-name-of-some-length-%d", i);
		sys_close(make(name));
	}
	for (int pass = 0; pass < 2; pass++) {
		sys_dir_init(&dir, root);
		while ((r = sys_dir_next(&dir, &e)) > 0) {
			T_TRUE(dv_starts_with(e.name, "a-name"));
			T_INT(e.type, ==, DT_REG);
			n++;
		}
		T_INT(r, ==, 0);
	}
	T_INT(n, ==, 2000);
	sys_dir_init(&dir, -1);
	T_INT(sys_dir_next(&dir, &e), ==, -EBADF);
}
