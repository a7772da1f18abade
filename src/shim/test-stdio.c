/* SPDX-License-Identifier: Apache-2.0 */
/* Standard streams: this program plays the client, and the process that gets them. */

#include "shim/stdio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "env.h"
#include "sys/file.h"
#include "sys/process.h"
#include "sys/tty.h"

enum { BIG = 300 * 1000 };

static char dir[] = "/tmp/davit-test-XXXXXX";
static uv_loop_t loop;
static struct shim_env env;
static struct shim_stdio *io;
static struct dv_err *failure;
static int n_opened, n_drained, n_fds;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	cr_assert_not_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	uv_loop_init(&loop);
	shim_env_init(&env, &loop, NULL);
	n_fds = count_fds();
}

static void tear_down(void)
{
	io = shim_stdio_free(io);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	T_INT(count_fds(), ==, n_fds);
	shim_env_fini(&env);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	T_INT(uv_loop_close(&loop), ==, 0);
	dv_err_free(failure);
	(void)sys_remove_tree(AT_FDCWD, dir);
}

TestSuite(fifo, .init = set_up, .fini = tear_down);
TestSuite(input, .init = set_up, .fini = tear_down);
TestSuite(file, .init = set_up, .fini = tear_down);
TestSuite(logger, .init = set_up, .fini = tear_down);
TestSuite(terminal, .init = set_up, .fini = tear_down);

/* ---- helpers ----------------------------------------------------------------------------------- */

/* Not UV_RUN_ONCE: it runs the timers and then waits. Criterion ends a test that hangs. */
#define RUN_UNTIL(cond) \
	do { \
		while (!(cond)) { \
			uv_run(&loop, UV_RUN_NOWAIT); \
			usleep(500); \
		} \
	} while (0)

static void on_opened(void *arg, struct dv_err *take_e, struct shim_stdio *take)
{
	T_TRUE(arg == &n_opened);
	T_TRUE((take_e == NULL) == (take != NULL));
	failure = take_e;
	io = take;
	n_opened++;
}

static void on_drained(void *arg)
{
	T_TRUE(arg == &n_drained);
	n_drained++;
}

static void start_open(struct shim_stdio_spec spec)
{
	spec.container_id = "c1";
	spec.ns = "ns";
	shim_stdio_open(&env, &spec, on_opened, &n_opened);
	T_INT(n_opened, ==, 0);
	RUN_UNTIL(n_opened > 0);
	T_INT(n_opened, ==, 1);
	n_opened = 0;
}

static void open_stdio(struct shim_stdio_spec spec)
{
	start_open(spec);
	cr_assert_null(failure, "%s", failure ? dv_err_message(failure) : "");
}

static void check_fails(struct shim_stdio_spec spec, enum dv_code code)
{
	start_open(spec);
	cr_assert_not_null(failure);
	cr_expect_eq(dv_err_code(failure), code, "%s", dv_err_message(failure));
	dv_err_free(failure);
	failure = NULL;
}

/* The process gets its end of stream @i. */
static int take_end(int i)
{
	int fd = shim_stdio_child_fds(io)[i];

	cr_assert_geq(fd, 0);
	fd = sys_dup_cloexec(fd, 3);
	/* The process's own may wait: it is no business of ours. */
	T_TRUE(i == 0 || !(fcntl(fd, F_GETFL) & O_NONBLOCK));
	return fd;
}

static void say(int fd, const char *text)
{
	T_INT(sys_write_all(fd, text, strlen(text)), ==, 0);
}

static char *path_of(const char *name)
{
	return dv_printf("%s/%s", dir, name);
}

static char *make_fifo(const char *name)
{
	char *path = path_of(name);

	T_INT(mkfifo(path, 0700), ==, 0);
	return path;
}

static int open_reader(const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

/* What there is now; *ret_at_end, if it was the end. */
static char *hear(int fd, bool *ret_at_end)
{
	static char text[4096];
	ssize_t n, len = 0;

	*ret_at_end = false;
	while (len < (ssize_t)sizeof(text) - 1) {
		n = sys_read(fd, text + len, sizeof(text) - 1 - (size_t)len);
		*ret_at_end = n == 0;
		if (n <= 0)
			break;
		len += n;
	}
	text[len] = '\0';
	return text;
}

#define T_HEAR(fd, text) \
	do { \
		bool t_end_; \
		T_STR(hear((fd), &t_end_), (text)); \
		T_FALSE(t_end_); \
	} while (0)

static void check_end(int fd)
{
	char c;

	RUN_UNTIL(sys_read(fd, &c, 1) == 0);
}

static void exit_and_drain(void)
{
	int before = n_drained;

	shim_stdio_exited(io, on_drained, &n_drained);
	T_INT(n_drained, ==, before);
	RUN_UNTIL(n_drained > before);
}

static char *content(const char *name)
{
	static char text[64 * 1024];
	DV_CLEANUP(dv_freep) char *path = path_of(name);

	if (sys_read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		text[0] = '\0';
	return text;
}

/* ---- fifos ------------------------------------------------------------------------------------- */

Test(fifo, nothing)
{
	open_stdio((struct shim_stdio_spec){ .in = "", .out = NULL, .err = "" });
	for (int i = 0; i < 3; i++)
		T_INT(shim_stdio_child_fds(io)[i], ==, -1);
	shim_stdio_started(io);
	exit_and_drain();
	exit_and_drain();
	T_INT(n_drained, ==, 2);
}

Test(fifo, reader_goes_and_comes)
{
	DV_CLEANUP(dv_freep) char *path = make_fifo("out");
	int reader, out;

	open_stdio((struct shim_stdio_spec){ .out = path });
	out = take_end(1);
	shim_stdio_started(io);
	for (int i = 0; i < 3; i++) {
		reader = open_reader(path);
		say(out, "one ");
		T_HEAR(reader, i ? "away one " : "one ");
		sys_close(reader);
		say(out, "away ");
	}
	sys_close(out);
	exit_and_drain();
	reader = open_reader(path);
	T_HEAR(reader, "away ");
	check_end(reader);
	sys_close(reader);
}

Test(fifo, reader_never_came)
{
	DV_CLEANUP(dv_freep) char *path = make_fifo("out");
	DV_CLEANUP(dv_freep) char *uri = dv_printf("fifo://%s", path);
	int reader, out;

	open_stdio((struct shim_stdio_spec){ .out = uri });
	out = take_end(1);
	say(out, "words");
	sys_close(out);
	exit_and_drain();
	/* One that dies before it has read all, and one that does not. */
	for (int i = 0; i < 2; i++) {
		char c;

		reader = open_reader(path);
		T_INT(sys_read(reader, &c, 1), ==, 1);
		T_INT(c, ==, "wo"[i]);
		uv_run(&loop, UV_RUN_NOWAIT);
		if (i == 0)
			sys_close(reader);
	}
	T_HEAR(reader, "rds");
	check_end(reader);
	sys_close(reader);
}

Test(fifo, end_comes_after_the_last_byte)
{
	DV_CLEANUP(dv_freep) char *path = make_fifo("out");
	int reader, out, other;

	open_stdio((struct shim_stdio_spec){ .out = path });
	reader = open_reader(path);
	out = take_end(1);
	other = take_end(1); /* a process that inherited it */
	shim_stdio_started(io);
	say(out, "one");
	sys_close(out);
	exit_and_drain();
	T_HEAR(reader, "one");
	say(other, "two");
	T_HEAR(reader, "two");
	sys_close(other);
	check_end(reader);
	sys_close(reader);
}

Test(fifo, both_streams)
{
	DV_CLEANUP(dv_freep) char *out_path = make_fifo("out"), *err_path = make_fifo("err");
	int out, err, readers[2];

	open_stdio((struct shim_stdio_spec){ .out = out_path, .err = err_path });
	readers[0] = open_reader(out_path);
	readers[1] = open_reader(err_path);
	out = take_end(1);
	err = take_end(2);
	say(err, "errors");
	say(out, "output");
	T_HEAR(readers[0], "output");
	T_HEAR(readers[1], "errors");
	sys_close(out);
	sys_close(err);
	exit_and_drain();
	for (int i = 0; i < 2; i++) {
		check_end(readers[i]);
		sys_close(readers[i]);
	}
}

Test(fifo, owner)
{
	DV_CLEANUP(dv_freep) char *path = make_fifo("out");
	struct stat st;

	if (geteuid() != 0)
		cr_skip_test("needs root");
	open_stdio((struct shim_stdio_spec){
		.out = path, .has_owner = true, .uid = 1234, .gid = 5678 });
	T_INT(stat(path, &st), ==, 0);
	T_INT(st.st_uid, ==, 1234);
	T_INT(st.st_gid, ==, 5678);
}

Test(fifo, what_is_none)
{
	DV_CLEANUP(dv_freep)
	char *missing = path_of("missing"), *link = path_of("link"), *file = path_of("file"),
	     *fifo = make_fifo("fifo");
	DV_CLEANUP(dv_freep) char *file_uri = dv_printf("fifo://%s", file);

	T_INT(symlink(fifo, link), ==, 0);
	sys_close(sys_openat(AT_FDCWD, file, O_WRONLY | O_CREAT, 0600));
	check_fails((struct shim_stdio_spec){ .out = missing }, DV_NOT_FOUND);
	check_fails((struct shim_stdio_spec){ .in = missing }, DV_NOT_FOUND);
	check_fails((struct shim_stdio_spec){ .out = fifo, .err = missing }, DV_NOT_FOUND);
	check_fails((struct shim_stdio_spec){ .out = link }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = dir }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = file_uri }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .in = file }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .in = "file:///dev/null" }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = "gopher://x" }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = "relative" }, DV_INVALID);
}

/* ---- input ------------------------------------------------------------------------------------- */

Test(input, closed_while_it_is_on_its_way)
{
	DV_CLEANUP(dv_freep) char *path = make_fifo("in");
	int client, in;
	char text[8];

	open_stdio((struct shim_stdio_spec){ .in = path });
	in = take_end(0);
	shim_stdio_started(io);
	client = sys_openat(AT_FDCWD, path, O_WRONLY | O_NONBLOCK, 0);
	cr_assert_geq(client, 0);
	say(client, "one");
	sys_close(client); /* clients come and go */
	client = sys_openat(AT_FDCWD, path, O_WRONLY | O_NONBLOCK, 0);
	say(client, "two");
	T_INT(read(in, text, 3), ==, 3);
	sys_close(client);
	shim_stdio_close_stdin(io);
	T_INT(read(in, text, sizeof(text)), ==, 3);
	T_INT(read(in, text, sizeof(text)), ==, 0);
	sys_close(in);
	exit_and_drain();
}

/* ---- files and logs ---------------------------------------------------------------------------- */

Test(file, of_both_streams)
{
	DV_CLEANUP(dv_freep) char *uri = dv_printf("file://%s/deep/er/log", dir);
	int out, err;

	open_stdio((struct shim_stdio_spec){ .out = uri, .err = uri });
	out = take_end(1);
	err = take_end(2);
	shim_stdio_started(io);
	say(out, "one\n");
	RUN_UNTIL(dv_streq(content("deep/er/log"), "one\n"));
	say(err, "two");
	sys_close(out);
	sys_close(err);
	exit_and_drain();
	T_STR(content("deep/er/log"), "one\ntwo");
	T_NULL(shim_stdio_reopen(io));
}

/* Without the newline, so that the times do not matter. */
static void check_record(const char *log, const char *expected)
{
	const char *space = strchr(log, ' ');

	cr_assert_not_null(space, "\"%s\"", log);
	T_STR(space + 1, expected);
}

Test(file, log)
{
	DV_CLEANUP(dv_freep)
	char *uri = dv_printf("cri://%s/log", dir), *kept = path_of("kept"), *path = path_of("log");
	int out;

	open_stdio((struct shim_stdio_spec){ .out = uri });
	T_INT(shim_stdio_child_fds(io)[2], ==, -1);
	out = take_end(1);
	shim_stdio_started(io);
	say(out, "one\n");
	RUN_UNTIL(*content("log"));
	check_record(content("log"), "stdout F one\n");
	T_INT(rename(path, kept), ==, 0);
	T_NULL(shim_stdio_reopen(io));
	say(out, "two");
	/* It is there with the end only, since more could come. */
	exit_and_drain();
	T_STR(content("log"), "");
	sys_close(out);
	RUN_UNTIL(*content("log"));
	check_record(content("log"), "stdout P two\n");
	check_record(content("kept"), "stdout F one\n");
}

Test(file, much_in_a_log_before_it_is_freed)
{
	DV_CLEANUP(dv_freep)
	char *uri = dv_printf("json://%s/log?max-line=262144", dir), *path = path_of("log"),
	     *text = dv_alloc(BIG + 1);
	struct stat st;
	int out;

	memset(text, 'x', BIG);
	open_stdio((struct shim_stdio_spec){ .out = uri });
	out = take_end(1);
	say(out, text);
	sys_close(out);
	io = shim_stdio_free(io);
	T_INT(stat(path, &st), ==, 0);
	T_INT(st.st_size, >, BIG);
}

Test(file, options_that_differ)
{
	DV_CLEANUP(dv_freep)
	char *a = dv_printf("cri://%s/log?max-line=100", dir),
	     *b = dv_printf("cri://%s/log?stream=stderr", dir),
	     *c = dv_printf("json://%s/log?max-line=100", dir);

	check_fails((struct shim_stdio_spec){ .out = a, .err = b }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = a, .err = c }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = "cri:///x?colour=red" }, DV_INVALID);
	open_stdio((struct shim_stdio_spec){ .out = a, .err = a });
}

Test(file, reopen_without_a_log)
{
	struct dv_err *e;

	open_stdio((struct shim_stdio_spec){ .out = "" });
	e = shim_stdio_reopen(io);
	cr_assert_not_null(e);
	T_INT(dv_err_code(e), ==, DV_PRECONDITION);
	dv_err_free(e);
}

/* ---- loggers ----------------------------------------------------------------------------------- */

static char *make_logger(const char *scheme, const char *script)
{
	DV_CLEANUP(dv_freep)
	char *path = path_of("logger"), *text = dv_printf("#!/bin/sh\ncd %s\n%s", dir, script);
	int fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT, 0755);

	T_INT(sys_write_all(fd, text, strlen(text)), ==, 0);
	sys_close(fd);
	return dv_printf("%s://%s?key=value", scheme, path);
}

Test(logger, gets_both_streams)
{
	DV_CLEANUP(dv_freep)
	char *uri = make_logger("binary", "echo $CONTAINER_ID $CONTAINER_NAMESPACE $* >what\n"
					  "exec 5>&-\ncat <&3 >out\ncat <&4 >err\ntouch ended\n");
	DV_CLEANUP(dv_freep) char *ended = path_of("ended");
	int out, err;

	open_stdio((struct shim_stdio_spec){ .out = uri });
	T_STR(content("what"), "c1 ns key value\n");
	out = take_end(1);
	err = take_end(2);
	shim_stdio_started(io);
	say(out, "one");
	say(err, "two");
	sys_close(out);
	sys_close(err);
	exit_and_drain();
	io = shim_stdio_free(io);
	/* It may write what it has read before it gets a signal. */
	RUN_UNTIL(access(ended, F_OK) == 0);
	T_STR(content("out"), "one");
	T_STR(content("err"), "two");
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(logger, of_the_second_kind)
{
	DV_CLEANUP(dv_freep)
	char *uri = make_logger("binary-v2", "echo >&5\nexec cat <&3 >out\n");

	open_stdio((struct shim_stdio_spec){ .out = uri });
	io = shim_stdio_free(io);
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(logger, that_is_not_ready)
{
	DV_CLEANUP(dv_freep) char *uri = make_logger("binary-v2", "exec 5>&-\nsleep 1000\n");

	check_fails((struct shim_stdio_spec){ .out = uri }, DV_UNAVAILABLE);
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

/* Whatever is seen first: the end of it, or that it is ready, the process is not held up. */
Test(logger, that_is_gone_at_once)
{
	DV_CLEANUP(dv_freep) char *uri = make_logger("binary", "exit 1\n");
	DV_CLEANUP(dv_freep) char *text = dv_alloc(BIG + 1);
	int out;

	memset(text, 'x', BIG);
	for (int i = 0; i < 5; i++) {
		size_t done = 0;

		open_stdio((struct shim_stdio_spec){ .out = uri });
		out = take_end(1);
		shim_stdio_started(io);
		T_INT(fcntl(out, F_SETFL, O_NONBLOCK), ==, 0);
		while (done < BIG) {
			ssize_t n = sys_write(out, text + done, BIG - done);

			cr_assert(n > 0 || n == -EAGAIN);
			done += n > 0 ? (size_t)n : 0;
			uv_run(&loop, UV_RUN_NOWAIT);
		}
		sys_close(out);
		exit_and_drain();
		io = shim_stdio_free(io);
	}
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(logger, that_cannot_be)
{
	DV_CLEANUP(dv_freep) char *uri = make_logger("binary", "exec 5>&-\ncat <&3\n");

	check_fails((struct shim_stdio_spec){ .out = "binary:///no/such/logger" }, DV_NOT_FOUND);
	check_fails((struct shim_stdio_spec){ .err = uri }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = uri, .err = "/no/such/fifo" }, DV_NOT_FOUND);
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

/* ---- terminals --------------------------------------------------------------------------------- */

/* Its master is *ret_master; returns the process's end, which changes nothing on the way. */
static int make_terminal(int *ret_master)
{
	struct termios t;
	int slave;

	*ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	cr_assert(*ret_master >= 0 && unlockpt(*ret_master) == 0);
	slave = sys_tty_peer(*ret_master);
	cr_assert(slave >= 0 && tcgetattr(slave, &t) == 0);
	cfmakeraw(&t);
	T_INT(tcsetattr(slave, TCSANOW, &t), ==, 0);
	return slave;
}

static struct winsize size_of(int fd)
{
	struct winsize w = { 0 };

	T_INT(ioctl(fd, TIOCGWINSZ, &w), ==, 0);
	return w;
}

Test(terminal, relay)
{
	DV_CLEANUP(dv_freep) char *in_path = make_fifo("in"), *out_path = make_fifo("out");
	int master, slave = make_terminal(&master), reader, client;
	char text[8] = "";

	open_stdio((struct shim_stdio_spec){
		.in = in_path, .out = out_path, .err = "/ignored", .is_terminal = true });
	reader = open_reader(out_path);
	client = sys_openat(AT_FDCWD, in_path, O_WRONLY | O_NONBLOCK, 0);
	say(client, "input");
	T_NULL(shim_stdio_resize(io, 100, 30));
	shim_stdio_set_console(io, master);
	shim_stdio_started(io);
	T_INT(size_of(slave).ws_col, ==, 100);
	T_INT(size_of(slave).ws_row, ==, 30);
	T_NULL(shim_stdio_resize(io, 80, 24));
	T_INT(size_of(slave).ws_row, ==, 24);
	RUN_UNTIL(sys_poll_in(slave, 0) == 1);
	T_INT(read(slave, text, sizeof(text)), ==, 5);
	T_STR(text, "input");
	say(slave, "output");
	RUN_UNTIL(sys_poll_in(reader, 0) == 1);
	T_HEAR(reader, "output");
	/* Closed for a moment: no end. */
	sys_close(slave);
	for (int i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	slave = sys_tty_peer(master);
	say(slave, "more");
	sys_close(slave);
	sys_close(client);
	exit_and_drain();
	T_HEAR(reader, "more");
	check_end(reader);
	sys_close(reader);
}

Test(terminal, nobody_reads)
{
	DV_CLEANUP(dv_freep) char *path = make_fifo("out");
	int master, slave = make_terminal(&master), reader;

	open_stdio((struct shim_stdio_spec){ .out = path, .is_terminal = true });
	shim_stdio_set_console(io, master);
	say(slave, "words");
	sys_close(slave);
	exit_and_drain();
	reader = open_reader(path);
	T_HEAR(reader, "words");
	check_end(reader);
	sys_close(reader);
}

Test(terminal, into_a_log)
{
	DV_CLEANUP(dv_freep) char *uri = dv_printf("cri://%s/log", dir);
	int master, slave = make_terminal(&master);

	open_stdio((struct shim_stdio_spec){ .out = uri, .is_terminal = true });
	shim_stdio_set_console(io, master);
	say(slave, "one\n");
	sys_close(slave);
	exit_and_drain();
	check_record(content("log"), "stdout F one\n");
}

Test(terminal, into_a_logger)
{
	DV_CLEANUP(dv_freep)
	char *uri = make_logger("binary", "exec 5>&-\ncat <&4 >err\n"
					  "cat <&3 >out\ntouch ended\n"),
	     *ended = path_of("ended");
	int master, slave = make_terminal(&master);

	open_stdio((struct shim_stdio_spec){ .out = uri, .is_terminal = true });
	shim_stdio_set_console(io, master);
	say(slave, "one\n");
	sys_close(slave);
	exit_and_drain();
	io = shim_stdio_free(io);
	RUN_UNTIL(access(ended, F_OK) == 0);
	T_STR(content("out"), "one\n");
	while (uv_run(&loop, UV_RUN_ONCE))
		;
}

Test(terminal, into_nothing)
{
	int master, slave = make_terminal(&master);
	char text[1000];

	memset(text, 'x', sizeof(text));
	open_stdio((struct shim_stdio_spec){ .is_terminal = true });
	shim_stdio_set_console(io, master);
	for (int i = 0; i < 100; i++) {
		T_INT(sys_write_all(slave, text, sizeof(text)), ==, 0);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	sys_close(slave);
	exit_and_drain();
}

Test(terminal, that_there_is_none)
{
	struct dv_err *e;

	open_stdio((struct shim_stdio_spec){ .out = "" });
	e = shim_stdio_resize(io, 80, 24);
	cr_assert_not_null(e);
	T_INT(dv_err_code(e), ==, DV_PRECONDITION);
	dv_err_free(e);
}
