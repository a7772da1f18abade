/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of v1 controllers, and of those that hybrid hosts keep on v2. */

#include <stdio.h>

#include "base/str.h"
#include "cgroup-stats-private.h"

enum { NS_PER_TICK = 10000000 }; /* USER_HZ is 100 on all architectures */

/* Points the reader at @ctl's directory; false when there is none. */
static bool enter(struct host_cgroup *cg, struct cgroup_reader *r, enum cgroup_ctl ctl)
{
	int i = cgroup_find(cg, ctl);

	r->dirfd = i < 0 ? -1 : cgroup_dir(cg, i);
	return r->dirfd >= 0;
}

static void read_cpu(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text = cgroup_reader_text(r, "cpu.stat");

	if (!text)
		return;
	st->cpu.periods = cgroup_stat_key(text, "nr_periods");
	st->cpu.throttled_periods = cgroup_stat_key(text, "nr_throttled");
	st->cpu.throttled_time = cgroup_stat_key(text, "throttled_time");
	st->cpu.bursts = cgroup_stat_key(text, "nr_bursts");
	st->cpu.burst_time = cgroup_stat_key(text, "burst_time");
}

static void read_cpuacct(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text = cgroup_reader_text(r, "cpuacct.stat");

	if (text) {
		st->cpu.user = cgroup_stat_key(text, "user") * NS_PER_TICK;
		st->cpu.kernel = cgroup_stat_key(text, "system") * NS_PER_TICK;
	}
	st->cpu.total = cgroup_reader_u64(r, "cpuacct.usage");
	text = cgroup_reader_text(r, "cpuacct.usage_percpu");
	if (text)
		cgroup_stat_column(r->arena, text, 0, 1, 0, &st->cpu.percpu);
	/* "cpu user system" and a line for each. */
	text = cgroup_reader_text(r, "cpuacct.usage_all");
	if (text && dv_starts_with(text, "cpu user system")) {
		cgroup_stat_column(r->arena, text, 1, 3, 1, &st->cpu.percpu_user);
		cgroup_stat_column(r->arena, text, 1, 3, 2, &st->cpu.percpu_kernel);
	}
}

static void read_cpuset(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text = cgroup_reader_text(r, "cpuset.cpus");

	if (text)
		cgroup_stat_list(r->arena, text, &st->cpuset.cpus);
	text = cgroup_reader_text(r, "cpuset.mems");
	if (text)
		cgroup_stat_list(r->arena, text, &st->cpuset.mems);
	st->cpuset.cpu_exclusive = cgroup_reader_u64(r, "cpuset.cpu_exclusive");
	st->cpuset.mem_hardwall = cgroup_reader_u64(r, "cpuset.mem_hardwall");
	st->cpuset.mem_exclusive = cgroup_reader_u64(r, "cpuset.mem_exclusive");
	st->cpuset.memory_migrate = cgroup_reader_u64(r, "cpuset.memory_migrate");
	st->cpuset.memory_spread_page = cgroup_reader_u64(r, "cpuset.memory_spread_page");
	st->cpuset.memory_spread_slab = cgroup_reader_u64(r, "cpuset.memory_spread_slab");
	st->cpuset.memory_pressure = cgroup_reader_u64(r, "cpuset.memory_pressure");
	st->cpuset.sched_load_balance = cgroup_reader_u64(r, "cpuset.sched_load_balance");
	text = cgroup_reader_text(r, "cpuset.sched_relax_domain_level");
	if (text)
		st->cpuset.sched_relax_domain_level = strtoll(text, NULL, 10);
}

static struct host_cgroup_memory_entry read_entry(struct cgroup_reader *r, const char *which)
{
	static const char *const suffixes[] = { "limit_in_bytes", "usage_in_bytes",
						"max_usage_in_bytes", "failcnt" };
	uint64_t v[DV_ARRAY_SIZE(suffixes)];
	char name[64];

	for (size_t i = 0; i < DV_ARRAY_SIZE(suffixes); i++) {
		snprintf(name, sizeof(name), "memory.%s%s", which, suffixes[i]);
		v[i] = cgroup_reader_u64(r, name);
	}
	return (struct host_cgroup_memory_entry){ v[0], v[1], v[2], v[3] };
}

static void read_memory(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text = cgroup_reader_text(r, "memory.stat");

	if (!text)
		return;
	cgroup_stat_keys(r->arena, text, &st->memory.raw, &st->memory.n_raw);
	st->memory.cache = cgroup_stat_key(text, "cache");
	st->memory.usage = read_entry(r, "");
	st->memory.swap = read_entry(r, "memsw.");
	st->memory.kernel = read_entry(r, "kmem.");
	st->memory.kernel_tcp = read_entry(r, "kmem.tcp.");
	text = cgroup_reader_text(r, "memory.oom_control");
	if (text)
		cgroup_stat_keys(r->arena, text, &st->memory.events, &st->memory.n_events);
}

static void read_pids(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	st->pids.current = cgroup_reader_u64(r, "pids.current");
	st->pids.limit = cgroup_reader_u64(r, "pids.max");
	if (st->pids.limit == UINT64_MAX)
		st->pids.limit = 0;
}

struct io_file {
	const char *name;
	enum host_cgroup_io list;
};

/* The first group whose first file has something says all; see runc's blkio.go for the order. */
static const struct io_file bfq_debug[] = {
	{ "blkio.bfq.sectors_recursive", HOST_CGROUP_IO_SECTORS },
	{ "blkio.bfq.io_service_time_recursive", HOST_CGROUP_IO_SERVICE_TIME },
	{ "blkio.bfq.io_wait_time_recursive", HOST_CGROUP_IO_WAIT_TIME },
	{ "blkio.bfq.io_merged_recursive", HOST_CGROUP_IO_MERGED },
	{ "blkio.bfq.io_queued_recursive", HOST_CGROUP_IO_QUEUED },
	{ "blkio.bfq.time_recursive", HOST_CGROUP_IO_TIME },
	{ "blkio.bfq.io_serviced_recursive", HOST_CGROUP_IO_SERVICED },
	{ "blkio.bfq.io_service_bytes_recursive", HOST_CGROUP_IO_SERVICE_BYTES },
	{ NULL, 0 },
};
static const struct io_file bfq[] = {
	{ "blkio.bfq.io_serviced_recursive", HOST_CGROUP_IO_SERVICED },
	{ "blkio.bfq.io_service_bytes_recursive", HOST_CGROUP_IO_SERVICE_BYTES },
	{ NULL, 0 },
};
static const struct io_file cfq[] = {
	{ "blkio.sectors_recursive", HOST_CGROUP_IO_SECTORS },
	{ "blkio.io_service_time_recursive", HOST_CGROUP_IO_SERVICE_TIME },
	{ "blkio.io_wait_time_recursive", HOST_CGROUP_IO_WAIT_TIME },
	{ "blkio.io_merged_recursive", HOST_CGROUP_IO_MERGED },
	{ "blkio.io_queued_recursive", HOST_CGROUP_IO_QUEUED },
	{ "blkio.time_recursive", HOST_CGROUP_IO_TIME },
	{ "blkio.io_serviced_recursive", HOST_CGROUP_IO_SERVICED },
	{ "blkio.io_service_bytes_recursive", HOST_CGROUP_IO_SERVICE_BYTES },
	{ NULL, 0 },
};
static const struct io_file throttle_recursive[] = {
	{ "blkio.throttle.io_serviced_recursive", HOST_CGROUP_IO_SERVICED },
	{ "blkio.throttle.io_service_bytes_recursive", HOST_CGROUP_IO_SERVICE_BYTES },
	{ NULL, 0 },
};
static const struct io_file throttle[] = {
	{ "blkio.throttle.io_serviced", HOST_CGROUP_IO_SERVICED },
	{ "blkio.throttle.io_service_bytes", HOST_CGROUP_IO_SERVICE_BYTES },
	{ NULL, 0 },
};

/* True when the group's first file told anything. */
static bool read_io_group(struct cgroup_reader *r, const struct io_file *f,
			  struct host_cgroup_stats *st)
{
	for (size_t i = 0; f[i].name; i++) {
		struct host_cgroup_io_list *list = &st->blkio.lists[f[i].list];
		const char *text = cgroup_reader_text(r, f[i].name);

		if (text)
			cgroup_stat_blkio(r->arena, text, list);
		if (i == 0 && list->n_items == 0)
			return false;
	}
	return true;
}

static void read_blkio(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	static const struct io_file *const groups[] = { bfq_debug, bfq, cfq, throttle_recursive,
							throttle };

	for (size_t i = 0; i < DV_ARRAY_SIZE(groups); i++) {
		if (read_io_group(r, groups[i], st))
			return;
	}
}

static void read_rdma(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text = cgroup_reader_text(r, "rdma.current");

	if (text)
		cgroup_stat_rdma(r->arena, text, &st->rdma_current);
	text = cgroup_reader_text(r, "rdma.max");
	if (text)
		cgroup_stat_rdma(r->arena, text, &st->rdma_limit);
}

void cgroup_stats_v1(struct host_cgroup *cg, struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	int v2 = cgroup_find_v2(cg);

	if (enter(cg, r, CGROUP_CPU))
		read_cpu(r, st);
	if (enter(cg, r, CGROUP_CPUACCT))
		read_cpuacct(r, st);
	if (enter(cg, r, CGROUP_CPUSET))
		read_cpuset(r, st);
	if (enter(cg, r, CGROUP_MEMORY))
		read_memory(r, st);
	if (enter(cg, r, CGROUP_PIDS))
		read_pids(r, st);
	if (enter(cg, r, CGROUP_BLKIO))
		read_blkio(r, st);
	if (enter(cg, r, CGROUP_RDMA))
		read_rdma(r, st);
	if (enter(cg, r, CGROUP_HUGETLB)) {
		cgroup_stats_hugetlb(r, false, st);
	} else if (v2 >= 0 && cgroup_dir(cg, v2) >= 0) {
		r->dirfd = cg->hiers[v2].dirfd;
		cgroup_stats_hugetlb(r, true, st);
	}
}
