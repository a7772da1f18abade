/* SPDX-License-Identifier: Apache-2.0 */
/* Readiness: a fake systemd on one side, a fake container on the other. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "notify-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"

static char dir[] = "/tmp/test-notify-XXXXXX", host_path[64];
static int dirfd_, host;
static struct rt_state state;
static struct rt_container container = { .id = "c", .state = &state };
static struct rt_context ctx = { .root = dir };

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mkdirat(dirfd_, "c", 0700), 0);
	state.dirfd = openat(dirfd_, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	host = sys_unix_listen_dgram(dirfd_, "host");
	cr_assert_geq(host, 0);
	snprintf(host_path, sizeof(host_path), "%s/host", dir);
	ctx.notify_socket = host_path;
}

static void tear_down(void)
{
	int tmp = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_eq(sys_remove_tree(tmp, dir + 5), 0);
}

TestSuite(notify, .init = set_up, .fini = tear_down, .timeout = 20);

static void say(const char *text)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/c/notify/notify.sock", dir);
	fd = sys_unix_connect_dgram(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(sys_send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	close(fd);
}

static void hears(const char *expected)
{
	char text[256];
	ssize_t n = sys_recv(host, text, sizeof(text) - 1, MSG_DONTWAIT);

	cr_assert_geq(n, 0, "expected %s", expected);
	text[n] = '\0';
	cr_assert_str_eq(text, expected);
}

/* A process that waits to be killed, or one that has ended. */
static int process(bool lives, pid_t *ret_pid)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (lives)
			pause();
		_exit(0);
	}
	*ret_pid = pid;
	return sys_pidfd_open(pid);
}

Test(notify, prepare_makes_the_directory_and_for_run_the_socket)
{
	struct rt_launch l = { .ctx = &ctx, .c = &container };
	char expected[64];
	struct stat st;

	umask(077);
	dv_arena_init(&l.arena);
	cr_assert_null(rt_notify_prepare(&l));
	snprintf(expected, sizeof(expected), "%s/c/notify", dir);
	cr_assert_str_eq(l.notify_dir, expected);
	cr_assert_eq(stat(expected, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0755);
	cr_assert_eq(l.notify_sock, -1);

	cr_assert_eq(rmdir(expected), 0);
	l.is_run = true;
	cr_assert_null(rt_notify_prepare(&l));
	cr_assert_geq(l.notify_sock, 0);
	cr_assert_eq(fstatat(state.dirfd, "notify/notify.sock", &st, 0), 0);
	cr_assert(S_ISSOCK(st.st_mode));
	cr_assert_eq(st.st_mode & 0777, 0777);
	close(l.notify_sock);
	dv_arena_fini(&l.arena);
}

Test(notify, nobody_waits)
{
	struct rt_launch l = { .ctx = &ctx, .c = &container };

	ctx.notify_socket = "";
	cr_assert_null(rt_notify_prepare(&l));
	cr_assert_null(l.notify_dir);
	cr_assert_null(rt_notify_relay(&l));
	cr_assert_eq(faccessat(state.dirfd, "notify", F_OK, 0), -1);
}

Test(notify, passes_ready_on)
{
	struct rt_notify n;
	int sock = -1, fd;
	char text[64];
	ssize_t len;

	cr_assert_eq(mkdirat(state.dirfd, "notify", 0755), 0);
	cr_assert_null(rt_notify_listen(&container, &sock));
	cr_assert_null(rt_notify_open(&ctx, sock, 4711, &n));

	say("STATUS=READY=1\nXREADY=1\nREADY=10");
	cr_assert_null(rt_notify_receive(&n));
	cr_assert_geq(n.sock, 0);
	cr_assert_null(rt_notify_receive(&n)); /* nothing there */

	say("STATUS=up\nREADY=1\nMAINPID=1\n");
	cr_assert_null(rt_notify_receive(&n));
	cr_assert_eq(n.sock, -1);
	hears("READY=1\n");
	hears("MAINPID=4711\n");
	len = sys_recv_fd(host, text, sizeof(text), &fd);
	cr_assert_eq(len, 9);
	cr_assert_eq(memcmp(text, "BARRIER=1", 9), 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(sys_poll_in(n.barrier, 0), 0);
	close(fd);
	rt_notify_finish(&n, NULL); /* hangs up */
	cr_assert_eq(n.barrier, -1);
	rt_notify_close(&n);
}

Test(notify, wait_ends_with_the_process)
{
	struct rt_notify n;
	int sock = -1, pidfd;
	pid_t pid;

	cr_assert_eq(mkdirat(state.dirfd, "notify", 0755), 0);
	cr_assert_null(rt_notify_listen(&container, &sock));
	cr_assert_null(rt_notify_open(&ctx, sock, 1, &n));
	pidfd = process(false, &pid);
	cr_assert_null(rt_notify_wait(&n, pidfd, NULL));
	cr_assert_eq(recv(host, &pid, 1, MSG_DONTWAIT), -1);
	rt_notify_close(&n);
	close(pidfd);
}

/* It said so, and was gone before we looked. */
Test(notify, wait_hears_last_words)
{
	struct rt_notify n;
	int sock = -1, pidfd, fd;
	char text[16];
	pid_t pid;

	cr_assert_eq(mkdirat(state.dirfd, "notify", 0755), 0);
	cr_assert_null(rt_notify_listen(&container, &sock));
	cr_assert_null(rt_notify_open(&ctx, sock, 9, &n));
	say("WATCHDOG=1");
	say("READY=1");
	pidfd = process(false, &pid);
	cr_assert_eq(sys_poll_in(pidfd, 5000), 1);

	/* The barrier is closed by a receiver that is somebody else. */
	if (fork() == 0) {
		for (int i = 0; i < 3; i++) {
			(void)sys_recv_fd(host, text, sizeof(text), &fd);
			if (fd >= 0)
				close(fd);
		}
		_exit(0);
	}
	cr_assert_null(rt_notify_wait(&n, pidfd, NULL));
	cr_assert_eq(n.sock, -1);
	rt_notify_close(&n);
	close(pidfd);
}

Test(notify, listening_twice_replaces_the_socket)
{
	int a = -1, b = -1;

	cr_assert_eq(mkdirat(state.dirfd, "notify", 0755), 0);
	cr_assert_null(rt_notify_listen(&container, &a));
	cr_assert_null(rt_notify_listen(&container, &b));
	say("READY=1");
	cr_assert_eq(sys_poll_in(b, 0), 1);
	cr_assert_eq(sys_poll_in(a, 0), 0);
	close(a);
	close(b);
}

Test(notify, errors)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *no_dir = NULL, *no_host = NULL;
	struct rt_notify n;
	int sock = -1;

	no_dir = rt_notify_listen(&container, &sock);
	cr_assert_eq(dv_err_code(no_dir), DV_NOT_FOUND);
	ctx.notify_socket = "/nonexistent/socket";
	no_host = rt_notify_open(&ctx, -1, 1, &n);
	cr_assert_not_null(no_host);
	cr_assert_eq(n.host, -1);
}
