/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * For test-seccomp*.c: profiles from short descriptions, an interpreter of classic BPF, and
 * a profile of the size and shape of Docker's default one.
 */

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>

#include "base/mem.h"
#include "base/test.h"
#include "host/seccomp.h"

#define T_ERRNO(e) (SECCOMP_RET_ERRNO | (e))
#define T_X32	   (1u << 30)

/* What the program at @insns says to a call; 0xdead0000 when it runs over its end. */
static inline uint32_t t_run(const struct sock_filter *insns, size_t n,
			     const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &insns[pc];
		bool is_true = false;

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			cr_assert(i->k <= sizeof(*d) - 4 && i->k % 4 == 0);
			memcpy(&a, (const char *)d + i->k, 4);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			is_true = a == i->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			is_true = a > i->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			is_true = a >= i->k;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			is_true = a & i->k;
			break;
		default:
			cr_assert(false, "instruction %#x at %zu", i->code, pc);
		}
		pc += is_true ? i->jt : i->jf;
	}
	return 0xdead0000;
}

static inline uint32_t t_call(const struct host_seccomp_program *p, uint32_t arch, unsigned nr,
			      uint64_t a0, uint64_t a1)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch, .args = { a0, a1 } };

	return t_run(p->insns, p->n_insns, &d);
}

/* Never freed: each test is a process. */
static struct dv_arena t_arena;

static inline const char **t_names(const char *text, size_t *ret_n)
{
	const char **names = dv_arena_new_n(&t_arena, const char *, strlen(text) + 1);
	char *copy = dv_arena_strdup(&t_arena, text), *save = NULL;

	*ret_n = 0;
	for (char *s = strtok_r(copy, " \n", &save); s; s = strtok_r(NULL, " \n", &save))
		names[(*ret_n)++] = s;
	return names;
}

/* One rule: names separated by spaces. */
static inline struct spec_seccomp_rule t_rule(const char *names, enum spec_seccomp_action action,
					      const struct spec_seccomp_arg *args, size_t n_args)
{
	struct spec_seccomp_rule r = { .action = action, .n_args = n_args };

	r.names = t_names(names, &r.n_names);
	if (n_args > 0) {
		r.args = dv_arena_new_n(&t_arena, struct spec_seccomp_arg, n_args);
		memcpy(r.args, args, n_args * sizeof(*args));
	}
	return r;
}

static inline void t_add(struct spec_seccomp *p, struct spec_seccomp_rule rule)
{
	struct spec_seccomp_rule *rules = p->rules;

	if ((p->n_rules & (p->n_rules - 1)) == 0) { /* 0, 1, 2, 4 ...: full */
		rules = dv_arena_new_n(&t_arena, struct spec_seccomp_rule, p->n_rules * 2 + 1);
		if (p->n_rules > 0)
			memcpy(rules, p->rules, p->n_rules * sizeof(rule));
	}
	rules[p->n_rules++] = rule;
	p->rules = rules;
}

static inline struct spec_seccomp t_profile(enum spec_seccomp_action default_action,
					    const char *architectures)
{
	struct spec_seccomp p = { .default_action = default_action };

	p.architectures = t_names(architectures, &p.n_architectures);
	return p;
}

static const char t_docker_names[] =
	"accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown "
	"chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime "
	"clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect "
	"copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_ctl_old "
	"epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit "
	"exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod "
	"fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr "
	"flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate "
	"ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat "
	"getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 "
	"getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority "
	"getrandom getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage "
	"getsid getsockname getsockopt get_thread_area gettid gettimeofday getuid getuid32 getxattr "
	"inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy "
	"io_getevents io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc "
	"kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 "
	"lgetxattr link linkat listen listxattr llistxattr _llseek lremovexattr lseek lsetxattr lstat "
	"lstat64 madvise membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock "
	"mlock2 mlockall map_shadow_stack mmap mmap2 mprotect mq_getsetattr mq_notify mq_open "
	"mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap "
	"msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep "
	"newfstatat _newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 "
	"pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 "
	"prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read readahead "
	"readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages "
	"removexattr rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending "
	"rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait "
	"rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam "
	"sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval "
	"sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam "
	"sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop "
	"semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 "
	"setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid setpriority "
	"setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit "
	"set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr "
	"shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn "
	"socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync "
	"sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun "
	"timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime "
	"timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit "
	"umask uname unlink unlinkat utime utimensat utimensat_time64 utimes vfork vmsplice wait4 "
	"waitid waitpid write writev arch_prctl modify_ldt process_vm_readv process_vm_writev ptrace";

static inline struct spec_seccomp t_docker_profile(void)
{
	static const uint64_t personalities[] = { 0x0, 0x0008, 0x20000, 0x20008, 0xffffffff };
	struct spec_seccomp p =
		t_profile(SPEC_ACT_ERRNO, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32");
	struct spec_seccomp_arg socket = { .index = 0, .value = 40, .op = SPEC_CMP_NE };
	struct spec_seccomp_arg clone = { .index = 0,
					  .value = 0x7e020000,
					  .op = SPEC_CMP_MASKED_EQ };
	struct spec_seccomp_rule clone3;

	p.default_errno_ret = (struct spec_u64){ .is_set = true, .value = 1 };
	t_add(&p, t_rule(t_docker_names, SPEC_ACT_ALLOW, NULL, 0));
	t_add(&p, t_rule("socket", SPEC_ACT_ALLOW, &socket, 1));
	for (size_t i = 0; i < DV_ARRAY_SIZE(personalities); i++) {
		struct spec_seccomp_arg a = { .value = personalities[i], .op = SPEC_CMP_EQ };

		t_add(&p, t_rule("personality", SPEC_ACT_ALLOW, &a, 1));
	}
	t_add(&p, t_rule("clone", SPEC_ACT_ALLOW, &clone, 1));
	clone3 = t_rule("clone3", SPEC_ACT_ERRNO, NULL, 0);
	clone3.errno_ret = (struct spec_u64){ .is_set = true, .value = 38 };
	t_add(&p, clone3);
	return p;
}
