/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Are the metadata and the files on the disk of one mind? For `davit system check` and `repair`,
 * beside a daemon that works: what is in the middle of being made is looked at twice.
 *
 * Blocks, for long if deep: for slow workers.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/macros.h"

struct content;
struct meta;
struct snapshots;

struct store_finding {
	const char *kind; /* "database", "blob", "snapshot", "image", "file" */
	const char *ns; /* "" where there is none */
	const char *object; /* digest, key, name, path */
	const char *problem; /* lower case */
	const char *action; /* what repair does or has done, or what a person can do */
	bool can_repair, is_repaired;
};

/* All borrowed for the call. */
typedef void (*store_finding_fn)(void *arg, const struct store_finding *finding);

struct store_check_opts {
	struct meta *meta;
	struct content *content;
	struct snapshots *snapshots;
	const char *root; /* of the daemon */
	bool is_deep; /* reads every blob */
	bool is_repair;
	bool (*is_cancelled)(void *arg); /* may be NULL */
	store_finding_fn fn;
	void *arg; /* of both */
};

/* DV_CANCELLED; errors of looking, not of what was seen. */
struct dv_err *store_check(const struct store_check_opts *opts) DV_CHECK;

/*
 * After a database was saved (meta_salvage()), before the stores are opened, which remove what no
 * row knows: gives rows to files and directories without any. Blobs are held by the lease
 * "recovered", snapshots by the label containerd.io/gc.root. *ret_n: how many.
 */
struct dv_err *store_adopt(struct meta *meta, const char *root, unsigned *ret_n) DV_CHECK;
