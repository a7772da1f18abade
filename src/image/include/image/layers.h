/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Unpacking an image: its layers become snapshots, named by their chain. */

#include "image/env.h"
#include "image/graph.h"
#include "image/unpack.h"

/*
 * Layers that are there already are not unpacked again. The configuration's blob gets the label that
 * keeps the topmost snapshot. *ret_chain_id: its name, in @arena; "" if there are no layers.
 *
 * DV_INVALID: a layer is damaged, hostile, or not what the configuration says.
 */
struct dv_err *image_layers_unpack(const struct image_env *env, const struct image_manifest *m,
				   const char *snapshotter, struct dv_arena *arena,
				   const char **ret_chain_id) DV_CHECK;

/*
 * The directory behind mounts of a snapshotter: target, is_overlay and lowers of @io. Nothing is
 * mounted. DV_UNIMPLEMENTED: mounts of another kind; DV_PRECONDITION: read-only.
 */
struct dv_err *image_target(const struct snapshot_mounts *mounts, struct dv_arena *arena,
			    struct image_unpack *io) DV_CHECK;
