/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What "image prune" and "system prune" share. */

#include "cli-private.h"

struct cli_prune {
	bool is_all; /* also images that no container has */
	const struct dv_opt_list *filter; /* --filter; label= is known */
};

/* Prunes the client's namespace and says what has gone, as docker does. */
struct dv_err *cli_prune_images(struct cli *cli, const struct cli_prune *p) DV_CHECK;
