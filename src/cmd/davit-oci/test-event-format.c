/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of events, against what runc 1.5 prints for the same numbers. */

#include "base/test.h"
#include "event-format.h"

static const char *format(struct host_cgroup_stats *s)
{
	static struct dv_strbuf out = DV_STRBUF_INIT;

	dv_strbuf_clear(&out);
	event_format_stats("c1", s, &out);
	return out.data;
}

Test(event_format, oom)
{
	struct dv_strbuf out = DV_STRBUF_INIT;

	event_format_oom("c1", &out);
	T_STR(out.data, "{\"type\":\"oom\",\"id\":\"c1\"}\n");
	dv_strbuf_fini(&out);
}

Test(event_format, nothing_measured)
{
	struct host_cgroup_stats s = { 0 };

	T_STR(format(&s),
	      "{\"type\":\"stats\",\"id\":\"c1\",\"data\":{\"cpu\":{},"
	      "\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,"
	      "\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0,"
	      "\"memory_pressure\":0,\"sched_load_balance\":0,\"sched_relax_domain_level\":0},"
	      "\"memory\":{},\"pids\":{},\"blkio\":{},\"hugetlb\":{},\"intel_rdt\":{},"
	      "\"network_interfaces\":null}}\n");
}

Test(event_format, everything_measured)
{
	struct host_cgroup_key raw[] = { { "file", 2 }, { "anon", 1 } };
	struct host_cgroup_io_entry io[] = { { 8, 0, "Read", 512 }, { 8, 16, "", 0 } };
	struct host_cgroup_hugetlb huge[] = { { "2MB", 0, 0, 0 }, { "1GB", 1, 2, 3 } };
	struct host_cgroup_stats s = { 0 };

	s.cpu.total = 30;
	s.cpu.kernel = 10;
	s.cpu.percpu = (struct host_cgroup_u64s){ (uint64_t[]){ 10, 20 }, 2 };
	s.cpu.throttled_periods = 4;
	s.cpu.psi.is_set = true;
	s.cpu.psi.some = (struct host_cgroup_pressure){ 1.5, 0.25, 0, 77 };
	s.cpuset.cpus = (struct host_cgroup_u16s){ (uint16_t[]){ 0, 1 }, 2 };
	s.cpuset.mems = (struct host_cgroup_u16s){ (uint16_t[]){ 0 }, 1 };
	s.cpuset.sched_relax_domain_level = -1;
	s.memory.cache = 4096;
	s.memory.usage = (struct host_cgroup_memory_entry){ UINT64_MAX, 5, 6, 0 };
	s.memory.kernel_tcp = (struct host_cgroup_memory_entry){ 7, 0, 0, 0 };
	s.memory.raw = raw;
	s.memory.n_raw = 2;
	s.pids.current = 1;
	s.pids.limit = 10;
	s.blkio.lists[HOST_CGROUP_IO_QUEUED] = (struct host_cgroup_io_list){ io, 2 };
	s.hugetlb = huge;
	s.n_hugetlb = 2;

	T_STR(format(&s),
	      "{\"type\":\"stats\",\"id\":\"c1\",\"data\":{\"cpu\":{"
	      "\"usage\":{\"total\":30,\"percpu\":[10,20],\"kernel\":10,\"user\":0},"
	      "\"throttling\":{\"throttledPeriods\":4},"
	      "\"psi\":{\"some\":{\"avg10\":1.5,\"avg60\":0.25,\"avg300\":0,\"total\":77},"
	      "\"full\":{\"avg10\":0,\"avg60\":0,\"avg300\":0,\"total\":0}}},"
	      "\"cpuset\":{\"cpus\":[0,1],\"cpu_exclusive\":0,\"mems\":[0],\"mem_hardwall\":0,"
	      "\"mem_exclusive\":0,\"memory_migrate\":0,\"memory_spread_page\":0,"
	      "\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,"
	      "\"sched_relax_domain_level\":-1},"
	      "\"memory\":{\"cache\":4096,"
	      "\"usage\":{\"limit\":18446744073709551615,\"usage\":5,\"max\":6,\"failcnt\":0},"
	      "\"kernelTCP\":{\"limit\":7,\"failcnt\":0},\"raw\":{\"anon\":1,\"file\":2}},"
	      "\"pids\":{\"current\":1,\"limit\":10},"
	      "\"blkio\":{\"ioQueueRecursive\":["
	      "{\"major\":8,\"op\":\"Read\",\"value\":512},{\"major\":8,\"minor\":16}]},"
	      "\"hugetlb\":{\"2MB\":{\"failcnt\":0},\"1GB\":{\"usage\":1,\"max\":2,\"failcnt\":3}},"
	      "\"intel_rdt\":{},\"network_interfaces\":null}}\n");
}
