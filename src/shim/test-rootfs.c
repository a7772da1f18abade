/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts of a daemon, in a mount namespace of the test's own. */

#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "sys/file.h"

/* A tmpfs, with "rootfs" for the bundle and "src/file" to be mounted. */
static char dir[] = "/tmp/davit-rootfs-XXXXXX";
static char root[64], src[64];

static void open_fixture(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	cr_assert_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(mount("tmpfs", dir, "tmpfs", 0, NULL), 0);
	snprintf(root, sizeof(root), "%s/rootfs", dir);
	snprintf(src, sizeof(src), "%s/src", dir);
	cr_assert_eq(mkdir(src, 0755), 0);
	cr_assert_eq(chdir("/"), 0);
}

static void close_fixture(void)
{
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
}

TestSuite(rootfs, .init = open_fixture, .fini = close_fixture, .timeout = 30);

static bool is_mounted(void)
{
	DV_CLEANUP(dv_freep) char *text = dv_alloc(1 << 20);
	DV_CLEANUP(dv_freep) char *needle = dv_printf(" %s ", root);

	cr_assert_gt(sys_read_file_at(AT_FDCWD, "/proc/self/mountinfo", text, 1 << 20), 0);
	return strstr(text, needle) != NULL;
}

static bool is_read_only(const char *path)
{
	struct statvfs st;

	cr_assert_eq(statvfs(path, &st), 0);
	return st.f_flag & ST_RDONLY;
}

Test(rootfs, read_only_bind)
{
	static const char *const options[] = { "rbind", "ro" };
	const struct host_fs_mount m = { "bind", src, "", options, 2 };

	T_NULL(rootfs_mount(dir, &m, 1));
	T_TRUE(is_read_only(root));
	T_TRUE(!is_read_only(src));
	T_NULL(rootfs_unmount(dir));
	T_TRUE(!is_mounted());
}

Test(rootfs, what_failed_is_taken_back)
{
	static const char *const options[] = { "rbind", "ro" };
	const struct host_fs_mount m[] = { { "bind", src, "", options, 2 },
					   { "bind", "/nowhere", "", options, 2 } };
	struct dv_err *e = rootfs_mount(dir, m, 2);

	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
	T_TRUE(!is_mounted());
}

Test(rootfs, target_inside)
{
	static const char *const options[] = { "rbind", "ro" };
	const struct host_fs_mount m[] = { { "tmpfs", "tmpfs", "", NULL, 0 },
					   { "bind", src, "/", options, 2 } };

	T_NULL(rootfs_mount(dir, m, 2));
	T_TRUE(is_read_only(root));
	T_NULL(rootfs_unmount(dir));
	T_TRUE(!is_mounted());
}

/* An overlay of @n lower directories, each with a name of @len characters. */
static struct dv_err *mount_layers(int n, int len)
{
	DV_CLEANUP(dv_freep) char *upper = dv_printf("upperdir=%s/upper", dir);
	DV_CLEANUP(dv_freep) char *work = dv_printf("workdir=%s/work", dir);
	struct dv_strbuf lower = DV_STRBUF_INIT;
	struct dv_err *e;

	cr_assert_eq(mkdir(strchr(upper, '/'), 0755), 0);
	cr_assert_eq(mkdir(strchr(work, '/'), 0755), 0);
	for (int i = 0; i < n; i++) {
		DV_CLEANUP(dv_freep) char *layer = dv_printf("%s/%0*d", src, len, i);

		cr_assert_eq(mkdir(layer, 0755), 0);
		dv_strbuf_addf(&lower, "%s%s", i ? ":" : "lowerdir=", layer);
	}
	e = rootfs_mount(dir,
			 &(struct host_fs_mount){ "overlay", "overlay", "",
						  (const char *const[]){ lower.data, upper, work },
						  3 },
			 1);
	dv_strbuf_fini(&lower);
	return e;
}

Test(rootfs, many_layers)
{
	T_NULL(mount_layers(150, 20));
	T_TRUE(!is_read_only(root));
	T_NULL(rootfs_unmount(dir));
}

/* mount(2) reads one page, and would take what is cut off for all of it. */
Test(rootfs, more_layers_than_fit_into_a_page)
{
	struct dv_err *e = mount_layers(300, 20);

	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
	T_TRUE(!is_mounted());
}

static struct stat look(const char *path)
{
	DV_CLEANUP(dv_freep) char *full = dv_printf("%s/%s", root, path);
	struct stat st = { 0 };

	cr_expect_eq(lstat(full, &st), 0, "no %s", full);
	return st;
}

static struct dv_err *mount_mapped(const char *type, const char *source, const char *more,
				   const char *uids)
{
	const char *const options[] = { uids, "gidmap=0:200000:65536", more };

	return rootfs_mount(dir, &(struct host_fs_mount){ type, source, "", options, 3 }, 1);
}

/* What belongs to root on the disk belongs to the container's root in the mount. */
Test(rootfs, ids_are_mapped)
{
	static const char *const bad[] = { "uidmap=",	   "uidmap=0:1",    "uidmap=0:1:0",
					   "uidmap=0:1:x", "uidmap=0:1:2,", "uidmap=0,1:2:3",
					   "uidmap=::",	   "uidmap=0:1:2:3" };
	DV_CLEANUP(dv_freep)
	char *layers = dv_printf("lowerdir=%s/l1:%s/l2,upperdir=%s/upper,workdir=%s/work", dir, dir,
				 dir, dir);
	static const char *const dirs[] = { "l1", "l2", "upper", "work", "l1/a", "l2/b" };
	DV_CLEANUP(dv_freep) char *beside = dv_printf("%s.layers", root);
	DV_CLEANUP(dv_freep) char *source = dv_printf("%s/l1", dir);
	struct dv_err *e;

	for (size_t i = 0; i < DV_ARRAY_SIZE(dirs); i++) {
		DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", dir, dirs[i]);

		cr_assert_eq(mkdir(path, 0755), 0);
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		e = mount_mapped("bind", source, "rbind", bad[i]);
		cr_expect(e && dv_err_code(e) == DV_INVALID, "%s: %s", bad[i],
			  e ? dv_err_message(e) : "was taken");
		dv_err_free(e);
	}
	e = mount_mapped("bind", source, "ro", "uidmap=0:100000:65536");
	if (e && (dv_err_errno(e) == EINVAL || dv_err_errno(e) == ENOSYS))
		cr_skip_test("no idmapped mounts here: %s", dv_err_message(e));
	T_NULL(e);
	T_INT(look("a").st_uid, ==, 100000);
	T_INT(look("a").st_gid, ==, 200000);
	T_TRUE(is_read_only(root));
	T_NULL(rootfs_unmount(dir));
	e = mount_mapped("overlay", "overlay", layers, "uidmap=0:100000:65536");
	if (e && dv_err_errno(e) == EINVAL)
		cr_skip_test("no overlays of idmapped mounts here: %s", dv_err_message(e));
	cr_assert(!e, "%s", dv_err_message(e));
	T_INT(look("a").st_uid, ==, 100000);
	T_INT(look("b").st_gid, ==, 200000);
	T_INT(access(beside, F_OK), ==, -1);
	T_NULL(rootfs_unmount(dir));
	T_FALSE(is_mounted());
}
