/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Helpers of the tests on real cgroups: processes in them, and what they may do. */

#include "test-cgroup.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/wait.h>

#include "cgroup-private.h"
#include "sys/process.h"

static char base[64]; /* "/davit-test-<pid>" */
static const struct spec_resources nothing;
static struct spec_device_rule deny_all = {
	.type = 'a', .major = -1, .minor = -1, .reads = true, .writes = true, .mknods = true
};
static const struct spec_resources denying = { .devices = &deny_all, .n_devices = 1 };

static bool is_type(const char *path, long want)
{
	long type;

	return sys_statfs_type(path, &type) == 0 && type == want;
}

static struct host_cgroup *fresh;

/* ---- children ------------------------------------------------------------------------- */

typedef void (*child_fn)(void *arg);

static void child_sleep(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

/* A process born in the cgroup. */
static pid_t spawn(struct host_cgroup_join *join, child_fn fn, void *arg)
{
	struct sys_clone c = { .flags = 0, .cgroup_fd = join->v2_dirfd };
	DV_CLEANUP(sys_closep) int pidfd = -1;
	int ready[2];
	char ok = 0;
	pid_t pid;

	cr_assert_eq(sys_pipe(ready), 0);
	pid = sys_clone3(&c, &pidfd);
	cr_assert(pid >= 0, "clone3: %d", pid);
	if (pid == 0) {
		for (size_t i = 0; i < join->n_tasks; i++) {
			if (sys_write(join->tasks[i], "0", 1) != 1)
				_exit(100);
		}
		(void)!write(ready[1], "y", 1);
		fn(arg);
		_exit(0);
	}
	close(ready[1]);
	cr_assert_eq(read(ready[0], &ok, 1), 1, "child could not join");
	close(ready[0]);
	return pid;
}

static pid_t spawn_in(struct host_cgroup *cg, child_fn fn, void *arg)
{
	struct host_cgroup_join join;
	pid_t pid;

	OK(host_cgroup_join_open(cg, NULL, 0, &join));
	pid = spawn(&join, fn, arg);
	host_cgroup_join_close(&join);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status = -1;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void run_in(struct host_cgroup *cg, child_fn fn, void *arg)
{
	int status = wait_for(spawn_in(cg, fn, arg));

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child: status %#x", status);
}

static const char *file_of(struct host_cgroup *cg, const char *hier, const char *name)
{
	const struct host_cgroup_hier *h = find_hier(cg, hier);
	static char text[4096];
	char path[512];

	if (!h)
		return "(no hierarchy)";
	snprintf(path, sizeof(path), "%s%s/%s", h->mountpoint, h->path, name);
	if (sys_read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return "(none)";
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void child_fork_much(void *arg)
{
	(void)arg;
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			usleep(500);
			_exit(0);
		}
		usleep(200);
	}
}

/* ---- devices -------------------------------------------------------------------------- */

static void expect_open(const char *path, int flags, int want_errno)
{
	int fd = open(path, flags | O_CLOEXEC);

	if ((fd < 0 ? errno : 0) != want_errno) {
		fprintf(stderr, "%s: %s\n", path, strerror(fd < 0 ? errno : 0));
		_exit(102);
	}
	if (fd >= 0)
		close(fd);
}

static void child_devices(void *arg)
{
	(void)arg;
	expect_open("/dev/null", O_RDWR, 0);
	expect_open("/dev/zero", O_RDWR, 0);
	expect_open("/dev/kmsg", O_RDONLY, EPERM);
}

static void child_kmsg(void *arg)
{
	(void)arg;
	expect_open("/dev/kmsg", O_RDONLY, 0);
	expect_open("/dev/kmsg", O_WRONLY, EPERM);
}

static void check_devices(struct host_cgroup *cg)
{
	struct spec_device_rule rules[] = {
		deny_all,
		{ .is_allowed = true, .type = 'c', .major = 1, .minor = 11, .reads = true }
	};
	const struct spec_resources res = { .devices = rules, .n_devices = 2 };

	if (access("/dev/kmsg", F_OK) < 0)
		cr_skip_test("no /dev/kmsg");
	OK(host_cgroup_create(cg, HOST_CGROUP_ALL, &denying));
	OK(host_cgroup_set_devices(cg, &denying, NULL, 0));
	run_in(cg, child_devices, NULL);
	OK(host_cgroup_set_devices(cg, &res, NULL, 0));
	run_in(cg, child_kmsg, NULL);
	OK(host_cgroup_set_devices(cg, &denying, NULL, 0));
	run_in(cg, child_devices, NULL);
}
