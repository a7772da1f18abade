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
#include <sys/prctl.h>
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

#ifdef __SANITIZE_THREAD__
/* Its notes on this thread are not the child's to change; that execve fails is the exit status then. */
#define MEMORY 0
#else
#define MEMORY (CLONE_VM | CLONE_VFORK)
#endif

enum { STACK_SIZE = 32 * 1024 };

struct spawn {
	const struct sys_spawn_opts *opts;
	pid_t parent;
	int err; /* written by the child, which shares our memory */
};

/* What becomes descriptor @i. */
static int source_of(const struct sys_spawn_opts *o, int i)
{
	return i < 3 ? o->stdio[i] : o->fds[i - 3];
}

/* Descriptors 0 ... n-1, and nothing else is open. */
static int arrange(const struct sys_spawn_opts *o)
{
	int fds[3 + SYS_SPAWN_FDS_MAX], n = 3 + (int)o->n_fds;

	/* Above all places first, so that no dup2 below overwrites one that is still needed. */
	for (int i = 0; i < n; i++) {
		int source = source_of(o, i);

		fds[i] = source >= 0 ? source : sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
		if (fds[i] >= 0)
			fds[i] = sys_dup_cloexec(fds[i], n);
		if (fds[i] < 0)
			return fds[i];
	}
	for (int i = 0; i < n; i++) {
		if (dup2(fds[i], i) < 0)
			return -errno;
	}
	/* Closed, not marked: they are still there while a "#!" line's interpreter is looked up. */
	return sys_close_range((unsigned)n, ~0U, 0);
}

static int prepare(const struct spawn *s)
{
	const struct sys_spawn_opts *o = s->opts;
	sigset_t unused;
	int r = 0;

	sys_reset_signals();
	if (o->blocks_signals)
		(void)sys_sigmask_block_all(&unused);
	if (o->has_new_group && setpgid(0, 0) < 0)
		return -errno;
	if (o->pdeathsig)
		r = sys_prctl(PR_SET_PDEATHSIG, (unsigned long)o->pdeathsig, 0, 0, 0);
	if (r < 0)
		return r;
	/* Ended before it could be noticed. A pid namespace of its own hides us from it. */
	if (o->pdeathsig && !(o->ns_flags & CLONE_NEWPID) && getppid() != s->parent)
		return -ESRCH;
	for (size_t i = 0; i < o->n_ns_fds && r >= 0; i++)
		r = sys_setns(o->ns_fds[i], 0);
	if (r >= 0 && o->cwd)
		r = sys_chdir(o->cwd);
	return r < 0 ? r : arrange(o);
}

static int child(void *arg)
{
	struct spawn *s = arg;

	s->err = prepare(s);
	if (s->err == 0)
		s->err = sys_execve(s->opts->path, s->opts->argv, s->opts->envp);
	_exit(127);
}

int sys_spawn_with(const struct sys_spawn_opts *opts, pid_t *ret_pid, int *ret_pidfd)
{
	_Alignas(16) char stack[STACK_SIZE];
	struct spawn s = { .opts = opts, .parent = getpid() };
	int pidfd = -1, status;
	sigset_t old;
	pid_t pid;

	if (opts->n_fds > SYS_SPAWN_FDS_MAX)
		return -EINVAL;
	/* A handler of ours must not run in the child. */
	(void)sys_sigmask_block_all(&old);
	pid = clone(child, stack + sizeof(stack), MEMORY | CLONE_PIDFD | SIGCHLD | opts->ns_flags,
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

int sys_spawn(const char *path, char *const argv[], char *const envp[], const int stdio[3],
	      pid_t *ret_pid, int *ret_pidfd)
{
	struct sys_spawn_opts opts = {
		.path = path, .argv = argv, .envp = envp, .stdio = { stdio[0], stdio[1], stdio[2] }
	};

	return sys_spawn_with(&opts, ret_pid, ret_pidfd);
}
