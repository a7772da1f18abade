/* SPDX-License-Identifier: Apache-2.0 */
/* Sysctl names, and writing them below a directory of ours and in the real /proc. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "host/sysctl.h"
#include "sys/file.h"
#include "sys/process.h"

Test(sysctl, path)
{
	static const struct {
		const char *key;
		const char *path; /* NULL: -EINVAL */
	} rows[] = {
		{ "net.ipv4.ip_forward", "sys/net/ipv4/ip_forward" },
		{ "net/ipv4/ip_forward", "sys/net/ipv4/ip_forward" },
		{ "net.ipv4.conf.eno2/100.rp_filter", "sys/net/ipv4/conf/eno2.100/rp_filter" },
		{ "net/ipv4/conf/eno2.100/rp_filter", "sys/net/ipv4/conf/eno2.100/rp_filter" },
		{ "kernel.shm_rmid_forced", "sys/kernel/shm_rmid_forced" },
		{ "fs.mqueue.msg_max", "sys/fs/mqueue/msg_max" },
		{ "abc", "sys/abc" },
		{ "", NULL },
		{ ".", NULL },
		{ "/", NULL },
		{ "net..ipv4", NULL },
		{ "net//ipv4", NULL },
		{ "net.", NULL },
		{ ".net", NULL },
		{ "/etc/passwd", NULL },
		{ "net/../../etc/passwd", NULL },
		{ "net/./ipv4", NULL },
		{ "a.//.b", NULL }, /* a..b as a component is fine, ".." is not */
		{ "a.x//y.b", "sys/a/x..y/b" },
	};
	char buf[64];

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		int r = host_sysctl_path(rows[i].key, buf, sizeof(buf));

		cr_expect(r == (rows[i].path ? 0 : -EINVAL), "%s: %d", rows[i].key, r);
		if (r == 0)
			T_STR(buf, rows[i].path);
	}
	T_INT(host_sysctl_path("abcd", buf, 8), ==, -ENAMETOOLONG);
	T_INT(host_sysctl_path("abcd", buf, 9), ==, 0);
}

static int make_tree(char dir[32])
{
	int fd;

	snprintf(dir, 32, "%s", "/tmp/test-sysctl-XXXXXX");
	cr_assert(mkdtemp(dir));
	fd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	cr_assert(fd >= 0);
	T_INT(sys_mkdirat(fd, "sys", 0755), ==, 0);
	T_INT(sys_mkdirat(fd, "sys/net", 0755), ==, 0);
	sys_close(sys_openat(fd, "sys/net/x", O_CREAT | O_WRONLY, 0644));
	return fd;
}

Test(sysctl, write)
{
	char dir[32], text[32];
	int fd = make_tree(dir);

	T_INT(host_sysctl_write(fd, "net.x", "17"), ==, 0);
	T_INT(sys_read_file_at(fd, "sys/net/x", text, sizeof(text)), ==, 2);
	T_STR(text, "17");
	T_INT(host_sysctl_write(fd, "net.y", "17"), ==, -ENOENT);
	T_INT(host_sysctl_write(fd, "net", "17"), ==, -EISDIR);
	T_INT(host_sysctl_write(fd, "", "17"), ==, -EINVAL);

	/* Neither the last component nor one before may be a link. */
	T_INT(sys_symlinkat("x", fd, "sys/net/l"), ==, 0);
	T_INT(sys_symlinkat("net", fd, "sys/m"), ==, 0);
	T_INT(host_sysctl_write(fd, "net.l", "18"), ==, -ELOOP);
	T_INT(host_sysctl_write(fd, "m.x", "18"), ==, -ELOOP);
	sys_close(fd);
	fd = sys_openat(AT_FDCWD, "/tmp", O_PATH | O_DIRECTORY, 0);
	T_INT(sys_remove_tree(fd, dir + strlen("/tmp/")), ==, 0);
	sys_close(fd);
}

Test(sysctl, real)
{
	int procfd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	char text[64];
	pid_t pid;
	int status;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	/* In a child with a UTS namespace of its own: the value belongs to the writer's. */
	pid = fork();
	if (pid == 0) {
		if (sys_unshare(CLONE_NEWUTS) < 0 ||
		    host_sysctl_write(procfd, "kernel.domainname", "davit.test") < 0 ||
		    sys_read_file_at(procfd, "sys/kernel/domainname", text, sizeof(text)) < 0)
			_exit(1);
		_exit(strcmp(text, "davit.test\n") == 0 ? 0 : 2);
	}
	T_INT(waitpid(pid, &status, 0), ==, pid);
	T_INT(status, ==, 0);
	T_INT(host_sysctl_write(procfd, "kernel.ostype", "x"), ==, -EACCES);
	sys_close(procfd);
}
