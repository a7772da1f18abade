/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making cgroups, limits and joining, on directories of an ordinary file system: what is
 * written where. Whether the kernel likes it is test-cgroup-real.c's subject.
 */

#include "test-cgroup.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cgroup-private.h"
#include "host/cgroup-stats.h"
#include "sys/process.h"

static const char v1_proc[] = "7:cpu,cpuacct:/\n6:memory:/\n5:devices:/\n4:cpuset:/\n3:pids:/\n"
			      "2:freezer:/\n1:name=systemd:/\n0::/\n";

static void setup_v1(void)
{
	static const char *const dirs[] = { "cpu,cpuacct", "memory",  "devices", "cpuset",
					    "pids",	   "freezer", "systemd" };

	fake_open();
	for (size_t i = 0; i < DV_ARRAY_SIZE(dirs); i++)
		fake_dir(dirs[i]);
	fake_file("cpuset/cpuset.cpus", "0-3\n");
	fake_file("cpuset/cpuset.mems", "0\n");
}

static void setup_hybrid(void)
{
	setup_v1();
	fake_dir("unified");
}

static void setup_v2(void)
{
	fake_open();
	fake_file("cgroup.controllers", "cpuset cpu io memory pids\n");
	fake_file("cgroup.subtree_control", "cpu memory\n");
}

static const struct spec_resources nothing;

static struct host_cgroup *new_at(const char *path)
{
	struct host_cgroup *cg = NULL;

	OK(fake_new(fake_has("cgroup.controllers") ? "0::/\n" : v1_proc, path, false, &cg));
	return cg;
}

TestSuite(v1, .init = setup_v1, .fini = fake_close);
TestSuite(hybrid, .init = setup_hybrid, .fini = fake_close);
TestSuite(v2, .init = setup_v2, .fini = fake_close);

/* ---- create and rollback -------------------------------------------------------------- */

Test(v1, create_makes_all)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b/c");

	cr_expect(!host_cgroup_exists(cg));
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	cr_expect(host_cgroup_exists(cg));
	cr_expect(!host_cgroup_is_partial(cg));
	cr_expect(fake_has("memory/a/b/c"));
	cr_expect(fake_has("systemd/a/b/c"));
	cr_expect(fake_has("cpu,cpuacct/a/b/c"));
}

Test(v1, rollback_removes_what_was_made)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b/c");

	fake_dir("memory/a");
	fake_dir("pids/a/b/c");
	fake_dir("freezer/a/b");
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	fake_dir("devices/a/other"); /* somebody else */
	host_cgroup_rollback(cg);
	cr_expect(fake_has("memory/a") && !fake_has("memory/a/b"));
	cr_expect(fake_has("pids/a/b/c"));
	cr_expect(fake_has("freezer/a/b") && !fake_has("freezer/a/b/c"));
	cr_expect(!fake_has("devices/a/b"));
	cr_expect(!fake_has("systemd/a"));
}

Test(v1, failed_create_leaves_nothing)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b");

	fake_file("pids/a", "not a directory");
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing), DV_INVALID,
	      "unable to apply cgroup configuration");
	cr_expect(!fake_has("memory/a"));
	cr_expect(!fake_has("cpuset/a"));
}

Test(v1, refuses_processes)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	fake_file("devices/a/sub/cgroup.procs", "12\n0\n13\n");
	fake_file("devices/a/cgroup.procs", "");
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing), DV_PRECONDITION,
	      "container's cgroup is not empty: 2 process(es) found");
	cr_expect(fake_has("devices/a"));
	cr_expect(!fake_has("memory/a"));
}

Test(v1, refuses_frozen)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	fake_file("freezer/a/freezer.self_freezing", "1\n");
	fake_file("freezer/a/cgroup.procs", "");
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing), DV_PRECONDITION,
	      "container's cgroup unexpectedly frozen");
}

Test(v1, cpuset_is_inherited)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b/c");

	fake_file("cpuset/a/cpuset.cpus", "2\n");
	fake_file("cpuset/a/cpuset.mems", "\n");
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	cr_expect_str_eq(fake_text("cpuset/a/b/c/cpuset.cpus"), "2\n");
	cr_expect_str_eq(fake_text("cpuset/a/b/cpuset.cpus"), "2\n");
	cr_expect_str_eq(fake_text("cpuset/a/b/c/cpuset.mems"), "0\n");
	cr_expect_str_eq(fake_text("cpuset/a/cpuset.mems"), "0\n");
}

Test(v1, cpuset_of_the_container)
{
	const struct spec_resources res = { .cpu = { .cpus = "1-2" } };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set(cg, &res, HOST_CGROUP_CREATE));
	cr_expect_str_eq(fake_text("cpuset/a/cpuset.cpus"), "1-2");
	cr_expect_str_eq(fake_text("cpuset/a/cpuset.mems"), "0\n");
}

Test(v1, existing_cpuset_is_kept)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	fake_file("cpuset/a/cpuset.cpus", "1\n");
	fake_file("cpuset/a/cpuset.mems", "");
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	cr_expect_str_eq(fake_text("cpuset/a/cpuset.cpus"), "1\n");
	cr_expect_str_eq(fake_text("cpuset/a/cpuset.mems"), "0\n");
}

Test(v2, controllers_are_handed_on)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	/* "cpu memory" was there already; the file plays no kernel and keeps what was written */
	cr_expect_str_eq(fake_text("cgroup.subtree_control"), "+cpuset +io +pids");
	cr_expect_str_eq(fake_text("a/cgroup.subtree_control"), "+cpuset +cpu +io +memory +pids");
	cr_expect_str_eq(fake_text("a/b/cgroup.subtree_control"), "(none)");
}

Test(v2, nothing_is_written_when_all_is_there)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b");

	fake_file("a/b/cgroup.controllers", "pids memory io cpu cpuset misc\n");
	fake_file("a/b/cgroup.procs", "");
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	cr_expect_str_eq(fake_text("cgroup.subtree_control"), "cpu memory\n");
	cr_expect_str_eq(fake_text("a/cgroup.subtree_control"), "(none)");
}

Test(v2, types)
{
	const struct spec_resources memory = { .memory.limit = I64(1 << 20) };
	const struct spec_resources cpu = { .cpu.shares = U64(2) };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b"), *two = NULL;

	fake_file("a/cgroup.type", "threaded\n");
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &memory), DV_PRECONDITION,
	      "it is in threaded mode");
	cr_expect(!fake_has("a/b"));
	fake_file("a/cgroup.type", "domain invalid\n");
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &memory), DV_PRECONDITION,
	      "in an invalid state");
	two = new_at("/a/b");
	OK(host_cgroup_create(two, HOST_CGROUP_ALL, &cpu));
	cr_expect_str_eq(fake_text("a/cgroup.type"), "threaded");
}

Test(v2, refuses_frozen)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	fake_file("a/cgroup.freeze", "1\n");
	fake_file("a/cgroup.procs", "");
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing), DV_PRECONDITION,
	      "unexpectedly frozen");
}

/* Only what v1 has no hierarchy for is enabled in the v2 tree. */
Test(hybrid, v2_controllers_on_demand)
{
	struct spec_hugepage_limit limit = { "2MB", 0 };
	const struct spec_resources res = { .hugepage_limits = &limit,
					    .n_hugepage_limits = 1,
					    .pids_limit = I64(3) };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b"), *two = NULL;

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	cr_expect(fake_has("unified/a/b"));
	cr_expect(!fake_has("unified/cgroup.subtree_control"));
	two = new_at("/a/c");
	OK(host_cgroup_create(two, HOST_CGROUP_ALL, &res));
	cr_expect_str_eq(fake_text("unified/cgroup.subtree_control"), "+hugetlb");
	cr_expect_str_eq(fake_text("unified/a/cgroup.subtree_control"), "+hugetlb");
	OK(host_cgroup_set(two, &res, HOST_CGROUP_CREATE));
	cr_expect_str_eq(fake_text("unified/a/c/hugetlb.2MB.max"), "0");
	cr_expect_str_eq(fake_text("unified/a/c/hugetlb.2MB.rsvd.max"), "0");
	cr_expect_str_eq(fake_text("pids/a/c/pids.max"), "3");
}

/* ---- limits --------------------------------------------------------------------------- */

Test(v1, set)
{
	const struct spec_resources res = { .memory = { .limit = I64(4096), .swap = I64(8192) },
					    .cpu = { .shares = U64(512), .quota = I64(-1) },
					    .pids_limit = I64(0) };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set(cg, &res, HOST_CGROUP_CREATE));
	cr_expect_str_eq(fake_text("memory/a/memory.limit_in_bytes"), "4096");
	cr_expect_str_eq(fake_text("memory/a/memory.memsw.limit_in_bytes"), "8192");
	cr_expect_str_eq(fake_text("cpu,cpuacct/a/cpu.shares"), "512");
	cr_expect_str_eq(fake_text("cpu,cpuacct/a/cpu.cfs_quota_us"), "-1");
	cr_expect_str_eq(fake_text("pids/a/pids.max"), "1");
	cr_expect(!fake_has("memory/a/memory.swappiness"));
}

Test(v1, limit_without_hierarchy)
{
	struct spec_hugepage_limit limit = { "2MB", 0 };
	const struct spec_resources res = { .hugepage_limits = &limit, .n_hugepage_limits = 1 };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	FAILS(host_cgroup_set(cg, &res, HOST_CGROUP_CREATE), DV_PRECONDITION,
	      "cannot set hugetlb limit: container could not join or create cgroup");
}

Test(v1, unified_is_refused)
{
	struct spec_string_pair pair = { "memory.min", "1" };
	const struct spec_resources res = { .unified = &pair, .n_unified = 1 };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	FAILS(host_cgroup_set(cg, &res, HOST_CGROUP_CREATE), DV_INVALID, "invalid configuration");
}

Test(v1, check_before_update)
{
	struct spec_resources res = { .memory = { .limit = I64(1024),
						  .check_before_update = { true, true } } };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	fake_file("memory/a/memory.usage_in_bytes", "1024\n");
	FAILS(host_cgroup_set(cg, &res, HOST_CGROUP_UPDATE), DV_PRECONDITION,
	      "rejecting memory limit 1024 <= usage 1024");
	cr_expect(!fake_has("memory/a/memory.limit_in_bytes"));
	res.memory.limit.value = 1025;
	OK(host_cgroup_set(cg, &res, HOST_CGROUP_UPDATE));
}

Test(v2, set)
{
	struct spec_string_pair pairs[] = { { "memory.high", "77" }, { "io.max", "8:0 a\n8:1 b" } };
	const struct spec_resources res = { .memory = { .limit = I64(4096), .swap = I64(4096) },
					    .cpu = { .shares = U64(1024), .period = U64(7000) },
					    .unified = pairs,
					    .n_unified = 2 };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set(cg, &res, HOST_CGROUP_CREATE));
	cr_expect_str_eq(fake_text("a/memory.max"), "4096");
	cr_expect_str_eq(fake_text("a/memory.swap.max"), "0");
	cr_expect_str_eq(fake_text("a/cpu.weight"), "100");
	cr_expect_str_eq(fake_text("a/cpu.max"), "max 7000");
	cr_expect_str_eq(fake_text("a/memory.high"), "77");
	cr_expect_str_eq(fake_text("a/io.max"), "8:0 a\n8:1 b");
}

Test(v2, update_keeps_the_other_half)
{
	const struct spec_resources quota = { .cpu.quota = I64(9000) };
	const struct spec_resources swap = { .memory.swap = I64(9000) };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	fake_file("a/cpu.max", "max 50000\n");
	fake_file("a/memory.max", "5000\n");
	OK(host_cgroup_set(cg, &quota, HOST_CGROUP_UPDATE));
	cr_expect_str_eq(fake_text("a/cpu.max"), "9000 50000");
	OK(host_cgroup_set(cg, &swap, HOST_CGROUP_UPDATE));
	cr_expect_str_eq(fake_text("a/memory.swap.max"), "4000");
	cr_expect_str_eq(fake_text("a/memory.max"), "5000\n");
	fake_file("a/memory.max", "max\n");
	FAILS(host_cgroup_set(cg, &swap, HOST_CGROUP_UPDATE), DV_INVALID,
	      "unable to set swap limit without memory limit");
}

Test(v2, check_before_update)
{
	const struct spec_resources res = { .memory = { .limit = I64(1024),
							.swap = I64(2048),
							.check_before_update = { true, true } } };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	fake_file("a/memory.current", "5000\n");
	FAILS(host_cgroup_set(cg, &res, HOST_CGROUP_UPDATE), DV_PRECONDITION,
	      "rejecting memory+swap limit 2048 <= usage 5000");
}

Test(v2, links_are_not_followed)
{
	const struct spec_resources res = { .pids_limit = I64(5) };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	fake_file("victim", "old");
	cr_assert_eq(symlinkat("../victim", fakefd, "a/pids.max"), 0);
	FAILS(host_cgroup_set(cg, &res, HOST_CGROUP_CREATE), DV_INVALID, "pids.max");
	cr_expect_str_eq(fake_text("victim"), "old");
}

Test(v2, directories_are_not_links)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b");

	fake_dir("elsewhere");
	cr_assert_eq(symlinkat("elsewhere", fakefd, "a"), 0);
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing), DV_INVALID, "mkdir");
}

/* ---- device rules --------------------------------------------------------------------- */

Test(v1, devices)
{
	struct spec_device_rule rules[] = {
		{ .type = 'a', .major = -1, .minor = -1 },
		{ .is_allowed = true, .type = 'b', .major = 8, .minor = -1, .reads = true },
	};
	const struct spec_resources res = { .devices = rules, .n_devices = 2 };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set_devices(cg, &res, NULL, 0));
	cr_expect_str_eq(fake_text("devices/a/devices.deny"), "a *:* rwm\n");
	cr_expect_str_eq(fake_text("devices/a/devices.allow"),
			 "b *:* m\nc *:* m\nc 1:3 rwm\nc 1:5 rwm\nc 1:7 rwm\nc 1:8 rwm\nc 1:9 rwm\n"
			 "c 5:0 rwm\nc 5:2 rwm\nb 8:* r\nc 10:200 rwm\nc 136:* rwm\n");
}

Test(v1, devices_all)
{
	struct spec_device_rule rule = {
		.is_allowed = true, .type = 'a', .major = -1, .minor = -1
	};
	const struct spec_resources res = { .devices = &rule, .n_devices = 1 };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set_devices(cg, &res, NULL, 0));
	cr_expect_str_eq(fake_text("devices/a/devices.allow"), "a *:* rwm\n");
	cr_expect_str_eq(fake_text("devices/a/devices.deny"), "(none)");
}

/* ---- rootless ------------------------------------------------------------------------- */

static void become_nobody(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root to become somebody else");
	cr_assert_eq(setgroups(0, NULL), 0);
	cr_assert_eq(setegid(65534), 0);
	cr_assert_eq(seteuid(65534), 0); /* fake_close() goes back */
}

Test(v1, rootless)
{
	const struct spec_resources limit = { .pids_limit = I64(10) };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL, *deep = NULL, *fixed = NULL;
	struct dv_arena arena = { 0 }; /* nothing is found to be put there */
	int fds[HOST_CGROUP_MAX];
	struct host_cgroup_stats st;
	size_t n = 99;

	OK(fake_new(v1_proc, NULL, true, &cg));
	OK(fake_new("3:pids:/own/place\n", NULL, true, &deep));
	OK(fake_new(v1_proc, "/a", true, &fixed));
	become_nobody();
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	cr_expect(host_cgroup_is_partial(cg));
	OK(host_cgroup_create(deep, HOST_CGROUP_ALL, &nothing));
	cr_expect_str_eq(cg->pub[0].path, "/");
	cr_expect_str_eq(deep->pub[0].path, "/own/place");
	OK(host_cgroup_stats_read(cg, &arena, &st));
	cr_expect_eq(st.pids.current, 0);
	OK(host_cgroup_open_tasks(cg, fds, &n));
	cr_expect_eq(n, 0);
	OK(host_cgroup_set(cg, &nothing, HOST_CGROUP_CREATE));
	OK(host_cgroup_set_devices(cg, &nothing, NULL, 0));
	OK(host_cgroup_destroy(cg));
	FAILS(host_cgroup_set(cg, &limit, HOST_CGROUP_CREATE), DV_PRECONDITION,
	      "cannot set pids limit: container could not join or create cgroup");
	FAILS(host_cgroup_create(fixed, HOST_CGROUP_ALL, &nothing), DV_PERMISSION,
	      "unable to apply cgroup configuration: mkdir");
}

Test(v2, rootless)
{
	const struct spec_resources limit = { .pids_limit = I64(10) };
	const struct spec_resources unknown = { .network.class_id = U64(1) };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL, *two = NULL, *fixed = NULL;
	struct host_cgroup_join join;

	OK(fake_new("0::/a/b\n", NULL, true, &cg));
	OK(fake_new("0::/a/b\n", NULL, true, &two));
	OK(fake_new("0::/a/b\n", "/a", true, &fixed));
	become_nobody();
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &unknown));
	cr_expect(host_cgroup_is_partial(cg));
	cr_expect_eq(host_cgroup_v2_dirfd(cg), -1);
	OK(host_cgroup_join_open(cg, NULL, 0, &join));
	cr_expect_eq(join.v2_dirfd, -1);
	FAILS(host_cgroup_create(two, HOST_CGROUP_ALL, &limit), DV_PERMISSION,
	      "rootless needs no limits + no cgrouppath when no permission is granted for cgroups");
	FAILS(host_cgroup_create(fixed, HOST_CGROUP_ALL, &nothing), DV_PERMISSION,
	      "permission denied");
}

/* ---- joining -------------------------------------------------------------------------- */

static struct dv_err *join_with(struct host_cgroup *cg, const char *const *args, size_t n,
				struct host_cgroup_join *join)
{
	DV_CLEANUP(host_cgroup_subs_fini) struct host_cgroup_subs subs = { 0 };

	OK(host_cgroup_sub_parse(args, n, &subs));
	return host_cgroup_join_open(cg, &subs, 0, join);
}

#define JOIN(cg, join, ...) \
	join_with(cg, (const char *const[]){ __VA_ARGS__ }, \
		  sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), join)

Test(v1, join)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");
	struct host_cgroup_join join;

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_join_open(cg, NULL, 0, &join));
	cr_expect_eq(join.v2_dirfd, -1);
	cr_expect_eq(join.n_tasks, 7);
	cr_expect(fake_has("memory/a/tasks") && fake_has("systemd/a/tasks"));
	host_cgroup_join_close(&join);
	cr_expect_eq(join.n_tasks, 0);
}

Test(v1, join_sub_cgroups)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");
	struct host_cgroup_join join;

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	fake_dir("memory/a/sub");
	fake_dir("memory/ab");
	fake_dir("cpu,cpuacct/a/x/y");
	OK(JOIN(cg, &join, "memory:sub", "cpu,cpuacct:/x/../x/y"));
	host_cgroup_join_close(&join);
	cr_expect(fake_has("memory/a/sub/tasks") && !fake_has("memory/a/tasks"));
	cr_expect(fake_has("cpu,cpuacct/a/x/y/tasks"));
	cr_expect(fake_has("pids/a/tasks"));
	OK(JOIN(cg, &join, "/"));
	host_cgroup_join_close(&join);

	FAILS(JOIN(cg, &join, ".."), DV_INVALID, "bad sub cgroup path: ..");
	FAILS(JOIN(cg, &join, "memory:../ab"), DV_INVALID, "bad sub cgroup path: ../ab");
	FAILS(JOIN(cg, &join, "sub/../../ab"), DV_INVALID, "bad sub cgroup path");
	FAILS(JOIN(cg, &join, "whaaat:/"), DV_INVALID, "unknown controller whaaat");
	FAILS(JOIN(cg, &join, "memory:nonexistent"), DV_NOT_FOUND, " adding pid ");
	FAILS(JOIN(cg, &join, "memory:nonexistent"), DV_NOT_FOUND, "no such file or directory");
	cr_assert_eq(symlinkat("../ab", fakefd, "memory/a/link"), 0);
	FAILS(JOIN(cg, &join, "memory:link"), DV_INVALID, "error adding pid to cgroups");
}

Test(v1, join_arguments)
{
	static const struct {
		const char *args[3];
		size_t n;
		const char *error;
	} bad[] = {
		{ { ":x" }, 1, "(empty <controller> prefix)" },
		{ { "cpu,:x" }, 1, "(empty <controller> prefix)" },
		{ { "cpu:x", "y" }, 2, "y (missing <controller>: prefix)" },
		{ { "cpu:x", "memory,cpu:y" }, 2, "controller cpu specified multiple times" },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		struct host_cgroup_subs subs;

		FAILS(host_cgroup_sub_parse(bad[i].args, bad[i].n, &subs), DV_INVALID,
		      bad[i].error);
	}
}

Test(v2, join)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");
	struct host_cgroup_join join;
	struct stat a, b;

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_join_open(cg, NULL, 0, &join));
	cr_expect_eq(join.n_tasks, 0);
	cr_assert_eq(fstat(join.v2_dirfd, &a), 0);
	cr_assert_eq(fstat(host_cgroup_v2_dirfd(cg), &b), 0);
	cr_expect_eq(a.st_ino, b.st_ino);
	host_cgroup_join_close(&join);
	fake_dir("a/sub");
	OK(JOIN(cg, &join, "sub"));
	cr_assert_eq(fstat(join.v2_dirfd, &a), 0);
	cr_expect_neq(a.st_ino, b.st_ino);
	host_cgroup_join_close(&join);
	FAILS(JOIN(cg, &join, "cpu:sub"), DV_INVALID, "unknown controller cpu");
	FAILS(JOIN(cg, &join, "nonexistent"), DV_NOT_FOUND, "cgroup");
	FAILS(JOIN(cg, &join, ".."), DV_INVALID, "bad sub cgroup path");
}

Test(hybrid, join)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");
	struct host_cgroup_join join;

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_join_open(cg, NULL, 0, &join));
	cr_expect(join.v2_dirfd >= 0);
	cr_expect_eq(join.n_tasks, 7);
	host_cgroup_join_close(&join);
}

Test(v2, add_pid)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_add_pid(cg, NULL, 123, 0));
	cr_expect_str_eq(fake_text("a/cgroup.procs"), "123");
}

/* ---- kernels without openat2 (5.5, or a seccomp profile that hides it) ------------------ */

static void hide_openat2(void)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	cr_assert_eq(sys_seccomp_load(code, DV_ARRAY_SIZE(code), 0), 0);
}

/* In a child, since tidying up needs openat2. The number of the step that failed. */
static int steps_without_openat2(struct host_cgroup *cg, struct host_cgroup *linked)
{
	const struct spec_resources res = { .pids_limit = I64(5) };
	struct host_cgroup *again = NULL;
	struct host_cgroup_join join;

	hide_openat2();
	if (host_cgroup_create(cg, HOST_CGROUP_ALL, &res) ||
	    host_cgroup_set(cg, &res, HOST_CGROUP_CREATE))
		return 1;
	if (host_cgroup_join_open(cg, NULL, 0, &join) || join.v2_dirfd < 0)
		return 2;
	if (fake_new("0::/\n", "/a", false, &again) || !host_cgroup_exists(again))
		return 3;
	if (!host_cgroup_create(linked, HOST_CGROUP_ALL, &res))
		return 4;
	return 0;
}

Test(v2, without_openat2)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b");
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *linked = new_at("/link/b");
	int status;
	pid_t pid;

	fake_dir("elsewhere");
	cr_assert_eq(symlinkat("elsewhere", fakefd, "link"), 0);
	pid = fork();
	if (pid == 0)
		_exit(steps_without_openat2(cg, linked));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "step %d", WEXITSTATUS(status));
	cr_expect_str_eq(fake_text("a/b/pids.max"), "5");
	cr_expect_str_eq(fake_text("elsewhere/b/pids.max"), "(none)");
}

/* ---- the end -------------------------------------------------------------------------- */

Test(hybrid, destroy)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a/b");
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *again = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing));
	fake_dir("memory/a/b/sub/sub");
	host_cgroup_format(cg, &text);
	OK(host_cgroup_parse(text.data, NULL, &again));
	OK(host_cgroup_destroy(again));
	cr_expect(!fake_has("memory/a/b") && fake_has("memory/a"));
	cr_expect(!fake_has("unified/a/b"));
	OK(host_cgroup_destroy(again)); /* nothing left: fine */
	cr_expect(!host_cgroup_exists(again));
}

Test(v1, root_is_never_touched)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/");

	OK(host_cgroup_destroy(cg));
	cr_expect(fake_has("memory"));
	FAILS(host_cgroup_kill(cg, 0), DV_PRECONDITION, "refusing");
}

Test(v2, pids)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	size_t n;

	FAILS(host_cgroup_pids(cg, &pids, &n), DV_NOT_FOUND, "does not exist");
	fake_file("a/cgroup.procs", "1\n22\n0\n333");
	fake_file("a/x/cgroup.procs", "4444\n");
	OK(host_cgroup_pids(cg, &pids, &n));
	cr_assert_eq(n, 4);
	cr_expect_eq(pids[0], 1);
	cr_expect_eq(pids[1], 22);
	cr_expect_eq(pids[2], 333);
	cr_expect_eq(pids[3], 4444);
}

Test(v2, oom_count)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_at("/a");
	uint64_t n = 9;

	OK(host_cgroup_oom_count(cg, &n));
	cr_expect_eq(n, 0);
	fake_file("a/memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
	OK(host_cgroup_oom_count(cg, &n));
	cr_expect_eq(n, 2);
}
