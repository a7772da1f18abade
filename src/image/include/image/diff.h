/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Making a layer of what differs between two snapshots: done by a process of its own (davit-unpack) that
 * sees the two trees, read-only, and nothing else. image_unpack() on the left one gives the right one.
 */

#include <stdbool.h>
#include <stdint.h>

#include "codec/compress.h"
#include "codec/digest.h"
#include "image/sink.h"
#include "store/snapshot.h"

struct image_diff { /* all borrowed */
	const char *program; /* path of davit-unpack */
	struct snapshot_mounts left, right; /* of a snapshotter; left: none is an empty tree */
	enum dv_compression compression;
	bool has_epoch; /* SOURCE_DATE_EPOCH: no file is newer than that */
	int64_t epoch;
	const struct image_sink *sink; /* gets the layer */
	/* Looked at ten times a second: true ends it with DV_CANCELLED. May be NULL. */
	bool (*is_cancelled)(void *arg);
	void *arg;
};

struct image_diffed {
	struct dv_digest diff_id; /* sha256 of the archive without compression */
	int64_t size; /* of the same */
};

/*
 * Blocks until it is done. The same trees give the same bytes. DV_UNIMPLEMENTED: mounts of another kind
 * than overlays and binds. DV_ABORTED: something changed while it was read. DV_INVALID: a file that no
 * layer can hold, with its name.
 */
struct dv_err *image_diff(const struct image_diff *d, struct image_diffed *ret) DV_CHECK;
