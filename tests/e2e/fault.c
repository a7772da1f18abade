/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault REPORT PROCESS NUMBER ERRNO PROGRAM ARGUMENT...: lets one system call of the program fail.
 *
 * PROCESS 0 is the program itself, 1 the first process that it makes, and so on; NUMBER counts that
 * process' system calls from 1. The chosen call is not made and gives ERRNO; but close() is made all
 * the same, as Linux does it. When it is reached, its number in the kernel's table is written to the
 * descriptor REPORT. Exits as the program does.
 *
 * Of a process that the program made, no call after its execve counts: that is somebody else's code.
 * Passed over is what no program can handle: memory (allocation aborts), the C library's start, and
 * the end of a process.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "setting the result of a system call is done for x86-64 alone"
#endif

enum { MAX_PROCS = 64, EXIT_TROUBLE = 99 };

static struct proc {
	pid_t pid;
	long count;
	bool is_inside; /* between the entry and the exit of a call */
	bool fails; /* this one */
	bool is_over; /* nothing counts any more */
} procs[MAX_PROCS];

static int n_procs, report, wanted_proc, error;
static long wanted_call;
static bool is_done;

static bool is_exempt(long nr)
{
	static const long list[] = {
		SYS_brk,	  SYS_mmap,
		SYS_munmap,	  SYS_mprotect,
		SYS_mremap,	  SYS_madvise,
		SYS_arch_prctl,	  SYS_set_tid_address,
		SYS_exit,	  SYS_set_robust_list,
		SYS_rseq,	  SYS_exit_group,
		SYS_rt_sigreturn, SYS_restart_syscall,
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (list[i] == nr)
			return true;
	}
	return false;
}

static int find(pid_t pid)
{
	for (int i = 0; i < n_procs; i++) {
		if (procs[i].pid == pid)
			return i;
	}
	if (n_procs == MAX_PROCS)
		exit(EXIT_TROUBLE);
	procs[n_procs].pid = pid;
	return n_procs++;
}

/* At the entry of a call or its exit. */
static void on_call(struct proc *p)
{
	struct user_regs_struct regs;

	p->is_inside = !p->is_inside;
	if (p != &procs[wanted_proc] || p->is_over || is_done)
		return;
	if (ptrace(PTRACE_GETREGS, p->pid, 0, &regs) < 0)
		return;
	if (p->fails) {
		regs.rax = (unsigned long long)-error;
		is_done = true;
	} else if (p->is_inside && !is_exempt((long)regs.orig_rax) && ++p->count == wanted_call) {
		dprintf(report, "%llu", regs.orig_rax);
		p->fails = true;
		if (regs.orig_rax == SYS_close)
			return;
		regs.orig_rax = (unsigned long long)-1;
	} else {
		return;
	}
	ptrace(PTRACE_SETREGS, p->pid, 0, &regs);
}

/* The signal to go on with. */
static int on_stop(struct proc *p, int status)
{
	int signo = WSTOPSIG(status);

	if (signo == (SIGTRAP | 0x80)) {
		on_call(p);
		return 0;
	}
	if (status >> 16) {
		/* The event stands between the entry and the exit of the call. */
		p->is_over = p->is_over || (status >> 16 == PTRACE_EVENT_EXEC && p != procs);
		return 0;
	}
	return signo == SIGSTOP ? 0 : signo; /* every new process begins with it */
}

static int trace(pid_t first)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int i, signo;

		if (!WIFSTOPPED(status)) {
			if (pid == first)
				return WIFEXITED(status) ? WEXITSTATUS(status)
							 : 128 + WTERMSIG(status);
			continue;
		}
		i = find(pid);
		signo = on_stop(&procs[i], status);
		/* A traced process' end is seen by its parent later than by us: let go of it. */
		ptrace(is_done || procs[i].is_over ? PTRACE_DETACH : PTRACE_SYSCALL, pid, 0, signo);
	}
	return EXIT_TROUBLE;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	int status;
	pid_t pid;

	if (argc < 6)
		return EXIT_TROUBLE;
	report = (int)strtol(argv[1], NULL, 10);
	wanted_proc = (int)strtol(argv[2], NULL, 10);
	wanted_call = strtol(argv[3], NULL, 10);
	error = (int)strtol(argv[4], NULL, 10);
	pid = fork();
	if (pid == 0) {
		close(report);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[5], argv + 5);
		_exit(EXIT_TROUBLE);
	}
	/* It stops when it has executed. */
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return EXIT_TROUBLE;
	ptrace(PTRACE_SETOPTIONS, pid, 0, options);
	(void)find(pid);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	return trace(pid);
}
