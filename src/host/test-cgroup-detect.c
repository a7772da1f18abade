/* SPDX-License-Identifier: Apache-2.0 */
/* Hierarchies, paths and the state file's lines, on directories of an ordinary file system. */

#include "test-cgroup.h"

#include "cgroup-private.h"

static const char v1_proc[] = "12:cpu,cpuacct:/user\n"
			      "11:memory:/user/mem\n"
			      "10:devices:/\n"
			      "9:net_cls,net_prio:/\n"
			      "8:debug:/ignored\n"
			      "7:cpuset:/\n"
			      "3:name=elogind:/ignored\n"
			      "2:freezer:/\n"
			      "1:name=systemd:/user.slice/x.scope\n"
			      "0::/user.slice/x.scope\n";

static void make_v1(void)
{
	static const char *const dirs[] = { "cpu,cpuacct", "memory",  "devices", "net_cls,net_prio",
					    "cpuset",	   "freezer", "systemd", "debug" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(dirs); i++)
		fake_dir(dirs[i]);
}

static void make_v2(void)
{
	fake_file("cgroup.controllers", "cpu memory pids\n");
}

static const char v2_proc[] = "0::/user.slice/session.scope\n";

TestSuite(detect, .init = fake_open, .fini = fake_close);

Test(detect, v2_paths)
{
	static const struct {
		const char *path, *want;
	} table[] = {
		{ NULL, "/user.slice/ctr1" }, { "", "/user.slice/ctr1" },
		{ "/a/b", "/a/b" },	      { "a/b", "/user.slice/a/b" },
		{ "/a/../b//./c/", "/b/c" },  { "a/../b", "/user.slice/b" },
		{ "/../../a", "/a" },	      { "/", "/" },
	};

	make_v2();
	for (size_t i = 0; i < DV_ARRAY_SIZE(table); i++) {
		DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
		const struct host_cgroup_hier *h;

		OK(fake_new(v2_proc, table[i].path, false, &cg));
		cr_assert_eq(host_cgroup_mode(cg), HOST_CGROUP_V2);
		h = find_hier(cg, "");
		cr_assert_not_null(h);
		cr_expect_str_eq(h->path, table[i].want, "row %zu: %s", i, h->path);
		cr_expect_str_eq(h->mountpoint, fake);
		cr_expect(h->is_v2 && h->is_usable);
	}
}

Test(detect, v2_own_cgroup_is_root)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;

	make_v2();
	OK(fake_new("0::/\n", NULL, false, &cg));
	cr_expect_str_eq(find_hier(cg, "")->path, "/ctr1");
}

Test(detect, v2_needs_own_line)
{
	struct host_cgroup *cg;

	make_v2();
	FAILS(fake_new("1:memory:/\n", NULL, false, &cg), DV_PRECONDITION, "cgroup path not found");
}

/* Where a process is, not where a container would be made: nothing is cut off or added. */
Test(detect, of_a_process)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *v2 = NULL, *v1 = NULL;
	struct host_cgroup_opts opts = { .of_pid = 1,
					 .test_root = fake,
					 .test_proc_cgroup = v1_proc };

	make_v1();
	OK(host_cgroup_new(&opts, &v1));
	cr_expect_str_eq(find_hier(v1, "memory")->path, "/user/mem");
	cr_expect_str_eq(find_hier(v1, "systemd")->path, "/user.slice/x.scope");
	cr_expect_str_eq(find_hier(v1, "devices")->path, "/");

	make_v2();
	opts.test_proc_cgroup = v2_proc;
	OK(host_cgroup_new(&opts, &v2));
	cr_expect_str_eq(find_hier(v2, "")->path, "/user.slice/session.scope");
}

Test(detect, of_a_process_that_is_gone)
{
	struct host_cgroup_opts opts = { .of_pid = 0x7ffffffe };
	struct host_cgroup *cg;

	FAILS(host_cgroup_new(&opts, &cg), DV_NOT_FOUND, "read /proc/2147483646/cgroup");
}

Test(detect, bad_paths)
{
	DV_CLEANUP(dv_freep) char *deep = dv_alloc(3000);
	struct host_cgroup *cg;

	make_v2();
	memset(deep, 'x', 2999);
	FAILS(fake_new(v2_proc, "../x", false, &cg), DV_INVALID, "leads out");
	FAILS(fake_new(v2_proc, "a/../../x", false, &cg), DV_INVALID, "leads out");
	FAILS(fake_new(v2_proc, "/a\nb", false, &cg), DV_INVALID, "newline");
	FAILS(fake_new(v2_proc, "/a\tb", false, &cg), DV_INVALID, "tab");
	FAILS(fake_new(v2_proc, deep, false, &cg), DV_INVALID, "longer than");
	FAILS(fake_new("0::/a\tb/c\n", NULL, false, &cg), DV_INVALID, "own cgroup has a tab");
}

Test(detect, v1_absolute)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	const struct host_cgroup_hier *h;
	size_t n;

	make_v1();
	OK(fake_new(v1_proc, "/docker/abc", false, &cg));
	cr_expect_eq(host_cgroup_mode(cg), HOST_CGROUP_V1);
	h = host_cgroup_hiers(cg, &n);
	cr_expect_eq(n, 7, "%zu", n);
	for (size_t i = 0; i < n; i++)
		cr_expect_str_eq(h[i].path, "/docker/abc");
	cr_expect_null(find_hier(cg, "debug"));
	h = find_hier(cg, "systemd");
	cr_assert_not_null(h);
	cr_expect_str_eq(h->controllers, "name=systemd");
	cr_expect_eq(h->n_links, 0);
}

Test(detect, v1_relative_is_below_own)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;

	make_v1();
	OK(fake_new(v1_proc, NULL, false, &cg));
	cr_expect_str_eq(find_hier(cg, "cpu,cpuacct")->path, "/user/ctr1");
	cr_expect_str_eq(find_hier(cg, "memory")->path, "/user/mem/ctr1");
	cr_expect_str_eq(find_hier(cg, "devices")->path, "/ctr1");
	cr_expect_str_eq(find_hier(cg, "systemd")->path, "/user.slice/x.scope/ctr1");
}

Test(detect, v1_links_of_shared_directories)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	const struct host_cgroup_hier *h;

	make_v1();
	OK(fake_new(v1_proc, "/x", false, &cg));
	h = find_hier(cg, "cpu,cpuacct");
	cr_assert_not_null(h);
	cr_assert_eq(h->n_links, 2);
	cr_expect_str_eq(h->links[0], "cpu");
	cr_expect_str_eq(h->links[1], "cpuacct");
}

/* A container may have been given only "cpu" for "cpu,cpuacct". */
Test(detect, v1_first_name_will_do)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	const struct host_cgroup_hier *h;

	fake_dir("cpu");
	fake_dir("devices");
	OK(fake_new("2:cpu,cpuacct:/\n1:devices:/\n", "/x", false, &cg));
	h = find_hier(cg, "cpu");
	cr_assert_not_null(h);
	cr_assert_eq(h->n_links, 1);
	cr_expect_str_eq(h->links[0], "cpuacct");
}

Test(detect, hybrid)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	const struct host_cgroup_hier *h;

	make_v1();
	fake_dir("unified");
	OK(fake_new(v1_proc, NULL, false, &cg));
	cr_expect_eq(host_cgroup_mode(cg), HOST_CGROUP_HYBRID);
	h = find_hier(cg, "unified");
	cr_assert_not_null(h);
	cr_expect(h->is_v2);
	cr_expect_str_eq(h->path, "/ctr1"); /* below the root, as runc has it */
}

Test(detect, devices_controller_is_demanded)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;

	fake_dir("memory");
	FAILS(fake_new("1:memory:/\n", "/x", false, &cg), DV_PRECONDITION,
	      "mountpoint for devices not found");
	OK(fake_new("1:memory:/\n", "/x", true, &cg));
}

Test(detect, nothing_mounted)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	size_t n;

	FAILS(fake_new("1:memory:/\n", "/x", false, &cg), DV_PRECONDITION, "no cgroup mount found");
	OK(fake_new("1:memory:/\n", "/x", true, &cg));
	host_cgroup_hiers(cg, &n);
	cr_expect_eq(n, 0);
	cr_expect(host_cgroup_is_partial(cg));
	cr_expect_eq(host_cgroup_v2_dirfd(cg), -1);
	cr_expect(!host_cgroup_exists(cg));
}

Test(detect, garbage_in_proc_is_skipped)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL;
	size_t n;

	make_v1();
	OK(fake_new("garbage\n::\n:\n1:devices:/a:b\n2:devices:/twice\n", NULL, false, &cg));
	host_cgroup_hiers(cg, &n);
	cr_expect_eq(n, 1);
	cr_expect_str_eq(find_hier(cg, "devices")->path, "/a:b/ctr1");
}

/* ---- mountinfo ------------------------------------------------------------------------ */

static const char mountinfo[] =
	"24 30 0:22 / /proc rw - proc proc rw\n"
	"31 23 0:27 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd\n"
	"32 23 0:28 /docker/abc /mnt/with\\040space ro - cgroup cgroup rw,cpu,cpuacct\n"
	"33 23 0:29 / /odd\\011tab rw - cgroup cgroup rw,memory\n"
	"34 23 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	"short line\n"
	"35 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

static void expect_mount(const char *controllers, const char *root, const char *point)
{
	DV_CLEANUP(dv_freep) char *r = NULL, *p = NULL;
	size_t n = controllers ? strlen(controllers) : 0;
	bool found = cgroup_mountinfo_find(mountinfo, controllers, n, &r, &p);

	cr_assert_eq(found, point != NULL, "%s", controllers);
	if (found) {
		cr_expect_str_eq(r, root);
		cr_expect_str_eq(p, point);
	}
}

Test(mountinfo, finds)
{
	expect_mount("name=systemd", "/", "/sys/fs/cgroup/systemd");
	expect_mount("cpu,cpuacct", "/docker/abc", "/mnt/with space");
	expect_mount("cpuacct,cpu", "/docker/abc", "/mnt/with space");
	expect_mount("cpu", "/docker/abc", "/mnt/with space");
	expect_mount("memory", "/", "/sys/fs/cgroup/memory");
	expect_mount(NULL, "/", "/sys/fs/cgroup/unified");
	expect_mount("mem", NULL, NULL);
	expect_mount("cpu,memory", NULL, NULL);
	expect_mount("freezer", NULL, NULL);
}

/* ---- state file ----------------------------------------------------------------------- */

Test(detect, format_and_parse)
{
	DV_CLEANUP(host_cgroup_freep) struct host_cgroup *cg = NULL, *again = NULL;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf one = DV_STRBUF_INIT, two = DV_STRBUF_INIT;
	const struct host_cgroup_hier *a, *b;
	size_t n, m;

	make_v1();
	fake_dir("unified");
	OK(fake_new(v1_proc, "/with space/ctr", true, &cg));
	dv_strbuf_add(&one, "version 1\n");
	host_cgroup_format(cg, &one);
	dv_strbuf_add(&one, "other cgroup-mode\n\n");
	OK(host_cgroup_parse(one.data, NULL, &again));
	cr_expect_eq(host_cgroup_mode(again), HOST_CGROUP_HYBRID);

	a = host_cgroup_hiers(cg, &n);
	b = host_cgroup_hiers(again, &m);
	cr_assert_eq(n, m);
	for (size_t i = 0; i < n; i++) {
		cr_expect_str_eq(a[i].name, b[i].name);
		cr_expect_str_eq(a[i].controllers, b[i].controllers);
		cr_expect_str_eq(a[i].mountpoint, b[i].mountpoint);
		cr_expect_str_eq(a[i].path, b[i].path);
		cr_expect_eq(a[i].is_v2, b[i].is_v2);
		cr_expect_eq(a[i].n_links, b[i].n_links);
	}
	host_cgroup_format(again, &two);
	cr_expect_not_null(strstr(one.data, two.data));
}

Test(detect, parse_refuses)
{
	static const char *const bad[] = {
		"",
		"cgroup-hier\tv2\tyes\t\t\t/m\t/p\n", /* no mode */
		"cgroup-mode\tv3\n",
		"cgroup-mode\n",
		"cgroup-what\tx\n",
		"cgroup-mode\tv2\ncgroup-hier\tv2\tyes\t\t\t/m\n",
		"cgroup-mode\tv2\ncgroup-hier\tv2\tyes\t\t\t/m\t/p\tmore\n",
		"cgroup-mode\tv2\ncgroup-hier\tv2\tyes\t\t\tm\t/p\n",
		"cgroup-mode\tv2\ncgroup-hier\tv2\tyes\t\t\t/m\tp\n",
		"cgroup-mode\tv2\ncgroup-hier\tv2\tyes\t\t\t/m\t/p/../../q\n",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		struct host_cgroup *cg;

		FAILS(host_cgroup_parse(bad[i], NULL, &cg), DV_DATA_LOSS, "");
	}
}

Test(detect, parse_limits_hierarchies)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct host_cgroup *cg;

	dv_strbuf_add(&text, "cgroup-mode\tv1\n");
	for (int i = 0; i <= HOST_CGROUP_MAX; i++)
		dv_strbuf_add(&text, "cgroup-hier\tv1\tyes\tcpu\tcpu\t/m\t/p\n");
	FAILS(host_cgroup_parse(text.data, NULL, &cg), DV_DATA_LOSS, "malformed");
}
