/* SPDX-License-Identifier: Apache-2.0 */
/* Watched processes and orphans. */

#include "io/pidfd.h"

#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "io/orphans.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/spawn.h"
#include "test-io.h"

struct seen {
	int n;
	siginfo_t si;
	struct io_pidfd *watch; /* freed from within, if there is one */
	struct io_orphans *hold; /* taken from within */
};

static void on_exit_seen(void *arg, const siginfo_t *si)
{
	struct seen *s = arg;

	s->n++;
	s->si = *si;
	s->watch = io_pidfd_free(s->watch);
	io_orphans_hold(s->hold);
}

static pid_t spawn_sh(const char *script, int out)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)(void *)script, NULL };
	char *const envp[] = { (char *)"PATH=/usr/bin:/bin", NULL };
	const int stdio[3] = { -1, out, -1 };
	int pidfd;
	pid_t pid;

	cr_assert_eq(sys_spawn("/bin/sh", argv, envp, stdio, &pid, &pidfd), 0);
	sys_close(pidfd);
	return pid;
}

/* Waits until the child is a zombie, and leaves it one. */
static void wait_zombie(pid_t pid)
{
	siginfo_t si;

	cr_assert(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT) == 0);
}

Test(pidfd, exit_and_signal)
{
	static const struct {
		const char *script;
		int code, status, exit_status;
	} cases[] = {
		{ "exit 7", CLD_EXITED, 7, 7 },
		{ "kill -TERM $$", CLD_KILLED, SIGTERM, 128 + SIGTERM },
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(cases); i++) {
		struct seen s = { 0 };
		pid_t pid = spawn_sh(cases[i].script, -1);
		uv_loop_t loop;

		uv_loop_init(&loop);
		cr_assert(io_pidfd_new(&loop, pid, -1, on_exit_seen, &s, &s.watch) == NULL);
		T_INT(io_pidfd_pid(s.watch), ==, pid);
		RUN_UNTIL(&loop, s.n);
		T_INT(s.si.si_pid, ==, pid);
		T_INT(s.si.si_code, ==, cases[i].code);
		T_INT(s.si.si_status, ==, cases[i].status);
		T_INT(io_exit_status(&s.si), ==, cases[i].exit_status);
		loop_fini(&loop);
		T_INT(waitpid(pid, NULL, WNOHANG), ==, -1);
	}
}

Test(pidfd, ended_before_it_was_watched)
{
	struct seen s = { 0 };
	pid_t pid = spawn_sh("exit 5", -1);
	uv_loop_t loop;

	wait_zombie(pid);
	uv_loop_init(&loop);
	cr_assert(io_pidfd_new(&loop, pid, -1, on_exit_seen, &s, &s.watch) == NULL);
	T_INT(s.n, ==, 0);
	RUN_UNTIL(&loop, s.n);
	T_INT(io_exit_status(&s.si), ==, 5);
	loop_fini(&loop);
}

Test(pidfd, no_such_process)
{
	struct io_pidfd *w = NULL;
	pid_t pid = spawn_sh(":", -1);
	uv_loop_t loop;
	struct dv_err *e;

	waitpid(pid, NULL, 0);
	uv_loop_init(&loop);
	e = io_pidfd_new(&loop, pid, -1, on_exit_seen, NULL, &w);
	cr_assert(e != NULL);
	T_INT(dv_err_code(e), ==, DV_NOT_FOUND);
	dv_err_free(e);
	T_NULL(w);
	T_NULL(io_pidfd_free(NULL));
	loop_fini(&loop);
}

Test(pidfd, of_somebody_else)
{
	struct seen s = { 0 };
	pid_t pid = spawn_sh("exit 5", -1);
	int fd = sys_pidfd_open(pid), before;
	uv_loop_t loop;

	uv_loop_init(&loop);
	before = count_fds();
	cr_assert(io_pidfd_new(&loop, pid, fd, on_exit_seen, &s, &s.watch) == NULL);
	waitpid(pid, NULL, 0);
	T_INT(io_pidfd_kill(s.watch, 0), ==, -ESRCH);
	RUN_UNTIL(&loop, s.n);
	T_INT(s.si.si_pid, ==, pid);
	T_INT(s.si.si_code, ==, 0);
	T_INT(io_exit_status(&s.si), ==, 255);
	T_INT(count_fds(), ==, before - 1);
	loop_fini(&loop);
}

Test(pidfd, kill_and_free_without_waiting)
{
	struct seen s = { 0 };
	pid_t pid = spawn_sh("sleep 1000", -1);
	uv_loop_t loop;

	uv_loop_init(&loop);
	cr_assert(io_pidfd_new(&loop, pid, -1, on_exit_seen, &s, &s.watch) == NULL);
	T_INT(io_pidfd_kill(s.watch, SIGKILL), ==, 0);
	s.watch = io_pidfd_free(s.watch);
	loop_fini(&loop);
	T_INT(s.n, ==, 0);
	T_INT(waitpid(pid, NULL, 0), ==, pid);
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
}

/* The sweep alone keeps no loop running: here a timer does that. */
static void loop_init(uv_loop_t *loop, uv_timer_t *keep)
{
	uv_loop_init(loop);
	uv_timer_init(loop, keep);
	uv_timer_start(keep, on_timer, 1000000, 0);
}

static bool is_reaped(pid_t pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

Test(orphans, are_reaped_and_watched_ones_are_not_lost)
{
	enum { N = 20 };
	struct io_orphans *o = NULL;
	struct seen s[N] = { 0 };
	pid_t orphans[N];
	uv_loop_t loop;
	uv_timer_t keep;

	loop_init(&loop, &keep);
	cr_assert(io_orphans_new(&loop, false, &o) == NULL);
	for (int i = 0; i < N; i++) {
		pid_t pid = spawn_sh("exit 3", -1);

		orphans[i] = spawn_sh("exit 4", -1);
		cr_assert(io_pidfd_new(&loop, pid, -1, on_exit_seen, &s[i], &s[i].watch) == NULL);
	}
	for (int i = 0; i < N; i++) {
		RUN_UNTIL(&loop, s[i].n && is_reaped(orphans[i]));
		T_INT(s[i].n, ==, 1);
		T_INT(io_exit_status(&s[i].si), ==, 3);
	}
	T_INT(waitpid(-1, NULL, WNOHANG), ==, -1);
	io_orphans_free(o);
	uv_close((uv_handle_t *)&keep, NULL);
	loop_fini(&loop);
}

/* A grandchild whose parent has ended. */
Test(orphans, of_others_come_to_a_subreaper)
{
	struct io_orphans *o = NULL;
	char text[32] = "";
	int pipe[2];
	uv_loop_t loop;
	pid_t pid;
	uv_timer_t keep;

	cr_assert_eq(sys_pipe(pipe), 0);
	loop_init(&loop, &keep);
	cr_assert(io_orphans_new(&loop, true, &o) == NULL);
	spawn_sh("sh -c 'exec >&-; read x </dev/zero; exit 1' & echo $!", pipe[1]);
	sys_close(pipe[1]);
	T_INT(sys_read_all(pipe[0], text, sizeof(text)), >, 0);
	pid = (int)strtol(text, NULL, 10);
	T_INT(kill(pid, SIGKILL), ==, 0);
	RUN_UNTIL(&loop, is_reaped(pid));
	io_orphans_free(o);
	uv_close((uv_handle_t *)&keep, NULL);
	loop_fini(&loop);
}

/* While it is held back an init may be found among the orphans, and its status be had. */
Test(orphans, held_back)
{
	struct io_orphans *o = NULL;
	struct seen s = { 0 };
	uv_loop_t loop;
	pid_t pid, other;
	uv_timer_t keep;

	loop_init(&loop, &keep);
	cr_assert(io_orphans_new(&loop, false, &o) == NULL);
	io_orphans_hold(o);
	io_orphans_hold(o);
	pid = spawn_sh("exit 9", -1);
	other = spawn_sh("exit 9", -1);
	wait_zombie(pid);
	wait_zombie(other);
	uv_run(&loop, UV_RUN_NOWAIT);
	T_FALSE(is_reaped(pid));
	io_orphans_release(o);
	uv_run(&loop, UV_RUN_NOWAIT);
	T_FALSE(is_reaped(pid));
	cr_assert(io_pidfd_new(&loop, pid, -1, on_exit_seen, &s, &s.watch) == NULL);
	io_orphans_release(o);
	T_INT(s.n, ==, 0);
	RUN_UNTIL(&loop, s.n && is_reaped(other));
	T_INT(io_exit_status(&s.si), ==, 9);
	io_orphans_free(o);
	uv_close((uv_handle_t *)&keep, NULL);
	loop_fini(&loop);
}

Test(orphans, held_back_from_within_a_watch)
{
	struct io_orphans *o = NULL;
	struct seen s = { 0 };
	uv_loop_t loop;
	pid_t first, second;
	uv_timer_t keep;

	loop_init(&loop, &keep);
	cr_assert(io_orphans_new(&loop, false, &o) == NULL);
	first = spawn_sh("exit 1", -1);
	wait_zombie(first);
	s.hold = o;
	cr_assert(io_pidfd_new(&loop, first, -1, on_exit_seen, &s, &s.watch) == NULL);
	RUN_UNTIL(&loop, s.n);
	second = spawn_sh("exit 2", -1);
	wait_zombie(second);
	uv_run(&loop, UV_RUN_NOWAIT);
	T_FALSE(is_reaped(second));
	io_orphans_release(o);
	RUN_UNTIL(&loop, is_reaped(second));
	io_orphans_free(o);
	uv_close((uv_handle_t *)&keep, NULL);
	loop_fini(&loop);
}
