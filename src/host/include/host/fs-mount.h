/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mounts as snapshotters give them out (containerd.types.Mount), done with mount(2). Source and
 * options are trusted; targets are resolved inside the root that they are in.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

struct host_fs_mount {
	const char *type, *source;
	const char *target; /* below the root; "" for itself */
	const char *const *options; /* as fstab has them */
	size_t n_options;
};

/*
 * Mounts all of them, in order, on the directory @root. A failure takes back those that succeeded.
 * Options uidmap= and gidmap= ("container:host:size,...") map the owners of binds and of overlays'
 * lower layers. DV_INVALID: an option or target that cannot be. DV_UNIMPLEMENTED: option loop. In
 * threads, too: see fs-mount.c.
 */
struct dv_err *host_fs_mount(const char *root, const struct host_fs_mount *mounts, size_t n)
	DV_CHECK;

/* Can files of @dir be seen with mapped owners, also as the lower layer of an overlay? */
bool host_fs_can_map(const char *dir);

/* Takes away whatever is mounted on or below @root. Nothing there is success. */
struct dv_err *host_fs_unmount(const char *root) DV_CHECK;
