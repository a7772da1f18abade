/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay that seals our program, and the entry point that makes it early.
 *
 * A sealed run starts the program twice. Most of what a start costs is not the kernel's but
 * the C library's initialisation (in a virtual machine its dozens of CPUID instructions each
 * trap). So on x86-64 a static davit-oci is entered here, before the C library: when the
 * command is one that needs the seal, the program executes itself again from the overlay at
 * once. If anything is unusual, the normal start goes on and rt_exe_seal() does, and checks,
 * the whole job; it also decides in the second process whether the seal is good.
 *
 * This file runs without a C library: no TLS, so no errno and no stack protector, and no
 * functions from elsewhere, which may not be resolved yet (memcpy is an IFUNC).
 */

#include <fcntl.h>
#include <linux/auxvec.h>
#include <linux/limits.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "exeseal-private.h"

#ifdef __x86_64__

static long call(long n, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}

#else

#include <errno.h>
#include <unistd.h>

static long call(long n, long a, long b, long c, long d, long e)
{
	long r = syscall(n, a, b, c, d, e);

	return r < 0 ? -errno : r;
}

#endif

#define PTR(p) ((long)(p))

/* An overlay without an upper layer must have two lower ones. This one is there everywhere. */
static const char other_lower[] = ":/sys";

/* "lowerdir" takes a list: colons and backslashes of a name are escaped. */
static bool format_lower(const char *dir, size_t len, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (n + 2 + sizeof(other_lower) > size)
			return false;
		if (dir[i] == ':' || dir[i] == '\\')
			buf[n++] = '\\';
		buf[n++] = dir[i];
	}
	for (size_t i = 0; i < sizeof(other_lower); i++)
		buf[n + i] = other_lower[i];
	return true;
}

static long set(long fs, const char *key, const char *value)
{
	return call(SYS_fsconfig, fs, FSCONFIG_SET_STRING, PTR(key), PTR(value), 0);
}

static long mount_overlay(const char *lower)
{
	long fs, r;

	fs = call(SYS_fsopen, PTR("overlay"), FSOPEN_CLOEXEC, 0, 0, 0);
	if (fs < 0)
		return fs;
	r = set(fs, "lowerdir", lower);
	/* With two file systems below, "auto" makes the kernel log a line. */
	if (r >= 0)
		(void)set(fs, "xino", "off");
	if (r >= 0)
		r = call(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	if (r >= 0)
		r = call(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
			 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, 0, 0);
	call(SYS_close, fs, 0, 0, 0, 0);
	return r;
}

/* The overlay has a device number of its own. */
static bool is_our_program(long fd)
{
	struct stat a, b;

	if (call(SYS_newfstatat, AT_FDCWD, PTR("/proc/self/exe"), PTR(&a), 0, 0) < 0 ||
	    call(SYS_newfstatat, fd, PTR(""), PTR(&b), AT_EMPTY_PATH, 0) < 0)
		return false;
	return a.st_ino == b.st_ino && a.st_size == b.st_size &&
	       a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
	       S_ISREG(b.st_mode);
}

int rt_exe_overlay_open(void)
{
	char path[PATH_MAX], lower[2 * PATH_MAX];
	long n, tree, fd, slash = -1;

	n = call(SYS_readlink, PTR("/proc/self/exe"), PTR(path), PATH_MAX - 1, 0, 0);
	if (n < 0)
		return (int)n;
	path[n] = '\0';
	for (long i = 0; i < n; i++) {
		if (path[i] == '/')
			slash = i;
	}
	if (slash < 0 || !format_lower(path, slash ? (size_t)slash : 1, lower, sizeof(lower)))
		return -36; /* ENAMETOOLONG */
	tree = mount_overlay(lower);
	if (tree < 0)
		return (int)tree;
	fd = call(SYS_openat, tree, PTR(path + slash + 1), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, 0);
	call(SYS_close, tree, 0, 0, 0, 0);
	if (fd >= 0 && !is_our_program(fd)) {
		call(SYS_close, fd, 0, 0, 0, 0);
		return -116; /* ESTALE: replaced since we were started */
	}
	return (int)fd;
}

#ifdef RT_EARLY_ENTRY

static bool equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

/* The global options; anything else, --debug included, is for the normal start. */
static int skip_option(const char *arg)
{
	static const char *const with_value[] = { "--root", "--log", "--log-format", "--rootless" };

	for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++) {
		if (equal(arg, with_value[i]))
			return 2;
	}
	return 0;
}

static bool needs_seal(long argc, char **argv)
{
	long i = 1;
	int n;

	while (i < argc && argv[i][0] == '-') {
		n = skip_option(argv[i]);
		if (n == 0)
			return false;
		i += n;
	}
	return i < argc &&
	       (equal(argv[i], "run") || equal(argv[i], "exec") || equal(argv[i], "create"));
}

static bool was_executed_by_fd(const unsigned long *auxv)
{
	static const char prefix[] = "/dev/fd/";
	const char *name;

	for (; auxv[0] != AT_NULL; auxv += 2) {
		if (auxv[0] != AT_EXECFN)
			continue;
		name = (const char *)auxv[1];
		for (size_t i = 0; i < sizeof(prefix) - 1; i++) {
			if (name[i] != prefix[i])
				return false;
		}
		return true;
	}
	return true; /* unknown: leave it to the normal start */
}

/* @stack: what the kernel left there: argc, argv, NULL, envp, NULL, auxv. */
__attribute__((used)) void rt_early(long *stack);
void rt_early(long *stack)
{
	long argc = stack[0], fd;
	char **argv = (char **)(stack + 1), **envp = argv + argc + 1, **p = envp;

	if (!needs_seal(argc, argv))
		return;
	while (*p)
		p++;
	if (was_executed_by_fd((const unsigned long *)(p + 1)))
		return;
	fd = rt_exe_overlay_open();
	if (fd < 0)
		return;
	(void)call(SYS_execveat, fd, PTR(""), PTR(argv), PTR(envp), AT_EMPTY_PATH);
	call(SYS_close, fd, 0, 0, 0, 0);
}

/* The ELF entry point (-e). %rdx is for the C library's; the stack stays 16-byte aligned. */
__asm__(".globl rt_early_entry\n"
	".type rt_early_entry, @function\n"
	"rt_early_entry:\n"
	"	xorl %ebp, %ebp\n"
	"	movq %rsp, %rdi\n"
	"	pushq %rdx\n"
	"	pushq %rdx\n"
	"	call rt_early\n"
	"	popq %rdx\n"
	"	popq %rdx\n"
	"	jmp _start\n"
	".size rt_early_entry, . - rt_early_entry\n");

#endif
