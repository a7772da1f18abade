/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An image of one layer, out of a root file system: docker import. */

#include "base/mem.h"
#include "client/client.h"
#include "spec/image.h"

struct client_import {
	/* One of both: a tar archive (plain, gzip, zstd), read to its end; an absolute path. */
	int archive;
	const char *directory; /* NULL: the archive it is */
	const char *name; /* full; NULL: "import@" and the digest of the manifest */
	const char *config; /* the member "config" of the configuration, as JSON; NULL: {} */
	const char *message; /* comment in the history; NULL: none */
	const struct spec_platform *platform; /* NULL: this machine's */
	const char *snapshotter; /* where it is unpacked, which also checks it; NULL: the default */
	/* What was read so far; may be NULL. */
	void (*on_progress)(void *arg, int64_t bytes);
	void *arg;
};

struct client_imported {
	const char *name; /* in @arena */
	struct dv_digest id; /* of the configuration, which docker shows */
};

/*
 * A name that is there gets the new image. DV_INVALID: not a tar archive, or one that is damaged or
 * hostile; nothing stays then.
 */
struct dv_err *client_import_rootfs(struct client *c, const struct client_import *im,
				    struct dv_arena *arena, struct client_imported *ret) DV_CHECK;
