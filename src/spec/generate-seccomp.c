/* SPDX-License-Identifier: Apache-2.0 */
/*
 * docker's default seccomp profile, as of its profiles of 2025: what is allowed always, what comes
 * with a capability, and the calls whose arguments decide. Everything else is EPERM; a call that
 * libseccomp does not know is passed over by whoever compiles the profile.
 */

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/personality.h>

#include "generate-private.h"

enum { MAX_NAME = 64 };

/* Numbers of socket(2)'s families. */
enum { FAMILY_ALG = 38, FAMILY_VSOCK = 40 };

static const char always[] =
	/* Files and directories. */
	"access cachestat chdir chmod chown close close_range copy_file_range "
	"creat dup dup2 dup3 faccessat faccessat2 fadvise64 fallocate "
	"fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl "
	"fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat "
	"fstatfs fsync ftruncate futimesat getcwd getdents getdents64 getxattr "
	"getxattrat inotify_add_watch inotify_init inotify_init1 "
	"inotify_rm_watch ioctl lchown lgetxattr link linkat listmount "
	"listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat "
	"memfd_create memfd_secret mkdir mkdirat mknod mknodat "
	"name_to_handle_at newfstatat open openat openat2 pipe pipe2 pread64 "
	"preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink "
	"readlinkat readv removexattr removexattrat rename renameat renameat2 "
	"rmdir sendfile setxattr setxattrat splice stat statfs statmount statx "
	"symlink symlinkat sync sync_file_range syncfs tee truncate umask "
	"unlink unlinkat utime utimensat utimes vmsplice write writev "
	/* Memory. */
	"brk madvise map_shadow_stack membarrier mincore mlock mlock2 mlockall "
	"mmap mprotect mremap mseal msync munlock munlockall munmap pkey_alloc "
	"pkey_free pkey_mprotect process_mrelease remap_file_pages "
	/* Processes and who they are. */
	"capget capset execve execveat exit exit_group fork get_robust_list "
	"get_thread_area getcpu getegid geteuid getgid getgroups getpgid "
	"getpgrp getpid getppid getpriority getrandom getresgid getresuid "
	"getrlimit getrusage getsid gettid getuid ioprio_get ioprio_set kill "
	"landlock_add_rule landlock_create_ruleset landlock_restrict_self pause "
	"pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall "
	"riscv_hwprobe rseq sched_get_priority_max sched_get_priority_min "
	"sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
	"sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam "
	"sched_setscheduler sched_yield seccomp set_robust_list set_thread_area "
	"set_tid_address setfsgid setfsuid setgid setgroups setpgid setpriority "
	"setregid setresgid setresuid setreuid setrlimit setsid setuid sysinfo "
	"tgkill times tkill uname uretprobe vfork wait4 waitid "
	/* Signals. */
	"alarm rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
	"rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo "
	"sigaltstack signalfd signalfd4 "
	/* Time. */
	"adjtimex clock_adjtime clock_getres clock_gettime clock_nanosleep "
	"getitimer gettimeofday nanosleep setitimer time timer_create "
	"timer_delete timer_getoverrun timer_gettime timer_settime "
	"timerfd_create timerfd_gettime timerfd_settime "
	/* Waiting, and asynchronous input and output. */
	"epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait "
	"epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 futex "
	"futex_requeue futex_wait futex_waitv futex_wake io_cancel io_destroy "
	"io_getevents io_pgetevents io_setup io_submit poll ppoll pselect6 "
	"select "
	/* Sockets and System V IPC. */
	"accept accept4 bind connect getpeername getsockname getsockopt listen "
	"mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink "
	"msgctl msgget msgrcv msgsnd recv recvfrom recvmmsg recvmsg semctl "
	"semget semop semtimedop send sendmmsg sendmsg sendto setsockopt shmat "
	"shmctl shmdt shmget shutdown socketpair "
	/* What 32 bit programs call instead. */
	"chown32 clock_adjtime64 clock_getres_time64 clock_gettime64 "
	"clock_nanosleep_time64 fadvise64_64 fchown32 fcntl64 fstat64 fstatat64 "
	"fstatfs64 ftruncate64 futex_time64 getegid32 geteuid32 getgid32 "
	"getgroups32 getresgid32 getresuid32 getuid32 io_pgetevents_time64 ipc "
	"lchown32 _llseek lstat64 mmap2 mq_timedreceive_time64 "
	"mq_timedsend_time64 _newselect ppoll_time64 pselect6_time64 "
	"recvmmsg_time64 rt_sigtimedwait_time64 sched_rr_get_interval_time64 "
	"semtimedop_time64 sendfile64 setfsgid32 setfsuid32 setgid32 "
	"setgroups32 setregid32 setresgid32 setresuid32 setreuid32 setuid32 "
	"sigprocmask sigreturn socketcall stat64 statfs64 timer_gettime64 "
	"timer_settime64 timerfd_gettime64 timerfd_settime64 truncate64 "
	"ugetrlimit utimensat_time64 waitpid "
	/* Since Linux 4.8 these are no way round a filter. */
	"process_vm_readv process_vm_writev ptrace";

/* Of one architecture alone. */
#if defined(__x86_64__)
static const char native[] = "arch_prctl modify_ldt";
static const char *const architectures[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };
#elif defined(__aarch64__)
static const char native[] =
	"arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls";
static const char *const architectures[] = { "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM" };
#elif defined(__riscv)
static const char native[] = "riscv_flush_icache";
static const char *const architectures[] = { "SCMP_ARCH_RISCV64" };
#else
#error "which system calls has this architecture alone?"
#endif

#define BIT(name) (UINT64_C(1) << CAP_##name)

static const struct with_cap {
	uint64_t cap;
	const char *names;
} with_cap[] = {
	{ BIT(DAC_READ_SEARCH), "open_by_handle_at" },
	{ BIT(SYS_ADMIN), "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick "
			  "lookup_dcookie lsm_get_self_attr lsm_list_modules lsm_set_self_attr "
			  "mount mount_setattr move_mount open_tree perf_event_open quotactl "
			  "quotactl_fd setdomainname sethostname setns syslog umount umount2 "
			  "unshare" },
	{ BIT(SYS_BOOT), "reboot" },
	{ BIT(SYS_CHROOT), "chroot" },
	{ BIT(SYS_MODULE), "delete_module init_module finit_module" },
	{ BIT(SYS_PACCT), "acct" },
	{ BIT(SYS_PTRACE), "kcmp pidfd_getfd process_madvise" },
	{ BIT(SYS_RAWIO), "iopl ioperm" },
	{ BIT(SYS_TIME), "settimeofday stime clock_settime clock_settime64" },
	{ BIT(SYS_TTY_CONFIG), "vhangup" },
	{ BIT(SYS_NICE), "get_mempolicy mbind set_mempolicy set_mempolicy_home_node" },
	{ BIT(SYSLOG), "syslog" },
	{ BIT(BPF), "bpf" },
	{ BIT(PERFMON), "perf_event_open" },
};

/* No namespaces without CAP_SYS_ADMIN. */
#define NAMESPACE_FLAGS \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWCGROUP)

/*
 * All sockets but AF_ALG's, the kernel's cryptography, and AF_VSOCK's, which reach the host past
 * its network: between their two numbers is one other.
 */
_Static_assert(FAMILY_VSOCK - FAMILY_ALG == 2, "the three comparisons below");

static const struct by_argument {
	uint64_t without; /* not with this capability */
	const char *name;
	uint64_t value;
	const char *op;
} by_argument[] = {
	{ 0, "socket", FAMILY_ALG, "SCMP_CMP_LT" },
	{ 0, "socket", FAMILY_ALG + 1, "SCMP_CMP_EQ" },
	{ 0, "socket", FAMILY_VSOCK, "SCMP_CMP_GT" },
	{ 0, "personality", PER_LINUX, "SCMP_CMP_EQ" },
	{ 0, "personality", PER_LINUX32, "SCMP_CMP_EQ" },
	{ 0, "personality", UNAME26, "SCMP_CMP_EQ" },
	{ 0, "personality", UNAME26 | PER_LINUX32, "SCMP_CMP_EQ" },
	{ 0, "personality", UINT32_MAX, "SCMP_CMP_EQ" }, /* only asks */
	/* These bits are 0: valueTwo is left out. */
	{ BIT(SYS_ADMIN), "clone", NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ" },
};

static void generate_names(struct dv_jw *w, const char *names)
{
	char name[MAX_NAME];

	while (*names) {
		size_t n = strcspn(names, " ");

		dv_assert(n < sizeof(name));
		memcpy(name, names, n);
		name[n] = '\0';
		dv_jw_string(w, NULL, name);
		names += n + (names[n] == ' ');
	}
}

static void generate_allowed(struct dv_jw *w, uint64_t caps)
{
	dv_jw_object_begin(w, NULL);
	dv_jw_array_begin(w, "names");
	generate_names(w, always);
	generate_names(w, native);
	for (size_t i = 0; i < DV_ARRAY_SIZE(with_cap); i++) {
		if (caps & with_cap[i].cap)
			generate_names(w, with_cap[i].names);
	}
	dv_jw_array_end(w);
	dv_jw_string(w, "action", "SCMP_ACT_ALLOW");
	dv_jw_object_end(w);
}

static void generate_by_argument(struct dv_jw *w, const struct by_argument *r)
{
	dv_jw_object_begin(w, NULL);
	generate_strings(w, "names", &r->name, 1);
	dv_jw_string(w, "action", "SCMP_ACT_ALLOW");
	dv_jw_array_begin(w, "args");
	dv_jw_object_begin(w, NULL);
	dv_jw_uint(w, "index", 0);
	dv_jw_uint(w, "value", r->value);
	dv_jw_string(w, "op", r->op);
	dv_jw_object_end(w);
	dv_jw_array_end(w);
	dv_jw_object_end(w);
}

/* Its flags are in memory, where no filter can look: who hears ENOSYS uses clone(2) instead. */
static void refuse_clone3(struct dv_jw *w)
{
	static const char *const name = "clone3";

	dv_jw_object_begin(w, NULL);
	generate_strings(w, "names", &name, 1);
	dv_jw_string(w, "action", "SCMP_ACT_ERRNO");
	dv_jw_uint(w, "errnoRet", ENOSYS);
	dv_jw_object_end(w);
}

void spec_seccomp_default_format(uint64_t caps, struct dv_strbuf *out)
{
	struct dv_jw w;

	dv_jw_init(&w, out, NULL);
	dv_jw_object_begin(&w, NULL);
	dv_jw_string(&w, "defaultAction", "SCMP_ACT_ERRNO");
	dv_jw_uint(&w, "defaultErrnoRet", EPERM);
	generate_strings(&w, "architectures", architectures, DV_ARRAY_SIZE(architectures));
	dv_jw_array_begin(&w, "syscalls");
	generate_allowed(&w, caps);
	for (size_t i = 0; i < DV_ARRAY_SIZE(by_argument); i++) {
		if (!(caps & by_argument[i].without))
			generate_by_argument(&w, &by_argument[i]);
	}
	if (!(caps & BIT(SYS_ADMIN)))
		refuse_clone3(&w);
	dv_jw_array_end(&w);
	dv_jw_object_end(&w);
}
