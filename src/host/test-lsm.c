/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor and SELinux against a made-up /proc and /sys. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "host/lsm.h"
#include "sys/file.h"
#include "sys/process.h"

static char dir[32];
static int rootfd = -1;

static void make_dir(const char *path)
{
	T_INT(sys_mkdirat(rootfd, path, 0755), ==, 0);
}

static void make_file(const char *path, const char *text)
{
	int fd = sys_openat(rootfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	T_INT(sys_write_all(fd, text, strlen(text)), ==, 0);
	sys_close(fd);
}

static void expect_file(const char *path, const char *text, size_t n)
{
	char buf[256];

	T_INT(sys_read_file_at(rootfd, path, buf, sizeof(buf)), ==, n);
	T_INT(memcmp(buf, text, n), ==, 0);
}

/* The directory stands for / and for /proc at once. */
static void setup(void)
{
	snprintf(dir, sizeof(dir), "%s", "/tmp/test-lsm-XXXXXX");
	cr_assert(mkdtemp(dir));
	rootfd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	cr_assert(rootfd >= 0);
	make_dir("12");
	make_dir("12/task");
	make_dir("12/task/12");
	make_dir("12/task/12/attr");
	T_INT(sys_symlinkat("12/task/12", rootfd, "thread-self"), ==, 0);
}

static void teardown(void)
{
	int tmp = sys_openat(AT_FDCWD, "/tmp", O_PATH | O_DIRECTORY, 0);

	sys_close(rootfd);
	T_INT(sys_remove_tree(tmp, dir + strlen("/tmp/")), ==, 0);
	sys_close(tmp);
}

TestSuite(lsm, .init = setup, .fini = teardown);

Test(lsm, apparmor_enabled)
{
	T_FALSE(host_apparmor_is_enabled(rootfd));
	make_dir("sys");
	make_dir("sys/kernel");
	make_dir("sys/kernel/security");
	make_dir("sys/kernel/security/apparmor");
	T_FALSE(host_apparmor_is_enabled(rootfd));
	make_dir("sys/module");
	make_dir("sys/module/apparmor");
	make_dir("sys/module/apparmor/parameters");
	make_file("sys/module/apparmor/parameters/enabled", "N\n");
	T_FALSE(host_apparmor_is_enabled(rootfd));
	make_file("sys/module/apparmor/parameters/enabled", "");
	T_FALSE(host_apparmor_is_enabled(rootfd));
	make_file("sys/module/apparmor/parameters/enabled", "Y\n");
	T_TRUE(host_apparmor_is_enabled(rootfd));
}

Test(lsm, selinux_enabled)
{
	T_FALSE(host_selinux_is_enabled(rootfd, rootfd));
	make_dir("sys");
	make_dir("sys/fs");
	make_dir("sys/fs/selinux");
	make_file("12/task/12/attr/current", "system_u:system_r:container_runtime_t:s0");
	T_FALSE(host_selinux_is_enabled(rootfd, rootfd)); /* a directory, not a selinuxfs */
}

Test(lsm, apparmor_exec)
{
	T_INT(host_apparmor_set_exec(rootfd, "docker-default"), ==, -ENOENT);
	make_file("12/task/12/attr/exec", "");
	T_INT(host_apparmor_set_exec(rootfd, "docker-default"), ==, 0);
	expect_file("12/task/12/attr/exec", "exec docker-default", 19);
	make_dir("12/task/12/attr/apparmor");
	make_file("12/task/12/attr/exec", "");
	make_file("12/task/12/attr/apparmor/exec", "");
	T_INT(host_apparmor_set_exec(rootfd, "x"), ==, 0);
	expect_file("12/task/12/attr/apparmor/exec", "exec x", 6);
	expect_file("12/task/12/attr/exec", "", 0);
}

Test(lsm, too_long)
{
	char name[5000];

	make_file("12/task/12/attr/exec", "");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	T_INT(host_apparmor_set_exec(rootfd, name), ==, -ENAMETOOLONG);
	expect_file("12/task/12/attr/exec", "", 0);
}

Test(lsm, selinux)
{
	T_INT(host_selinux_set_exec(rootfd, "a:b:c:s0"), ==, -ENOENT);
	make_file("12/task/12/attr/exec", "");
	make_file("12/task/12/attr/keycreate", "");
	T_INT(host_selinux_set_exec(rootfd, "a:b:c:s0"), ==, 0);
	expect_file("12/task/12/attr/exec", "a:b:c:s0", 8);
	T_INT(host_selinux_set_keycreate(rootfd, "a:b:k:s0"), ==, 0);
	expect_file("12/task/12/attr/keycreate", "a:b:k:s0", 8);
	make_file("12/task/12/attr/exec", "");
	T_INT(host_selinux_set_exec(rootfd, ""), ==, 0);
	expect_file("12/task/12/attr/exec", "\0", 1);
}

/* Whatever the container puts in the way is not followed. */
Test(lsm, links)
{
	make_file("12/task/12/attr/real", "");
	T_INT(sys_symlinkat("real", rootfd, "12/task/12/attr/exec"), ==, 0);
	T_INT(host_selinux_set_exec(rootfd, "a"), ==, -ELOOP);
	T_INT(host_apparmor_set_exec(rootfd, "a"), ==, -ELOOP);
	T_INT(sys_unlinkat(rootfd, "thread-self", 0), ==, 0);
	T_INT(host_selinux_set_exec(rootfd, "a"), ==, -ENOENT);
	T_INT(sys_symlinkat("/etc", rootfd, "thread-self"), ==, 0);
	T_INT(host_selinux_set_exec(rootfd, "a"), ==, -EXDEV);
	T_INT(sys_unlinkat(rootfd, "thread-self", 0), ==, 0);
	T_INT(sys_symlinkat("../../x", rootfd, "thread-self"), ==, 0);
	T_INT(host_selinux_set_exec(rootfd, "a"), ==, -EXDEV);
}

/* The way to the file is right in a real procfs. */
Test(lsm, real_proc)
{
	int procfd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	int r = host_selinux_set_exec(procfd, "a:b:c:s0");

	/* Without SELinux nobody takes it, or another LSM finds it odd: never success. */
	T_INT(r, <, 0);
	T_INT(r, !=, -ELOOP);
	T_INT(r, !=, -EXDEV);
	sys_close(procfd);
}
