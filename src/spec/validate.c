/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules between properties. Where runc has the same rule its words are used, because
 * callers and tests look for them. What only the machine can answer (does the rootfs exist,
 * is that the host's network namespace) is the runtime's to ask.
 */

#include "validate-private.h"

#include <inttypes.h>

#include <linux/mempolicy.h>

typedef struct dv_err *(*rule_fn)(const struct validation *v);

static struct dv_err *check_process(const struct validation *v)
{
	if (!v->spec->process && !v->env->needs_process)
		return NULL;
	return spec_process_validate(v->spec->process);
}

static struct dv_err *check_propagation(const struct validation *v)
{
	const char *mode = v->spec->linux.rootfs_propagation;

	if (v->env->is_no_pivot && mode &&
	    (dv_streq(mode, "private") || dv_streq(mode, "rprivate")))
		return dv_err_new(DV_INVALID,
				  "rootfsPropagation of [r]private is not safe without pivot_root");
	return NULL;
}

static struct dv_err *check_intel_rdt(const struct validation *v)
{
	const struct spec_intel_rdt *rdt = v->spec->linux.intel_rdt;
	const char *clos = rdt ? rdt->clos_id : NULL;

	if (!rdt)
		return NULL;
	if (clos && (dv_streq(clos, ".") || dv_streq(clos, "..") || (clos[1] && strchr(clos, '/'))))
		return dv_err_new(DV_INVALID, "invalid intelRdt.ClosID \"%s\"", clos);
	/* A line each: whatever follows a newline would be a schema of its own. */
	if (rdt->mem_bw_schema &&
	    (!dv_starts_with(rdt->mem_bw_schema, "MB:") || strchr(rdt->mem_bw_schema, '\n')))
		return dv_err_new(DV_INVALID, "linux.intelRdt.memBwSchema: expected one line that "
					      "begins with MB:");
	for (size_t i = 0; i < rdt->n_schemata; i++) {
		if (strchr(rdt->schemata[i], '\n'))
			return dv_err_new(DV_INVALID,
					  "linux.intelRdt.schemata[%zu]: expected one line", i);
	}
	return NULL;
}

static unsigned count_nodes(const struct spec_memory_policy *policy)
{
	unsigned n = 0;

	for (size_t i = 0; i < DV_ARRAY_SIZE(policy->nodes); i++)
		n += (unsigned)__builtin_popcountll(policy->nodes[i]);
	return n;
}

/* set_mempolicy(2) */
static struct dv_err *check_memory_policy(const struct validation *v)
{
	const struct spec_memory_policy *policy = v->spec->linux.memory_policy;
	unsigned n;

	if (!policy)
		return NULL;
	n = count_nodes(policy);
	switch (policy->mode) {
	case MPOL_DEFAULT:
	case MPOL_LOCAL:
		if (n > 0)
			return dv_err_new(DV_INVALID,
					  "memory policy mode requires 0 nodes but got %u", n);
		return NULL;
	case MPOL_PREFERRED:
		return NULL; /* none means the local one */
	default:
		if (n == 0)
			return dv_err_new(
				DV_INVALID,
				"memory policy mode requires at least one node but got 0");
		return NULL;
	}
}

/* Only cgroup v1 knows it, but there a wrong value would be found out late. */
static struct dv_err *check_swappiness(const struct validation *v)
{
	const struct spec_u64 *s = &v->spec->linux.resources->memory.swappiness;

	if (s->is_set && s->value > 100 && s->value != UINT64_MAX) /* -1, "leave it", by some */
		return dv_err_new(DV_INVALID,
				  "invalid memory swappiness value: %" PRIu64
				  " (valid range is 0-100)",
				  s->value);
	return NULL;
}

static struct dv_err *warn(const struct validation *v)
{
	const struct spec_linux *x = &v->spec->linux;

	if (x->resources->memory.kernel.is_set || x->resources->memory.kernel_tcp.is_set)
		dv_log(v->log, DV_WARN, "Kernel memory settings are ignored and will be removed");
	if (x->has_personality_flags)
		dv_log(v->log, DV_WARN,
		       "ignoring unsupported personality flags because personality flag has not "
		       "supported at this time");
	return NULL;
}

struct dv_err *spec_runtime_validate(const struct spec_runtime *spec, const struct spec_env *env,
				     const struct dv_log *log)
{
	static const rule_fn rules[] = {
		check_process,
		spec_validate_namespaces,
		spec_validate_user,
		spec_validate_sysctl,
		spec_validate_mounts,
		spec_validate_seccomp,
		check_propagation,
		check_intel_rdt,
		check_memory_policy,
		check_swappiness,
		warn,
	};
	const struct validation v = { .spec = spec, .env = env, .log = log };

	for (size_t i = 0; i < DV_ARRAY_SIZE(rules); i++) {
		struct dv_err *e = rules[i](&v);

		if (e)
			return e;
	}
	return NULL;
}
