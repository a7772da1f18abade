/* SPDX-License-Identifier: Apache-2.0 */
/* The foreground loop around processes that are forked here instead of by a launch. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/str.h"
#include "launch-private.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/sock.h"
#include "sys/tty.h"

TestSuite(foreground, .timeout = 30);

static const struct rt_context ctx = { .root = "/" };
static const struct rt_io_opts io;

typedef void (*body_fn)(struct rt_launch *l);

static void begin(struct rt_launch *l)
{
	rt_launch_init(l, &ctx);
	l->io = &io;
	cr_assert_null(rt_foreground_begin(l));
}

/* As the child of a launch does, it begins with the signals in order. */
static void run(struct rt_launch *l, body_fn body)
{
	l->pid = fork();
	if (l->pid == 0) {
		sys_reset_signals();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(l);
		_exit(0);
	}
	l->pidfd = sys_pidfd_open(l->pid);
	cr_assert_geq(l->pidfd, 0);
}

static int status_of(body_fn body)
{
	struct rt_launch l;
	int status = -1;

	begin(&l);
	run(&l, body);
	cr_assert_null(rt_foreground_wait(&l, NULL, &status));
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	return status;
}

static void exits(struct rt_launch *l)
{
	(void)l;
	_exit(7);
}

static void is_killed(struct rt_launch *l)
{
	(void)l;
	raise(SIGKILL);
}

Test(foreground, status)
{
	cr_assert_eq(status_of(exits), 7);
	cr_assert_eq(status_of(is_killed), 128 + SIGKILL);
}

/* Who is started with SIGCHLD ignored gets no status unless something is done about it. */
Test(foreground, status_with_sigchld_ignored)
{
	signal(SIGCHLD, SIG_IGN);
	cr_assert_eq(status_of(exits), 7);
}

/* A zombie can still be signalled: it is gone when it was reaped, which is nobody's work but the
 * loop's. */
static void leaves_an_orphan(struct rt_launch *l)
{
	int fds[2];
	pid_t orphan;

	(void)l;
	cr_assert_eq(sys_pipe(fds), 0);
	if (fork() == 0) {
		orphan = fork();
		if (orphan > 0)
			(void)!write(fds[1], &orphan, sizeof(orphan));
		_exit(0);
	}
	wait(NULL);
	if (read(fds[0], &orphan, sizeof(orphan)) != sizeof(orphan))
		_exit(1);
	while (kill(orphan, 0) == 0)
		sys_poll_in(fds[0], 1);
	_exit(11);
}

Test(foreground, orphans_are_reaped)
{
	cr_assert_eq(status_of(leaves_an_orphan), 11);
}

static void waits_for_usr1(struct rt_launch *l)
{
	sigset_t set;
	int signo;

	(void)l;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGURG);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigwait(&set, &signo);
	_exit(signo == SIGUSR1 ? 42 : 43);
}

static void waits_a_moment(struct rt_launch *l)
{
	sys_poll_in(l->sync[0], 200);
	waits_for_usr1(l);
}

/* One that came before there was a process, and those that stay here. */
Test(foreground, signals_are_forwarded)
{
	struct rt_launch l;
	int status;

	begin(&l);
	cr_assert_eq(raise(SIGUSR1), 0);
	cr_assert_eq(raise(SIGURG), 0);
	cr_assert_eq(raise(SIGWINCH), 0);
	run(&l, waits_a_moment);
	cr_assert_null(rt_foreground_wait(&l, NULL, &status));
	cr_assert(status == 42 || status == 128 + SIGUSR1, "%d", status);
}

/* ---- readiness ---------------------------------------------------------------------------------- */

static void is_ready(struct rt_launch *l)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/notify.sock", l->notify_dir);
	fd = sys_unix_connect_dgram(path);
	_exit(fd >= 0 && sys_send(fd, "READY=1", 7, 0) == 7 ? 8 : 9);
}

Test(foreground, passes_readiness_on)
{
	char dir[] = "/tmp/test-foreground-XXXXXX", host_path[64], text[64], expected[32];
	struct rt_context with_host = { .root = dir, .notify_socket = host_path };
	struct rt_state state;
	struct rt_container c = { .id = "c", .state = &state };
	struct rt_launch l;
	int host, root, status, fd;
	pid_t receiver;

	cr_assert_not_null(mkdtemp(dir));
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(mkdirat(root, "c", 0700), 0);
	state.dirfd = openat(root, "c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(host_path, sizeof(host_path), "%s/host", dir);
	host = sys_unix_listen_dgram(root, "host");

	rt_launch_init(&l, &with_host);
	l.io = &io;
	l.c = &c;
	l.is_run = true;
	cr_assert_null(rt_notify_prepare(&l));
	snprintf(expected, sizeof(expected), "MAINPID=%d\n", getpid());
	receiver = fork();
	if (receiver == 0) {
		bool ok =
			sys_recv(host, text, sizeof(text), 0) == 8 && !memcmp(text, "READY=1\n", 8);

		memset(text, 0, sizeof(text));
		ok &= sys_recv(host, text, sizeof(text), 0) > 0 && dv_streq(text, expected);
		ok &= sys_recv_fd(host, text, sizeof(text), &fd) == 9 && fd >= 0;
		close(fd);
		(void)sys_poll_in(root, 100);
		_exit(ok ? 0 : 1);
	}
	run(&l, is_ready);
	cr_assert_null(rt_foreground_begin(&l));
	cr_assert_null(rt_foreground_wait(&l, NULL, &status));
	cr_assert_eq(status, 8);
	if (waitpid(receiver, &status, 0) == receiver)
		cr_assert_eq(status, 0);
	rt_launch_fini(&l);
	(void)sys_remove_tree(open("/tmp", O_RDONLY | O_CLOEXEC), dir + 5);
}

static void stops(struct rt_launch *l)
{
	(void)l;
	raise(SIGSTOP);
	_exit(3);
}

Test(foreground, a_stopped_process_is_not_gone)
{
	struct rt_launch l;
	int status;

	begin(&l);
	run(&l, stops);
	cr_assert_eq(waitpid(l.pid, &status, WUNTRACED), l.pid);
	cr_assert(WIFSTOPPED(status));
	cr_assert_eq(raise(SIGCONT), 0); /* forwarded */
	cr_assert_null(rt_foreground_wait(&l, NULL, &status));
	cr_assert_eq(status, 3);
}

/* ---- with a terminal ---------------------------------------------------------------------------- */

/* The child's part of the stage "terminal". */
static void take_terminal(struct rt_launch *l)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (master < 0 || sys_tty_unlock(master) < 0 || (slave = sys_tty_peer(master)) < 0)
		_exit(90);
	if (sys_send_fd(l->console_sock, "/dev/pts/0", 10, master) < 0)
		_exit(91);
	close(master);
	setsid();
	for (int i = 0; i < 3; i++)
		dup2(slave, i);
	close(slave);
	if (sys_tty_set_controlling(0) < 0)
		_exit(92);
	/* The launch lets the child go on when rt_terminal_start() is done. */
	(void)sys_read(l->sync[1], &slave, 1);
}

static void shell(const char *script)
{
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
	_exit(93);
}

static struct rt_terminal *start(struct rt_launch *l, body_fn body)
{
	struct rt_terminal *t;

	begin(l);
	cr_assert_null(rt_terminal_new(l, &t));
	cr_assert_eq(sys_socketpair_seqpacket(l->sync), 0);
	run(l, body);
	cr_assert_null(rt_terminal_start(t));
	cr_assert_eq(write(l->sync[0], "x", 1), 1);
	return t;
}

static void greets(struct rt_launch *l)
{
	take_terminal(l);
	shell("test -t 0 && read -r x && echo \"got $x\"; exit 5");
}

/* A pipe for standard input and one for standard output: *in, *out are the other ends. */
static void redirect(int *in, int *out)
{
	int a[2], b[2];

	cr_assert(sys_pipe(a) == 0 && sys_pipe(b) == 0);
	dup2(a[0], 0);
	dup2(b[1], 1);
	close(a[0]);
	close(b[1]);
	*in = a[1];
	*out = b[0];
}

Test(foreground, terminal_copies_both_ways)
{
	struct rt_launch l;
	struct rt_terminal *t;
	char text[256];
	int in, out, status;

	redirect(&in, &out);
	t = start(&l, greets);
	cr_assert_eq(write(in, "ahoy\n", 5), 5);
	cr_assert_null(rt_foreground_wait(&l, t, &status));
	cr_assert_eq(status, 5);
	rt_terminal_free(t);
	close(1);
	cr_assert_geq(sys_read_all(out, text, sizeof(text)), 0);
	cr_assert_str_eq(text, "ahoy\ngot ahoy\n"); /* the echo; no CR */
}

static void writes_a_lot(struct rt_launch *l)
{
	take_terminal(l);
	shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789abcdef; i=$((i+1)); done; echo end");
}

/* All of it arrives, though the reader is slow and the writer gone before that. */
Test(foreground, terminal_loses_no_output)
{
	struct rt_launch l;
	struct rt_terminal *t;
	int in, out, status;
	size_t total = 0;
	char buf[1000];
	pid_t reader;
	ssize_t n;

	redirect(&in, &out);
	reader = fork();
	if (reader == 0) {
		close(1);
		while ((n = read(out, buf, sizeof(buf))) > 0) {
			total += (size_t)n;
			if (total % 7 == 0)
				sys_poll_in(in, 1);
		}
		_exit(total == 20000 * 17 + 4 ? 0 : 1);
	}
	close(out);
	t = start(&l, writes_a_lot);
	l.no_subreaper = true;
	cr_assert_null(rt_foreground_wait(&l, t, &status));
	cr_assert_eq(status, 0);
	rt_terminal_free(t);
	close(1);
	/* The loop reaps all children, so it may have been reaped: its status is all we want. */
	if (waitpid(reader, &status, 0) == reader)
		cr_assert_eq(status, 0);
}

static void reads_nothing(struct rt_launch *l)
{
	take_terminal(l);
	shell("sleep 0.3; echo done");
}

/* Neither end of input, nor a reader that went away, ends the process. */
Test(foreground, terminal_with_ends_closed)
{
	struct rt_launch l;
	struct rt_terminal *t;
	int in, out, status;

	redirect(&in, &out);
	t = start(&l, reads_nothing);
	close(in);
	close(out);
	cr_assert_null(rt_foreground_wait(&l, t, &status));
	cr_assert_eq(status, 0);
	rt_terminal_free(t);
}

static void floods_from_behind(struct rt_launch *l)
{
	take_terminal(l);
	signal(SIGHUP, SIG_IGN);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, 0);
		sys_poll_in(l->sync[1], 3000);
		_exit(0);
	}
	_exit(6);
}

/* Somebody else still holds the terminal. */
Test(foreground, terminal_held_by_another)
{
	struct rt_launch l;
	struct rt_terminal *t;
	int in, out, status;

	redirect(&in, &out);
	t = start(&l, floods_from_behind);
	cr_assert_null(rt_foreground_wait(&l, t, &status));
	cr_assert_eq(status, 6);
	rt_terminal_free(t);
}

static void tells_its_size(struct rt_launch *l)
{
	take_terminal(l);
	shell("stty size; read -r x; stty size; exit 0");
}

static bool is_raw(int fd)
{
	struct termios t;

	cr_assert_eq(sys_tty_get_attr(fd, &t), 0);
	return !(t.c_lflag & (ICANON | ECHO | ISIG));
}

/* A terminal of our own, as stdin and stdout; returns its master. */
static int own_terminal(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	cr_assert(master >= 0 && sys_tty_unlock(master) == 0);
	slave = sys_tty_peer(master);
	cr_assert_geq(slave, 0);
	cr_assert_eq(sys_tty_set_size(master, 33, 77), 0);
	dup2(slave, 0);
	dup2(slave, 1);
	close(slave);
	return master;
}

Test(foreground, own_terminal_is_raw_meanwhile)
{
	struct rt_launch l;
	struct rt_terminal *t;
	char text[256] = "";
	int master = own_terminal(), status;
	struct termios attr;
	size_t len = 0;
	ssize_t n;

	t = start(&l, tells_its_size);
	cr_assert(is_raw(0));
	cr_assert_eq(sys_tty_get_attr(0, &attr), 0);
	cr_assert(attr.c_oflag & OPOST);
	/* Until its first line is here, it cannot know of the change. */
	cr_assert_eq(sys_tty_set_size(master, 44, 88), 0);
	cr_assert_eq(raise(SIGWINCH), 0);
	cr_assert_eq(write(master, "\n", 1), 1);
	cr_assert_null(rt_foreground_wait(&l, t, &status));
	cr_assert_eq(status, 0);
	cr_assert_not(is_raw(0));
	rt_terminal_free(t);
	/* A terminal hands out what it has in pieces. */
	while (!strstr(text, "44 88\r\n") && sys_poll_in(master, 2000) == 1 &&
	       (n = sys_read(master, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	cr_assert_not_null(strstr(text, "44 88\r\n"), "%s", text);
}

Test(foreground, own_terminal_is_restored_without_a_wait)
{
	struct rt_launch l;
	struct rt_terminal *t;
	int status;

	own_terminal();
	t = start(&l, tells_its_size);
	cr_assert(is_raw(0));
	cr_assert_null(rt_terminal_free(t));
	cr_assert_not(is_raw(0));
	kill(l.pid, SIGKILL);
	waitpid(l.pid, &status, 0);
}

static void sends_nothing(struct rt_launch *l)
{
	(void)l;
}

Test(foreground, no_terminal_came)
{
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;
	struct rt_launch l;
	struct rt_terminal *t;

	begin(&l);
	cr_assert_null(rt_terminal_new(&l, &t));
	run(&l, sends_nothing);
	e = rt_terminal_start(t);
	cr_assert_not_null(e);
	cr_assert_str_eq(dv_err_message(e), "the container sent no terminal");
	rt_terminal_free(t);
}
