/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of limits: what both versions share. As in runc, a number of 0 means "not given"
 * except where 0 is a value of its own (cpu.idle, cpu.burst, pids, swappiness).
 */

#include "cgroup-plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/str.h"

void cgroup_plan_fini(struct cgroup_plan *p)
{
	dv_arena_fini(&p->arena);
	free(p->items);
	*p = (struct cgroup_plan){ 0 };
}

void cgroup_plan_add(struct cgroup_plan *p, enum cgroup_ctl ctl, bool is_v2, unsigned flags,
		     const char *file, const char *fmt, ...)
{
	char value[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	dv_assert(n >= 0);
	if (p->n == p->size) {
		p->size = p->size ? 2 * p->size : 16;
		p->items = dv_realloc_n(p->items, p->size, sizeof(*p->items));
	}
	p->items[p->n] = (struct cgroup_write){
		.ctl = ctl,
		.is_v2 = is_v2,
		.flags = flags,
		.file = dv_arena_strdup(&p->arena, file),
	};
	if ((size_t)n < sizeof(value)) {
		p->items[p->n].value = dv_arena_strdup(&p->arena, value);
	} else {
		char *text = dv_arena_alloc(&p->arena, (size_t)n + 1);

		va_start(ap, fmt);
		vsnprintf(text, (size_t)n + 1, fmt, ap);
		va_end(ap);
		p->items[p->n].value = text;
	}
	p->n++;
}

static bool wants_blkio(const struct spec_resources *res)
{
	bool throttles = false;

	for (int i = 0; i < SPEC_THROTTLE__N; i++)
		throttles = throttles || res->block_io.throttle[i].n_items > 0;
	return throttles || cgroup_u64(res->block_io.weight) ||
	       cgroup_u64(res->block_io.leaf_weight) || res->block_io.n_weight_devices > 0;
}

static bool wants_cpu(const struct spec_resources *res)
{
	return cgroup_u64(res->cpu.shares) || cgroup_i64(res->cpu.quota) ||
	       cgroup_u64(res->cpu.period) || res->cpu.burst.is_set || res->cpu.idle.is_set ||
	       cgroup_i64(res->cpu.realtime_runtime) || cgroup_u64(res->cpu.realtime_period);
}

static bool wants_memory(const struct spec_resources *res)
{
	return cgroup_i64(res->memory.limit) || cgroup_i64(res->memory.swap) ||
	       cgroup_i64(res->memory.reservation) || res->memory.swappiness.is_set ||
	       (res->memory.disable_oom_killer.is_set && res->memory.disable_oom_killer.value);
}

uint32_t cgroup_wanted(const struct spec_resources *res)
{
	const char *cpus = res->cpu.cpus, *mems = res->cpu.mems;
	uint32_t bits = 0;

	if ((cpus && *cpus) || (mems && *mems))
		bits |= CGROUP_BIT(CGROUP_CPUSET);
	if (wants_memory(res))
		bits |= CGROUP_BIT(CGROUP_MEMORY);
	if (wants_cpu(res))
		bits |= CGROUP_BIT(CGROUP_CPU);
	if (res->pids_limit.is_set)
		bits |= CGROUP_BIT(CGROUP_PIDS);
	if (wants_blkio(res))
		bits |= CGROUP_BIT(CGROUP_BLKIO);
	if (res->n_hugepage_limits > 0)
		bits |= CGROUP_BIT(CGROUP_HUGETLB);
	if (cgroup_u64(res->network.class_id))
		bits |= CGROUP_BIT(CGROUP_NET_CLS);
	if (res->network.n_priorities > 0)
		bits |= CGROUP_BIT(CGROUP_NET_PRIO);
	if (res->n_rdma > 0)
		bits |= CGROUP_BIT(CGROUP_RDMA);
	return bits;
}

/* ---- the same files on both --------------------------------------------------------- */

void cgroup_plan_cpuset(struct cgroup_plan *p, const struct spec_resources *res, bool is_v2)
{
	if (res->cpu.cpus && *res->cpu.cpus)
		cgroup_plan_add(p, CGROUP_CPUSET, is_v2, 0, "cpuset.cpus", "%s", res->cpu.cpus);
	if (res->cpu.mems && *res->cpu.mems)
		cgroup_plan_add(p, CGROUP_CPUSET, is_v2, 0, "cpuset.mems", "%s", res->cpu.mems);
}

void cgroup_plan_pids(struct cgroup_plan *p, const struct spec_resources *res, bool is_v2)
{
	int64_t limit = res->pids_limit.value;

	if (limit < 0)
		cgroup_plan_add(p, CGROUP_PIDS, is_v2, 0, "pids.max", "max");
	else /* 0 as 1: systemd knows no 0, and both drivers should do the same */
		cgroup_plan_add(p, CGROUP_PIDS, is_v2, 0, "pids.max", "%" PRId64,
				limit ? limit : 1);
}

void cgroup_plan_rdma(struct cgroup_plan *p, const struct spec_resources *res, bool is_v2)
{
	for (size_t i = 0; i < res->n_rdma; i++) {
		const struct spec_rdma *r = &res->rdma[i];
		DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf value = DV_STRBUF_INIT;

		dv_strbuf_add(&value, r->device);
		if (r->hca_handles.is_set)
			dv_strbuf_addf(&value, " hca_handle=%" PRIu64, r->hca_handles.value);
		if (r->hca_objects.is_set)
			dv_strbuf_addf(&value, " hca_object=%" PRIu64, r->hca_objects.value);
		cgroup_plan_add(p, CGROUP_RDMA, is_v2, 0, "rdma.max", "%s", value.data);
	}
}

/* ---- the whole ---------------------------------------------------------------------- */

static struct dv_err *check(const struct spec_resources *res, const struct cgroup_plan_env *env,
			    const struct dv_log *log)
{
	if (res->n_unified > 0 && env->mode != HOST_CGROUP_V2)
		return dv_err_new(DV_INVALID,
				  "invalid configuration: cannot use unified on cgroup v1");
	if (res->memory.kernel.is_set || res->memory.kernel_tcp.is_set)
		dv_log(log, DV_WARN, "Kernel memory settings are ignored and will be removed");
	if (res->memory.swappiness.is_set && res->memory.swappiness.value > 100)
		return dv_err_new(DV_INVALID,
				  "invalid memory swappiness value: %llu (valid range is 0-100)",
				  (unsigned long long)res->memory.swappiness.value);
	return NULL;
}

static struct dv_err *plan_unified(struct cgroup_plan *p, const struct spec_resources *res)
{
	for (size_t i = 0; i < res->n_unified; i++) {
		const char *key = res->unified[i].key;

		if (strchr(key, '/'))
			return dv_err_new(
				DV_INVALID,
				"unified resource \"%s\" must be a file name (no slashes)", key);
		cgroup_plan_add(p, CGROUP_CTL__N, true, CGROUP_W_UNIFIED, key, "%s",
				res->unified[i].value);
	}
	return NULL;
}

struct dv_err *cgroup_plan_make(const struct spec_resources *res, const struct cgroup_plan_env *env,
				const struct dv_log *log, struct cgroup_plan *ret)
{
	DV_CLEANUP(cgroup_plan_fini) struct cgroup_plan p = { 0 };
	uint32_t wanted = cgroup_wanted(res), to_v2 = 0;
	struct dv_err *e;

	dv_arena_init(&p.arena);
	e = check(res, env, log);
	if (e)
		return e;
	/* Hybrid: a controller that v1 does not have may live in the v2 tree. */
	if (env->mode == HOST_CGROUP_V2)
		to_v2 = wanted;
	else if (env->mode == HOST_CGROUP_HYBRID)
		to_v2 = wanted & ~env->v1_ctls & ~CGROUP_V1_ONLY;
	e = cgroup_plan_v1(&p, res, env, wanted & ~to_v2);
	if (!e)
		e = cgroup_plan_v2(&p, res, env, to_v2, log);
	if (!e)
		e = plan_unified(&p, res);
	if (e)
		return e;
	*ret = p;
	p = (struct cgroup_plan){ 0 };
	return NULL;
}

/* ---- conversions ---------------------------------------------------------------------- */

uint64_t cgroup_shares_to_weight(uint64_t shares)
{
	double l;

	if (shares == 0)
		return 0;
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	/* The quadratic in log2 that meets minimum, default and maximum of both scales. */
	l = log2((double)shares);
	return (uint64_t)ceil(pow(10, (l * l + 125 * l) / 612.0 - 7.0 / 34.0));
}

uint64_t cgroup_blkio_to_io_weight(uint64_t weight)
{
	return weight < 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

struct dv_err *cgroup_swap_to_v2(int64_t memory_swap, int64_t memory, int64_t *ret)
{
	*ret = memory_swap;
	if (memory_swap == 0) {
		/* Unlimited memory without a word about swap means unlimited both. */
		*ret = memory == -1 ? -1 : INT64_MIN;
		return NULL;
	}
	if (memory_swap == -1 || memory == -1)
		return NULL;
	if (memory == 0)
		return dv_err_new(DV_INVALID, "unable to set swap limit without memory limit");
	if (memory < 0)
		return dv_err_new(DV_INVALID, "invalid memory value: %lld", (long long)memory);
	if (memory_swap < memory)
		return dv_err_new(DV_INVALID, "memory+swap limit should be >= memory limit");
	*ret = memory_swap - memory;
	return NULL;
}
