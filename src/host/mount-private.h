/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the options of one mount say, before it is known what kind of mount it is. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"
#include "host/mount-plan.h"

struct mount_options {
	uint64_t ms_set;
	uint64_t ms_cleared; /* by name, and not set again later */
	uint64_t rec_set, rec_clr;
	uint64_t *propagation; /* arena */
	size_t n_propagation;
	enum host_mount_idmap idmap;
	bool copies_up;
	bool copies_symlink;
	bool src_is_nofollow;
	bool dst_is_nofollow;
	struct dv_strbuf data; /* what is for the filesystem, joined with ',' */
};

/* Reads options in order; every string is something: what is in no table is data. */
void mount_options_parse(const char **options, size_t n, struct dv_arena *arena,
			 struct mount_options *ret);

/*
 * Splits mount data as the kernel does: at commas, but not inside the quotes of an SELinux
 * context, nor behind a backslash when @is_overlay. Quotes of contexts are removed.
 */
void mount_data_split(const char *data, bool is_overlay, struct dv_arena *arena,
		      struct host_mount_param **ret, size_t *ret_n);
