/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The plan of limits: spec_resources as a list of writes to cgroup files, in the order in
 * which the kernel accepts them. Pure; cgroup-set.c carries it out.
 */

#include "base/err.h"
#include "base/mem.h"
#include "cgroup-private.h"

enum cgroup_write_flag {
	/* A missing file is fine: the kernel lacks the feature and nothing was really asked. */
	CGROUP_W_OPTIONAL = 1 << 0,
	/* Only when the file of the write before was missing. That one is not an error then. */
	CGROUP_W_ELSE = 1 << 1,
	/* EINVAL may be due to values written later: the CGROUP_W_AGAIN of that file decides. */
	CGROUP_W_DEFER = 1 << 2,
	CGROUP_W_AGAIN = 1 << 3,
	/* v1 memory limit: EBUSY means that so much is in use. */
	CGROUP_W_MEMORY = 1 << 4,
	/* linux.resources.unified: written line by line, with its own error texts. */
	CGROUP_W_UNIFIED = 1 << 5,
};

struct cgroup_write {
	enum cgroup_ctl ctl; /* of whom it is a limit; meaningless for unified */
	bool is_v2; /* goes to the v2 tree */
	unsigned flags; /* CGROUP_W_* */
	const char *file, *value;
};

struct cgroup_plan {
	struct dv_arena arena; /* the strings */
	struct cgroup_write *items;
	size_t n, size;
};

/* What the plan depends on besides the limits. */
struct cgroup_plan_env {
	enum host_cgroup_mode mode;
	uint32_t v1_ctls; /* CGROUP_BIT()s of mounted v1 controllers, usable or not */
	/* Present values that an update is merged with; UINT64_MAX and 0: unlimited, unknown. */
	uint64_t memory_limit;
	int64_t cpu_quota; /* v2; -1: max */
	uint64_t cpu_period;
};

/* Kernel defaults: what a fresh cgroup has. */
#define CGROUP_PLAN_ENV_FRESH .memory_limit = UINT64_MAX, .cpu_quota = -1, .cpu_period = 100000

struct dv_err *cgroup_plan_make(const struct spec_resources *res, const struct cgroup_plan_env *env,
				const struct dv_log *log, struct cgroup_plan *ret) DV_CHECK;
void cgroup_plan_fini(struct cgroup_plan *p);

/* For the two halves: adds a write; and what is the same in both. */
void cgroup_plan_add(struct cgroup_plan *p, enum cgroup_ctl ctl, bool is_v2, unsigned flags,
		     const char *file, const char *fmt, ...) DV_PRINTF(6, 7);
void cgroup_plan_cpuset(struct cgroup_plan *p, const struct spec_resources *res, bool is_v2);
void cgroup_plan_pids(struct cgroup_plan *p, const struct spec_resources *res, bool is_v2);
void cgroup_plan_rdma(struct cgroup_plan *p, const struct spec_resources *res, bool is_v2);
struct dv_err *cgroup_plan_v1(struct cgroup_plan *p, const struct spec_resources *res,
			      const struct cgroup_plan_env *env, uint32_t ctls) DV_CHECK;
struct dv_err *cgroup_plan_v2(struct cgroup_plan *p, const struct spec_resources *res,
			      const struct cgroup_plan_env *env, uint32_t ctls,
			      const struct dv_log *log) DV_CHECK;

/* 0 for a missing number: both mean that nothing was asked. */
static inline int64_t cgroup_i64(struct spec_i64 v)
{
	return v.is_set ? v.value : 0;
}

static inline uint64_t cgroup_u64(struct spec_u64 v)
{
	return v.is_set ? v.value : 0;
}

/* ---- conversions between the two worlds ------------------------------------------------ */

/* cpu.shares 2..262144 (default 1024) to cpu.weight 1..10000 (default 100). */
uint64_t cgroup_shares_to_weight(uint64_t shares);
/* blkio weight 10..1000 to io.weight 1..10000, linearly. */
uint64_t cgroup_blkio_to_io_weight(uint64_t weight);
/* memory+swap to swap alone. INT64_MIN: nothing to be set; -1: max. */
struct dv_err *cgroup_swap_to_v2(int64_t memory_swap, int64_t memory, int64_t *ret) DV_CHECK;
