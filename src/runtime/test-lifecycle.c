/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers made of a state directory and a process that is forked here: no namespaces and no
 * cgroup, but everything else as create leaves it.
 */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "lifecycle-private.h"
#include "sys/file.h"
#include "sys/process.h"

static char root[] = "/tmp/test-lifecycle-XXXXXX", log_path[64];
static struct dv_log log_;
static struct rt_context ctx = { .root = root, .program = "test", .log = &log_ };
static pid_t init_pid;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(root));
	snprintf(log_path, sizeof(log_path), "%s.log", root);
	log_.fd = open(log_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	log_.level = DV_INFO;
}

static void tear_down(void)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_eq(sys_remove_tree(tmp, root + 5), 0);
	unlink(log_path);
}

TestSuite(lifecycle, .init = set_up, .fini = tear_down, .timeout = 30);

enum kind { SLEEPS, WAITS_IN_FIFO, NO_PROCESS };

static void init_main(enum kind kind, int fifo)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (kind == WAITS_IN_FIFO) {
		cr_assert_eq(read(fifo, &byte, 1), 1);
		close(fifo);
	}
	for (;;)
		pause();
}

/* @hooks: hooks.json, or NULL. */
static void make(const char *id, enum kind kind, const char *hooks)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	char fifo[128], state;
	int fd = -1;

	cr_assert_null(rt_container_new(&ctx, id, &c));
	c->bundle = "/bundle";
	c->rootfs = "/bundle/rootfs";
	c->created = "2026-01-01T00:00:00Z";
	c->state->namespaces = c->state->new_namespaces = NS_BIT(SPEC_NS_PID);
	c->state->has_hooks = hooks != NULL;
	if (hooks) {
		fd = openat(c->state->dirfd, RT_HOOKS, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		cr_assert_eq(sys_write_all(fd, hooks, strlen(hooks)), 0);
		fd = sys_close(fd);
	}
	if (kind == NO_PROCESS) {
		cr_assert_null(rt_container_save(c));
		return;
	}
	snprintf(fifo, sizeof(fifo), "%s/%s/%s", root, id, RT_FIFO);
	if (kind == WAITS_IN_FIFO) {
		cr_assert_eq(mkfifo(fifo, 0600), 0);
		fd = open(fifo, O_RDWR | O_CLOEXEC);
	}
	c->pid = fork();
	if (c->pid == 0)
		init_main(kind, fd);
	init_pid = c->pid;
	sys_close(fd);
	cr_assert_eq(sys_proc_stat(c->state->procfd, c->pid, &state, &c->state->starttime), 0);
	cr_assert_null(rt_container_save(c));
}

static enum rt_status status_of(const char *id)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;

	cr_assert_null(rt_load(&ctx, id, &c));
	return c->status;
}

static bool exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return access(path, F_OK) == 0;
}

static void fails(struct dv_err *take, enum dv_code code, const char *message)
{
	cr_assert_not_null(take, "expected: %s", message);
	cr_assert_str_eq(dv_err_message(take), message);
	cr_assert_eq(dv_err_code(take), code, "%s: %d", message, dv_err_code(take));
	dv_err_free(take);
}

static void reap(void)
{
	cr_assert_eq(waitpid(init_pid, NULL, 0), init_pid);
}

static const char *log_text(void)
{
	static char text[65536];

	cr_assert_geq(sys_read_file_at(AT_FDCWD, log_path, text, sizeof(text)), 0);
	return text;
}

/* ---- start ----------------------------------------------------------------------------------- */

Test(lifecycle, start_lets_the_process_go)
{
	make("c", WAITS_IN_FIFO, NULL);
	cr_assert_eq(status_of("c"), RT_CREATED);
	cr_assert_null(rt_start(&ctx, "c"));
	cr_assert_eq(status_of("c"), RT_RUNNING);
	cr_assert_not(exists("c/" RT_FIFO));
	fails(rt_start(&ctx, "c"), DV_PRECONDITION, "cannot start an already running container");
	kill(init_pid, SIGKILL);
	reap();
	fails(rt_start(&ctx, "c"), DV_PRECONDITION, "cannot start a container that has stopped");
}

Test(lifecycle, start_of_a_process_that_died_waiting)
{
	make("c", WAITS_IN_FIFO, NULL);
	kill(init_pid, SIGKILL);
	reap();
	cr_assert(exists("c/" RT_FIFO));
	fails(rt_start(&ctx, "c"), DV_PRECONDITION, "cannot start a container that has stopped");
}

/* It let the process go and was killed before it removed the fifo. */
Test(lifecycle, start_after_a_killed_start)
{
	char fifo[128];
	int fd;

	make("c", WAITS_IN_FIFO, NULL);
	snprintf(fifo, sizeof(fifo), "%s/c/%s", root, RT_FIFO);
	fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	cr_assert_eq(write(fd, "0", 1), 1);
	cr_assert_eq(poll(&(struct pollfd){ .fd = fd }, 1, -1), 1); /* it goes on */
	close(fd);
	cr_assert_eq(status_of("c"), RT_RUNNING);
	fails(rt_start(&ctx, "c"), DV_PRECONDITION, "cannot start an already running container");
	cr_assert_null(rt_delete(&ctx, "c", true));
	reap();
}

/* ... or before that: nothing has happened yet. */
Test(lifecycle, start_after_a_start_killed_early)
{
	char fifo[128];

	make("c", WAITS_IN_FIFO, NULL);
	snprintf(fifo, sizeof(fifo), "%s/c/%s", root, RT_FIFO);
	close(open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	cr_assert_eq(status_of("c"), RT_CREATED);
	cr_assert_null(rt_start(&ctx, "c"));
	cr_assert_eq(status_of("c"), RT_RUNNING);
	cr_assert_null(rt_delete(&ctx, "c", true));
	reap();
}

Test(lifecycle, start_in_other_states)
{
	make("half", NO_PROCESS, NULL);
	fails(rt_start(&ctx, "half"), DV_PRECONDITION,
	      "cannot start a container in the creating state");
	fails(rt_start(&ctx, "none"), DV_NOT_FOUND, "container does not exist: none");
}

Test(lifecycle, poststart_runs_after_start)
{
	char hooks[256], path[80], state[1024];

	snprintf(path, sizeof(path), "%s/seen", root);
	snprintf(
		hooks, sizeof(hooks),
		"{\"poststart\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"/bin/cat >%s\"]}]}",
		path);
	make("c", WAITS_IN_FIFO, hooks);
	cr_assert_null(rt_start(&ctx, "c"));
	cr_assert_geq(sys_read_file_at(AT_FDCWD, path, state, sizeof(state)), 0);
	cr_assert_not_null(strstr(state, "\"status\":\"running\""), "%s", state);
	kill(init_pid, SIGKILL);
	reap();
}

Test(lifecycle, poststart_failure_stops_the_container)
{
	make("c", WAITS_IN_FIFO,
	     "{\"poststart\":[{\"path\":\"/bin/true\"},{\"path\":\"/bin/false\"}]}");
	fails(rt_start(&ctx, "c"), DV_ABORTED,
	      "error running poststart hook #1: exit status 1, stdout: , stderr: ");
	cr_assert_eq(status_of("c"), RT_STOPPED);
	reap();
}

/* ---- kill ------------------------------------------------------------------------------------- */

Test(lifecycle, kill_signals_the_first_process)
{
	int status;

	make("c", SLEEPS, NULL);
	cr_assert_null(rt_kill(&ctx, "c", 0, false));
	cr_assert_eq(status_of("c"), RT_RUNNING);
	cr_assert_null(rt_kill(&ctx, "c", SIGUSR1, false));
	cr_assert_eq(waitpid(init_pid, &status, 0), init_pid);
	cr_assert_eq(status, SIGUSR1);
	fails(rt_kill(&ctx, "c", SIGTERM, false), DV_PRECONDITION, "container not running");
	fails(rt_kill(&ctx, "c", SIGKILL, false), DV_PRECONDITION, "container not running");
	cr_assert_null(rt_kill(&ctx, "c", SIGTERM, true));
}

/* A pid that is somebody else's by now. */
Test(lifecycle, kill_spares_strangers)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;

	make("c", SLEEPS, NULL);
	cr_assert_null(rt_load(&ctx, "c", &c));
	c->state->starttime++;
	cr_assert_null(rt_container_save(c));
	fails(rt_kill(&ctx, "c", SIGKILL, false), DV_PRECONDITION, "container not running");
	cr_assert_null(rt_delete(&ctx, "c", true));
	cr_assert_eq(waitpid(init_pid, NULL, WNOHANG), 0);
	kill(init_pid, SIGKILL);
	reap();
}

/* ---- delete ------------------------------------------------------------------------------------ */

Test(lifecycle, delete_of_a_running_one_needs_force)
{
	struct timespec a, b;

	make("c", SLEEPS, NULL);
	fails(rt_delete(&ctx, "c", false), DV_PRECONDITION,
	      "cannot delete container c that is not stopped: running");
	clock_gettime(CLOCK_MONOTONIC, &a);
	cr_assert_null(rt_delete(&ctx, "c", true));
	clock_gettime(CLOCK_MONOTONIC, &b);
	cr_assert_lt((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 1000);
	cr_assert_not(exists("c"));
	reap();
}

Test(lifecycle, delete_of_created_and_stopped_ones)
{
	make("created", WAITS_IN_FIFO, NULL);
	cr_assert_null(rt_delete(&ctx, "created", false));
	cr_assert_not(exists("created"));
	reap();

	make("stopped", SLEEPS, NULL);
	kill(init_pid, SIGKILL);
	reap();
	cr_assert_null(rt_delete(&ctx, "stopped", false));
	cr_assert_not(exists("stopped"));
	make("stopped", SLEEPS, NULL);
	kill(init_pid, SIGKILL);
	reap();
	cr_assert_null(rt_delete(&ctx, "stopped", true));
}

Test(lifecycle, delete_of_missing_and_half_made_ones)
{
	char stray[80];

	fails(rt_delete(&ctx, "none", false), DV_NOT_FOUND, "container does not exist: none");
	cr_assert_null(rt_delete(&ctx, "none", true));
	fails(rt_delete(&ctx, "../x", true), DV_INVALID, "invalid container ID format: ../x");

	make("half", NO_PROCESS, NULL);
	fails(rt_delete(&ctx, "half", false), DV_PRECONDITION,
	      "cannot delete container half that is not stopped: creating");
	cr_assert_null(rt_delete(&ctx, "half", true));
	cr_assert_not(exists("half"));

	snprintf(stray, sizeof(stray), "%s/stray", root);
	cr_assert_eq(mkdir(stray, 0700), 0);
	fails(rt_delete(&ctx, "stray", false), DV_NOT_FOUND, "container does not exist: stray");
	cr_assert(exists("stray"));
	cr_assert_null(rt_delete(&ctx, "stray", true));
	cr_assert_not(exists("stray"));

	ctx.root = "/nonexistent/root";
	cr_assert_null(rt_delete(&ctx, "none", true));
}

/* It waits for somebody's lock, or ended without. */
static bool is_blocked(pid_t pid)
{
	static char text[65536];
	char waiter[32];

	cr_assert_geq(sys_read_file_at(AT_FDCWD, "/proc/locks", text, sizeof(text)), 0);
	snprintf(waiter, sizeof(waiter), " WRITE %d ", pid);
	for (char *p = text; (p = strstr(p, "-> ")); p++) {
		char *at = strstr(p, waiter);

		if (at && !memchr(p, '\n', (size_t)(at - p)))
			return true;
	}
	return false;
}

/* Between reading the state and removing it, the creator must not get to the end unseen. */
Test(lifecycle, delete_sees_what_a_creator_at_work_writes)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	struct timespec ms = { .tv_nsec = 1000000 };
	pid_t deleter, sleeper;
	int status;
	char state;

	make("c", NO_PROCESS, NULL);
	cr_assert_null(rt_load_locked(&ctx, "c", false, &c));
	deleter = fork();
	if (deleter == 0) {
		/* The lock is of what is open, not of who has it. */
		close(c->state->dirfd);
		_exit(rt_delete(&ctx, "c", true) != NULL);
	}
	while (!is_blocked(deleter) && waitpid(deleter, &status, WNOHANG) == 0)
		nanosleep(&ms, NULL);

	sleeper = fork();
	if (sleeper == 0)
		init_main(SLEEPS, -1);
	c->pid = sleeper;
	cr_assert_eq(sys_proc_stat(c->state->procfd, sleeper, &state, &c->state->starttime), 0);
	cr_assert_null(rt_container_save(c)); /* lets go of the lock, too */
	cr_assert_eq(waitpid(deleter, &status, 0), deleter);
	cr_assert_eq(status, 0);
	cr_assert_eq(waitpid(sleeper, &status, 0), sleeper);
	cr_assert_eq(status, SIGKILL);
	cr_assert_not(exists("c"));
}

Test(lifecycle, a_creator_finds_out_that_it_was_deleted)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;

	cr_assert_null(rt_container_new(&ctx, "c", &c));
	cr_assert_null(rt_delete(&ctx, "c", true));
	cr_assert_not(exists("c"));
	make("c", NO_PROCESS, NULL); /* one of the same name is another one */
	fails(rt_container_save(c), DV_NOT_FOUND, "write state of c: no such file or directory");
	fails(rt_container_save_cgroup(c), DV_NOT_FOUND,
	      "write state of c: no such file or directory");
	cr_assert_null(rt_container_undo(&ctx, c, NULL));
	cr_assert_eq(status_of("c"), RT_CREATING);
}

/* So that delete --force finds a group whose creator was killed. */
Test(lifecycle, rdt_group_is_on_record_before_it_is_made)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;

	make("c", NO_PROCESS, NULL);
	cr_assert_null(rt_load(&ctx, "c", &c));
	cr_assert_not(c->state->resctrl.is_used);
	c->state->resctrl = (struct host_resctrl_state){
		.is_used = true,
		.was_created = true,
		.has_monitoring = true,
	};
	c->state->clos_id = "some\nid";
	cr_assert_null(rt_container_save_resctrl(c));
	c = rt_container_free(c);
	cr_assert_null(rt_load(&ctx, "c", &c));
	cr_assert(c->state->resctrl.is_used && c->state->resctrl.was_created);
	cr_assert(c->state->resctrl.has_monitoring && !c->state->resctrl.has_clos_id);
	cr_assert_str_eq(c->state->clos_id, "some\nid");
}

Test(lifecycle, poststop_runs_when_all_is_gone)
{
	char hooks[400], path[80], text[1024];

	snprintf(path, sizeof(path), "%s/seen", root);
	snprintf(
		hooks, sizeof(hooks),
		"{\"poststop\":[{\"path\":\"/bin/false\"},{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
		"\"/bin/cat >%s; test -e %s/c && echo there >>%s\"]}]}",
		path, root, path);
	make("c", SLEEPS, hooks);
	cr_assert_null(rt_delete(&ctx, "c", true));
	reap();
	cr_assert_geq(sys_read_file_at(AT_FDCWD, path, text, sizeof(text)), 0);
	cr_assert_not_null(strstr(text, "\"status\":\"stopped\""), "%s", text);
	cr_assert_null(strstr(text, "there"));
	cr_assert_not_null(strstr(log_text(), "error running poststop hook #0: exit status 1"));
}

Test(lifecycle, undo_removes_what_create_made)
{
	struct rt_container *c = NULL;

	cr_assert_null(rt_container_new(&ctx, "c", &c));
	cr_assert_null(rt_container_undo(&ctx, c, NULL));
	cr_assert_not(exists("c"));
	rt_container_free(c);
}

/* Deleted by force and made again while `run` was waiting for the first one's end. */
Test(lifecycle, undo_spares_a_namesake)
{
	struct rt_container *c = NULL;

	make("c", SLEEPS, NULL);
	cr_assert_null(rt_load(&ctx, "c", &c));
	cr_assert_null(rt_delete(&ctx, "c", true));
	reap();
	cr_assert_null(rt_container_undo(&ctx, c, NULL));
	make("c", SLEEPS, NULL);
	cr_assert_null(rt_container_undo(&ctx, c, NULL));
	cr_assert_eq(status_of("c"), RT_RUNNING);
	rt_container_free(c);
	cr_assert_null(rt_delete(&ctx, "c", true));
	reap();
}

/* ---- the rest ---------------------------------------------------------------------------------- */

Test(lifecycle, pause_resume_update_and_pids_of_a_stopped_one)
{
	static const struct spec_resources res;
	pid_t *pids = NULL;
	size_t n = 9;

	make("c", SLEEPS, NULL);
	fails(rt_resume(&ctx, "c"), DV_PRECONDITION, "container not paused");
	kill(init_pid, SIGKILL);
	reap();
	fails(rt_pause(&ctx, "c"), DV_PRECONDITION, "container not running");
	fails(rt_resume(&ctx, "c"), DV_PRECONDITION, "container not paused");
	fails(rt_update(&ctx, "c", &res, NULL, NULL), DV_PRECONDITION, "container not running");
	cr_assert_null(rt_pids(&ctx, "c", &pids, &n));
	cr_assert_eq(n, 0);
}

Test(lifecycle, update_of_rdt)
{
	static const struct spec_resources res;

	make("c", SLEEPS, NULL);
	if (access("/sys/fs/resctrl/schemata", F_OK) == 0)
		cr_skip_test("this machine has RDT");
	fails(rt_update(&ctx, "c", &res, "L3:0=f", NULL), DV_PRECONDITION,
	      "Intel RDT/CAT: l3 cache schema is not enabled");
	fails(rt_update(&ctx, "c", &res, NULL, "MB:0=10"), DV_PRECONDITION,
	      "Intel RDT/MBA: memory bandwidth schema is not enabled");
	cr_assert_null(rt_update(&ctx, "c", &res, NULL, NULL));
	kill(init_pid, SIGKILL);
	reap();
}
