/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What all work on images needs: the stores, the namespace, and somebody who is told of it. Functions
 * that take it block, for long, and may be called from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "store/content.h"
#include "store/meta-image.h"
#include "store/meta.h"
#include "store/snapshot.h"

enum image_event_kind {
	IMAGE_PROGRESS, /* name, parent, what, progress, total */
	IMAGE_PREPARED, /* a snapshot: key, parent, snapshotter */
	IMAGE_COMMITTED, /* key, name, snapshotter */
	IMAGE_REMOVED, /* key, snapshotter: a snapshot that was prepared, after a failure */
};

struct image_event {
	enum image_event_kind kind;
	const char *key, *name, *parent, *snapshotter;
	const char *what; /* "importing", "extracting", "complete", ... */
	int64_t progress, total;
	const struct meta_descriptor *descriptor; /* may be NULL */
};

struct image_env { /* all borrowed */
	struct meta *meta;
	struct content *content;
	struct snapshots *snapshots;
	const char *program; /* path of davit-unpack */
	const char *ns;
	const char *lease; /* what is made belongs to it; required */
	/* Looked at now and then, from any thread: true ends it with DV_CANCELLED. May be NULL. */
	bool (*is_cancelled)(void *arg);
	void (*on_event)(void *arg, const struct image_event *ev); /* may be NULL */
	void *arg;
};

/* Bytes from somewhere. */
struct image_source {
	/* Waits for at least one byte; *ret_n 0: the end. Called from one thread at a time. */
	struct dv_err *(*read)(void *arg, void *buf, size_t n, size_t *ret_n)DV_CHECK;
	void (*interrupt)(void *arg); /* whoever is in read() shall return; from any thread */
	void *arg;
	uint64_t max_bytes; /* without compression; 0: 1 TiB */
};
