/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>

#include "mounts.h"

struct mounts {
	struct daemon *d;
	char *path; /* <state>/MOUNTS_DIR */
	int dir;
	pthread_mutex_t lock; /* of the list of names that somebody is at work on */
	pthread_cond_t is_released;
	struct mounts_claim *claims;
};

/* On the stack of who has the name. */
struct mounts_claim {
	struct mounts *m;
	const char *ns, *name;
	struct mounts_claim *next;
};
void mounts_claim(struct mounts_claim *c, struct mounts *m, const char *ns, const char *name);
void mounts_releasep(struct mounts_claim *c);

/* What a row holds. */
struct mounts_state {
	int64_t id;
	bool is_complete; /* else the daemon died while it was at it */
	struct mounts_info info;
};
void mounts_pack(const struct mounts_state *state, struct dv_arena *arena, const void **ret,
		 size_t *ret_n);
/* DV_DATA_LOSS. Strings are in the arena. */
struct dv_err *mounts_unpack(const void *data, size_t n, struct dv_arena *arena,
			     struct mounts_state *ret) DV_CHECK;

/* Replaces the placeholders in source, target and options. DV_INVALID. */
struct dv_err *mounts_format(struct snapshot_mount *io, const struct mounts_active *active,
			     size_t n_active, struct dv_arena *arena) DV_CHECK;
/* Of one text. */
struct dv_err *mounts_format_text(const char *text, const struct mounts_active *active,
				  size_t n_active, struct dv_arena *arena, const char **ret)
	DV_CHECK;

/* Makes the directories of the options and takes these away. @roots: where they may be. */
struct dv_err *mounts_mkdir(struct snapshot_mount *io, const char *const *roots, size_t n_roots,
			    struct dv_arena *arena) DV_CHECK;

/* Unmounts what is below the directory of the id, the last first, and removes it. */
void mounts_undo(struct mounts *m, int64_t id);
