/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "spec/runtime.h"

struct validation {
	const struct spec_runtime *spec;
	const struct spec_env *env;
	const struct dv_log *log;
};

/* One subject of rules each; all of them DV_INVALID. */
struct dv_err *spec_validate_namespaces(const struct validation *v) DV_CHECK;
struct dv_err *spec_validate_user(const struct validation *v) DV_CHECK;
struct dv_err *spec_validate_sysctl(const struct validation *v) DV_CHECK;
struct dv_err *spec_validate_mounts(const struct validation *v) DV_CHECK;
struct dv_err *spec_validate_seccomp(const struct validation *v) DV_CHECK;

static inline bool spec_has_ns(const struct spec_runtime *spec, enum spec_ns ns)
{
	return spec->linux.namespaces[ns].is_listed;
}

/* A new one, not one that is joined. */
static inline bool spec_has_new_ns(const struct spec_runtime *spec, enum spec_ns ns)
{
	return spec_has_ns(spec, ns) && !spec->linux.namespaces[ns].path;
}

bool spec_is_mapped(const struct spec_id_mapping *maps, size_t n_maps, uint32_t id);
