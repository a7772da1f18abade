/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of limits for v2. Limits that v2 has no file for are left out: with a warning
 * where the container would notice, at debug level where the spec allows it (network).
 */

#include "cgroup-plan.h"

#include <inttypes.h>

#include "base/str.h"

/* Numbers with -1 for "max". */
static void add_bytes(struct cgroup_plan *p, unsigned flags, const char *file, int64_t value)
{
	if (value == -1)
		cgroup_plan_add(p, CGROUP_MEMORY, true, flags, file, "max");
	else
		cgroup_plan_add(p, CGROUP_MEMORY, true, flags, file, "%" PRId64, value);
}

static struct dv_err *plan_memory(struct cgroup_plan *p, const struct spec_resources *res,
				  const struct cgroup_plan_env *env, const struct dv_log *log)
{
	int64_t limit = cgroup_i64(res->memory.limit), with = limit, swap;
	struct dv_err *e;

	/* An update of swap alone is meant on top of the limit that is in force. */
	if (with == 0 && env->memory_limit <= INT64_MAX)
		with = (int64_t)env->memory_limit;
	e = cgroup_swap_to_v2(cgroup_i64(res->memory.swap), with, &swap);
	if (e)
		return e;
	/* A kernel without swap accounting has no swap to limit. */
	if (swap != INT64_MIN)
		add_bytes(p, swap == -1 || swap == 0 ? CGROUP_W_OPTIONAL : 0, "memory.swap.max",
			  swap);
	if (limit)
		add_bytes(p, 0, "memory.max", limit);
	if (cgroup_i64(res->memory.reservation))
		add_bytes(p, 0, "memory.low", res->memory.reservation.value);
	if (res->memory.swappiness.is_set)
		dv_log(log, DV_WARN, "memory swappiness is ignored: cgroup v2 has none");
	if (res->memory.disable_oom_killer.is_set && res->memory.disable_oom_killer.value)
		dv_log(log, DV_WARN, "disableOOMKiller is ignored: cgroup v2 cannot");
	return NULL;
}

static void plan_io_weights(struct cgroup_plan *p, const struct spec_resources *res)
{
	uint64_t weight = cgroup_u64(res->block_io.weight);

	if (weight) {
		cgroup_plan_add(p, CGROUP_BLKIO, true, 0, "io.bfq.weight", "%" PRIu64, weight);
		cgroup_plan_add(p, CGROUP_BLKIO, true, CGROUP_W_ELSE, "io.weight", "%" PRIu64,
				cgroup_blkio_to_io_weight(weight));
	}
	for (size_t i = 0; i < res->block_io.n_weight_devices; i++) {
		const struct spec_weight_device *d = &res->block_io.weight_devices[i];

		if (!cgroup_u64(d->weight))
			continue;
		cgroup_plan_add(p, CGROUP_BLKIO, true, 0, "io.bfq.weight",
				"%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
				d->weight.value);
		cgroup_plan_add(p, CGROUP_BLKIO, true, CGROUP_W_ELSE, "io.weight",
				"%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
				cgroup_blkio_to_io_weight(d->weight.value));
	}
}

static void plan_io(struct cgroup_plan *p, const struct spec_resources *res)
{
	static const char *const keys[SPEC_THROTTLE__N] = {
		[SPEC_THROTTLE_READ_BPS] = "rbps",
		[SPEC_THROTTLE_WRITE_BPS] = "wbps",
		[SPEC_THROTTLE_READ_IOPS] = "riops",
		[SPEC_THROTTLE_WRITE_IOPS] = "wiops",
	};

	plan_io_weights(p, res);
	for (int kind = 0; kind < SPEC_THROTTLE__N; kind++) {
		const struct spec_throttle_list *list = &res->block_io.throttle[kind];

		for (size_t i = 0; i < list->n_items; i++) {
			const struct spec_throttle_device *d = &list->items[i];

			/* v1's 0 takes a limit away; to v2 it is out of range. */
			if (d->rate)
				cgroup_plan_add(p, CGROUP_BLKIO, true, 0, "io.max",
						"%" PRId64 ":%" PRId64 " %s=%" PRIu64, d->major,
						d->minor, keys[kind], d->rate);
			else
				cgroup_plan_add(p, CGROUP_BLKIO, true, 0, "io.max",
						"%" PRId64 ":%" PRId64 " %s=max", d->major,
						d->minor, keys[kind]);
		}
	}
}

static void plan_cpu_max(struct cgroup_plan *p, const struct spec_resources *res,
			 const struct cgroup_plan_env *env)
{
	int64_t quota = cgroup_i64(res->cpu.quota);
	uint64_t period = cgroup_u64(res->cpu.period);
	bool has_max = quota || period, has_burst = res->cpu.burst.is_set;

	if (has_burst)
		cgroup_plan_add(p, CGROUP_CPU, true, quota ? CGROUP_W_DEFER : 0, "cpu.max.burst",
				"%" PRIu64, res->cpu.burst.value);
	if (!has_max)
		return;
	/* One file for both: the half that is not given stays what it is. */
	if (!quota)
		quota = env->cpu_quota;
	if (!period)
		period = env->cpu_period;
	if (quota > 0)
		cgroup_plan_add(p, CGROUP_CPU, true, 0, "cpu.max", "%" PRId64 " %" PRIu64, quota,
				period);
	else
		cgroup_plan_add(p, CGROUP_CPU, true, 0, "cpu.max", "max %" PRIu64, period);
	if (has_burst && cgroup_i64(res->cpu.quota))
		cgroup_plan_add(p, CGROUP_CPU, true, CGROUP_W_AGAIN, "cpu.max.burst", "%" PRIu64,
				res->cpu.burst.value);
}

static void plan_cpu(struct cgroup_plan *p, const struct spec_resources *res,
		     const struct cgroup_plan_env *env, const struct dv_log *log)
{
	uint64_t weight = cgroup_shares_to_weight(cgroup_u64(res->cpu.shares));
	bool is_idle = res->cpu.idle.is_set && res->cpu.idle.value != 0;

	/* An idle cgroup's weight cannot be set: leave idle before, become idle after it. */
	if (res->cpu.idle.is_set && !is_idle)
		cgroup_plan_add(p, CGROUP_CPU, true, 0, "cpu.idle", "0");
	if (weight)
		cgroup_plan_add(p, CGROUP_CPU, true, 0, "cpu.weight", "%" PRIu64, weight);
	if (is_idle)
		cgroup_plan_add(p, CGROUP_CPU, true, 0, "cpu.idle", "%" PRId64,
				res->cpu.idle.value);
	plan_cpu_max(p, res, env);
	if (cgroup_i64(res->cpu.realtime_runtime) || cgroup_u64(res->cpu.realtime_period))
		dv_log(log, DV_WARN, "realtime cpu limits are ignored: cgroup v2 has none");
}

static void plan_hugetlb(struct cgroup_plan *p, const struct spec_resources *res)
{
	for (size_t i = 0; i < res->n_hugepage_limits; i++) {
		const struct spec_hugepage_limit *l = &res->hugepage_limits[i];
		DV_CLEANUP(dv_freep) char *file = dv_printf("hugetlb.%s.max", l->page_size);
		DV_CLEANUP(dv_freep) char *rsvd = dv_printf("hugetlb.%s.rsvd.max", l->page_size);

		cgroup_plan_add(p, CGROUP_HUGETLB, true, 0, file, "%" PRIu64, l->limit);
		cgroup_plan_add(p, CGROUP_HUGETLB, true, CGROUP_W_OPTIONAL, rsvd, "%" PRIu64,
				l->limit);
	}
}

struct dv_err *cgroup_plan_v2(struct cgroup_plan *p, const struct spec_resources *res,
			      const struct cgroup_plan_env *env, uint32_t ctls,
			      const struct dv_log *log)
{
	if (ctls & CGROUP_BIT(CGROUP_PIDS))
		cgroup_plan_pids(p, res, true);
	if (ctls & CGROUP_BIT(CGROUP_MEMORY)) {
		struct dv_err *e = plan_memory(p, res, env, log);

		if (e)
			return e;
	}
	if (ctls & CGROUP_BIT(CGROUP_BLKIO))
		plan_io(p, res);
	if (ctls & CGROUP_BIT(CGROUP_CPU))
		plan_cpu(p, res, env, log);
	if (ctls & CGROUP_BIT(CGROUP_CPUSET))
		cgroup_plan_cpuset(p, res, true);
	if (ctls & CGROUP_BIT(CGROUP_HUGETLB))
		plan_hugetlb(p, res);
	if (ctls & CGROUP_BIT(CGROUP_RDMA))
		cgroup_plan_rdma(p, res, true);
	if (ctls & CGROUP_V1_ONLY)
		dv_log(log, DV_DEBUG, "network limits are ignored: cgroup v2 has none");
	return NULL;
}
