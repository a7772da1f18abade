/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The v2 code on a cgroup2 mount, as root. Hybrid hosts have one too, with few controllers or
 * none; which ones are on is not changed outside the test's own cgroup.
 */

#include "test-cgroup-children.h"

#include <linux/bpf.h>

static const char *v2_mount;

/* A v2 object whose hierarchy's "root" is the cgroup @root below the mount. */
static struct host_cgroup *new_v2(const char *root, const char *path)
{
	DV_CLEANUP(dv_freep)
	char *text =
		dv_printf("cgroup-mode\tv2\ncgroup-flags\t\ncgroup-hier\tv2\tyes\t\t\t%s%s\t%s\n",
			  v2_mount, root, path);
	struct host_cgroup *cg = NULL;

	OK(host_cgroup_parse(text, NULL, &cg));
	return cg;
}

static void v2_setup(void)
{
	char path[128];

	if (geteuid() != 0)
		cr_skip_test("needs root");
	v2_mount = is_type("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC) ? "/sys/fs/cgroup"
								  : "/sys/fs/cgroup/unified";
	if (!is_type(v2_mount, CGROUP2_SUPER_MAGIC) || access(v2_mount, W_OK) < 0)
		cr_skip_test("needs a writable cgroup2 mount");
	snprintf(base, sizeof(base), "/davit-test-%d", getpid());
	snprintf(path, sizeof(path), "%s%s", v2_mount, base);
	cr_assert_eq(mkdir(path, 0755), 0);
	fresh = new_v2(base, "/c");
}

static void v2_teardown(void)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *all = NULL;

	if (!fresh)
		return;
	fresh = host_cgroup_free(fresh);
	all = new_v2("", base);
	OK(host_cgroup_destroy(all));
}

TestSuite(v2_kernel, .init = v2_setup, .fini = v2_teardown, .timeout = 60);

Test(v2_kernel, life)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *sub = new_v2(base, "/c/sub");
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *beside = new_v2(base, "/c/beside");
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	bool is_frozen = false;
	pid_t one, two;
	size_t n;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_create(sub, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_create(beside, HOST_CGROUP_ALL, &nothing));
	one = spawn_in(beside, child_fork_much, NULL);
	two = spawn_in(sub, child_sleep, NULL);
	OK(host_cgroup_freeze(fresh, 5000));
	OK(host_cgroup_is_frozen(fresh, &is_frozen));
	cr_expect(is_frozen);
	OK(host_cgroup_is_frozen(sub, &is_frozen));
	cr_expect(!is_frozen);
	OK(host_cgroup_thaw(fresh));
	OK(host_cgroup_is_frozen(fresh, &is_frozen));
	cr_expect(!is_frozen);
	OK(host_cgroup_pids(fresh, &pids, &n));
	cr_expect_geq(n, 2);
	OK(host_cgroup_kill(fresh, SIGKILL));
	cr_expect_eq(WTERMSIG(wait_for(one)), SIGKILL);
	cr_expect_eq(WTERMSIG(wait_for(two)), SIGKILL);
	OK(host_cgroup_destroy(fresh));
	cr_expect(!host_cgroup_exists(fresh));
}

Test(v2_kernel, refuses)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *other = new_v2(base, "/c");
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(fresh, child_sleep, NULL);
	FAILS(host_cgroup_create(other, HOST_CGROUP_ALL, &nothing), DV_PRECONDITION,
	      "1 process(es) found");
	OK(host_cgroup_kill(fresh, SIGTERM));
	cr_expect_eq(WTERMSIG(wait_for(pid)), SIGTERM);
	OK(host_cgroup_freeze(fresh, 1000));
	FAILS(host_cgroup_create(other, HOST_CGROUP_ALL, &nothing), DV_PRECONDITION,
	      "unexpectedly frozen");
}

Test(v2_kernel, destroy_with_processes_below)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *sub = new_v2(base, "/c/a/b");
	pid_t pid;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_create(sub, HOST_CGROUP_ALL, &nothing));
	pid = spawn_in(sub, child_sleep, NULL);
	OK(host_cgroup_freeze(fresh, 1000));
	OK(host_cgroup_destroy(fresh));
	cr_expect_eq(WTERMSIG(wait_for(pid)), SIGKILL);
}

Test(v2_kernel, limits_without_controller)
{
	const struct spec_resources pids = { .pids_limit = I64(3) };
	struct spec_string_pair pair = { NULL, "1" };
	const struct spec_resources unified = { .unified = &pair, .n_unified = 1 };

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &pids));
	if (strstr(file_of(fresh, "", "cgroup.controllers"), "memory") ||
	    strstr(file_of(fresh, "", "cgroup.controllers"), "pids"))
		cr_skip_test("this host has v2 controllers");
	FAILS(host_cgroup_set(fresh, &pids, HOST_CGROUP_CREATE), DV_PRECONDITION,
	      "controller \"pids\" not available");
	pair.key = "memory.max";
	FAILS(host_cgroup_set(fresh, &unified, HOST_CGROUP_CREATE), DV_INVALID,
	      "unified resource \"memory.max\" can't be set: controller \"memory\" not available");
	pair.key = "nodots";
	FAILS(host_cgroup_set(fresh, &unified, HOST_CGROUP_CREATE), DV_INVALID,
	      "must be in the form CONTROLLER.PARAMETER");
	pair.key = "cgroup.nonsense";
	FAILS(host_cgroup_set(fresh, &unified, HOST_CGROUP_CREATE), DV_NOT_FOUND,
	      "unable to set unified resource \"cgroup.nonsense\"");
	pair.key = "cgroup.max.depth";
	OK(host_cgroup_set(fresh, &unified, HOST_CGROUP_CREATE));
	cr_expect_str_eq(file_of(fresh, "", "cgroup.max.depth"), "1");
}

static int n_programs(int dirfd)
{
	uint32_t ids[64];
	union bpf_attr attr = { 0 };

	attr.query.target_fd = (uint32_t)dirfd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = 64;
	return sys_bpf(BPF_PROG_QUERY, &attr, sizeof(attr)) < 0 ? -1 : (int)attr.query.prog_cnt;
}

Test(v2_kernel, devices)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *later = new_v2(base, "/c");

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	if (n_programs(host_cgroup_v2_dirfd(fresh)) < 0)
		cr_skip_test("no device programs in this kernel");
	OK(host_cgroup_destroy(fresh));
	check_devices(fresh);
	cr_expect_eq(n_programs(host_cgroup_v2_dirfd(fresh)), 1);
	/* Another process, as update of a later version might: replaces it. */
	OK(host_cgroup_set_devices(later, &denying, NULL, 0));
	cr_expect_eq(n_programs(host_cgroup_v2_dirfd(fresh)), 1);
}

Test(v2_kernel, join_follows_init)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL, *moved = NULL;
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/c", base), *to = dv_printf("%s/d", base);
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	struct host_cgroup_join join = HOST_CGROUP_JOIN_INIT;
	pid_t init, other;
	size_t n;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	cg = new_v2("", path);
	moved = new_v2("", to);
	init = spawn_in(fresh, child_sleep, NULL);
	{
		DV_CLEANUP(host_cgroup_freep) struct host_cgroup *d = new_v2(base, "/d");

		OK(host_cgroup_create(d, HOST_CGROUP_ALL, &nothing));
		OK(host_cgroup_add_pid(d, NULL, init, 0));
	}
	/* The cgroup is still there: joined. */
	OK(host_cgroup_join_open(cg, NULL, init, &join));
	OK(host_cgroup_join_use_init(cg, init, &join));
	other = spawn(&join, child_sleep, NULL);
	host_cgroup_join_close(&join);
	OK(host_cgroup_pids(moved, &pids, &n));
	cr_expect_eq(n, 2);
	kill(other, SIGKILL);
	wait_for(other);
	/* Gone: followed. A sub-cgroup of it is not replaced. */
	cg = host_cgroup_free(cg);
	OK(host_cgroup_destroy(fresh));
	cg = new_v2("", path);
	OK(host_cgroup_join_open(cg, NULL, init, &join));
	host_cgroup_join_close(&join);
	FAILS(host_cgroup_join_open(cg, NULL, 0, &join), DV_NOT_FOUND, "no such file");
	kill(init, SIGKILL);
	wait_for(init);
}

/* A cgroup that hands on controllers takes no processes: init went below, exec goes after it. */
Test(v2_kernel, join_when_busy)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *below = new_v2(base, "/c/init");
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/c", base);
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = new_v2("", path);
	struct host_cgroup_join join = HOST_CGROUP_JOIN_INIT, none = HOST_CGROUP_JOIN_INIT;
	DV_CLEANUP(dv_freep) pid_t *pids = NULL;
	DV_CLEANUP(sys_closep) int pidfd = -1;
	pid_t init, other;
	size_t n;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_create(below, HOST_CGROUP_ALL, &nothing));
	if (!*file_of(below, "", "cgroup.controllers"))
		cr_skip_test("no controllers in this cgroup2 tree");
	init = spawn_in(below, child_sleep, NULL);
	OK(host_cgroup_join_open(cg, NULL, init, &join));
	cr_expect_eq(sys_clone3(&(struct sys_clone){ .cgroup_fd = join.v2_dirfd }, &pidfd), -EBUSY);
	OK(host_cgroup_join_use_init(cg, init, &join));
	other = spawn(&join, child_sleep, NULL);
	host_cgroup_join_close(&join);
	OK(host_cgroup_pids(below, &pids, &n));
	cr_expect_eq(n, 2);
	kill(other, SIGKILL);
	wait_for(other);
	/* The slow way does the same by itself, unless a place was asked for. */
	other = spawn(&none, child_sleep, NULL);
	FAILS(host_cgroup_add_pid(cg, NULL, other, 0), DV_PRECONDITION, "busy");
	OK(host_cgroup_add_pid(cg, NULL, other, init));
	kill(other, SIGKILL);
	wait_for(other);
	kill(init, SIGKILL);
	wait_for(init);
}

Test(v2_kernel, chown)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *later = new_v2(base, "/c");
	struct stat st;

	OK(host_cgroup_create(fresh, HOST_CGROUP_ALL, &nothing));
	OK(host_cgroup_chown(later, 12345));
	cr_assert_eq(sys_fstatat(host_cgroup_v2_dirfd(later), ".", &st, 0), 0);
	cr_expect_eq(st.st_uid, 12345);
	cr_expect_eq(st.st_gid, 0);
	cr_assert_eq(sys_fstatat(host_cgroup_v2_dirfd(later), "cgroup.procs", &st, 0), 0);
	cr_expect_eq(st.st_uid, 12345);
	cr_assert_eq(sys_fstatat(host_cgroup_v2_dirfd(later), "cgroup.freeze", &st, 0), 0);
	cr_expect_eq(st.st_uid, 0);
}

/* A wrong file system is noticed before anything is written to it. */
Test(v2_kernel, foreign_mount_point)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;

	OK(host_cgroup_parse("cgroup-mode\tv2\ncgroup-hier\tv2\tyes\t\t\t/tmp\t/davit\n", NULL,
			     &cg));
	FAILS(host_cgroup_create(cg, HOST_CGROUP_ALL, &nothing), DV_NOT_FOUND, "open /tmp");
	cr_expect(access("/tmp/davit", F_OK) < 0);
}
