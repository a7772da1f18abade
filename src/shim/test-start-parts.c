/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and sockets: what start and delete find out before they do anything. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "start-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

static char dir[] = "/tmp/davit-test-XXXXXX";
static int dir_fd;

static void open_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
	dir_fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
}

static void close_dir(void)
{
	sys_close(dir_fd);
	(void)sys_remove_tree(AT_FDCWD, dir);
}

TestSuite(group, .init = open_dir, .fini = close_dir);
TestSuite(socket, .init = open_dir, .fini = close_dir);

/* ---- groups ----------------------------------------------------------------------------------- */

static void check_group(const char *json, const char *expected)
{
	DV_CLEANUP(dv_freep) char *group = NULL;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;

	e = shim_group_scan(json, strlen(json), &group);
	cr_expect_null(e, "%s: %s", json, e ? dv_err_message(e) : "");
	if (expected)
		T_STR(group, expected);
	else
		T_NULL(group);
}

#define CRI   "\"io.kubernetes.cri.sandbox-id\""
#define GROUP "\"io.containerd.runc.v2.group\""

Test(group, by_annotation)
{
	check_group("{}", NULL);
	check_group("{\"annotations\":null}", NULL);
	check_group("{\"annotations\":{}}", NULL);
	check_group("{\"annotations\":{\"a\":\"b\"}}", NULL);
	check_group("{\"annotations\":{" CRI ":\"pod\"}}", "pod");
	check_group("{\"annotations\":{" CRI ":\"pod\"," GROUP ":\"g\"}}", "g");
	check_group("{\"annotations\":{" GROUP ":\"\"}}", "");
	check_group("{\"annotations\":{" GROUP ":\"a\\u0041\\\"\"}}", "aA\"");
	check_group(" {\n\t\"annotations\" : { " CRI " :\r\"pod\" } } ", "pod");
}

Test(group, not_where_it_does_not_belong)
{
	check_group("{\"process\":{\"annotations\":{" CRI ":\"pod\"}}}", NULL);
	check_group("{\"x\":\"\\\"annotations\\\":{\",\"y\":[{\"annotations\":{" CRI ":\"no\"}}]}",
		    NULL);
	check_group("{\"x\":[1,true,null,-1.5e3,\"}\"],\"annotations\":{" CRI ":\"pod\"}}", "pod");
}

Test(group, the_last_one_counts)
{
	check_group("{\"annotations\":{" CRI ":\"a\"},\"annotations\":{" CRI ":\"b\"}}", "b");
}

Test(group, broken_json)
{
	static const char *const cases[] = {
		"",
		"[]",
		"{",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":{\"b\":[}",
		"{\"annotations\":{\"a\":\"b\"",
		"{\"annotations\":7}",
		"{\"annotations\":{" CRI ":7}}",
		"{\"annotations\":{" CRI ":\"\\u0000\"}}",
		"{\"annotations\":{" CRI ":\"\\",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep) char *group = NULL;
		struct dv_err *e = shim_group_scan(cases[i], strlen(cases[i]), &group);

		cr_expect_not_null(e, "accepted: %s", cases[i]);
		cr_expect(!e || dv_err_code(e) == DV_INVALID, "%s", cases[i]);
		T_NULL(group);
		dv_err_free(e);
	}
}

Test(group, each_cut_is_an_error_and_not_a_crash)
{
	static const char json[] = "{\"a\":[{\"b\":\"c\\\"\"}],\"annotations\":{" CRI ":\"pod\"}}";

	for (size_t n = 0; n < strlen(json); n++) {
		char *cut = dv_strndup(json, n), *group = NULL;
		struct dv_err *e = shim_group_scan(cut, n, &group);

		cr_expect_not_null(e, "accepted: %s", cut);
		dv_err_free(e);
		free(cut);
	}
}

Test(group, of_a_bundle)
{
	static const char json[] = "{\"annotations\":{" CRI ":\"pod\"},"
				   "\"linux\":{\"cgroupsPath\":\"/a/b\"}}";
	DV_CLEANUP(dv_freep) char *group = NULL, *path = NULL;
	struct dv_err *e;

	e = shim_group_read(dir_fd, "c1", &group);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
	close(openat(dir_fd, "config.json", O_CREAT | O_WRONLY, 0600));
	T_INT(sys_write_file_at(dir_fd, "config.json", "{}"), ==, 0);
	T_NULL(shim_group_read(dir_fd, "c1", &group));
	T_STR(group, "c1");
	free(group);
	T_INT(sys_write_file_at(dir_fd, "config.json", json), ==, 0);
	T_NULL(shim_group_read(dir_fd, "c1", &group));
	T_STR(group, "pod");
	T_NULL(shim_cgroups_path_read(dir_fd, &path));
	T_STR(path, "/a/b");
}

Test(group, of_no_regular_file)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	char *group = NULL;

	T_INT(mkfifoat(dir_fd, "config.json", 0600), ==, 0);
	e = shim_group_read(dir_fd, "c1", &group);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_INVALID);
}

/* ---- sockets ---------------------------------------------------------------------------------- */

static void check_path(const struct shim_socket_name *name, const char *expected)
{
	char path[SHIM_SOCKET_SIZE];

	T_NULL(shim_socket_path(name, path));
	T_STR(path, expected);
}

/* The sums are sha256sum's of the joined path. */
Test(socket, path_as_containerd_computes_it)
{
	struct shim_socket_name name = { .address = "/run/containerd/containerd.sock",
					 .ns = "default",
					 .group = "c1" };

	check_path(&name, "/run/containerd/s/"
			  "d25aa4ef11a84e954e74a5bcff06557d0b6ea8d0c00243896f29826694bbd888");
	name.address = "/run//containerd/./x/../containerd.sock/";
	name.dir = "/tmp/s/";
	check_path(&name, "/tmp/s/"
			  "d25aa4ef11a84e954e74a5bcff06557d0b6ea8d0c00243896f29826694bbd888");
	name.address = ""; /* an empty element is none */
	check_path(&name, "/tmp/s/"
			  "3a4ba0ad328f407b30cccb555302fc1c4c73e1d92d16d2583787f9faddf320ca");
}

Test(socket, path_too_long)
{
	struct shim_socket_name name = { .address = "a", .ns = "n", .group = "g" };
	char path[SHIM_SOCKET_SIZE], long_dir[64];
	struct dv_err *e;

	memset(long_dir, 'd', sizeof(long_dir));
	long_dir[0] = '/';
	long_dir[42] = '\0'; /* 42 + 1 + 64 is what fits */
	name.dir = long_dir;
	T_NULL(shim_socket_path(&name, path));
	T_INT(strlen(path), ==, 107);
	long_dir[42] = 'd';
	long_dir[43] = '\0';
	e = shim_socket_path(&name, path);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
}

static enum shim_socket_state probe(const char *path, pid_t *pid)
{
	enum shim_socket_state state = SHIM_SOCKET_HUNG;
	struct dv_err *e = shim_socket_probe(path, &state, pid);

	cr_expect_null(e, "%s", e ? dv_err_message(e) : "");
	dv_err_free(e);
	return state;
}

Test(socket, life)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/sock", dir);
	struct stat st;
	pid_t pid = -1;
	int fd;

	T_INT(probe(path, &pid), ==, SHIM_SOCKET_NONE);
	fd = sys_unix_socket();
	T_NULL(shim_socket_listen(fd, path));
	T_INT(stat(path, &st), ==, 0);
	T_INT(st.st_mode & 0777, ==, 0);
	T_INT(probe(path, &pid), ==,
	      SHIM_SOCKET_STALE); /* not committed: the start may have failed */
	T_INT(shim_socket_commit(path), ==, 0);
	T_INT(probe(path, &pid), ==, SHIM_SOCKET_LIVE);
	T_INT(pid, ==, getpid());
	sys_close(fd);
	T_INT(probe(path, &pid), ==, SHIM_SOCKET_STALE);
	fd = sys_unix_socket();
	T_NULL(shim_socket_listen(fd, path)); /* in its place */
	sys_close(fd);
}

Test(socket, full_queue_is_hung)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/sock", dir);
	int fd = sys_unix_socket(), other;

	T_INT(sys_unix_bind(fd, path, 0600), ==, 0);
	T_INT(sys_listen(fd, 0), ==, 0);
	other = sys_unix_connect_nonblock(path);
	T_INT(other, >=, 0);
	T_INT(probe(path, NULL), ==, SHIM_SOCKET_HUNG);
	sys_close(other);
	sys_close(fd);
}

Test(socket, something_else_in_the_way)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/sock", dir);
	enum shim_socket_state state;
	struct dv_err *e;

	close(open(path, O_CREAT | O_WRONLY, 0600));
	e = shim_socket_probe(path, &state, NULL);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_PRECONDITION);
	dv_err_free(e);
	T_INT(access(path, F_OK), ==, 0);
}

Test(socket, lock_makes_the_directory)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/a/b/sock", dir);
	DV_CLEANUP(dv_freep) char *parent = dv_printf("%s/a/b", dir);
	struct stat st;
	int lock = 0, other;

	T_NULL(shim_socket_lock(path, false, &lock));
	T_INT(lock, ==, -1);
	T_NULL(shim_socket_lock(path, true, &lock));
	T_INT(lock, >=, 0);
	T_INT(stat(parent, &st), ==, 0);
	T_INT(st.st_mode & 0777, ==, 0700);
	other = open(parent, O_RDONLY | O_DIRECTORY);
	T_INT(sys_try_lock(other), ==, -EAGAIN);
	sys_close(lock);
	T_INT(sys_try_lock(other), ==, 0);
	close(other);
}

Test(socket, orphaned_spools_are_swept)
{
	static const struct {
		const char *name;
		char first; /* of the hash */
		bool is_old, has_socket, is_locked, is_kept;
	} cases[] = {
		{ ".events", 'a', true, false, false, false },
		{ ".events", 'b', false, false, false, true }, /* a daemon may come back */
		{ ".events", 'c', true, true, false, true },
		{ ".events", 'd', true, false, true, true }, /* is being sent */
		{ ".other", 'e', true, false, false, true },
	};
	DV_CLEANUP(dv_freep) char *socket = dv_printf("%s/sock", dir);
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 100 },
					 { .tv_sec = time(NULL) - 100 } };
	int locked = -1;

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep)
		char *hash = dv_printf("%s/%c%063d", dir, cases[i].first, 0);
		DV_CLEANUP(dv_freep) char *path = dv_printf("%s%s", hash, cases[i].name);

		close(open(path, O_CREAT | O_WRONLY, 0600));
		if (cases[i].is_old)
			T_INT(utimensat(AT_FDCWD, path, old, 0), ==, 0);
		if (cases[i].has_socket)
			close(open(hash, O_CREAT | O_WRONLY, 0600));
		if (cases[i].is_locked)
			T_INT(sys_try_lock(locked = open(path, O_RDONLY)), ==, 0);
	}
	shim_spool_sweep(socket, 50);
	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		DV_CLEANUP(dv_freep)
		char *path = dv_printf("%s/%c%063d%s", dir, cases[i].first, 0, cases[i].name);

		T_INT(access(path, F_OK) == 0, ==, cases[i].is_kept);
	}
	close(locked);
}
