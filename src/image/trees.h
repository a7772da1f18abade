/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The tree that mounts of a snapshotter show, read without mounting them where that is possible. */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "store/snapshot.h"

struct image_tree {
	const char **layers; /* directories, topmost first */
	size_t n_layers; /* 0: an empty tree */
	bool is_overlay; /* the layers have overlayfs's whiteouts */
	bool is_plain; /* ...and a directory of theirs is what it seems: not moved, no metacopy */
	bool has_userxattr;
};

/* DV_UNIMPLEMENTED: other mounts. Strings are in @arena or borrowed. */
struct dv_err *image_tree_of(const struct snapshot_mounts *mounts, struct dv_arena *arena,
			     struct image_tree *ret) DV_CHECK;

/* Is @right one layer on top of @left, so that the layer's directory has all that differs? */
bool image_tree_is_next(const struct image_tree *left, const struct image_tree *right);

/* A detached, read-only mount of the tree; of the topmost layer alone. */
struct dv_err *image_tree_open(const struct image_tree *tree, int *ret_fd) DV_CHECK;
struct dv_err *image_tree_open_top(const struct image_tree *tree, int *ret_fd) DV_CHECK;
