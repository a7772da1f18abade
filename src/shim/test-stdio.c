/* SPDX-License-Identifier: Apache-2.0 */
/* Fifos, files, logs, terminals: this program plays the client, and the process that gets them. */

#include "test-stdio.h"

TestSuite(fifo, .init = set_up, .fini = tear_down);
TestSuite(input, .init = set_up, .fini = tear_down);
TestSuite(file, .init = set_up, .fini = tear_down);
TestSuite(terminal, .init = set_up, .fini = tear_down);

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

/* ---- terminals --------------------------------------------------------------------------------- */

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
