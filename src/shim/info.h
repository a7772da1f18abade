/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* "-info": what this shim and its OCI runtime are and can do, for `ctr plugins inspect-runtime` and CRI. */

#include "base/err.h"
#include "base/macros.h"
#include "base/str.h"
#include "env.h"

struct shim_info_opts {
	struct shim_env *env; /* .path and .envp set; its loop is run */
	const char *name, *version, *revision; /* revision may be NULL */
	int in; /* options of a runtime, an Any; may be empty */
};

/* Adds a containerd.types.RuntimeInfo. DV_NOT_FOUND: there is no such OCI runtime. */
struct dv_err *shim_info(const struct shim_info_opts *opts, struct dv_strbuf *out) DV_CHECK;
