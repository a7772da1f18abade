/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone3(CLONE_VM | CLONE_VFORK): the child runs on a stack of its own in our memory until
 * it executes, so that no page table is copied and execve's errno is simply there.
 */

#include "sys/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/process.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

enum { STACK_SIZE = 32 * 1024 };

struct spawn {
	const char *path;
	char *const *argv;
	char *const *envp;
	const int *stdio;
	int err; /* written by the child, which shares our memory */
};

static int child(void *arg)
{
	struct spawn *s = arg;
	int fds[3];

	sys_reset_signals();
	/* Above 2 first, so that no dup2 below overwrites one that is still needed. */
	for (int i = 0; i < 3; i++) {
		if (s->stdio[i] >= 0)
			fds[i] = sys_dup_cloexec(s->stdio[i], 3);
		else
			fds[i] = sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
		if (fds[i] >= 0 && fds[i] < 3)
			fds[i] = sys_dup_cloexec(fds[i], 3);
		if (fds[i] < 0) {
			s->err = fds[i];
			_exit(127);
		}
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(fds[i], i) < 0) {
			s->err = -errno;
			_exit(127);
		}
	}
	/* Closed, not marked: they are still there while a "#!" line's interpreter is looked up. */
	(void)sys_close_range(3, ~0U, 0);
	s->err = sys_execve(s->path, s->argv, s->envp);
	_exit(127);
}

int sys_spawn(const char *path, char *const argv[], char *const envp[], const int stdio[3],
	      pid_t *ret_pid, int *ret_pidfd)
{
	_Alignas(16) char stack[STACK_SIZE];
	struct spawn s = { .path = path, .argv = argv, .envp = envp, .stdio = stdio };
	int pidfd = -1, status;
	sigset_t old;
	pid_t pid;

	/* A handler of ours must not run in the child. */
	(void)sys_sigmask_block_all(&old);
	pid = clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
		    &s, &pidfd);
	if (pid < 0)
		s.err = -errno;
#ifdef __SANITIZE_ADDRESS__
	/* The child never left its frames: their red zones are still marked. */
	__asan_unpoison_memory_region(stack, sizeof(stack));
#endif
	(void)sys_sigmask_set(&old);
	if (s.err) {
		if (pid > 0)
			(void)sys_waitpid(pid, &status, 0);
		sys_close(pidfd);
		return s.err;
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}
