/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of limits: which files, which values, in which order. Needs no privilege. */

#include <criterion/criterion.h>

#include "base/str.h"
#include "cgroup-plan.h"

#define V1_ALL (CGROUP_BIT(CGROUP_CTL__N) - 1)

#define I64(v) \
	{ \
		.is_set = true, .value = (v) \
	}
#define U64(v) \
	{ \
		.is_set = true, .value = (v) \
	}
#define YES \
	{ \
		.is_set = true, .value = true \
	}

/*
 * A plan as text: "file=value;" per write, with marks in front: '2' v2 tree in hybrid mode,
 * '?' optional, '|' else, '~' deferred on EINVAL, '+' again.
 */
static char *render(const struct cgroup_plan *p, bool marks_v2)
{
	struct dv_strbuf out = DV_STRBUF_INIT;

	for (size_t i = 0; i < p->n; i++) {
		const struct cgroup_write *w = &p->items[i];

		dv_strbuf_addf(&out, "%s%s%s%s%s%s=%s;", w->is_v2 && marks_v2 ? "2" : "",
			       w->flags & CGROUP_W_OPTIONAL ? "?" : "",
			       w->flags & CGROUP_W_ELSE ? "|" : "",
			       w->flags & CGROUP_W_DEFER ? "~" : "",
			       w->flags & CGROUP_W_AGAIN ? "+" : "", w->file, w->value);
	}
	return dv_strbuf_steal(&out);
}

static void expect_env(const struct spec_resources *res, const struct cgroup_plan_env *env,
		       const char *want, const char *want_error, int line)
{
	DV_CLEANUP(cgroup_plan_fini) struct cgroup_plan plan = { 0 };
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	DV_CLEANUP(dv_freep) char *got = NULL;

	e = cgroup_plan_make(res, env, NULL, &plan);
	if (want_error) {
		cr_assert_not_null(e, "line %d: no error", line);
		cr_assert_str_eq(dv_err_message(e), want_error, "line %d: %s", line,
				 dv_err_message(e));
		return;
	}
	cr_assert_null(e, "line %d: %s", line, e ? dv_err_message(e) : "");
	got = render(&plan, env->mode == HOST_CGROUP_HYBRID);
	cr_assert_str_eq(got, want, "line %d:\n got %s\nwant %s", line, got, want);
}

struct row {
	struct spec_resources res;
	const char *v1, *v2; /* the plans; NULL: the error below */
	const char *v1_error, *v2_error;
};

#define SIZE_2MB "2MB"
static struct spec_hugepage_limit hugepages[] = { { SIZE_2MB, 4194304 } };
static struct spec_weight_device weights[] = { { 8, 0, U64(500), U64(300) } };
static struct spec_throttle_device rates[] = { { 8, 16, 1048576 }, { 8, 32, 0 } };
static struct spec_interface_priority priorities[] = { { "eth0", 3 } };
static struct spec_rdma rdma[] = { { "mlx5_1", U64(3), U64(10000) }, { "mlx4_0", U64(7), { 0 } } };
static struct spec_string_pair unified[] = { { "memory.high", "1000" }, { "io.max", "a\nb" } };
static struct spec_string_pair slash[] = { { "../x/memory.high", "1" } };

static const struct row rows[] = {
	{ .v1 = "", .v2 = "" },
	/* pids */
	{ .res.pids_limit = I64(20), .v1 = "pids.max=20;", .v2 = "pids.max=20;" },
	{ .res.pids_limit = I64(0), .v1 = "pids.max=1;", .v2 = "pids.max=1;" },
	{ .res.pids_limit = I64(-1), .v1 = "pids.max=max;", .v2 = "pids.max=max;" },
	/* memory */
	{ .res.memory.limit = I64(0), .v1 = "", .v2 = "" },
	{ .res.memory.limit = I64(4096),
	  .v1 = "memory.limit_in_bytes=4096;",
	  .v2 = "memory.max=4096;" },
	{ .res.memory = { .limit = I64(4096), .swap = I64(8192), .reservation = I64(1024) },
	  .v1 = "memory.limit_in_bytes=4096;memory.memsw.limit_in_bytes=8192;"
		"memory.soft_limit_in_bytes=1024;",
	  .v2 = "memory.swap.max=4096;memory.max=4096;memory.low=1024;" },
	{ .res.memory = { .limit = I64(4096), .swap = I64(4096) },
	  .v1 = "memory.limit_in_bytes=4096;memory.memsw.limit_in_bytes=4096;",
	  .v2 = "?memory.swap.max=0;memory.max=4096;" },
	{ .res.memory = { .limit = I64(4096), .swap = I64(-1) },
	  .v1 = "?memory.memsw.limit_in_bytes=-1;memory.limit_in_bytes=4096;",
	  .v2 = "?memory.swap.max=max;memory.max=4096;" },
	{ .res.memory.limit = I64(-1),
	  .v1 = "?memory.memsw.limit_in_bytes=-1;memory.limit_in_bytes=-1;",
	  .v2 = "?memory.swap.max=max;memory.max=max;" },
	{ .res.memory = { .limit = I64(-1), .swap = I64(8192) },
	  .v1 = "memory.limit_in_bytes=-1;memory.memsw.limit_in_bytes=8192;",
	  .v2 = "memory.swap.max=8192;memory.max=max;" },
	{ .res.memory.swap = I64(8192),
	  .v1_error = "unable to set swap limit without memory limit",
	  .v2_error = "unable to set swap limit without memory limit" },
	{ .res.memory = { .limit = I64(8192), .swap = I64(4096) },
	  .v1_error = "memory+swap limit should be >= memory limit",
	  .v2_error = "memory+swap limit should be >= memory limit" },
	{ .res.memory.swappiness = U64(0), .v1 = "memory.swappiness=0;", .v2 = "" },
	{ .res.memory.swappiness = U64(101),
	  .v1_error = "invalid memory swappiness value: 101 (valid range is 0-100)",
	  .v2_error = "invalid memory swappiness value: 101 (valid range is 0-100)" },
	{ .res.memory.disable_oom_killer = YES, .v1 = "memory.oom_control=1;", .v2 = "" },
	{ .res.memory = { .kernel = I64(4096), .kernel_tcp = I64(4096) }, .v1 = "", .v2 = "" },
	/* cpu */
	{ .res.cpu.shares = U64(1024), .v1 = "cpu.shares=1024;", .v2 = "cpu.weight=100;" },
	{ .res.cpu.shares = U64(0), .v1 = "", .v2 = "" },
	{ .res.cpu.shares = U64(300000),
	  .v1_error = "the maximum allowed cpu-shares is 262144",
	  .v2 = "cpu.weight=10000;" },
	{ .res.cpu.shares = U64(1),
	  .v1_error = "the minimum allowed cpu-shares is 2",
	  .v2 = "cpu.weight=1;" },
	{ .res.cpu = { .quota = I64(50000), .period = U64(200000) },
	  .v1 = "~cpu.cfs_period_us=200000;cpu.cfs_quota_us=50000;+cpu.cfs_period_us=200000;",
	  .v2 = "cpu.max=50000 200000;" },
	{ .res.cpu.quota = I64(50000),
	  .v1 = "cpu.cfs_quota_us=50000;",
	  .v2 = "cpu.max=50000 100000;" },
	{ .res.cpu.quota = I64(-1), .v1 = "cpu.cfs_quota_us=-1;", .v2 = "cpu.max=max 100000;" },
	{ .res.cpu.period = U64(5000), .v1 = "cpu.cfs_period_us=5000;", .v2 = "cpu.max=max 5000;" },
	{ .res.cpu.burst = U64(0), .v1 = "?cpu.cfs_burst_us=0;", .v2 = "cpu.max.burst=0;" },
	{ .res.cpu = { .burst = U64(1000), .quota = I64(5000) },
	  .v1 = "?~cpu.cfs_burst_us=1000;cpu.cfs_quota_us=5000;?+cpu.cfs_burst_us=1000;",
	  .v2 = "~cpu.max.burst=1000;cpu.max=5000 100000;+cpu.max.burst=1000;" },
	{ .res.cpu = { .idle = I64(1), .shares = U64(1024) },
	  .v1 = "cpu.shares=1024;cpu.idle=1;",
	  .v2 = "cpu.weight=100;cpu.idle=1;" },
	{ .res.cpu = { .idle = I64(0), .shares = U64(1024) },
	  .v1 = "cpu.shares=1024;cpu.idle=0;",
	  .v2 = "cpu.idle=0;cpu.weight=100;" },
	{ .res.cpu = { .realtime_period = U64(1000000), .realtime_runtime = I64(950000) },
	  .v1 = "~cpu.rt_period_us=1000000;cpu.rt_runtime_us=950000;+cpu.rt_period_us=1000000;",
	  .v2 = "" },
	{ .res.cpu = { .cpus = "0-1", .mems = "0" },
	  .v1 = "cpuset.cpus=0-1;cpuset.mems=0;",
	  .v2 = "cpuset.cpus=0-1;cpuset.mems=0;" },
	{ .res.cpu = { .cpus = "", .mems = "" }, .v1 = "", .v2 = "" },
	/* block I/O */
	{ .res.block_io.weight = U64(750),
	  .v1 = "blkio.bfq.weight=750;|blkio.weight=750;",
	  .v2 = "io.bfq.weight=750;|io.weight=7475;" },
	{ .res.block_io.leaf_weight = U64(10), .v1 = "blkio.leaf_weight=10;", .v2 = "" },
	{ .res.block_io = { .weight_devices = weights, .n_weight_devices = 1 },
	  .v1 = "blkio.bfq.weight_device=8:0 500;|blkio.weight_device=8:0 500;"
		"blkio.leaf_weight_device=8:0 300;",
	  .v2 = "io.bfq.weight=8:0 500;|io.weight=8:0 4950;" },
	{ .res.block_io.throttle[SPEC_THROTTLE_READ_BPS] = { rates, 2 },
	  .v1 = "blkio.throttle.read_bps_device=8:16 1048576;"
		"blkio.throttle.read_bps_device=8:32 0;",
	  .v2 = "io.max=8:16 rbps=1048576;io.max=8:32 rbps=max;" },
	{ .res.block_io = { .throttle[SPEC_THROTTLE_WRITE_BPS] = { rates, 1 },
			    .throttle[SPEC_THROTTLE_READ_IOPS] = { rates, 1 },
			    .throttle[SPEC_THROTTLE_WRITE_IOPS] = { rates, 1 } },
	  .v1 = "blkio.throttle.write_bps_device=8:16 1048576;"
		"blkio.throttle.read_iops_device=8:16 1048576;"
		"blkio.throttle.write_iops_device=8:16 1048576;",
	  .v2 = "io.max=8:16 wbps=1048576;io.max=8:16 riops=1048576;io.max=8:16 wiops=1048576;" },
	/* the rest */
	{ .res = { .hugepage_limits = hugepages, .n_hugepage_limits = 1 },
	  .v1 = "hugetlb.2MB.limit_in_bytes=4194304;?hugetlb.2MB.rsvd.limit_in_bytes=4194304;",
	  .v2 = "hugetlb.2MB.max=4194304;?hugetlb.2MB.rsvd.max=4194304;" },
	{ .res.network = { .class_id = U64(1048577), .priorities = priorities, .n_priorities = 1 },
	  .v1 = "net_cls.classid=1048577;net_prio.ifpriomap=eth0 3;",
	  .v2 = "" },
	{ .res = { .rdma = rdma, .n_rdma = 2 },
	  .v1 = "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;rdma.max=mlx4_0 hca_handle=7;",
	  .v2 = "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;rdma.max=mlx4_0 hca_handle=7;" },
	{ .res = { .unified = unified, .n_unified = 2, .memory.limit = I64(1) },
	  .v1_error = "invalid configuration: cannot use unified on cgroup v1",
	  .v2 = "memory.max=1;memory.high=1000;io.max=a\nb;" },
	{ .res = { .unified = slash, .n_unified = 1 },
	  .v1_error = "invalid configuration: cannot use unified on cgroup v1",
	  .v2_error = "unified resource \"../x/memory.high\" must be a file name (no slashes)" },
};

Test(plan, fresh_cgroup)
{
	struct cgroup_plan_env v1 = { .mode = HOST_CGROUP_V1,
				      .v1_ctls = V1_ALL,
				      CGROUP_PLAN_ENV_FRESH };
	struct cgroup_plan_env v2 = { .mode = HOST_CGROUP_V2, CGROUP_PLAN_ENV_FRESH };

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		expect_env(&rows[i].res, &v1, rows[i].v1, rows[i].v1_error, (int)i);
		expect_env(&rows[i].res, &v2, rows[i].v2, rows[i].v2_error, (int)i + 1000);
	}
}

Test(plan, update_merges_with_the_other_half)
{
	struct cgroup_plan_env v2 = { .mode = HOST_CGROUP_V2,
				      .memory_limit = 4096,
				      .cpu_quota = 30000,
				      .cpu_period = 60000 };
	struct spec_resources period = { .cpu.period = U64(50000) };
	struct spec_resources quota = { .cpu.quota = I64(-1) };
	struct spec_resources swap = { .memory.swap = I64(10000) };

	expect_env(&period, &v2, "cpu.max=30000 50000;", NULL, __LINE__);
	expect_env(&quota, &v2, "cpu.max=max 60000;", NULL, __LINE__);
	expect_env(&swap, &v2, "memory.swap.max=5904;", NULL, __LINE__);
	v2.cpu_quota = -1;
	expect_env(&period, &v2, "cpu.max=max 50000;", NULL, __LINE__);
}

Test(plan, update_orders_memory_and_memsw)
{
	struct cgroup_plan_env v1 = { .mode = HOST_CGROUP_V1,
				      .v1_ctls = V1_ALL,
				      CGROUP_PLAN_ENV_FRESH };
	struct spec_resources both = { .memory = { .limit = I64(2000), .swap = I64(3000) } };
	struct spec_resources swap = { .memory.swap = I64(3000) };

	v1.memory_limit = 1000; /* growing: memsw first */
	expect_env(&both, &v1, "memory.memsw.limit_in_bytes=3000;memory.limit_in_bytes=2000;", NULL,
		   __LINE__);
	v1.memory_limit = 5000; /* shrinking: limit first */
	expect_env(&both, &v1, "memory.limit_in_bytes=2000;memory.memsw.limit_in_bytes=3000;", NULL,
		   __LINE__);
	expect_env(&swap, &v1, "memory.memsw.limit_in_bytes=3000;", NULL, __LINE__);
}

Test(plan, hybrid_uses_v2_for_what_v1_lacks)
{
	struct cgroup_plan_env env = { .mode = HOST_CGROUP_HYBRID,
				       .v1_ctls =
					       CGROUP_BIT(CGROUP_MEMORY) | CGROUP_BIT(CGROUP_CPU),
				       CGROUP_PLAN_ENV_FRESH };
	struct spec_resources res = { .memory.limit = I64(4096),
				      .pids_limit = I64(7),
				      .hugepage_limits = hugepages,
				      .n_hugepage_limits = 1 };

	expect_env(&res, &env,
		   "memory.limit_in_bytes=4096;2pids.max=7;2hugetlb.2MB.max=4194304;"
		   "2?hugetlb.2MB.rsvd.max=4194304;",
		   NULL, __LINE__);
}

Test(plan, long_values_are_whole)
{
	struct cgroup_plan_env v2 = { .mode = HOST_CGROUP_V2, CGROUP_PLAN_ENV_FRESH };
	DV_CLEANUP(cgroup_plan_fini) struct cgroup_plan plan = { 0 };
	struct spec_string_pair pair = { "io.max", NULL };
	struct spec_resources res = { .unified = &pair, .n_unified = 1 };
	char text[5000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	pair.value = text;
	cr_assert_null(cgroup_plan_make(&res, &v2, NULL, &plan));
	cr_assert_eq(plan.n, 1);
	cr_assert_str_eq(plan.items[0].value, text);
}

Test(convert, shares)
{
	/* both ends, the default, and the formula by hand. */
	static const uint64_t table[][2] = { { 0, 0 },		{ 2, 1 },	  { 3, 2 },
					     { 1024, 100 },	{ 2048, 174 },	  { 8192, 532 },
					     { 262144, 10000 }, { 262145, 10000 } };

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++)
		cr_expect_eq(cgroup_shares_to_weight(table[i][0]), table[i][1], "%lu: %lu",
			     table[i][0], cgroup_shares_to_weight(table[i][0]));
	for (uint64_t s = 2; s < 262144; s++)
		cr_assert(cgroup_shares_to_weight(s) <= cgroup_shares_to_weight(s + 1));
}

Test(convert, blkio)
{
	cr_expect_eq(cgroup_blkio_to_io_weight(10), 1);
	cr_expect_eq(cgroup_blkio_to_io_weight(1000), 10000);
	cr_expect_eq(cgroup_blkio_to_io_weight(0), 1);
}

Test(convert, swap)
{
	static const struct {
		int64_t swap, memory, want;
		bool fails;
	} table[] = {
		{ 0, 0, INT64_MIN, false }, { -1, 0, -1, false },	{ 0, -1, -1, false },
		{ 10, -1, 10, false },	    { 10, 0, 0, true },		{ 10, -2, 0, true },
		{ 10, 11, 0, true },	    { 10, 10, 0, false },	{ 10, 4, 6, false },
		{ -1, 4, -1, false },	    { 0, 4, INT64_MIN, false },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++) {
		DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
		int64_t got = 0;

		e = cgroup_swap_to_v2(table[i].swap, table[i].memory, &got);
		cr_expect_eq(e != NULL, table[i].fails, "row %zu", i);
		if (!e)
			cr_expect_eq(got, table[i].want, "row %zu", i);
	}
}

Test(wanted, names_each_controller)
{
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		bool has_plan = (rows[i].v1 && *rows[i].v1) || (rows[i].v2 && *rows[i].v2) ||
				rows[i].v1_error;

		/* No writes without a wanted controller, unified aside. */
		if (cgroup_wanted(&rows[i].res) == 0)
			cr_expect(!has_plan || rows[i].res.n_unified, "row %zu", i);
	}
}
