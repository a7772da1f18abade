/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Processes, namespaces, identity and scheduling. Results are >= 0 or -errno; nothing
 * allocates; safe between fork and exec.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

#include "base/macros.h"

struct sys_clone {
	uint64_t flags; /* CLONE_*; CLONE_PIDFD is added */
	int cgroup_fd; /* -1, or a v2 cgroup directory: CLONE_INTO_CGROUP */
};

/*
 * fork() by clone3. In the child: returns 0. In the parent: the pid, and *ret_pidfd.
 * glibc's caches (pid, tid) are not used by anything that we call in the child.
 */
pid_t sys_clone3(const struct sys_clone *c, int *ret_pidfd);

int sys_pidfd_open(pid_t pid);
int sys_pidfd_send_signal(int pidfd, int signo);
int sys_pidfd_getfd(int pidfd, int fd);
/* 1 when it has exited (and, if a child of ours, is reaped into @si), 0 not yet. */
int sys_waitid_pidfd(int pidfd, siginfo_t *si, int options);
int sys_waitpid(pid_t pid, int *ret_status, int options);
int sys_kill(pid_t pid, int signo);

/* Waits until @fd is readable; 1 yes, 0 time-out. @timeout_ms -1: for ever. */
int sys_poll_in(int fd, int timeout_ms);
/* The number of descriptors with something in revents, 0: time-out. EINTR starts over. */
struct pollfd;
int sys_poll(struct pollfd *fds, size_t n, int timeout_ms);
/*
 * A descriptor that is readable while @fd can be read (@is_output: written), for loops that make
 * what they watch O_NONBLOCK, which @fd, shared with others, must not become. -EPERM: a file, which
 * nobody need wait for.
 */
int sys_readiness_fd(int fd, bool is_output);

int sys_setns(int fd, int nstype);
int sys_unshare(int flags);
/* CLONE_NEW* of an open namespace file. */
int sys_ns_type(int fd);

int sys_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int sys_setsid(void);
/* The bare system calls: one thread, no glibc broadcast. */
int sys_setresuid(uid_t uid);
int sys_setresgid(gid_t gid);
int sys_setgroups(size_t n, const gid_t *gids);
int sys_prlimit(pid_t pid, int resource, const struct rlimit64 *set, struct rlimit64 *old);
int sys_personality(unsigned long p);
int sys_sethostname(const char *name);
int sys_setdomainname(const char *name);
int sys_execve(const char *path, char *const argv[], char *const envp[]);
int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags);
DV_NORETURN void sys_exit(int status);

struct sys_cap_set {
	uint64_t effective, permitted, inheritable;
};
int sys_capset(const struct sys_cap_set *set);
int sys_capget(struct sys_cap_set *ret);

struct sys_sched_attr {
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
int sys_sched_setattr(pid_t pid, const struct sys_sched_attr *a);
int sys_ioprio_set(int class, int priority);
/* @mask: bit set of @size bytes. */
int sys_sched_setaffinity(pid_t pid, const void *mask, size_t size);
int sys_sched_getaffinity(pid_t pid, void *mask, size_t size);
int sys_set_mempolicy(int mode, const uint64_t *nodes, unsigned long max_node);

/* keyctl(JOIN_SESSION_KEYRING): the serial. */
int64_t sys_join_session_keyring(const char *name);
int sys_keyctl_setperm(int32_t serial, uint32_t perm);
int sys_keyctl_describe(int32_t serial, char *buf, size_t size);

/* Makes every signal default and unblocked, as the container's process expects. */
void sys_reset_signals(void);
int sys_sigmask_block_all(sigset_t *ret_old);
int sys_sigmask_set(const sigset_t *set);
int sys_signalfd(const sigset_t *set);

/* Field 22 of /proc/<pid>/stat and the state letter. -ESRCH when there is no such process. */
int sys_proc_stat(int procfd, pid_t pid, char *ret_state, uint64_t *ret_starttime);

/* SECCOMP_SET_MODE_FILTER; the listener's descriptor with SECCOMP_FILTER_FLAG_NEW_LISTENER. */
int sys_seccomp_load(const void *insns, size_t n_insns, unsigned flags);
int sys_bpf(int cmd, void *attr, size_t size);
