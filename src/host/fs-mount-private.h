/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of fs-mount. */

#include "base/str.h"
#include "host/fs-mount.h"

struct fs_plan {
	unsigned long flags; /* MS_* */
	struct dv_strbuf data;
	const char *lower; /* overlay's lowerdir, which is not part of data */
	const char *uids, *gids; /* "0:100000:65536,...", NULL: none */
};

/* The length of what all of the ':'-separated paths begin with, up to and with a '/'. */
size_t fs_lower_prefix(const char *lower);

/*
 * From inside the directory @dir, with the lower directories behind @prefix, and back. Results are
 * mount(2)'s.
 */
int fs_mount_overlay_from(const char *dir, size_t prefix, const struct host_fs_mount *m,
			  const char *target, const struct fs_plan *plan);

/* With ids mapped as the plan says. @root is where a directory can be made beside. */
struct dv_err *fs_mount_mapped(const char *root, const struct host_fs_mount *m, int target,
			       const struct fs_plan *plan) DV_CHECK;
