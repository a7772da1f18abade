/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On this machine's v1 hierarchies, as root: that the kernel does what the plans mean. Works
 * below cgroups of its own name only. test-cgroup-real2.c does the same with v2.
 */

#include "test-cgroup-children.h"

#include <poll.h>
#include <sys/mman.h>

#include "host/cgroup-stats.h"

static struct host_cgroup *new_real(const char *name)
{
	struct host_cgroup *cg = NULL;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	OK(host_cgroup_new(&(struct host_cgroup_opts){ .id = "x", .cgroups_path = path }, &cg));
	return cg;
}

static void real_setup(void)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	if (!is_type("/sys/fs/cgroup", TMPFS_MAGIC))
		cr_skip_test("needs a host with cgroup v1 hierarchies");
	snprintf(base, sizeof(base), "/davit-test-%d", getpid());
	fresh = new_real("c");
	for (size_t i = 0; i < fresh->n; i++) {
		const struct host_cgroup_hier *h = &fresh->pub[i];

		if (access(h->mountpoint, W_OK) < 0)
			cr_skip_test("needs writable cgroup mounts");
	}
}

static void real_teardown(void)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *all = NULL;

	if (!fresh)
		return;
	OK(host_cgroup_destroy(fresh));
	fresh = host_cgroup_free(fresh);
	OK(host_cgroup_new(&(struct host_cgroup_opts){ .id = "x", .cgroups_path = base }, &all));
	OK(host_cgroup_destroy(all));
}

TestSuite(real, .init = real_setup, .fini = real_teardown, .timeout = 60);

Test(real, life)
{
	const struct spec_resources res = {
		.memory = { .limit = I64(64 << 20) },
		.cpu = { .shares = U64(512), .quota = I64(50000), .period = U64(200000) },
		.pids_limit = I64(20)
	};
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *later = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf state = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	size_t n;
	pid_t pid;

	cr_expect(!host_cgroup_exists(fresh));
	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set(fresh, &res, HOST_CGROUP_CREATE));
	cr_expect_str_eq(file_of(fresh, "memory", "memory.limit_in_bytes"), "67108864");
	cr_expect_str_eq(file_of(fresh, "cpu", "cpu.shares"), "512");
	cr_expect_str_eq(file_of(fresh, "cpu", "cpu.cfs_quota_us"), "50000");
	cr_expect_str_eq(file_of(fresh, "cpu", "cpu.cfs_period_us"), "200000");
	cr_expect_str_eq(file_of(fresh, "pids", "pids.max"), "20");

	pid = spawn_in(fresh, child_sleep, NULL);
	host_cgroup_format(fresh, &state);
	OK(host_cgroup_parse(state.data, NULL, &later));
	cr_expect(host_cgroup_exists(later));
	OK(host_cgroup_pids(later, &pids, &n));
	cr_assert_eq(n, 1);
	cr_expect_eq(pids[0], pid);
	OK(host_cgroup_kill(later, SIGKILL));
	cr_expect(WIFSIGNALED(wait_for(pid)));
	OK(host_cgroup_destroy(later));
	cr_expect(!host_cgroup_exists(later));
	FAILS(host_cgroup_kill(later, SIGTERM), DV_NOT_FOUND, "does not exist");
}

Test(real, child_is_in_every_hierarchy)
{
	char path[64], want[128], text[8192];
	size_t joined = 0;
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_sleep, NULL);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	snprintf(want, sizeof(want), ":%s/c\n", base);
	cr_assert(sys_read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0);
	for (const char *s = text; (s = strstr(s, want)) != NULL; s++)
		joined++;
	cr_expect_eq(joined, fresh->n, "%s", text);
	kill(pid, SIGKILL);
	wait_for(pid);
}

/* A later command knows the cgroup from the state file only. */
Test(real, exec_joins)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *later = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf state = DV_STRBUF_INIT;
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	struct host_cgroup_join join;
	size_t n;
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	host_cgroup_format(fresh, &state);
	OK(host_cgroup_parse(state.data, NULL, &later));
	pid = spawn_in(later, child_sleep, NULL);
	OK(host_cgroup_pids(fresh, &pids, &n));
	cr_expect_eq(n, 1);
	kill(pid, SIGKILL);
	wait_for(pid);
	OK(host_cgroup_destroy(fresh));
	later = host_cgroup_free(later);
	OK(host_cgroup_parse(state.data, NULL, &later));
	FAILS(host_cgroup_join_open(later, NULL, 0, &join), DV_NOT_FOUND, " adding pid ");
}

Test(real, add_pid)
{
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	struct host_cgroup_join none = HOST_CGROUP_JOIN_INIT;
	size_t n;
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn(&none, child_sleep, NULL);
	OK(host_cgroup_add_pid(fresh, NULL, pid, 0));
	OK(host_cgroup_pids(fresh, &pids, &n));
	cr_assert_eq(n, 1);
	kill(pid, SIGKILL);
	wait_for(pid);
	FAILS(host_cgroup_add_pid(fresh, NULL, pid, 0), DV_NOT_FOUND, "error adding pid");
}

Test(real, refuses_a_used_cgroup)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *other = new_real("c");
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_sleep, NULL);
	FAILS(host_cgroup_create(other, HOST_CGROUP_ALL, &nothing), DV_PRECONDITION,
	      "container's cgroup is not empty: 1 process(es) found");
	cr_expect(host_cgroup_exists(fresh));
	kill(pid, SIGKILL);
	wait_for(pid);
	OK(host_cgroup_create(other, HOST_CGROUP_ALL, &nothing)); /* existing and empty: fine */
}

Test(real, refuses_a_frozen_cgroup)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *other = new_real("c");
	bool is_frozen = true;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_is_frozen(fresh, &is_frozen));
	cr_expect(!is_frozen);
	OK(host_cgroup_freeze(fresh, 1000));
	FAILS(host_cgroup_create(other, HOST_CGROUP_ALL, &nothing), DV_PRECONDITION,
	      "unexpectedly frozen");
	OK(host_cgroup_thaw(fresh));
}

Test(real, parents_frozen_state_is_not_ours)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *sub = new_real("c/sub");
	bool is_frozen = true;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_create(sub, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_freeze(fresh, 1000));
	OK(host_cgroup_is_frozen(sub, &is_frozen));
	cr_expect(!is_frozen);
	OK(host_cgroup_thaw(fresh));
}

Test(real, freeze_stops_a_forking_process)
{
	DV_CLEANUP(dv_freep) pid_t *one = NULL, *two = NULL;
	bool is_frozen = false;
	size_t n, m;
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_fork_much, NULL);
	usleep(5000);
	for (int i = 0; i < 20; i++) {
		OK(host_cgroup_freeze(fresh, 5000));
		OK(host_cgroup_thaw(fresh));
	}
	OK(host_cgroup_freeze(fresh, 5000));
	OK(host_cgroup_is_frozen(fresh, &is_frozen));
	cr_expect(is_frozen);
	OK(host_cgroup_pids(fresh, &one, &n));
	usleep(20000);
	OK(host_cgroup_pids(fresh, &two, &m));
	cr_expect_eq(n, m);
	/* SIGKILL gets through nevertheless. */
	OK(host_cgroup_kill(fresh, SIGKILL));
	cr_expect(WIFSIGNALED(wait_for(pid)));
}

Test(real, other_signals_wait_for_the_thaw)
{
	bool is_frozen = false;
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_sleep, NULL);
	OK(host_cgroup_freeze(fresh, 5000));
	OK(host_cgroup_kill(fresh, SIGTERM));
	OK(host_cgroup_is_frozen(fresh, &is_frozen));
	cr_expect(is_frozen);
	OK(host_cgroup_thaw(fresh));
	cr_expect_eq(WTERMSIG(wait_for(pid)), SIGTERM);
}

/* Without the v2 tree there is no cgroup.kill: the way of old kernels and pure v1. */
Test(real, kill_by_hand)
{
	int v2 = cgroup_find_v2(fresh);
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_fork_much, NULL);
	usleep(5000);
	if (v2 >= 0)
		fresh->pub[v2].is_usable = false;
	OK(host_cgroup_kill(fresh, SIGKILL));
	if (v2 >= 0)
		fresh->pub[v2].is_usable = true;
	cr_expect(WIFSIGNALED(wait_for(pid)));
}

static void expect_destroyed(bool with_v2)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *sub = new_real("c/sub/sub");
	int v2 = cgroup_find_v2(fresh);
	pid_t pid, other;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_create(sub, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(sub, child_sleep, NULL);
	other = spawn_in(fresh, child_fork_much, NULL);
	OK(host_cgroup_freeze(fresh, 5000));
	if (!with_v2 && v2 >= 0)
		fresh->pub[v2].is_usable = false;
	OK(host_cgroup_destroy(fresh));
	cr_expect(!host_cgroup_exists(fresh));
	cr_expect_eq(WTERMSIG(wait_for(pid)), SIGKILL);
	cr_expect_eq(WTERMSIG(wait_for(other)), SIGKILL);
	if (v2 >= 0)
		fresh->pub[v2].is_usable = true;
}

Test(real, destroy_with_processes_below)
{
	expect_destroyed(true);
}

Test(real, destroy_with_processes_below_on_v1_alone)
{
	expect_destroyed(false);
}

Test(real, rollback)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *sub = new_real("c/x/y");
	size_t n;
	const struct host_cgroup_hier *h = host_cgroup_hiers(fresh, &n);

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_create(sub, HOST_CGROUP_ALL, &nothing));
	host_cgroup_rollback(sub);
	cr_expect(!host_cgroup_exists(sub));
	for (size_t i = 0; i < n; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s%s/x", h[i].mountpoint, h[i].path);
		cr_expect(access(path, F_OK) < 0, "%s", path);
	}
	cr_expect(host_cgroup_exists(fresh));
}

/* ---- limits ---- */

Test(real, memory_update_in_both_directions)
{
	struct spec_resources res = { .memory = { .limit = I64(32 << 20), .swap = I64(64 << 20) } };

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &res));
	if (dv_streq(file_of(fresh, "memory", "memory.memsw.limit_in_bytes"), "(none)"))
		cr_skip_test("no swap accounting");
	OK(host_cgroup_set(fresh, &res, HOST_CGROUP_CREATE));
	res.memory.limit.value = 128 << 20;
	res.memory.swap.value = 256 << 20;
	OK(host_cgroup_set(fresh, &res, HOST_CGROUP_UPDATE));
	cr_expect_str_eq(file_of(fresh, "memory", "memory.memsw.limit_in_bytes"), "268435456");
	res.memory.limit.value = 16 << 20;
	res.memory.swap.value = 16 << 20;
	OK(host_cgroup_set(fresh, &res, HOST_CGROUP_UPDATE));
	cr_expect_str_eq(file_of(fresh, "memory", "memory.limit_in_bytes"), "16777216");
	res = (struct spec_resources){ .memory.limit = I64(-1) };
	OK(host_cgroup_set(fresh, &res, HOST_CGROUP_UPDATE));
	cr_expect(strlen(file_of(fresh, "memory", "memory.limit_in_bytes")) > 15);
}

static void child_use_memory(void *arg)
{
	size_t size = *(size_t *)arg;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(101);
	memset(p, 1, size);
	kill(getpid(), SIGSTOP);
}

Test(real, memory_limit_below_use)
{
	struct spec_resources res = { .memory.limit = I64(1 << 20) };
	size_t size = 32 << 20;
	int status;
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_use_memory, &size);
	cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
	res.memory.check_before_update = (struct spec_bool){ true, true };
	FAILS(host_cgroup_set(fresh, &res, HOST_CGROUP_UPDATE), DV_PRECONDITION,
	      "rejecting memory limit 1048576 <= usage ");
	res.memory.check_before_update.value = false;
	if (dv_streq(file_of(fresh, "memory", "memory.swappiness"), "(none)") ||
	    access("/proc/swaps", R_OK) < 0)
		cr_skip_test("cannot tell whether there is swap");
	FAILS(host_cgroup_set(fresh, &res, HOST_CGROUP_UPDATE), DV_PRECONDITION,
	      "unable to set memory limit to 1048576 (current usage: ");
	kill(pid, SIGKILL);
	wait_for(pid);
}

Test(real, cpu_period_larger_than_the_old_quota_allows)
{
	const struct spec_resources parent = { .cpu = { .quota = I64(50000),
							.period = U64(100000) } };
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *sub = new_real("c/sub");
	struct spec_resources res = { .cpu = { .quota = I64(40000), .period = U64(100000) } };

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &parent));
	OK(host_cgroup_set(fresh, &parent, HOST_CGROUP_CREATE));
	OK(host_cgroup_create(sub, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set(sub, &res, HOST_CGROUP_CREATE));
	/* 40000 in 50000 is more than the parent has, 20000 is not: EINVAL, then again. */
	res.cpu.quota.value = 20000;
	res.cpu.period.value = 50000;
	OK(host_cgroup_set(sub, &res, HOST_CGROUP_UPDATE));
	cr_expect_str_eq(file_of(sub, "cpu", "cpu.cfs_period_us"), "50000");
	cr_expect_str_eq(file_of(sub, "cpu", "cpu.cfs_quota_us"), "20000");
	/* And an error remains one. */
	res.cpu.quota.value = 90000;
	FAILS(host_cgroup_set(sub, &res, HOST_CGROUP_UPDATE), DV_INVALID, "cpu.cfs_quota_us");
}

Test(real, cpuset_and_idle)
{
	const struct spec_resources res = { .cpu = { .cpus = "0", .mems = "0", .idle = I64(1) } };
	const struct spec_resources bad = { .cpu.cpus = "4000" };

	if (!find_hier(fresh, "cpuset"))
		cr_skip_test("no cpuset hierarchy");
	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &res));
	cr_expect_str_eq(file_of(fresh, "cpuset", "cpuset.cpus"), "0");
	if (!dv_streq(file_of(fresh, "cpu", "cpu.idle"), "(none)")) {
		OK(host_cgroup_set(fresh, &res, HOST_CGROUP_CREATE));
		cr_expect_str_eq(file_of(fresh, "cpu", "cpu.idle"), "1");
	}
	FAILS(host_cgroup_set(fresh, &bad, HOST_CGROUP_UPDATE), DV_OUT_OF_RANGE, "cpuset.cpus");
}

Test(real, blkio_weight)
{
	const struct spec_resources res = { .block_io.weight = U64(500) };
	const char *got;

	if (!find_hier(fresh, "blkio"))
		cr_skip_test("no blkio hierarchy");
	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &res));
	if (dv_streq(file_of(fresh, "blkio", "blkio.bfq.weight"), "(none)") &&
	    dv_streq(file_of(fresh, "blkio", "blkio.weight"), "(none)"))
		cr_skip_test("no scheduler with weights");
	OK(host_cgroup_set(fresh, &res, HOST_CGROUP_CREATE));
	got = file_of(fresh, "blkio", "blkio.bfq.weight");
	if (dv_streq(got, "(none)"))
		got = file_of(fresh, "blkio", "blkio.weight");
	cr_expect(strstr(got, "500"), "%s", got);
}

/* ---- devices ---- */

Test(real, devices)
{
	check_devices(fresh);
}

/* ---- out of memory ---- */

Test(real, oom)
{
	const struct spec_resources res = { .memory = { .limit = I64(8 << 20),
							.swap = I64(8 << 20) } };
	enum host_cgroup_oom_event event = HOST_CGROUP_OOM_NONE;
	struct host_cgroup_oom oom;
	struct pollfd p = { .events = POLLIN };
	size_t size = 64 << 20;
	uint64_t count = 99;
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &res));
	OK(host_cgroup_set(fresh, &res, HOST_CGROUP_CREATE));
	OK(host_cgroup_oom_open(fresh, &oom));
	OK(host_cgroup_oom_count(fresh, &count));
	cr_expect_eq(count, 0);
	OK(host_cgroup_oom_read(&oom, &event));
	cr_expect_eq(event, HOST_CGROUP_OOM_NONE);

	pid = spawn_in(fresh, child_use_memory, &size);
	cr_expect_eq(WTERMSIG(wait_for(pid)), SIGKILL);
	p.fd = oom.fd;
	cr_assert_eq(poll(&p, 1, 5000), 1);
	OK(host_cgroup_oom_read(&oom, &event));
	cr_expect_eq(event, HOST_CGROUP_OOM_KILLED);
	OK(host_cgroup_oom_count(fresh, &count));
	cr_expect_eq(count, 1);

	OK(host_cgroup_destroy(fresh));
	cr_assert_eq(poll(&p, 1, 5000), 1);
	OK(host_cgroup_oom_read(&oom, &event));
	cr_expect_eq(event, HOST_CGROUP_OOM_GONE);
	host_cgroup_oom_close(&oom);
}

Test(real, stats)
{
	struct host_cgroup_stats st;
	size_t size = 16 << 20;
	struct dv_arena arena;
	int status;
	pid_t pid;

	dv_arena_init(&arena);
	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_use_memory, &size);
	cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
	OK(host_cgroup_stats_read(fresh, &arena, &st));
	cr_expect_geq(st.memory.usage.usage, size);
	cr_expect_gt(st.memory.n_raw, 5);
	cr_expect_eq(st.pids.current, 1);
	cr_expect_gt(st.cpu.total, 0);
	cr_expect_gt(st.cpu.percpu.n_items, 0);
	cr_expect_gt(st.cpuset.cpus.n_items, 0);
	kill(pid, SIGKILL);
	wait_for(pid);
	dv_arena_fini(&arena);
}
