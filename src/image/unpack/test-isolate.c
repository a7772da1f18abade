/* SPDX-License-Identifier: Apache-2.0 */
/* What is left to the unpacker once it has given up its system calls: tried in a child. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "unpack-private.h"

TestSuite(isolate, .timeout = 60);

/* The number of the line that was not as it should be, in a child's exit status. */
#define REFUSED(call) \
	do { \
		if ((call) != -1 || errno != EPERM) \
			_exit(__LINE__ & 0xff); \
	} while (0)
#define ALLOWED(call) \
	do { \
		if ((call) < 0) \
			_exit(__LINE__ & 0xff); \
	} while (0)

static void filter(enum unpack_role role)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || unpack_filter(role))
		_exit(1);
}

static int status_of(pid_t pid)
{
	int status = 0;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* Its uid is root's, and so are most others'. */
Test(isolate, no_signals_for_others)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		int fds[2];

		ALLOWED(pipe(fds));
		filter(UNPACK_LAYER);
		REFUSED(syscall(SYS_tgkill, parent, parent, 0));
		REFUSED(syscall(SYS_kill, parent, 0));
		REFUSED(syscall(SYS_tkill, parent, 0));
		REFUSED(syscall(SYS_rt_sigqueueinfo, parent, 0, NULL));
		REFUSED(syscall(SYS_pidfd_open, parent, 0));
		REFUSED(fcntl(fds[0], F_SETOWN, parent));
		REFUSED(fcntl(fds[0], F_SETSIG, SIGKILL));
		REFUSED(fcntl(fds[0], F_SETFL, O_ASYNC));
		ALLOWED(fcntl(fds[0], F_GETFL));
		ALLOWED(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0));
		_exit(0);
	}
	T_INT(status_of(pid), ==, 0);
}

Test(isolate, no_other_processes_nor_privileges)
{
	pid_t pid = fork();

	if (pid == 0) {
		filter(UNPACK_LAYER);
		REFUSED(syscall(SYS_fork));
		REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
		REFUSED(syscall(SYS_clone3, NULL, 0));
		REFUSED(syscall(SYS_execve, "/bin/true", NULL, NULL));
		REFUSED(syscall(SYS_execveat, 0, "", NULL, NULL, 0));
		REFUSED(syscall(SYS_ptrace, 0, 0, 0, 0));
		REFUSED(syscall(SYS_mount, "a", "b", "c", 0, NULL));
		REFUSED(syscall(SYS_open_tree, 0, "", 0));
		REFUSED(syscall(SYS_chroot, "/"));
		REFUSED(syscall(SYS_unshare, 0));
		REFUSED(syscall(SYS_setns, 0, 0));
		REFUSED(syscall(SYS_socket, 1, 1, 0));
		REFUSED(syscall(SYS_ioctl, 0, 0, 0));
		REFUSED(syscall(SYS_bpf, 0, NULL, 0));
		REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
		REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
		REFUSED(syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0));
		REFUSED(syscall(SYS_open_by_handle_at, 0, NULL, 0));
		REFUSED(syscall(SYS_dup, 0));
		_exit(0);
	}
	T_INT(status_of(pid), ==, 0);
}

/* One that reads an import's archive names no path; one that packs a tree writes none. */
Test(isolate, roles)
{
	pid_t pid = fork();

	if (pid == 0) {
		filter(UNPACK_ENTRIES);
		REFUSED(syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY));
		REFUSED(syscall(SYS_newfstatat, AT_FDCWD, "/", NULL, 0));
		REFUSED(syscall(SYS_sendmsg, 0, NULL, 0));
		REFUSED(syscall(SYS_fchmod, 0, 0600));
		_exit(0);
	}
	T_INT(status_of(pid), ==, 0);
	pid = fork();
	if (pid == 0) {
		filter(UNPACK_PACK);
		ALLOWED(syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY));
		REFUSED(syscall(SYS_mkdirat, AT_FDCWD, "never", 0700));
		REFUSED(syscall(SYS_unlinkat, AT_FDCWD, "never", 0));
		REFUSED(syscall(SYS_pwrite64, 0, "", 0, 0));
		REFUSED(syscall(SYS_ftruncate, 0, 0));
		REFUSED(syscall(SYS_fsetxattr, 0, "user.a", "", 0, 0));
		REFUSED(syscall(SYS_fchown, 0, 0, 0));
		_exit(0);
	}
	T_INT(status_of(pid), ==, 0);
}
