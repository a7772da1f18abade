/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unpacker gives up before it looks at the archive: every path but the layer's, the network,
 * all privileges but those over files, and all system calls but those that its task needs.
 *
 * It has no user namespace: a capability of a file that is written in one would be bound to it
 * (capabilities(7), "namespaced file capabilities"), and of the privileges that are kept none reaches
 * beyond the files that can be named.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"
#include "unpack-private.h"

#define CAP(name) (1ULL << CAP_##name)

/* Of directories in one another one is open for each, two while packing; a path has 2048 parts at most. */
enum { FILES_MAX = 2048 + 64, PACK_FILES_MAX = 2 * 2048 + 64 };
#define MEMORY_MAX (2ULL << 30)

static const uint64_t kept[] = {
	[UNPACK_LAYER] = CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) | CAP(FSETID) | CAP(SETFCAP),
	[UNPACK_ENTRIES] = 0,
	[UNPACK_PACK] = CAP(DAC_READ_SEARCH),
};

/* In a mount namespace of our own, the mount becomes "/" and the rest goes. */
static int enter(int target)
{
	int r;

	r = sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (r < 0)
		return r;
	r = sys_mount_setattr(target, "", AT_EMPTY_PATH,
			      MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, 0, -1);
	if (r < 0)
		return r;
	/* On a directory that every system has; it is ours alone. */
	r = sys_move_mount(target, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH);
	if (r == 0)
		r = sys_fchdir(target);
	if (r == 0)
		r = sys_pivot_root(".", ".");
	if (r == 0)
		r = sys_umount2(".", MNT_DETACH);
	return r < 0 ? r : sys_chdir("/");
}

struct dv_err *unpack_isolate(int target)
{
	int r = enter(target);

	return r < 0 ? dv_err_sys(r, "enter the directory of the layer") : NULL;
}

static int set_limits(enum unpack_role role)
{
	const struct {
		int resource;
		rlim64_t max;
	} limits[] = { { RLIMIT_NOFILE, role == UNPACK_PACK ? PACK_FILES_MAX : FILES_MAX },
		       { RLIMIT_CORE, 0 },
		       { RLIMIT_AS, MEMORY_MAX } };

	for (size_t i = 0; i < DV_ARRAY_SIZE(limits); i++) {
		struct rlimit64 limit = { limits[i].max, limits[i].max };
		int r = sys_prlimit(0, limits[i].resource, &limit, NULL);

		if (r < 0)
			return r;
	}
	return 0;
}

static int drop_capabilities(uint64_t keep)
{
	struct sys_cap_set set = { .effective = keep, .permitted = keep };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (!(keep & 1ULL << cap))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return sys_capset(&set);
}

/* What everybody needs; for UNPACK_ENTRIES that is all, and there is no path in it. */
static const int basic_calls[] = {
	SCMP_SYS(close),
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	/* memory, threads, the end */
	SCMP_SYS(brk),
	SCMP_SYS(mmap),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(getrandom),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(clock_nanosleep),
};

/* To look at files, and to ask the parent. */
static const int reading_calls[] = {
	SCMP_SYS(openat),    SCMP_SYS(openat2),	   SCMP_SYS(pread64),	 SCMP_SYS(newfstatat),
	SCMP_SYS(statx),     SCMP_SYS(getdents64), SCMP_SYS(readlinkat), SCMP_SYS(flistxattr),
	SCMP_SYS(fgetxattr), SCMP_SYS(sendmsg),	   SCMP_SYS(recvmsg),	 SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
};

static const int writing_calls[] = {
	SCMP_SYS(pwrite64),  SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(mkdirat),
	SCMP_SYS(mknodat),   SCMP_SYS(symlinkat), SCMP_SYS(linkat),    SCMP_SYS(unlinkat),
	SCMP_SYS(renameat),  SCMP_SYS(renameat2), SCMP_SYS(fchown),    SCMP_SYS(fchownat),
	SCMP_SYS(fchmod),    SCMP_SYS(fchmodat),  SCMP_SYS(utimensat), SCMP_SYS(fsetxattr),
	SCMP_SYS(lsetxattr), SCMP_SYS(fchdir),	  SCMP_SYS(umask),
};

static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

/* Being of root's uid is enough to signal whatever root runs, also by what a descriptor owes to whom. */
static int allow_some(scmp_filter_ctx ctx)
{
	static const int commands[] = { F_GETFD, F_SETFD, F_GETFL };
	int r;

	r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	for (size_t i = 0; r == 0 && i < DV_ARRAY_SIZE(commands); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				     SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
	return r;
}

static int filter_calls(enum unpack_role role)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!ctx)
		return -ENOMEM;
	/* The reader's thread, which is there already, as well. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = allow(ctx, basic_calls, DV_ARRAY_SIZE(basic_calls));
	if (r == 0 && role != UNPACK_ENTRIES)
		r = allow(ctx, reading_calls, DV_ARRAY_SIZE(reading_calls));
	if (r == 0 && role == UNPACK_LAYER)
		r = allow(ctx, writing_calls, DV_ARRAY_SIZE(writing_calls));
	if (r == 0)
		r = allow_some(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

struct dv_err *unpack_drop(enum unpack_role role)
{
	int r = set_limits(role);

	if (r < 0)
		return dv_err_sys(r, "set limits");
	r = drop_capabilities(kept[role]);
	if (r < 0)
		return dv_err_sys(r, "drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return dv_err_sys(-errno, "give up new privileges");
	return NULL;
}

struct dv_err *unpack_filter(enum unpack_role role)
{
	int r = filter_calls(role);

	return r < 0 ? dv_err_sys(r, "filter system calls") : NULL;
}
