/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of limits for v1 controllers. */

#include "cgroup-plan.h"

#include <inttypes.h>

#include "base/str.h"

static void add_limit(struct cgroup_plan *p, int64_t limit)
{
	if (limit)
		cgroup_plan_add(p, CGROUP_MEMORY, false, CGROUP_W_MEMORY, "memory.limit_in_bytes",
				"%" PRId64, limit);
}

static void add_memsw(struct cgroup_plan *p, int64_t swap)
{
	/* Without swap accounting there is no file, and nothing to unlimit. */
	if (swap)
		cgroup_plan_add(p, CGROUP_MEMORY, false, swap == -1 ? CGROUP_W_OPTIONAL : 0,
				"memory.memsw.limit_in_bytes", "%" PRId64, swap);
}

static struct dv_err *plan_memory(struct cgroup_plan *p, const struct spec_resources *res,
				  const struct cgroup_plan_env *env)
{
	int64_t limit = cgroup_i64(res->memory.limit), swap = cgroup_i64(res->memory.swap);

	/* Unlimited memory without a word about swap means unlimited both. */
	if (limit == -1 && swap == 0)
		swap = -1;
	if (swap > 0 && limit == 0 && env->memory_limit == UINT64_MAX)
		return dv_err_new(DV_INVALID, "unable to set swap limit without memory limit");
	if (swap > 0 && limit > swap)
		return dv_err_new(DV_INVALID, "memory+swap limit should be >= memory limit");
	/* The kernel demands limit <= memsw at each step: raise memsw first, lower it last. */
	if (swap == -1 || (limit && swap > 0 && env->memory_limit < (uint64_t)swap)) {
		add_memsw(p, swap);
		add_limit(p, limit);
	} else {
		add_limit(p, limit);
		add_memsw(p, swap);
	}
	if (cgroup_i64(res->memory.reservation))
		cgroup_plan_add(p, CGROUP_MEMORY, false, 0, "memory.soft_limit_in_bytes",
				"%" PRId64, res->memory.reservation.value);
	if (res->memory.disable_oom_killer.is_set && res->memory.disable_oom_killer.value)
		cgroup_plan_add(p, CGROUP_MEMORY, false, 0, "memory.oom_control", "1");
	if (res->memory.swappiness.is_set)
		cgroup_plan_add(p, CGROUP_MEMORY, false, 0, "memory.swappiness", "%" PRIu64,
				res->memory.swappiness.value);
	return NULL;
}

static void plan_realtime(struct cgroup_plan *p, const struct spec_resources *res)
{
	uint64_t period = cgroup_u64(res->cpu.realtime_period);
	int64_t runtime = cgroup_i64(res->cpu.realtime_runtime);

	if (period)
		cgroup_plan_add(p, CGROUP_CPU, false, runtime ? CGROUP_W_DEFER : 0,
				"cpu.rt_period_us", "%" PRIu64, period);
	if (runtime)
		cgroup_plan_add(p, CGROUP_CPU, false, 0, "cpu.rt_runtime_us", "%" PRId64, runtime);
	if (period && runtime)
		cgroup_plan_add(p, CGROUP_CPU, false, CGROUP_W_AGAIN, "cpu.rt_period_us",
				"%" PRIu64, period);
}

/* A period or burst may be too large for the old quota and fit the new one. */
static void plan_quota(struct cgroup_plan *p, const struct spec_resources *res)
{
	uint64_t period = cgroup_u64(res->cpu.period);
	int64_t quota = cgroup_i64(res->cpu.quota);
	unsigned defer = quota ? CGROUP_W_DEFER : 0;

	if (period)
		cgroup_plan_add(p, CGROUP_CPU, false, defer, "cpu.cfs_period_us", "%" PRIu64,
				period);
	if (res->cpu.burst.is_set)
		cgroup_plan_add(p, CGROUP_CPU, false, defer | CGROUP_W_OPTIONAL, "cpu.cfs_burst_us",
				"%" PRIu64, res->cpu.burst.value);
	if (!quota)
		return;
	cgroup_plan_add(p, CGROUP_CPU, false, 0, "cpu.cfs_quota_us", "%" PRId64, quota);
	if (period)
		cgroup_plan_add(p, CGROUP_CPU, false, CGROUP_W_AGAIN, "cpu.cfs_period_us",
				"%" PRIu64, period);
	if (res->cpu.burst.is_set)
		cgroup_plan_add(p, CGROUP_CPU, false, CGROUP_W_AGAIN | CGROUP_W_OPTIONAL,
				"cpu.cfs_burst_us", "%" PRIu64, res->cpu.burst.value);
}

static struct dv_err *plan_cpu(struct cgroup_plan *p, const struct spec_resources *res)
{
	uint64_t shares = cgroup_u64(res->cpu.shares);

	/* The kernel would clamp silently. */
	if (shares > 262144)
		return dv_err_new(DV_INVALID, "the maximum allowed cpu-shares is 262144");
	if (shares == 1)
		return dv_err_new(DV_INVALID, "the minimum allowed cpu-shares is 2");
	if (shares)
		cgroup_plan_add(p, CGROUP_CPU, false, 0, "cpu.shares", "%" PRIu64, shares);
	plan_quota(p, res);
	if (res->cpu.idle.is_set)
		cgroup_plan_add(p, CGROUP_CPU, false, 0, "cpu.idle", "%" PRId64,
				res->cpu.idle.value);
	plan_realtime(p, res);
	return NULL;
}

static void plan_blkio(struct cgroup_plan *p, const struct spec_resources *res)
{
	static const char *const files[SPEC_THROTTLE__N] = {
		[SPEC_THROTTLE_READ_BPS] = "blkio.throttle.read_bps_device",
		[SPEC_THROTTLE_WRITE_BPS] = "blkio.throttle.write_bps_device",
		[SPEC_THROTTLE_READ_IOPS] = "blkio.throttle.read_iops_device",
		[SPEC_THROTTLE_WRITE_IOPS] = "blkio.throttle.write_iops_device",
	};
	uint64_t weight = cgroup_u64(res->block_io.weight);
	uint64_t leaf = cgroup_u64(res->block_io.leaf_weight);

	/* CFQ's names up to 4.20, BFQ's since then. */
	if (weight) {
		cgroup_plan_add(p, CGROUP_BLKIO, false, 0, "blkio.bfq.weight", "%" PRIu64, weight);
		cgroup_plan_add(p, CGROUP_BLKIO, false, CGROUP_W_ELSE, "blkio.weight", "%" PRIu64,
				weight);
	}
	if (leaf)
		cgroup_plan_add(p, CGROUP_BLKIO, false, 0, "blkio.leaf_weight", "%" PRIu64, leaf);
	for (size_t i = 0; i < res->block_io.n_weight_devices; i++) {
		const struct spec_weight_device *d = &res->block_io.weight_devices[i];

		if (cgroup_u64(d->weight)) {
			cgroup_plan_add(p, CGROUP_BLKIO, false, 0, "blkio.bfq.weight_device",
					"%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
					d->weight.value);
			cgroup_plan_add(p, CGROUP_BLKIO, false, CGROUP_W_ELSE,
					"blkio.weight_device", "%" PRId64 ":%" PRId64 " %" PRIu64,
					d->major, d->minor, d->weight.value);
		}
		if (cgroup_u64(d->leaf_weight))
			cgroup_plan_add(p, CGROUP_BLKIO, false, 0, "blkio.leaf_weight_device",
					"%" PRId64 ":%" PRId64 " %" PRIu64, d->major, d->minor,
					d->leaf_weight.value);
	}
	for (int kind = 0; kind < SPEC_THROTTLE__N; kind++) {
		const struct spec_throttle_list *list = &res->block_io.throttle[kind];

		for (size_t i = 0; i < list->n_items; i++)
			cgroup_plan_add(p, CGROUP_BLKIO, false, 0, files[kind],
					"%" PRId64 ":%" PRId64 " %" PRIu64, list->items[i].major,
					list->items[i].minor, list->items[i].rate);
	}
}

static void plan_hugetlb(struct cgroup_plan *p, const struct spec_resources *res)
{
	for (size_t i = 0; i < res->n_hugepage_limits; i++) {
		const struct spec_hugepage_limit *l = &res->hugepage_limits[i];
		DV_CLEANUP(dv_freep)
		char *file = dv_printf("hugetlb.%s.limit_in_bytes", l->page_size);
		DV_CLEANUP(dv_freep)
		char *rsvd = dv_printf("hugetlb.%s.rsvd.limit_in_bytes", l->page_size);

		cgroup_plan_add(p, CGROUP_HUGETLB, false, 0, file, "%" PRIu64, l->limit);
		cgroup_plan_add(p, CGROUP_HUGETLB, false, CGROUP_W_OPTIONAL, rsvd, "%" PRIu64,
				l->limit);
	}
}

static void plan_network(struct cgroup_plan *p, const struct spec_resources *res, uint32_t ctls)
{
	if (ctls & CGROUP_BIT(CGROUP_NET_CLS))
		cgroup_plan_add(p, CGROUP_NET_CLS, false, 0, "net_cls.classid", "%" PRIu64,
				res->network.class_id.value);
	for (size_t i = 0; i < res->network.n_priorities; i++)
		cgroup_plan_add(p, CGROUP_NET_PRIO, false, 0, "net_prio.ifpriomap", "%s %u",
				res->network.priorities[i].name,
				res->network.priorities[i].priority);
}

struct dv_err *cgroup_plan_v1(struct cgroup_plan *p, const struct spec_resources *res,
			      const struct cgroup_plan_env *env, uint32_t ctls)
{
	struct dv_err *e = NULL;

	if (ctls & CGROUP_BIT(CGROUP_CPUSET))
		cgroup_plan_cpuset(p, res, false);
	if (ctls & CGROUP_BIT(CGROUP_MEMORY))
		e = plan_memory(p, res, env);
	if (!e && ctls & CGROUP_BIT(CGROUP_CPU))
		e = plan_cpu(p, res);
	if (e)
		return e;
	if (ctls & CGROUP_BIT(CGROUP_PIDS))
		cgroup_plan_pids(p, res, false);
	if (ctls & CGROUP_BIT(CGROUP_BLKIO))
		plan_blkio(p, res);
	if (ctls & CGROUP_BIT(CGROUP_HUGETLB))
		plan_hugetlb(p, res);
	if (ctls & CGROUP_V1_ONLY)
		plan_network(p, res, ctls);
	if (ctls & CGROUP_BIT(CGROUP_RDMA))
		cgroup_plan_rdma(p, res, false);
	return NULL;
}
