/* SPDX-License-Identifier: Apache-2.0 */
/* The pid file: content, replacement, what a failure leaves. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch-private.h"
#include "sys/file.h"

static char dir[] = "/tmp/test-pidfile-XXXXXX";

static void make_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
}

static void remove_dir(void)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_eq(chdir("/"), 0);
	cr_assert_eq(sys_remove_tree(tmp, dir + 5), 0);
}

TestSuite(pidfile, .init = make_dir, .fini = remove_dir);

static void holds(const char *path, const char *expected)
{
	char text[64];

	cr_assert_geq(sys_read_file_at(AT_FDCWD, path, text, sizeof(text)), 0);
	cr_assert_str_eq(text, expected);
}

Test(pidfile, is_written_and_replaced)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/p", dir);
	umask(022);
	cr_assert_null(rt_pid_file_write(path, 1234567));
	holds("p", "1234567");
	cr_assert_null(rt_pid_file_write("p", 8)); /* relative */
	holds("p", "8");
	cr_assert_eq(stat("p", &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0644);
	cr_assert_neq(access(".p", F_OK), 0);
}

Test(pidfile, outlives_a_killed_writer)
{
	int fd = open(".p", O_WRONLY | O_CREAT, 0600);

	close(fd);
	cr_assert_null(rt_pid_file_write("p", 5));
	holds("p", "5");
	cr_assert_neq(access(".p", F_OK), 0);
}

Test(pidfile, failure_leaves_nothing)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *none = NULL, *is_dir = NULL, *empty = NULL;

	none = rt_pid_file_write("missing/p", 5);
	cr_assert_not_null(none);
	cr_assert_eq(dv_err_code(none), DV_NOT_FOUND);
	cr_assert_eq(mkdir("d", 0700), 0);
	is_dir = rt_pid_file_write("d", 5);
	cr_assert_not_null(is_dir);
	cr_assert_neq(access(".d", F_OK), 0);
	empty = rt_pid_file_write("d/", 5);
	cr_assert_eq(dv_err_code(empty), DV_INVALID);
}
