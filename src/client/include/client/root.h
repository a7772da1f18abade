/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files of a container, whether it runs or not. */

#include "api/containerd/types.pb-c.h"
#include "client/record.h"

/*
 * Its root directory as an O_PATH descriptor: of a running one with everything that is mounted in it, of
 * another one the snapshot. Paths below are hostile: resolve them by openat2(RESOLVE_IN_ROOT).
 */
struct dv_err *client_root_open(struct client *c, const struct client_record *r,
				struct dv_arena *arena, int *ret_fd) DV_CHECK;

/*
 * The tree that mounts make, as an O_PATH descriptor: they are on the empty directory @place for a moment,
 * and from then on nobody finds them by a path.
 */
struct dv_err *client_mounts_open(const char *place, Containerd__Types__Mount *const *mounts,
				  size_t n, struct dv_arena *arena, int *ret_fd) DV_CHECK;

/* The mounts of its snapshot. DV_PRECONDITION: it has none. */
struct dv_err *client_root_mounts(struct client *c, const struct client_record *r,
				  struct dv_arena *arena, Containerd__Types__Mount ***ret,
				  size_t *ret_n) DV_CHECK;
