/* SPDX-License-Identifier: Apache-2.0 */
/* The counters: each parser on what kernels write, and whole snapshots of both versions. */

#include "test-cgroup.h"

#include "cgroup-stats-private.h"

static struct dv_arena arena;

static void setup(void)
{
	dv_arena_init(&arena);
	fake_open();
}

static void teardown(void)
{
	fake_close();
	dv_arena_fini(&arena);
}

TestSuite(stats, .init = setup, .fini = teardown);

Test(stats, keys)
{
	static const char text[] = "cache 4096\nrss 0\nodd\nnegative -3\nbig 18446744073709551615\n"
				   "toobig 18446744073709551616\nlast 7";
	struct host_cgroup_key *keys;
	size_t n;

	cgroup_stat_keys(&arena, text, &keys, &n);
	cr_assert_eq(n, 4, "%zu", n);
	cr_expect_str_eq(keys[0].key, "cache");
	cr_expect_eq(keys[0].value, 4096);
	cr_expect_eq(keys[2].value, UINT64_MAX);
	cr_expect_str_eq(keys[3].key, "last");
	cr_expect_eq(keys[3].value, 7);
	cr_expect_eq(cgroup_stat_key(text, "rss"), 0);
	cr_expect_eq(cgroup_stat_key(text, "negative"), 0);
	cr_expect_eq(cgroup_stat_key(text, "cach"), 0);
	cr_expect_eq(cgroup_stat_key(text, "last"), 7);
}

Test(stats, columns)
{
	struct host_cgroup_u64s c;

	cgroup_stat_column(&arena, "10 20 30 \n", 0, 1, 0, &c);
	cr_assert_eq(c.n_items, 3);
	cr_expect_eq(c.items[2], 30);
	cgroup_stat_column(&arena, "cpu user system\n0 5 6\n1 7 8\n", 1, 3, 1, &c);
	cr_assert_eq(c.n_items, 2);
	cr_expect_eq(c.items[0], 5);
	cr_expect_eq(c.items[1], 7);
	cgroup_stat_column(&arena, "", 1, 3, 1, &c);
	cr_expect_eq(c.n_items, 0);
	cgroup_stat_column(&arena, "9", 0, 1, 0, &c);
	cr_assert_eq(c.n_items, 1);
	cr_expect_eq(c.items[0], 9);
}

Test(stats, lists)
{
	static const struct {
		const char *text;
		size_t n;
		unsigned last;
	} table[] = { { "0-3,7\n", 5, 7 }, { "5\n", 1, 5 },   { "\n", 0, 0 },
		      { "", 0, 0 },	   { "3-1\n", 0, 0 }, { "0-70000\n", 0, 0 },
		      { "0-1", 2, 1 },	   { "x\n", 0, 0 },   { "0-\n", 0, 0 } };

	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++) {
		struct host_cgroup_u16s l;

		cgroup_stat_list(&arena, table[i].text, &l);
		cr_assert_eq(l.n_items, table[i].n, "row %zu: %zu", i, l.n_items);
		if (l.n_items)
			cr_expect_eq(l.items[l.n_items - 1], table[i].last, "row %zu", i);
	}
}

Test(stats, psi)
{
	struct host_cgroup_psi p = { 0 };

	cgroup_stat_psi("some avg10=1.71 avg60=2.36 avg300=2.57 total=230548833\n"
			"full avg10=1.00 avg60=1.01 avg300=1.00 total=157622356\n",
			&p);
	cr_expect(p.is_set);
	cr_expect_float_eq(p.some.avg10, 1.71, 1e-9);
	cr_expect_float_eq(p.some.avg300, 2.57, 1e-9);
	cr_expect_eq(p.some.total, 230548833);
	cr_expect_float_eq(p.full.avg60, 1.01, 1e-9);
	cr_expect_eq(p.full.total, 157622356);
	p = (struct host_cgroup_psi){ 0 };
	cgroup_stat_psi("", &p);
	cr_expect(!p.is_set);
}

Test(stats, blkio)
{
	struct host_cgroup_io_list l;

	cgroup_stat_blkio(
		&arena, "8:0 Read 1282048\n8:0 Total 3477504\n8:16 6792\nTotal 3477504\nbad\n", &l);
	cr_assert_eq(l.n_items, 3);
	cr_expect_str_eq(l.items[0].op, "Read");
	cr_expect_eq(l.items[0].value, 1282048);
	cr_expect_str_eq(l.items[2].op, "");
	cr_expect_eq(l.items[2].minor, 16);
	cr_expect_eq(l.items[2].value, 6792);
}

Test(stats, io)
{
	struct host_cgroup_stats st = { 0 };
	const struct host_cgroup_io_list *bytes = &st.blkio.lists[HOST_CGROUP_IO_SERVICE_BYTES];
	const struct host_cgroup_io_list *count = &st.blkio.lists[HOST_CGROUP_IO_SERVICED];

	cgroup_stat_io(&arena,
		       "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n"
		       "8:16 rbytes=10\n8:32 \nx rbytes=1\n",
		       &st);
	cr_assert_eq(bytes->n_items, 3);
	cr_assert_eq(count->n_items, 2);
	cr_expect_str_eq(bytes->items[1].op, "Write");
	cr_expect_eq(bytes->items[1].value, 2);
	cr_expect_eq(bytes->items[2].major, 8);
	cr_expect_eq(count->items[0].value, 3);
}

/* Repeated words must not run over the arrays. */
Test(stats, io_hostile)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct host_cgroup_stats st = { 0 };

	dv_strbuf_add(&text, "8:0");
	for (int i = 0; i < 1000; i++)
		dv_strbuf_add(&text, " rbytes=1 rios=1");
	cgroup_stat_io(&arena, text.data, &st);
	cr_expect_leq(st.blkio.lists[HOST_CGROUP_IO_SERVICED].n_items, 4);
}

Test(stats, rdma)
{
	struct host_cgroup_rdma_list l;

	cgroup_stat_rdma(&arena, "mlx4_0 hca_handle=2 hca_object=max\nocrdma1\n", &l);
	cr_assert_eq(l.n_items, 1);
	cr_expect_str_eq(l.items[0].device, "mlx4_0");
	cr_expect_eq(l.items[0].hca_handles, 2);
	cr_expect_eq(l.items[0].hca_objects, UINT32_MAX);
}

static void fake_files(const char *dir, const char *const (*files)[2])
{
	for (; (*files)[0]; files++) {
		DV_CLEANUP(dv_freep) char *path = dv_printf("%s/%s", dir, (*files)[0]);

		fake_file(path, (*files)[1]);
	}
}

Test(stats, whole_v2)
{
	static const char *const files[][2] = {
		{ "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\n"
			      "nr_throttled 2\nthrottled_usec 5\nnr_bursts 1\nburst_usec 3\n" },
		{ "cpu.pressure", "some avg10=0.50 avg60=0.00 avg300=0.00 total=12\n" },
		{ "memory.stat", "anon 100\nfile 200\n" },
		{ "memory.current", "300\n" },
		{ "memory.max", "4096\n" },
		{ "memory.peak", "350\n" },
		{ "memory.swap.current", "50\n" },
		{ "memory.swap.max", "1000\n" },
		{ "memory.events", "low 0\nhigh 0\nmax 6\noom 0\n" },
		{ "pids.current", "3\n" },
		{ "pids.max", "max\n" },
		{ "io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n" },
		{ NULL, NULL },
	};
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct host_cgroup_stats st;

	fake_file("cgroup.controllers", "cpu\n");
	OK(fake_new("0::/\n", "/a", false, &cg));
	FAILS(host_cgroup_stats_read(cg, &arena, &st), DV_NOT_FOUND, "does not exist");
	fake_files("a", files);
	OK(host_cgroup_stats_read(cg, &arena, &st));
	cr_expect_eq(st.cpu.total, 30000);
	cr_expect_eq(st.cpu.kernel, 10000);
	cr_expect_eq(st.cpu.throttled_time, 5000);
	cr_expect_eq(st.cpu.bursts, 1);
	cr_expect(st.cpu.psi.is_set && !st.memory.psi.is_set);
	cr_expect_eq(st.memory.cache, 200);
	cr_expect_eq(st.memory.usage.limit, 4096);
	cr_expect_eq(st.memory.usage.max, 350);
	cr_expect_eq(st.memory.usage.failcnt, 6);
	cr_expect_eq(st.memory.swap.usage, 350);
	cr_expect_eq(st.memory.swap.limit, 5096);
	cr_expect_eq(st.memory.n_raw, 2);
	cr_expect_eq(st.pids.current, 3);
	cr_expect_eq(st.pids.limit, 0);
	cr_expect_eq(st.blkio.lists[HOST_CGROUP_IO_SERVICED].n_items, 2);
}

Test(stats, whole_v1)
{
	static const char *const cpu[][2] = {
		{ "cpu.stat", "nr_periods 1\nnr_throttled 2\nthrottled_time 3\n" },
		{ "cpuacct.stat", "user 7\nsystem 5\n" },
		{ "cpuacct.usage", "123456\n" },
		{ "cpuacct.usage_percpu", "100 200 \n" },
		{ "cpuacct.usage_all", "cpu user system\n0 1 2\n1 3 4\n" },
		{ NULL, NULL },
	};
	static const char *const memory[][2] = {
		{ "memory.stat", "cache 4096\nrss 1\n" },
		{ "memory.usage_in_bytes", "10\n" },
		{ "memory.limit_in_bytes", "9223372036854771712\n" },
		{ "memory.max_usage_in_bytes", "20\n" },
		{ "memory.failcnt", "1\n" },
		{ "memory.memsw.usage_in_bytes", "11\n" },
		{ "memory.kmem.tcp.limit_in_bytes", "99\n" },
		{ NULL, NULL },
	};
	static const char *const cpuset[][2] = {
		{ "cpuset.cpus", "0-1\n" },
		{ "cpuset.mems", "0\n" },
		{ "cpuset.sched_load_balance", "1\n" },
		{ "cpuset.sched_relax_domain_level", "-1\n" },
		{ NULL, NULL },
	};
	static const char *const blkio[][2] = {
		{ "blkio.bfq.io_serviced_recursive", "Total 0\n" },
		{ "blkio.throttle.io_serviced_recursive", "8:0 Read 1\nTotal 1\n" },
		{ "blkio.throttle.io_service_bytes_recursive", "8:0 Read 4096\nTotal 4096\n" },
		{ NULL, NULL },
	};
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	struct host_cgroup_stats st;

	fake_files("cpu,cpuacct/a", cpu);
	fake_files("memory/a", memory);
	fake_files("cpuset/a", cpuset);
	fake_files("blkio/a", blkio);
	fake_file("pids/a/pids.current", "3\n");
	fake_file("pids/a/pids.max", "10\n");
	fake_dir("devices/a");
	OK(fake_new("5:cpu,cpuacct:/\n4:memory:/\n3:cpuset:/\n2:blkio:/\n1:pids:/\n6:devices:/\n",
		    "/a", false, &cg));
	OK(host_cgroup_stats_read(cg, &arena, &st));
	cr_expect_eq(st.cpu.throttled_time, 3);
	cr_expect_eq(st.cpu.user, 70000000);
	cr_expect_eq(st.cpu.total, 123456);
	cr_expect_eq(st.cpu.percpu.n_items, 2);
	cr_expect_eq(st.cpu.percpu_kernel.items[1], 4);
	cr_expect_eq(st.cpu.percpu_user.items[1], 3);
	cr_expect_eq(st.memory.cache, 4096);
	cr_expect_eq(st.memory.usage.max, 20);
	cr_expect_eq(st.memory.swap.usage, 11);
	cr_expect_eq(st.memory.kernel_tcp.limit, 99);
	cr_expect_eq(st.cpuset.cpus.n_items, 2);
	cr_expect_eq(st.cpuset.sched_relax_domain_level, -1);
	cr_expect_eq(st.pids.limit, 10);
	cr_assert_eq(st.blkio.lists[HOST_CGROUP_IO_SERVICE_BYTES].n_items, 1);
	cr_expect_eq(st.blkio.lists[HOST_CGROUP_IO_SERVICE_BYTES].items[0].value, 4096);
}
