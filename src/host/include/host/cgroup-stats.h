/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A snapshot of a cgroup's counters, as `events --stats` shows them: v1's view, into which
 * the numbers of v2 are translated. What the kernel or a controller does not offer is zero,
 * NULL or is_set == false.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macros.h"
#include "base/mem.h"
#include "host/cgroup.h"

struct host_cgroup_u64s {
	uint64_t *items;
	size_t n_items;
};

/* Numbers of CPUs or memory nodes. */
struct host_cgroup_u16s {
	uint16_t *items;
	size_t n_items;
};

struct host_cgroup_pressure {
	double avg10, avg60, avg300;
	uint64_t total; /* microseconds */
};

struct host_cgroup_psi {
	bool is_set;
	struct host_cgroup_pressure some, full;
};

struct host_cgroup_memory_entry {
	uint64_t limit; /* UINT64_MAX: none (v2) */
	uint64_t usage, max, failcnt;
};

struct host_cgroup_key {
	const char *key;
	uint64_t value;
};

struct host_cgroup_io_entry {
	uint64_t major, minor;
	const char *op; /* "Read", "Write", ...; "" */
	uint64_t value;
};

struct host_cgroup_io_list {
	struct host_cgroup_io_entry *items;
	size_t n_items;
};

enum host_cgroup_io {
	HOST_CGROUP_IO_SERVICE_BYTES,
	HOST_CGROUP_IO_SERVICED,
	HOST_CGROUP_IO_QUEUED,
	HOST_CGROUP_IO_SERVICE_TIME,
	HOST_CGROUP_IO_WAIT_TIME,
	HOST_CGROUP_IO_MERGED,
	HOST_CGROUP_IO_TIME,
	HOST_CGROUP_IO_SECTORS,
	HOST_CGROUP_IO__N,
};

struct host_cgroup_hugetlb {
	const char *page_size; /* "2MB" */
	uint64_t usage, max, failcnt;
};

struct host_cgroup_rdma {
	const char *device;
	uint32_t hca_handles, hca_objects; /* UINT32_MAX: unlimited */
};

struct host_cgroup_rdma_list {
	struct host_cgroup_rdma *items;
	size_t n_items;
};

struct host_cgroup_stats {
	struct {
		uint64_t total, kernel, user; /* nanoseconds, as all times here */
		struct host_cgroup_u64s percpu, percpu_kernel, percpu_user; /* v1 */
		uint64_t periods, throttled_periods, throttled_time;
		uint64_t bursts, burst_time;
		struct host_cgroup_psi psi;
	} cpu;
	struct { /* v1 */
		struct host_cgroup_u16s cpus, mems;
		uint64_t cpu_exclusive, mem_hardwall, mem_exclusive, memory_migrate,
			memory_spread_page, memory_spread_slab, memory_pressure, sched_load_balance;
		int64_t sched_relax_domain_level;
	} cpuset;
	struct {
		uint64_t cache;
		struct host_cgroup_memory_entry usage, swap, kernel, kernel_tcp;
		struct host_cgroup_key *raw; /* memory.stat, in its order */
		size_t n_raw;
		struct host_cgroup_key *events; /* memory.events; v1: memory.oom_control */
		size_t n_events;
		struct host_cgroup_psi psi;
	} memory;
	struct {
		uint64_t current, limit; /* limit 0: none */
	} pids;
	struct {
		struct host_cgroup_io_list lists[HOST_CGROUP_IO__N];
		struct host_cgroup_psi psi;
	} blkio;
	struct host_cgroup_hugetlb *hugetlb;
	size_t n_hugetlb;
	struct host_cgroup_rdma_list rdma_limit, rdma_current;
};

/*
 * Reads everything once. Results point into @arena. All is 0 for a rootless container that was
 * left without a cgroup of its own. DV_NOT_FOUND: there is no such cgroup.
 */
struct dv_err *host_cgroup_stats_read(struct host_cgroup *cg, struct dv_arena *arena,
				      struct host_cgroup_stats *ret) DV_CHECK;
