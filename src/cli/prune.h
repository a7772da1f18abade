/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the verbs share that prune. */

#include "cli-private.h"

struct cli_prune {
	bool is_all; /* also images that no container has */
	const struct dv_opt_list *filter; /* --filter; label= is known */
};

/* Prunes the client's namespace and says what has gone, as docker does. */
struct dv_err *cli_prune_images(struct cli *cli, const struct cli_prune *p) DV_CHECK;

/*
 * "label=KEY", "label=KEY=VALUE", all of which must be there, as a filter of containerd's; NULL: everything.
 * DV_INVALID.
 */
struct dv_err *cli_prune_filter(const struct dv_opt_list *list, struct dv_arena *arena,
				const char **ret) DV_CHECK;
