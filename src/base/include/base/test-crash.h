/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For tests: runs something in a child of which the n-th system call is its last, or fails. That
 * finds every point at which a crash can happen, without any help of the code.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum crash_mode { CRASH_KILL, CRASH_FAIL };

/* Calls that no disk makes fail, and without which there is no program. */
static inline bool crash_spares(unsigned long nr)
{
	switch (nr) {
	case SYS_brk:
	case SYS_mmap:
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_madvise:
	case SYS_mremap:
	case SYS_fcntl: /* SQLite waits for a lock that it cannot get */
	case SYS_futex:
	case SYS_close:
	case SYS_getrandom:
	case SYS_sigaltstack: /* of sanitizers */
	case SYS_rt_sigprocmask:
	case SYS_rt_sigaction:
	case SYS_getpid:
	case SYS_gettid:
	case SYS_exit_group:
		return true;
	}
	return false;
}

struct crash {
	enum crash_mode mode;
	int error; /* for CRASH_FAIL: ENOSPC */
	void (*prepare)(void *arg); /* at full speed, before the counting starts */
	void (*act)(void *arg);
	void *arg;
};

/* False: @act has fewer than @n system calls, and ended undisturbed. */
static inline bool crash_at(const struct crash *c, int n)
{
	bool is_entry = true, is_hit = false;
	int status, count = 0;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		c->prepare(c->arg);
		raise(SIGSTOP);
		c->act(c->arg);
		_exit(0);
	}
	/* @prepare may have children of its own: their ends stop it, too. */
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) != SIGSTOP)
		ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
	cr_assert(WIFSTOPPED(status), "status %x", status);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
	for (;;) {
		struct user_regs_struct regs;

		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		cr_assert(waitpid(pid, &status, 0) == pid);
		if (!WIFSTOPPED(status))
			break;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		ptrace(PTRACE_GETREGS, pid, 0, &regs);
		if (is_entry && !crash_spares(regs.orig_rax) && ++count == n) {
			is_hit = true;
			if (c->mode == CRASH_KILL) {
				kill(pid, SIGKILL);
				waitpid(pid, &status, 0);
				return true;
			}
			regs.orig_rax = (unsigned long)-1;
			ptrace(PTRACE_SETREGS, pid, 0, &regs);
		} else if (!is_entry && is_hit && count == n) {
			regs.rax = (unsigned long)-c->error;
			ptrace(PTRACE_SETREGS, pid, 0, &regs);
			count++; /* not again */
		}
		is_entry = !is_entry;
	}
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "call %d: status %x", n, status);
	return is_hit;
}
