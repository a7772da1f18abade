/* SPDX-License-Identifier: Apache-2.0 */
/* The root file system of a container is on <bundle>/rootfs; host does the mounts. */

#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>

#include "base/mem.h"
#include "sys/file.h"

struct dv_err *rootfs_mount(const char *bundle, const struct host_fs_mount *mounts, size_t n)
{
	DV_CLEANUP(dv_freep) char *root = dv_printf("%s/rootfs", bundle);
	int r;

	if (n == 0)
		return NULL;
	r = sys_mkdirat(AT_FDCWD, root, 0711);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make %s", root);
	return host_fs_mount(root, mounts, n);
}

struct dv_err *rootfs_unmount(const char *bundle)
{
	DV_CLEANUP(dv_freep) char *root = dv_printf("%s/rootfs", bundle);

	return host_fs_unmount(root);
}
