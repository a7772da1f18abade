/* SPDX-License-Identifier: Apache-2.0 */
/* Attached clients: this program plays them, the process, and whoever reads the log. */

#include "test-stdio.h"

#include <sys/socket.h>

#include "stdio-attach.h"
#include "sys/sock.h"

enum { KIB = 1024, MIB = 1024 * KIB };

static int dir_fd;
static struct stdio_attach *hub;
static int n_room;

static void open_all(void)
{
	set_up();
	dir_fd = sys_openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY, 0);
	n_fds = count_fds();
}

static void close_all(void)
{
	io = shim_stdio_free(io);
	hub = stdio_attach_free(hub);
	T_INT(sys_unlinkat(dir_fd, DV_ATTACH_SOCKET, 0), ==, -ENOENT);
	tear_down();
	sys_close(dir_fd);
}

TestSuite(streams, .init = open_all, .fini = close_all);
TestSuite(hub, .init = open_all, .fini = close_all);

/* ---- a client ---------------------------------------------------------------------------------- */

static void say_frame(int sock, unsigned type, const void *p, size_t n)
{
	uint8_t header[DV_ATTACH_HEADER];

	dv_attach_header(type, n, header);
	T_INT(sys_write_all(sock, header, sizeof(header)), ==, 0);
	T_INT(sys_write_all(sock, p, n), ==, 0);
}

static int client_connect(void)
{
	DV_CLEANUP(dv_freep) char *path = path_of(DV_ATTACH_SOCKET);
	int fd = sys_unix_connect(path);

	cr_assert_geq(fd, 0, "%s", strerror(-fd));
	T_INT(sys_set_nonblock(fd, true), ==, 0);
	return fd;
}

static struct dv_strbuf heard = DV_STRBUF_INIT;

/* "READY", then "1<text>" for each frame; text of one type in a row is put together. */
static const char *client_hear(int sock, bool *ret_at_end)
{
	static struct dv_attach_reader reader;
	static uint8_t buf[256 * KIB];
	unsigned last = 0;
	ssize_t r;

	dv_strbuf_clear(&heard);
	*ret_at_end = false;
	while ((r = sys_read(sock, buf, sizeof(buf))) > 0) {
		const uint8_t *p = buf;
		size_t n = (size_t)r;
		struct dv_attach_piece piece;

		while (dv_attach_read(&reader, &p, &n, &piece) == DV_ATTACH_PIECE) {
			if (piece.length == 0 || piece.type != last)
				dv_strbuf_addf(&heard, "%u", piece.type);
			dv_strbuf_add_n(&heard, piece.bytes, piece.n);
			last = piece.type;
		}
	}
	*ret_at_end = r == 0;
	T_TRUE(r == 0 || r == -EAGAIN);
	return heard.data;
}

#define T_CLIENT(sock, text) \
	do { \
		bool t_end_; \
		T_STR(client_hear((sock), &t_end_), (text)); \
		T_FALSE(t_end_); \
	} while (0)

#define T_CLIENT_END(sock, text) \
	do { \
		bool t_end_; \
		T_STR(client_hear((sock), &t_end_), (text)); \
		T_TRUE(t_end_); \
		sys_close(sock); \
	} while (0)

static void turn_some(void)
{
	for (int i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

/* A terminal takes its time. */
#define T_CLIENT_SOON(sock, text) \
	do { \
		bool t_end_; \
		RUN_UNTIL(*client_hear((sock), &t_end_)); \
		T_STR(heard.data, (text)); \
		T_FALSE(t_end_); \
	} while (0)

static int attach_with(uint8_t flags)
{
	int sock = client_connect();

	say_frame(sock, DV_ATTACH_HELLO, &flags, 1);
	turn_some();
	T_CLIENT(sock, "0");
	return sock;
}

/* ---- through the streams ------------------------------------------------------------------------- */

static void open_attachable(const char *in, bool is_terminal)
{
	DV_CLEANUP(dv_freep) char *log = path_of("log");
	DV_CLEANUP(dv_freep) char *uri = dv_printf("cri://%s?attach=1", log);

	open_stdio((struct shim_stdio_spec){ .in = in,
					     .out = uri,
					     .err = is_terminal ? NULL : uri,
					     .is_terminal = is_terminal,
					     .has_bundle = true,
					     .bundle_fd = dir_fd });
}

Test(streams, to_log_and_client)
{
	int out, err, sock, late;

	open_attachable(NULL, false);
	out = take_end(1);
	err = take_end(2);
	shim_stdio_started(io);
	say(out, "before\n");
	turn_some();
	sock = attach_with(0);
	say(out, "one\n");
	turn_some();
	say(err, "two\n");
	turn_some();
	T_CLIENT(sock, "1one\n2two\n");
	late = attach_with(DV_ATTACH_WAIT);
	say(out, "three");
	sys_close(out);
	turn_some();
	T_CLIENT(sock, "1three");
	sys_close(err);
	turn_some();
	T_CLIENT_END(sock, "3");
	T_CLIENT_END(late, "1three3");
	/* Too late, but not refused. */
	sock = client_connect();
	say_frame(sock, DV_ATTACH_HELLO, "", 1);
	turn_some();
	T_CLIENT_END(sock, "03");
	exit_and_drain();
	T_NOT_NULL(strstr(content("log"), "stdout F before\n"));
	T_NOT_NULL(strstr(content("log"), "stderr F two\n"));
	T_NOT_NULL(strstr(content("log"), "stdout P three\n"));
}

Test(streams, process_waits)
{
	int out, sock, n = 0;
	char buf[4 * KIB] = { 0 };
	ssize_t r;

	open_attachable(NULL, false);
	out = take_end(1);
	shim_stdio_started(io);
	sock = attach_with(DV_ATTACH_WAIT);
	T_INT(sys_set_nonblock(out, true), ==, 0);
	/* Until the pipe stays full. */
	for (int i = 0; i < 50; i++) {
		while ((r = sys_write(out, buf, sizeof(buf))) > 0)
			n += (int)r;
		turn_some();
	}
	T_INT(n, <, 8 * MIB);
	T_INT(sys_write(out, buf, sizeof(buf)), ==, -EAGAIN);
	sys_close(out);
	for (int got = 0; got < n; turn_some()) {
		bool at_end;

		client_hear(sock, &at_end);
		got += (int)heard.len - (heard.len > 0);
		T_TRUE(!at_end || got >= n);
	}
	sys_close(sock);
	exit_and_drain();
}

Test(streams, what_is_left_goes_to_sockets)
{
	static char big[900 * KIB];
	int out, sock;
	bool at_end;

	open_attachable(NULL, false);
	out = take_end(1);
	shim_stdio_started(io);
	sock = attach_with(DV_ATTACH_WAIT);
	memset(big, 'x', sizeof(big));
	T_INT(sys_write_all(out, big, sizeof(big)), ==, 0);
	turn_some();
	sys_close(out);
	/* Nobody reads, and yet nobody is waited for: not for one of more rights than a user's. */
	exit_and_drain();
	io = shim_stdio_free(io);
	client_hear(sock, &at_end);
	T_TRUE(at_end);
	if (geteuid() == 0) /* "1x...3" */
		T_INT(heard.len, ==, sizeof(big) + 2);
	sys_close(sock);
}

Test(streams, input_once)
{
	int in, out, sock, other;
	bool at_end;

	open_attachable("attach:?once=1", false);
	in = take_end(0);
	out = take_end(1);
	shim_stdio_started(io);
	T_INT(sys_set_nonblock(in, true), ==, 0);
	sock = attach_with(DV_ATTACH_HAS_STDIN);
	other = attach_with(0);
	say_frame(sock, DV_ATTACH_STDIN, "hello", 5);
	turn_some();
	T_HEAR(in, "hello");
	sys_close(other);
	turn_some();
	T_HEAR(in, "");
	say_frame(sock, DV_ATTACH_STDIN, " you", 4);
	say_frame(sock, DV_ATTACH_STDIN_END, "", 0);
	turn_some();
	T_STR(hear(in, &at_end), " you");
	T_TRUE(at_end);
	sys_close(in);
	sys_close(out);
	sys_close(sock);
}

Test(streams, input_that_does_not_fit)
{
	static char big[DV_ATTACH_MAX];
	int in, out, socks[2], n = 0;
	bool at_end = false;

	open_attachable("attach:", false);
	in = take_end(0);
	out = take_end(1);
	shim_stdio_started(io);
	T_INT(sys_set_nonblock(in, true), ==, 0);
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 2; i++) {
		socks[i] = attach_with(DV_ATTACH_HAS_STDIN);
		say_frame(socks[i], DV_ATTACH_STDIN, big, sizeof(big));
		say_frame(socks[i], DV_ATTACH_STDIN, big, 1000);
		turn_some();
		sys_close(socks[i]); /* all the same it has been sent */
	}
	turn_some();
	shim_stdio_close_stdin(io); /* cuts off what waits */
	while (!at_end) {
		n += (int)strlen(hear(in, &at_end));
		turn_some();
	}
	T_INT(n, ==, 65536); /* what the pipe has */
	sys_close(in);
	sys_close(out);
}

Test(streams, input_in_turns)
{
	static char big[DV_ATTACH_MAX];
	int in, out, socks[2], n[256] = { 0 };
	bool at_end;

	open_attachable("attach:", false);
	in = take_end(0);
	out = take_end(1);
	shim_stdio_started(io);
	T_INT(sys_set_nonblock(in, true), ==, 0);
	for (int i = 0; i < 2; i++) {
		memset(big, 'a' + i, sizeof(big));
		socks[i] = attach_with(DV_ATTACH_HAS_STDIN);
		say_frame(socks[i], DV_ATTACH_STDIN, big, sizeof(big));
		say_frame(socks[i], DV_ATTACH_STDIN, big, 1000);
		sys_close(socks[i]);
	}
	while (n['a'] + n['b'] < 2 * (DV_ATTACH_MAX + 1000)) {
		turn_some();
		for (const char *p = hear(in, &at_end); *p; p++)
			n[(unsigned char)*p]++;
	}
	T_INT(n['a'], ==, n['b']);
	sys_close(in);
	sys_close(out);
}

Test(streams, terminal)
{
	int master, slave, sock;
	char early[8];

	open_attachable("attach:?once=1", true);
	sock = attach_with(DV_ATTACH_HAS_STDIN);
	say_frame(sock, DV_ATTACH_STDIN, "early", 5); /* waits for the terminal */
	turn_some();
	slave = make_terminal(&master);
	shim_stdio_set_console(io, master);
	turn_some();
	cr_assert(sys_read(slave, early, sizeof(early)) == 5 && memcmp(early, "early", 5) == 0);
	say(slave, "answer");
	T_CLIENT_SOON(sock, "1answer");
	say_frame(sock, DV_ATTACH_STDIN_END, "", 0); /* a terminal has no end of it */
	turn_some();
	say(slave, " and more");
	T_CLIENT_SOON(sock, "1 and more");
	sys_close(slave);
	exit_and_drain();
	turn_some();
	T_CLIENT_END(sock, "3");
	T_NOT_NULL(strstr(content("log"), "answer and more"));
}

Test(streams, no_log)
{
	int out, sock;

	open_stdio((struct shim_stdio_spec){
		.out = "attach:", .has_bundle = true, .bundle_fd = dir_fd });
	T_INT(shim_stdio_child_fds(io)[2], ==, -1);
	out = take_end(1);
	shim_stdio_started(io);
	say(out, "lost ");
	turn_some();
	sock = attach_with(0);
	say(out, "heard");
	sys_close(out);
	turn_some();
	T_CLIENT_END(sock, "1heard3");
}

Test(streams, refused)
{
	DV_CLEANUP(dv_freep) char *log = path_of("log");
	DV_CLEANUP(dv_freep) char *uri = dv_printf("file://%s?attach=1", log);

	check_fails((struct shim_stdio_spec){ .out = "attach:" }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .in = "attach:" }, DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = uri, .has_bundle = true, .bundle_fd = dir_fd },
		    DV_INVALID);
	check_fails((struct shim_stdio_spec){ .in = "attach:?x=1",
					      .has_bundle = true,
					      .bundle_fd = dir_fd },
		    DV_INVALID);
	check_fails((struct shim_stdio_spec){ .out = "attach:?once=1",
					      .has_bundle = true,
					      .bundle_fd = dir_fd },
		    DV_INVALID);
}

/* ---- the hub alone -------------------------------------------------------------------------------- */

static void on_room(void *arg)
{
	T_TRUE(arg == &n_room);
	n_room++;
}

static void open_hub(void)
{
	T_NULL(stdio_attach_new(&env,
				&(struct stdio_attach_opts){ .dir_fd = dir_fd,
							     .hello_ms = 20,
							     .patience_ms = 50,
							     .has_room = on_room,
							     .arg = &n_room },
				&hub));
	stdio_attach_add_stream(hub);
}

Test(hub, stale_socket_is_replaced)
{
	DV_CLEANUP(dv_freep) char *path = path_of(DV_ATTACH_SOCKET);
	int fd = sys_unix_socket();

	T_INT(sys_unix_bind(fd, path, 0600), ==, 0);
	sys_close(fd);
	open_hub();
	sys_close(attach_with(0));
}

Test(hub, long_path)
{
	char name[201] = "";
	int fd = dir_fd;

	memset(name, 'd', sizeof(name) - 1);
	T_INT(mkdirat(fd, name, 0700), ==, 0);
	dir_fd = sys_openat(fd, name, O_PATH | O_DIRECTORY, 0);
	open_hub();
	T_INT(faccessat(dir_fd, DV_ATTACH_SOCKET, F_OK, 0), ==, 0);
	hub = stdio_attach_free(hub);
	T_INT(faccessat(dir_fd, DV_ATTACH_SOCKET, F_OK, 0), ==, -1);
	sys_close(dir_fd);
	dir_fd = fd;
}

Test(hub, no_hello)
{
	int silent, good;
	bool at_end;

	open_hub();
	silent = client_connect();
	good = attach_with(0);
	do
		uv_run(&loop, UV_RUN_ONCE);
	while (*client_hear(silent, &at_end) || !at_end);
	sys_close(silent);
	stdio_attach_write(hub, DV_ATTACH_STDERR, "x", 1);
	T_CLIENT(good, "2x");
	sys_close(good);
}

Test(hub, cut_off_when_behind)
{
	static char big[256 * KIB];
	int slow, good;
	bool at_end = false;
	size_t n = 0;

	open_hub();
	slow = attach_with(0);
	good = attach_with(0);
	for (int i = 0; i < 8; i++) {
		bool is_over;

		stdio_attach_write(hub, DV_ATTACH_STDOUT, big, sizeof(big));
		do {
			client_hear(good, &is_over);
			n += heard.len - (heard.len > 0);
			turn_some();
		} while (n < (size_t)(i + 1) * sizeof(big));
		T_FALSE(stdio_attach_is_full(hub));
	}
	while (!at_end)
		client_hear(slow, &at_end);
	T_TRUE(heard.len == 0 || heard.data[heard.len - 1] != '3');
	sys_close(slow);
	sys_close(good);
	T_INT(n_room, ==, 0);
}

Test(hub, full_and_room)
{
	static char big[256 * KIB];
	bool at_end;
	int sock;

	open_hub();
	sock = attach_with(DV_ATTACH_WAIT);
	while (!stdio_attach_is_full(hub))
		stdio_attach_write(hub, DV_ATTACH_STDOUT, big, sizeof(big));
	T_INT(n_room, ==, 0);
	while (n_room == 0) {
		client_hear(sock, &at_end);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	T_FALSE(stdio_attach_is_full(hub));
	while (!stdio_attach_is_full(hub))
		stdio_attach_write(hub, DV_ATTACH_STDOUT, big, sizeof(big));
	sys_close(sock); /* killed: there is room then, too */
	RUN_UNTIL(n_room == 2);
	T_FALSE(stdio_attach_is_full(hub));
}

Test(hub, patience_at_the_end)
{
	static char big[256 * KIB];
	int sock;

	open_hub();
	sock = attach_with(DV_ATTACH_WAIT);
	stdio_attach_exited(hub);
	while (!stdio_attach_is_full(hub)) /* more than the last buffer */
		stdio_attach_write(hub, DV_ATTACH_STDOUT, big, sizeof(big));
	T_FALSE(stdio_attach_is_drained(hub));
	RUN_UNTIL(stdio_attach_is_drained(hub));
	T_FALSE(stdio_attach_is_full(hub));
	T_INT(n_room, ==, 1);
	sys_close(sock);
}

Test(hub, hello_in_pieces)
{
	static const char hello[] = "\0\0\0\0\1\1";
	int sock;

	open_hub();
	sock = client_connect();
	for (size_t i = 0; i + 1 < sizeof(hello); i++) {
		T_INT(sys_write_all(sock, hello + i, 1), ==, 0);
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	turn_some();
	T_CLIENT(sock, "0");
	sys_close(sock);
}

Test(hub, half_closed_client_listens)
{
	int sock;

	open_hub();
	sock = attach_with(DV_ATTACH_HAS_STDIN);
	T_INT(shutdown(sock, SHUT_WR), ==, 0);
	turn_some();
	stdio_attach_write(hub, DV_ATTACH_STDOUT, "x", 1);
	T_CLIENT(sock, "1x");
	stdio_attach_stream_ended(hub);
	T_CLIENT_END(sock, "3");
}
