/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The mounts that make a container's root file system, on <bundle>/rootfs. */

#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"
#include "host/fs-mount.h"

/*
 * Mounts all of them, in order, on @bundle/rootfs, which is made if need be. A failure takes
 * back those that succeeded. DV_INVALID: an option or target that cannot be.
 */
struct dv_err *rootfs_mount(const char *bundle, const struct host_fs_mount *mounts, size_t n)
	DV_CHECK;

/* Takes away whatever is mounted on or below @bundle/rootfs. Nothing there is success. */
struct dv_err *rootfs_unmount(const char *bundle) DV_CHECK;
