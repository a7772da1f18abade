/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, namespaces, identity and scheduling. See sys/process.h. */

#include "sys/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/file.h"

static int ret(long r)
{
	return r < 0 ? -errno : (int)r;
}

pid_t sys_clone3(const struct sys_clone *c, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = c->flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		/* With CLONE_PARENT it is that of the caller. */
		.exit_signal = c->flags & CLONE_PARENT ? 0 : SIGCHLD,
	};
	pid_t pid;

	if (c->cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)c->cgroup_fd;
	}
	pid = ret(syscall(SYS_clone3, &args, sizeof(args)));
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

int sys_pidfd_open(pid_t pid)
{
	return ret(syscall(SYS_pidfd_open, pid, 0));
}

int sys_pidfd_send_signal(int pidfd, int signo)
{
	return ret(syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0));
}

int sys_pidfd_getfd(int pidfd, int fd)
{
	return ret(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

int sys_waitid_pidfd(int pidfd, siginfo_t *si, int options)
{
	int r;

	si->si_pid = 0;
	do
		r = ret(waitid((idtype_t)P_PIDFD, (id_t)pidfd, si, options));
	while (r == -EINTR);
	if (r < 0)
		return r;
	return si->si_pid != 0;
}

int sys_waitpid(pid_t pid, int *ret_status, int options)
{
	int r;

	do
		r = ret(waitpid(pid, ret_status, options));
	while (r == -EINTR);
	return r;
}

int sys_kill(pid_t pid, int signo)
{
	return ret(kill(pid, signo));
}

int sys_poll(struct pollfd *fds, size_t n, int timeout_ms)
{
	int r;

	do
		r = ret(poll(fds, n, timeout_ms));
	while (r == -EINTR);
	return r;
}

int sys_poll_in(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return sys_poll(&p, 1, timeout_ms);
}

int sys_readiness_fd(int fd, bool is_output)
{
	struct epoll_event event = { .events = is_output ? EPOLLOUT : EPOLLIN };
	int epoll = ret(epoll_create1(EPOLL_CLOEXEC)), r;

	if (epoll < 0)
		return epoll;
	r = ret(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	if (r < 0)
		close(epoll);
	return r < 0 ? r : epoll;
}

int sys_setns(int fd, int nstype)
{
	return ret(syscall(SYS_setns, fd, nstype));
}

int sys_unshare(int flags)
{
	return ret(syscall(SYS_unshare, flags));
}

int sys_ns_type(int fd)
{
	return ret(ioctl(fd, NS_GET_NSTYPE));
}

int sys_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return ret(prctl(option, a, b, c, d));
}

int sys_setsid(void)
{
	return ret(setsid());
}

int sys_setresuid(uid_t uid)
{
	return ret(syscall(SYS_setresuid, uid, uid, uid));
}

int sys_setresgid(gid_t gid)
{
	return ret(syscall(SYS_setresgid, gid, gid, gid));
}

int sys_setgroups(size_t n, const gid_t *gids)
{
	return ret(syscall(SYS_setgroups, n, gids));
}

int sys_prlimit(pid_t pid, int resource, const struct rlimit64 *set, struct rlimit64 *old)
{
	return ret(syscall(SYS_prlimit64, pid, resource, set, old));
}

int sys_personality(unsigned long p)
{
	return ret(personality(p));
}

int sys_sethostname(const char *name)
{
	return ret(sethostname(name, strlen(name)));
}

int sys_setdomainname(const char *name)
{
	return ret(setdomainname(name, strlen(name)));
}

int sys_execve(const char *path, char *const argv[], char *const envp[])
{
	return ret(execve(path, argv, envp));
}

int sys_execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return ret(syscall(SYS_execveat, dirfd, path, argv, envp, flags));
}

void sys_exit(int status)
{
	_exit(status);
}

int sys_capset(const struct sys_cap_set *set)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].effective = (uint32_t)(set->effective >> (32 * i));
		data[i].permitted = (uint32_t)(set->permitted >> (32 * i));
		data[i].inheritable = (uint32_t)(set->inheritable >> (32 * i));
	}
	return ret(syscall(SYS_capset, &head, data));
}

int sys_capget(struct sys_cap_set *set)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	set->effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	set->permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	set->inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

int sys_sched_setattr(pid_t pid, const struct sys_sched_attr *a)
{
	/* struct sched_attr, which older headers lack. */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
		uint32_t util_min, util_max;
	} attr = {
		.size = sizeof(attr),
		.policy = a->policy,
		.flags = a->flags,
		.nice = a->nice,
		.priority = a->priority,
		.runtime = a->runtime,
		.deadline = a->deadline,
		.period = a->period,
	};

	return ret(syscall(SYS_sched_setattr, pid, &attr, 0));
}

int sys_ioprio_set(int class, int priority)
{
	enum { WHO_PROCESS = 1, CLASS_SHIFT = 13 };

	return ret(syscall(SYS_ioprio_set, WHO_PROCESS, 0, class << CLASS_SHIFT | priority));
}

int sys_sched_setaffinity(pid_t pid, const void *mask, size_t size)
{
	return ret(syscall(SYS_sched_setaffinity, pid, size, mask));
}

int sys_sched_getaffinity(pid_t pid, void *mask, size_t size)
{
	return ret(syscall(SYS_sched_getaffinity, pid, size, mask));
}

int sys_set_mempolicy(int mode, const uint64_t *nodes, unsigned long max_node)
{
	return ret(syscall(SYS_set_mempolicy, mode, nodes, max_node));
}

int64_t sys_join_session_keyring(const char *name)
{
	long r = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name, 0, 0, 0);

	return r < 0 ? -errno : r;
}

int sys_keyctl_setperm(int32_t serial, uint32_t perm)
{
	return ret(syscall(SYS_keyctl, KEYCTL_SETPERM, serial, perm, 0, 0));
}

int sys_keyctl_describe(int32_t serial, char *buf, size_t size)
{
	int r = ret(syscall(SYS_keyctl, KEYCTL_DESCRIBE, serial, buf, size - 1, 0));

	if (r >= 0)
		buf[DV_MIN((size_t)r, size - 1)] = '\0';
	return r;
}

void sys_reset_signals(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &sa, NULL); /* KILL, STOP and glibc's own two refuse */
	sigemptyset(&none);
	(void)sys_sigmask_set(&none);
}

int sys_sigmask_block_all(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	return ret(sigprocmask(SIG_SETMASK, &all, old));
}

int sys_sigmask_set(const sigset_t *set)
{
	return ret(sigprocmask(SIG_SETMASK, set, NULL));
}

int sys_signalfd(const sigset_t *set)
{
	return ret(signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int sys_proc_stat(int procfd, pid_t pid, char *ret_state, uint64_t *ret_starttime)
{
	char path[32], text[1024], *p, *end;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/stat", pid);
	n = sys_read_file_at(procfd, path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;

	/* The name in parentheses may hold anything, even ") R 1 ...". */
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EIO;
	p += 2;
	*ret_state = *p;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
	}
	*ret_starttime = strtoull(p, &end, 10);
	return end == p ? -EIO : 0;
}

int sys_seccomp_load(const void *insns, size_t n_insns, unsigned flags)
{
	struct sock_fprog prog = {
		.len = (unsigned short)n_insns,
		.filter = (struct sock_filter *)(uintptr_t)insns,
	};

	if (n_insns > BPF_MAXINSNS)
		return -E2BIG;
	return ret(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog));
}

int sys_bpf(int cmd, void *attr, size_t size)
{
	return ret(syscall(SYS_bpf, cmd, attr, size));
}
