/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: spawning, pidfds, /proc/<pid>/stat, passing descriptors. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "sys/spawn.h"

static char *const no_env[] = { NULL };
static const int no_stdio[3] = { -1, -1, -1 };

static int wait_status(int pidfd)
{
	siginfo_t si = { 0 };

	cr_assert_eq(sys_waitid_pidfd(pidfd, &si, WEXITED), 1);
	return si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

Test(spawn, runs_a_program_and_reports_its_status)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"exit 7", NULL };
	int pidfd = -1;
	pid_t pid;

	cr_assert_eq(sys_spawn("/bin/sh", argv, no_env, no_stdio, &pid, &pidfd), 0);
	cr_expect_eq(wait_status(pidfd), 7);
	sys_close(pidfd);
}

Test(spawn, returns_the_errno_of_exec)
{
	char *const argv[] = { (char *)"x", NULL };
	int pidfd = -1;
	pid_t pid = 0;

	cr_expect_eq(sys_spawn("/nonexistent", argv, no_env, no_stdio, &pid, &pidfd), -ENOENT);
	cr_expect_eq(sys_spawn("/etc/passwd", argv, no_env, no_stdio, &pid, &pidfd), -EACCES);
	cr_expect_eq(pidfd, -1);
	cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1, "a child stayed behind");
}

Test(spawn, hands_down_three_descriptors_and_no_other)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)"ls /proc/self/fd | wc -l",
			       NULL };
	char *const env[] = { (char *)"PATH=/bin:/usr/bin", NULL };
	char text[16] = "";
	int pipe[2], pidfd = -1;
	int stdio[3] = { -1, -1, -1 };
	pid_t pid;

	cr_assert_eq(sys_pipe(pipe), 0);
	stdio[1] = pipe[1];
	cr_assert_geq(dup(pipe[0]), 0, "one without close-on-exec");
	cr_assert_eq(sys_spawn("/bin/sh", argv, env, stdio, &pid, &pidfd), 0);
	sys_close(pipe[1]);
	cr_expect_gt(sys_read_all(pipe[0], text, sizeof(text)), 0);
	cr_expect_str_eq(text, "4\n", "0, 1, 2 and that of ls: %s", text);
	cr_expect_eq(wait_status(pidfd), 0);
}

Test(process, stat_survives_hostile_names)
{
	DV_CLEANUP(sys_closep) int procfd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	uint64_t before, after;
	char state;

	cr_assert_eq(sys_proc_stat(procfd, getpid(), &state, &before), 0);
	cr_assert_eq(prctl(PR_SET_NAME, ") Z 1 (x) 2"), 0);
	cr_assert_eq(sys_proc_stat(procfd, getpid(), &state, &after), 0);
	cr_expect_eq(state, 'R');
	cr_expect_eq(before, after);
	cr_expect_eq(sys_proc_stat(procfd, 0x3ffffff, &state, &after), -ESRCH);
}

Test(process, clone3_gives_pid_and_pidfd)
{
	struct sys_clone c = { .flags = 0, .cgroup_fd = -1 };
	int pidfd = -1;
	pid_t pid = sys_clone3(&c, &pidfd);

	if (pid == 0)
		sys_exit(9);
	cr_assert_gt(pid, 0);
	cr_expect_eq(wait_status(pidfd), 9);
	cr_expect_eq(sys_pidfd_send_signal(pidfd, SIGTERM), -ESRCH);
	sys_close(pidfd);
}

Test(sock, passes_one_descriptor)
{
	char text[8] = "";
	int pair[2], fd = -1;
	struct stat a, b;

	cr_assert_eq(sys_socketpair_seqpacket(pair), 0);
	cr_assert_eq(sys_send_fd(pair[0], "hi", 2, pair[0]), 0);
	cr_expect_eq(sys_recv_fd(pair[1], text, sizeof(text), &fd), 2);
	cr_expect_str_eq(text, "hi");
	cr_assert_eq(sys_fstat(fd, &a), 0);
	cr_assert_eq(sys_fstat(pair[0], &b), 0);
	cr_expect_eq(a.st_ino, b.st_ino);
	cr_assert_eq(sys_send(pair[0], "no", 2, 0), 2);
	cr_expect_eq(sys_recv_fd(pair[1], text, sizeof(text), &fd), 2);
	cr_expect_eq(fd, -1);
}

Test(sock, connects_through_paths_longer_than_an_address)
{
	char path[4200];

	memset(path, 'x', sizeof(path));
	memcpy(path, "/tmp/", 5);
	path[4100] = '/';
	path[sizeof(path) - 1] = '\0';
	cr_expect_eq(sys_unix_connect(path), -ENAMETOOLONG);
	memset(path + 5, 'y', 200);
	path[205] = '/';
	path[210] = '\0';
	cr_expect_eq(sys_unix_connect(path), -ENOENT);
}
