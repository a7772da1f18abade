/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running from an image that nobody can write to. See runtime/exeseal.h.
 *
 * Two images can be made. A detached, read-only overlay of the program's own directory costs
 * nothing per byte, but needs privilege. A sealed memory file is a copy. A read-only bind mount
 * would be cheaper still and is not safe: with CAP_SYS_ADMIN the container could reach the
 * writable mount behind it.
 *
 * The second process has to recognise the first one's work. A memory file shows its seals. The
 * overlay shows that it is one, read-only, and in no mount namespace that a path could lead
 * through; and the kernel says (AT_EXECFN) that the program was executed by descriptor. When
 * that is not convincing, a memory file is made instead, so the two never play ping-pong.
 */

#include "runtime/exeseal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/str.h"
#include "exeseal-private.h"
#include "sys/file.h"
#include "sys/mountfd.h"
#include "sys/process.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif
#ifndef STATX_ATTR_VERITY
#define STATX_ATTR_VERITY 0x00100000
#endif
#ifndef EROFS_SUPER_MAGIC_V1
#define EROFS_SUPER_MAGIC_V1 0xE0F5E1E2
#endif

#define SEALS	   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define MEMFD_NAME "runc_cloned:/proc/self/exe" /* what runc's users know it by */

extern char **environ;

/* ---- is it one? -------------------------------------------------------------------------------- */

static bool is_sealed(int exe)
{
	int seals = sys_fcntl(exe, F_GET_SEALS, 0);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

/* Asked only where the file system itself answers: an overlay shows the attribute of its lower
 * file, and still takes writes, by copying it up. */
static bool has_verity(int exe)
{
	struct statx sx;

	return statx(exe, "", AT_EMPTY_PATH, 0, &sx) == 0 && sx.stx_attributes & STATX_ATTR_VERITY;
}

static bool is_executed_by_fd(void)
{
	const char *name = (const char *)getauxval(AT_EXECFN);

	return name && dv_starts_with(name, "/dev/fd/");
}

/* The link of a file that no path leads to still has a text; something else may be there. */
static bool is_reachable(int exe)
{
	char path[PATH_MAX];
	struct stat here, there;

	if (sys_readlinkat(AT_FDCWD, "/proc/self/exe", path, sizeof(path)) < 0 ||
	    sys_fstat(exe, &here) < 0)
		return true;
	return sys_fstatat(AT_FDCWD, path, &there, 0) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

/* Only a mount of our namespace can be cloned; anything else is refused as an argument. */
static bool is_detached(int exe)
{
	int tree = sys_open_tree(exe, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);

	if (tree >= 0)
		sys_close(tree);
	return tree == -EINVAL && !is_reachable(exe);
}

/* NULL, or what makes it safe. */
static const char *find_protection(int exe)
{
	struct statfs fs;

	if (is_sealed(exe))
		return "a sealed memory file";
	if (fstatfs(exe, &fs) < 0)
		return NULL;
	switch ((unsigned long)fs.f_type) {
	case EROFS_SUPER_MAGIC_V1:
	case SQUASHFS_MAGIC:
		return "a read-only file system";
	case EXT4_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case F2FS_SUPER_MAGIC:
		return has_verity(exe) ? "fs-verity" : NULL;
	case OVERLAYFS_SUPER_MAGIC:
		if (is_executed_by_fd() && fs.f_flags & ST_RDONLY && is_detached(exe))
			return "a detached overlay";
		return NULL;
	default:
		return NULL;
	}
}

/* ---- memory file ------------------------------------------------------------------------------- */

static int copy(int from, int to)
{
	char buf[64 * 1024];
	ssize_t n;
	int r;

	while ((n = sys_read(from, buf, sizeof(buf))) > 0) {
		r = sys_write_all(to, buf, (size_t)n);
		if (r < 0)
			return r;
	}
	return (int)n;
}

static int seal(int fd)
{
	int r = sys_fchmod(fd, 0511);

	if (r < 0)
		return r;
	(void)sys_fcntl(fd, F_ADD_SEALS, F_SEAL_EXEC); /* since 6.3 */
	r = sys_fcntl(fd, F_ADD_SEALS, SEALS);
	return r < 0 ? r : 0;
}

static int make_memfd(int exe)
{
	int fd = sys_memfd(MEMFD_NAME, MFD_ALLOW_SEALING | MFD_EXEC);
	int r;

	if (fd == -EINVAL) /* before 6.3 */
		fd = sys_memfd(MEMFD_NAME, MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	r = copy(exe, fd);
	if (r == 0)
		r = seal(fd);
	if (r < 0) {
		sys_close(fd);
		return r;
	}
	return fd;
}

/* ---- the choice ---------------------------------------------------------------------------------- */

static int execute(int fd, char **argv, const struct dv_log *log)
{
	dv_log(log, DV_DEBUG, "runc exeseal: using /proc/self/exe clone");
	return sys_execveat(fd, "", argv, environ, AT_EMPTY_PATH);
}

static void try_overlay(char **argv, const struct dv_log *log)
{
	DV_CLEANUP(sys_closep) int fd = rt_exe_overlay_open();
	int r = fd;

	if (fd >= 0) {
		dv_log(log, DV_DEBUG, "runc exeseal: using overlayfs for sealed /proc/self/exe");
		r = execute(fd, argv, log);
	}
	dv_log(log, DV_DEBUG, "could not use overlayfs for /proc/self/exe sealing: %s",
	       dv_errno_text(-r));
}

static struct dv_err *use_memfd(int exe, char **argv, const struct dv_log *log)
{
	DV_CLEANUP(sys_closep) int fd = make_memfd(exe);

	return dv_err_sys(fd < 0 ? fd : execute(fd, argv, log),
			  "unable to create safe /proc/self/exe clone");
}

/* Older kernels name a process executed by descriptor after the number. */
static void restore_name(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	(void)sys_prctl(PR_SET_NAME, (unsigned long)(uintptr_t)(slash ? slash + 1 : argv0), 0, 0,
			0);
}

struct dv_err *rt_exe_seal(char **argv, const struct dv_log *log)
{
	DV_CLEANUP(sys_closep) int exe = -1;
	const char *protection;

	exe = sys_openat(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0);
	if (exe < 0)
		return dv_err_sys(exe, "open /proc/self/exe");
	protection = find_protection(exe);
	if (protection) {
		dv_log(log, DV_DEBUG, "exeseal: /proc/self/exe is protected by %s", protection);
		if (is_executed_by_fd() && argv[0])
			restore_name(argv[0]);
		return NULL;
	}
	if (!is_executed_by_fd())
		try_overlay(argv, log);
	return use_memfd(exe, argv, log);
}
