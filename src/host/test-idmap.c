/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: tables, and user namespaces of our own. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "host/idmap.h"
#include "sys/file.h"
#include "sys/process.h"

static const struct spec_id_mapping maps[] = {
	{ .container_id = 0, .host_id = 100000, .size = 1000 },
	{ .container_id = 1000, .host_id = 5, .size = 1 },
	{ .container_id = 2000, .host_id = 4294967290u, .size = 10 },
};

static int procfd;
static struct dv_arena arena;

static void setup(void)
{
	procfd = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	dv_arena_init(&arena);
}

static void teardown(void)
{
	sys_close(procfd);
	dv_arena_fini(&arena);
}

TestSuite(idmap, .init = setup, .fini = teardown);

Test(idmap, lookup)
{
	static const struct {
		uint32_t in;
		bool is_mapped;
		uint32_t out;
	} rows[] = {
		{ 0, true, 100000 }, { 999, true, 100999 },	  { 1000, true, 5 },
		{ 1001, false, 0 },  { 2000, true, 4294967290u }, { 2005, true, 4294967295u },
		{ 2006, false, 0 },  { 4294967295u, false, 0 },
	};
	uint32_t id;

	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		id = 7;
		T_INT(host_idmap_to_host(maps, 3, rows[i].in, &id), ==, rows[i].is_mapped);
		T_INT(id, ==, rows[i].is_mapped ? rows[i].out : 7);
		if (rows[i].is_mapped) {
			T_TRUE(host_idmap_to_container(maps, 3, rows[i].out, &id));
			T_INT(id, ==, rows[i].in);
		}
	}
	T_FALSE(host_idmap_to_container(maps, 3, 4, &id));
	T_FALSE(host_idmap_to_container(maps, 3, 101000, &id));
	T_FALSE(host_idmap_to_host(maps, 0, 0, &id));
}

Test(idmap, equal)
{
	struct spec_id_mapping turned[] = { maps[2], maps[0], maps[1] };
	struct host_idmap a = { .uids = maps, .n_uids = 3, .gids = maps, .n_gids = 2 };
	struct host_idmap b = { .uids = turned, .n_uids = 3, .gids = maps, .n_gids = 2 };

	T_TRUE(host_idmap_is_equal(&a, &b));
	turned[0].size++;
	T_FALSE(host_idmap_is_equal(&a, &b));
	turned[0].size--;
	b.n_gids = 1;
	T_FALSE(host_idmap_is_equal(&a, &b));
	b.n_gids = 2;
	b.n_uids = 2;
	T_FALSE(host_idmap_is_equal(&a, &b));
}

Test(idmap, deny_setgroups)
{
	struct spec_id_mapping own[2] = { { .host_id = getegid(), .size = 1 } };
	struct host_idmap map = { .gids = own, .n_gids = 1 };

	T_TRUE(host_idmap_must_deny_setgroups(&map, true));
	T_FALSE(host_idmap_must_deny_setgroups(&map, false));
	own[0].host_id++;
	T_FALSE(host_idmap_must_deny_setgroups(&map, true));
	own[0].host_id--;
	map.n_gids = 2;
	T_FALSE(host_idmap_must_deny_setgroups(&map, true));
}

static void expect_maps(const struct host_idmap *a, const struct host_idmap *b)
{
	T_INT(a->n_uids, ==, b->n_uids);
	T_INT(a->n_gids, ==, b->n_gids);
	T_TRUE(host_idmap_is_equal(a, b));
}

Test(idmap, userns)
{
	struct host_idmap map = { .uids = maps, .n_uids = 2, .gids = maps + 1, .n_gids = 1 };
	struct host_idmap got;
	struct dv_err *e;
	int fd = -1, status;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	e = host_idmap_userns(procfd, &map, &fd);
	cr_assert(!e, "%s", e ? dv_err_message(e) : "");
	e = host_idmap_read_ns(procfd, fd, &arena, &got);
	cr_assert(!e, "%s", e ? dv_err_message(e) : "");
	expect_maps(&got, &map);
	T_INT(waitpid(-1, &status, WNOHANG), ==, -1); /* no child is left */
	T_INT(sys_fcntl(fd, F_GETFD, 0), ==, FD_CLOEXEC);
	sys_close(fd);
}

Test(idmap, cache)
{
	struct spec_id_mapping turned[] = { maps[1], maps[0] };
	struct host_idmap a = { .uids = maps, .n_uids = 2, .gids = maps, .n_gids = 2 };
	struct host_idmap b = { .uids = turned, .n_uids = 2, .gids = maps, .n_gids = 2 };
	struct host_idmap c = { .uids = maps, .n_uids = 1, .gids = maps, .n_gids = 2 };
	struct host_idmap bad = { .uids = maps, .n_uids = 1, .gids = maps + 2, .n_gids = 1 };
	struct host_idmap_cache cache = { 0 };
	int fd_a, fd_b, fd_c;
	struct dv_err *e;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	T_NULL(host_idmap_cache_get(&cache, procfd, &a, &fd_a));
	T_NULL(host_idmap_cache_get(&cache, procfd, &b, &fd_b));
	T_NULL(host_idmap_cache_get(&cache, procfd, &c, &fd_c));
	T_INT(fd_a, ==, fd_b);
	T_INT(fd_a, !=, fd_c);
	T_INT(cache.n_entries, ==, 2);
	e = host_idmap_cache_get(&cache, procfd, &bad, &fd_c); /* beyond 32 bits */
	T_NOT_NULL(e);
	T_TRUE(strstr(dv_err_message(e), "failed to update /proc/") != NULL);
	T_INT(dv_err_errno(e), ==, EINVAL);
	dv_err_free(e);
	T_INT(cache.n_entries, ==, 2);
	host_idmap_cache_fini(&cache);
	T_INT(cache.n_entries, ==, 0);
	T_INT(sys_fcntl(fd_a, F_GETFD, 0), ==, -EBADF);
}

Test(idmap, read)
{
	struct host_idmap got;
	struct dv_err *e;

	T_NULL(host_idmap_read(procfd, getpid(), &arena, &got));
	T_INT(got.n_uids, >=, 1);
	T_INT(got.uids[0].container_id, ==, 0);
	e = host_idmap_read(procfd, 0x7ffffff0, &arena, &got);
	T_NOT_NULL(e);
	T_STR(dv_err_message(e), "read /proc/2147483632/uid_map: no such file or directory");
	dv_err_free(e);
	/* Not a namespace at all; and one's own cannot be joined. */
	e = host_idmap_read_ns(procfd, procfd, &arena, &got);
	T_NOT_NULL(e);
	dv_err_free(e);
}

/* In an unprivileged child: the kernel refuses two ids, the helper decides. */
static int write_with_helper(const char *helper, bool denies, const char *expected)
{
	struct sys_clone how = { .flags = CLONE_NEWUSER, .cgroup_fd = -1 };
	struct spec_id_mapping two = { .container_id = 0, .host_id = 65534, .size = 2 };
	struct spec_id_mapping one = { .container_id = 0, .host_id = 65534, .size = 1 };
	struct host_idmap map = { .uids = &two, .n_uids = 1, .gids = &one, .n_gids = 1 };
	struct host_idmap_how h = {
		.denies_setgroups = denies,
		.newuidmap = helper,
		.newgidmap = helper,
		.search_path = "relative:/nowhere:/usr/bin",
	};
	int pidfd = -1, status, gate[2], result;
	struct dv_err *e;
	char want[128], c;
	pid_t pid;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || sys_pipe(gate) < 0)
		return 1;
	pid = sys_clone3(&how, &pidfd);
	if (pid == 0) {
		close(gate[1]);
		(void)!read(gate[0], &c, 1);
		_exit(0);
	}
	if (pid < 0)
		return 99;
	e = host_idmap_write(procfd, pid, &map, &h, NULL);
	snprintf(want, sizeof(want), "failed to update /proc/%d/uid_map: %s", pid,
		 expected ? expected : "");
	if (expected)
		result = e && strcmp(dv_err_message(e), want) == 0 ? 0 : 2;
	else
		result = e ? 3 : 0;
	if (result)
		fprintf(stderr, "%s: %s\n", helper ? helper : "NULL",
			e ? dv_err_message(e) : "fine");
	dv_err_free(e);
	close(gate[1]);
	waitpid(pid, &status, 0);
	return result;
}

Test(idmap, helpers)
{
	static const struct {
		const char *helper;
		bool denies;
		const char *expected;
	} rows[] = {
		{ "/bin/true", true, NULL },
		{ "", true, "operation not permitted" },
		{ "/bin/false", true, "/bin/false exited with status 1" },
		{ "/nowhere/newuidmap", true, "run /nowhere/newuidmap: no such file or directory" },
		/* Without "deny" the kernel refuses the group, too. */
		{ "/bin/true", false, NULL },
	};

	if (geteuid() != 0)
		cr_skip_test("needs root, to become nobody");
	for (size_t i = 0; i < DV_ARRAY_SIZE(rows); i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(write_with_helper(rows[i].helper, rows[i].denies, rows[i].expected));
		waitpid(pid, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
			cr_skip_test("user namespaces are restricted here");
		cr_expect(status == 0, "row %zu: %d", i, WEXITSTATUS(status));
	}
}

Test(idmap, writes_and_denies)
{
	struct host_idmap map = { .uids = maps, .n_uids = 1, .gids = maps, .n_gids = 1 };
	struct host_idmap_how how = { .denies_setgroups = true };
	struct sys_clone clone = { .flags = CLONE_NEWUSER, .cgroup_fd = -1 };
	int pidfd = -1, gate[2], status;
	struct host_idmap got;
	struct dv_err *e;
	char path[64], text[16], c;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	T_INT(sys_pipe(gate), ==, 0);
	pid = sys_clone3(&clone, &pidfd);
	if (pid == 0) {
		close(gate[1]);
		(void)!read(gate[0], &c, 1);
		_exit(0);
	}
	e = host_idmap_write(procfd, pid, &map, &how, NULL);
	cr_assert(!e, "%s", e ? dv_err_message(e) : "");
	snprintf(path, sizeof(path), "%d/setgroups", pid);
	T_INT(sys_read_file_at(procfd, path, text, sizeof(text)), ==, 5);
	T_STR(text, "deny\n");
	T_NULL(host_idmap_read(procfd, pid, &arena, &got));
	expect_maps(&got, &map);
	/* Maps can be written once. */
	e = host_idmap_write(procfd, pid, &map, &(struct host_idmap_how){ .newuidmap = "" }, NULL);
	T_NOT_NULL(e);
	T_INT(dv_err_errno(e), ==, EPERM);
	dv_err_free(e);
	close(gate[1]);
	waitpid(pid, &status, 0);
	sys_close(pidfd);
}
