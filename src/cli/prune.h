/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the verbs share that prune. */

#include "cli-private.h"

struct cli_prune {
	bool is_all; /* also images that no container has */
	const struct dv_opt_list *filter; /* --filter; label= is known */
};

struct cli_pruned {
	struct dv_strbuf out; /* what has gone, as docker says it */
	int64_t reclaimed; /* bytes */
};

#define CLI_PRUNED_INIT \
	{ \
		.out = DV_STRBUF_INIT \
	}

/* Of the client's namespace. Both add to @io. */
struct dv_err *cli_prune_images(struct cli *cli, const struct cli_prune *p, struct cli_pruned *io)
	DV_CHECK;
/* Those that do not run. Single failures are reported, and *ret_status is 1 then. */
struct dv_err *cli_prune_containers(struct cli *cli, const struct dv_opt_list *filter,
				    struct cli_pruned *io, int *ret_status) DV_CHECK;
/* Shows it, and frees it. Does nothing but that after an error @take_e, which is returned. */
struct dv_err *cli_pruned_print(struct cli_pruned *take, struct dv_err *take_e) DV_CHECK;

/*
 * "label=KEY", "label=KEY=VALUE", all of which must be there, as a filter of containerd's; NULL: everything.
 * DV_INVALID.
 */
struct dv_err *cli_prune_filter(const struct dv_opt_list *list, struct dv_arena *arena,
				const char **ret) DV_CHECK;
