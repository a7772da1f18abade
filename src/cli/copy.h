/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Copying between two trees, of which either may be a container's that changes under our hands: each
 * step is by a descriptor and a name of one component, and no link is followed on the way.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

struct copy_opts {
	bool keeps_owner; /* or else: */
	uid_t uid;
	gid_t gid;
};

/*
 * What the O_PATH descriptor @from is (a file, directory or link) as @name in the directory @to. A
 * directory that is there keeps what it has besides. DV_PRECONDITION: something of another kind is
 * there; DV_UNIMPLEMENTED: devices and sockets.
 */
struct dv_err *copy_tree(int from, int to, const char *name, const struct copy_opts *opts) DV_CHECK;

/* What is in the directory @from into the directory @to. */
struct dv_err *copy_content(int from, int to, const struct copy_opts *opts) DV_CHECK;
