/* SPDX-License-Identifier: Apache-2.0 */
/* The counters of v2, in v1's words. */

#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "cgroup-stats-private.h"

static void read_psi(struct cgroup_reader *r, const char *name, struct host_cgroup_psi *psi)
{
	const char *text = cgroup_reader_text(r, name);

	if (text)
		cgroup_stat_psi(text, psi);
}

static void read_cpu(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text = cgroup_reader_text(r, "cpu.stat");

	if (text) {
		st->cpu.total = cgroup_stat_key(text, "usage_usec") * 1000;
		st->cpu.user = cgroup_stat_key(text, "user_usec") * 1000;
		st->cpu.kernel = cgroup_stat_key(text, "system_usec") * 1000;
		st->cpu.periods = cgroup_stat_key(text, "nr_periods");
		st->cpu.throttled_periods = cgroup_stat_key(text, "nr_throttled");
		st->cpu.throttled_time = cgroup_stat_key(text, "throttled_usec") * 1000;
		st->cpu.bursts = cgroup_stat_key(text, "nr_bursts");
		st->cpu.burst_time = cgroup_stat_key(text, "burst_usec") * 1000;
	}
	read_psi(r, "cpu.pressure", &st->cpu.psi);
}

static void read_memory(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	struct host_cgroup_memory_entry *usage = &st->memory.usage, *swap = &st->memory.swap;
	const char *text;

	read_psi(r, "memory.pressure", &st->memory.psi);
	text = cgroup_reader_text(r, "memory.stat");
	if (!text)
		return;
	cgroup_stat_keys(r->arena, text, &st->memory.raw, &st->memory.n_raw);
	st->memory.cache = cgroup_stat_key(text, "file");
	usage->usage = cgroup_reader_u64(r, "memory.current");
	usage->limit = cgroup_reader_u64(r, "memory.max");
	usage->max = cgroup_reader_u64(r, "memory.peak"); /* 5.19 */
	text = cgroup_reader_text(r, "memory.events");
	if (text) {
		usage->failcnt = cgroup_stat_key(text, "max");
		cgroup_stat_keys(r->arena, text, &st->memory.events, &st->memory.n_events);
	}

	/* v1 counts memory and swap together; the maximum of the sum is not known. */
	if (cgroup_read_u64(r->dirfd, "memory.swap.current", &swap->usage) < 0)
		return;
	swap->usage += usage->usage;
	swap->limit = cgroup_reader_u64(r, "memory.swap.max");
	if (swap->limit != UINT64_MAX)
		swap->limit = usage->limit == UINT64_MAX ? UINT64_MAX : swap->limit + usage->limit;
}

static void read_pids(struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text;

	if (cgroup_read_u64(r->dirfd, "pids.current", &st->pids.current) == 0) {
		st->pids.limit = cgroup_reader_u64(r, "pids.max");
		if (st->pids.limit == UINT64_MAX)
			st->pids.limit = 0;
		return;
	}
	/* Without the controller: what is in it, or its threads when it is a threaded one. */
	text = cgroup_reader_text(r, "cgroup.procs");
	if (!text)
		text = cgroup_reader_text(r, "cgroup.threads");
	for (; text && *text; text++)
		st->pids.current += *text == '\n';
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

void cgroup_stats_v2(struct host_cgroup *cg, struct cgroup_reader *r, struct host_cgroup_stats *st)
{
	const char *text;

	r->dirfd = cgroup_dir(cg, cgroup_find_v2(cg));
	read_pids(r, st);
	read_memory(r, st);
	text = cgroup_reader_text(r, "io.stat");
	if (text)
		cgroup_stat_io(r->arena, text, st);
	read_psi(r, "io.pressure", &st->blkio.psi);
	read_cpu(r, st);
	cgroup_stats_hugetlb(r, true, st);
	read_rdma(r, st);
}
