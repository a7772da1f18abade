/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Unpacking a layer: done by a process of its own (davit-unpack) that has the archive, the directory
 * and nothing else. What it writes is what containerd writes; an archive that tries something is
 * refused, and the error names its entry.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"
#include "codec/digest.h"

struct image_unpack {
	const char *program; /* path of davit-unpack */
	int archive; /* a regular file, read from its beginning; borrowed */
	const char *target; /* directory */
	/*
	 * The target is overlayfs's upper directory: what the layer removes becomes whiteouts. Else it
	 * holds the lower layers already, and what the layer removes is removed.
	 */
	bool is_overlay;
	/* Overlay: the layers below, topmost first; parents that the archive leaves out are as there. */
	const char *const *lowers;
	size_t n_lowers;
	uint64_t max_bytes; /* of the archive without compression; 0: 1 TiB */
	uint64_t max_entries; /* 0: 16 million */
	/* Looked at ten times a second: true ends it with DV_CANCELLED. May be NULL. */
	bool (*is_cancelled)(void *arg);
	void *arg;
};

struct image_unpacked {
	struct dv_digest diff_id; /* sha256 of the archive without compression */
	int64_t size; /* of the same */
};

/*
 * Blocks until it is done. DV_INVALID: the archive, with the entry's name; DV_EXHAUSTED: more than
 * is allowed, or the disk is full; DV_CANCELLED. What was unpacked before an error stays.
 */
struct dv_err *image_unpack(const struct image_unpack *u, struct image_unpacked *ret) DV_CHECK;
