/* SPDX-License-Identifier: Apache-2.0 */
/* Groups below a directory that stands in for the resctrl filesystem. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "host/resctrl.h"
#include "resctrl-private.h"
#include "sys/file.h"

static char dir[40];
static int root = -1;

static void make_dir(const char *path)
{
	T_INT(sys_mkdirat(root, path, 0755), ==, 0);
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "%s", "/tmp/test-resctrl-XXXXXX");
	cr_assert(mkdtemp(dir));
	root = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	cr_assert(root >= 0);
	make_dir("info");
	make_dir("mon_groups");
}

static void teardown(void)
{
	int tmp = sys_openat(AT_FDCWD, "/tmp", O_PATH | O_DIRECTORY, 0);

	sys_close(root);
	T_INT(sys_remove_tree(tmp, dir + strlen("/tmp/")), ==, 0);
	sys_close(tmp);
}

TestSuite(resctrl, .init = setup, .fini = teardown);

static void expect_error(struct dv_err *e, const char *text)
{
	T_NOT_NULL(e);
	T_STR(dv_err_message(e), text);
	dv_err_free(e);
}

static void expect_ok(struct dv_err *e)
{
	cr_expect(!e, "%s", e ? dv_err_message(e) : "");
	dv_err_free(e);
}

static void expect_file(const char *path, const char *text)
{
	char buf[256] = "";

	cr_expect(sys_read_file_at(root, path, buf, sizeof(buf)) >= 0, "%s is missing", path);
	T_STR(buf, text);
}

static bool exists(const char *path)
{
	struct stat st;

	return sys_fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The kernel's directories go with rmdir alone; these have files in them. */
static void empty(const char *path)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/tasks", path);
	(void)sys_unlinkat(root, file, 0);
	snprintf(file, sizeof(file), "%s/schemata", path);
	(void)sys_unlinkat(root, file, 0);
}

Test(resctrl, check)
{
	struct spec_intel_rdt rdt = { .clos_id = "gold" };
	static const char *const bad[] = { ".", "..", "a/b", "//", "/a" };

	expect_error(host_resctrl_check(-1, &rdt),
		     "intelRdt is specified in config, but Intel RDT is not enabled");
	expect_ok(host_resctrl_check(root, &rdt));
	rdt.clos_id = "/";
	expect_ok(host_resctrl_check(root, &rdt));
	rdt.clos_id = NULL;
	expect_ok(host_resctrl_check(root, &rdt));
	for (size_t i = 0; i < DV_ARRAY_SIZE(bad); i++) {
		char text[64];

		rdt.clos_id = bad[i];
		snprintf(text, sizeof(text), "invalid intelRdt.ClosID \"%s\"", bad[i]);
		expect_error(host_resctrl_check(root, &rdt), text);
	}
	rdt = (struct spec_intel_rdt){ .l3_cache_schema = "L3:0=f" };
	expect_error(
		host_resctrl_check(root, &rdt),
		"intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled");
	T_FALSE(host_resctrl_has_cat(root));
	make_dir("info/L3");
	T_TRUE(host_resctrl_has_cat(root));
	expect_ok(host_resctrl_check(root, &rdt));
	rdt.mem_bw_schema = "MB:0=20";
	expect_error(
		host_resctrl_check(root, &rdt),
		"intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled");
	make_dir("info/MB");
	T_TRUE(host_resctrl_has_mba(root));
	expect_ok(host_resctrl_check(root, &rdt));
}

Test(resctrl, own_group)
{
	static const char *schemata[] = { "L3:1=f", "", "MB:1=30" };
	struct spec_intel_rdt rdt = {
		.l3_cache_schema = "L3:0=7f0;1=1f",
		.mem_bw_schema = "MB:0=20;1=70",
		.schemata = schemata,
		.n_schemata = 3,
	};
	struct host_resctrl_state st;

	host_resctrl_plan(root, &rdt, "ctr1", &st);
	T_TRUE(st.is_used && st.was_created && !st.has_clos_id && !st.has_monitoring);
	T_FALSE(exists("ctr1"));
	expect_ok(host_resctrl_destroy(root, &st, NULL, "ctr1")); /* it never came to be */
	expect_ok(host_resctrl_apply(root, &rdt, "ctr1", 1234, &st));
	T_TRUE(st.is_used && st.was_created && !st.has_clos_id && !st.has_monitoring);
	expect_file("ctr1/tasks", "1234");
	expect_ok(host_resctrl_set(root, &rdt, "ctr1"));
	expect_file("ctr1/schemata", "L3:0=7f0;1=1f\nMB:0=20;1=70\nL3:1=f\nMB:1=30\n");
	expect_ok(host_resctrl_add(root, &rdt, "ctr1", 1235));
	expect_file("ctr1/tasks", "1235");
	expect_error(host_resctrl_destroy(root, &st, NULL, "ctr1"),
		     "intelrdt: remove group ctr1: directory not empty");
	empty("ctr1");
	expect_ok(host_resctrl_destroy(root, &st, NULL, "ctr1"));
	T_FALSE(exists("ctr1"));
	expect_ok(host_resctrl_destroy(root, &st, NULL, "ctr1")); /* gone already */
}

Test(resctrl, existing_group_is_kept)
{
	struct spec_intel_rdt rdt = { .l3_cache_schema = "L3:0=1" };
	struct host_resctrl_state st;

	make_dir("ctr1");
	host_resctrl_plan(root, &rdt, "ctr1", &st);
	T_FALSE(st.was_created);
	expect_ok(host_resctrl_apply(root, &rdt, "ctr1", -1, &st));
	T_FALSE(st.was_created);
	T_FALSE(exists("ctr1/tasks"));
	expect_ok(host_resctrl_destroy(root, &st, "", "ctr1"));
	T_TRUE(exists("ctr1"));
}

Test(resctrl, named_group)
{
	struct spec_intel_rdt rdt = { .clos_id = "gold" };
	struct host_resctrl_state st = { .is_used = false };

	expect_error(
		host_resctrl_apply(root, &rdt, "ctr1", 1, &st),
		"clos dir not accessible (must be pre-created when schemata, l3CacheSchema and "
		"memBwSchema are empty): no such file or directory");
	T_FALSE(st.is_used);
	make_dir("gold");
	expect_ok(host_resctrl_apply(root, &rdt, "ctr1", 1, &st));
	T_TRUE(st.has_clos_id);
	expect_file("gold/tasks", "1");
	expect_ok(host_resctrl_set(root, &rdt, "ctr1"));
	T_FALSE(exists("gold/schemata"));
	empty("gold");
	expect_ok(host_resctrl_destroy(root, &st, "gold", "ctr1"));
	T_TRUE(exists("gold"));

	/* Made by us, because there is a schema; still kept: others may share the name. */
	rdt = (struct spec_intel_rdt){ .clos_id = "silver", .l3_cache_schema = "L3:0=1" };
	expect_ok(host_resctrl_apply(root, &rdt, "ctr1", 1, &st));
	T_TRUE(st.was_created);
	empty("silver");
	expect_ok(host_resctrl_destroy(root, &st, "silver", "ctr1"));
	T_TRUE(exists("silver"));
}

Test(resctrl, monitoring)
{
	struct spec_intel_rdt rdt = { .clos_id = "/", .enable_monitoring = true };
	struct host_resctrl_state st;

	host_resctrl_plan(root, &rdt, "ctr1", &st);
	T_TRUE(st.has_monitoring && st.has_clos_id);
	expect_ok(host_resctrl_apply(root, &rdt, "ctr1", 77, &st));
	T_TRUE(st.has_monitoring);
	expect_file("tasks", "77");
	expect_file("mon_groups/ctr1/tasks", "77");
	expect_ok(host_resctrl_add(root, &rdt, "ctr1", 78));
	expect_file("mon_groups/ctr1/tasks", "78");
	empty("mon_groups/ctr1");
	expect_ok(host_resctrl_destroy(root, &st, "/", "ctr1"));
	T_FALSE(exists("mon_groups/ctr1"));
	T_TRUE(exists("mon_groups"));
}

/* What was made before the failure is gone after it. */
Test(resctrl, failures)
{
	struct spec_intel_rdt rdt = { .enable_monitoring = true };
	struct host_resctrl_state st = { .is_used = false };
	int fd;

	/* No mon_groups in a fresh directory of ours, as there would be in the real one. */
	expect_error(host_resctrl_apply(root, &rdt, "ctr1", -1, &st),
		     "intelrdt: unable to create group: no such file or directory");
	T_FALSE(st.is_used);
	T_FALSE(exists("ctr1"));
	fd = sys_openat(root, "info/last_cmd_status", O_WRONLY | O_CREAT, 0644);
	T_INT(sys_write_all(fd, "ok, but no\n", 11), ==, 0);
	sys_close(fd);
	expect_error(
		host_resctrl_apply(root, &rdt, "ctr1", -1, &st),
		"intelrdt: unable to create group (last_cmd_status: ok, but no): no such file or "
		"directory");
	rdt = (struct spec_intel_rdt){ .l3_cache_schema = "L3:0=1" };
	expect_error(
		host_resctrl_set(root, &rdt, "none"),
		"intelrdt: unable to write \"L3:0=1\\n\" (last_cmd_status: ok, but no): no such "
		"file or directory");
	expect_error(host_resctrl_add(root, &rdt, "none", 5),
		     "intelrdt: unable to add pid 5 (last_cmd_status: ok, but no): no such file or "
		     "directory");
	expect_error(host_resctrl_apply(root, &rdt, "a/b", 5, &st),
		     "intelrdt: invalid container id \"a/b\"");
}

Test(resctrl, mountinfo)
{
	static const char *const rows[][2] = {
		{ "", NULL },
		{ "22 1 0:21 / /proc rw - proc proc rw\n", NULL },
		{ "22 1 0:21 / /x rw - resctrl resctrl rw\n", "/x" },
		{ "1 0 8:1 / / rw - ext4 /dev/vda rw\n"
		  "22 1 0:21 / /a\\040b\\134c rw,nosuid shared:5 - resctrl resctrl rw\n",
		  "/a b\\c" },
		{ "22 1 0:21 / /x rw - resctrlx resctrl rw\n", NULL },
		{ "22 1 0:21 /  - resctrl resctrl rw", "" },
	};

	make_dir("self");
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		int fd = sys_openat(root, "self/mountinfo", O_WRONLY | O_CREAT | O_TRUNC, 0644);
		char *path;

		T_INT(sys_write_all(fd, rows[i][0], strlen(rows[i][0])), ==, 0);
		sys_close(fd);
		path = resctrl_find_mountpoint(root);
		if (rows[i][1])
			T_STR(path, rows[i][1]);
		else
			T_NULL(path);
		free(path);
	}
}

Test(resctrl, open)
{
	int procfd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	int fd = -1;
	struct dv_err *e = host_resctrl_open(procfd, &fd);

	if (e) {
		T_STR(dv_err_message(e), "Intel RDT is not enabled");
		T_INT(dv_err_code(e), ==, DV_PRECONDITION);
		T_INT(fd, ==, -1);
		dv_err_free(e);
	} else {
		T_INT(fd, >=, 0);
	}
	sys_close(fd);
	sys_close(procfd);
}
