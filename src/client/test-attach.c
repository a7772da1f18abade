/* SPDX-License-Identifier: Apache-2.0 */
/* An attached client; this program plays the shim. */

#include "client/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/test.h"
#include "codec/attach.h"
#include "sys/file.h"
#include "sys/sock.h"

enum { BIG = 4 * 1024 * 1024 };

static char dir[] = "/tmp/davit-attach-XXXXXX";
static char *bundle, *path;
static uv_loop_t loop;
static int listener, sock; /* the shim's */
static struct client_attach *a;
static struct dv_strbuf heard; /* "ready ", "out:", "err:" and bytes, one after the other */
static int n_writable, n_closed;
static bool closes_at_data, pauses_at_data;
static struct dv_err *failure;

static void set_up(void)
{
	static char name[150]; /* a path that is longer than a socket's may be */

	memset(name, 'b', sizeof(name) - 1);
	(void)signal(SIGPIPE, SIG_IGN);
	cr_assert_not_null(mkdtemp(dir));
	bundle = dv_printf("%s/%s", dir, name);
	path = dv_printf("%s/" DV_ATTACH_SOCKET, bundle);
	T_INT(mkdir(bundle, 0700), ==, 0);
	uv_loop_init(&loop);
	heard = (struct dv_strbuf)DV_STRBUF_INIT;
	listener = sock = -1;
}

static void tear_down(void)
{
	a = client_attach_close(a);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	T_INT(uv_loop_close(&loop), ==, 0);
	sys_close(listener);
	sys_close(sock);
	dv_strbuf_fini(&heard);
	dv_err_free(failure);
	(void)sys_remove_tree(AT_FDCWD, dir);
	free(bundle);
	free(path);
}

TestSuite(attach, .init = set_up, .fini = tear_down);

/* ---- the client --------------------------------------------------------------------------------- */

static void on_ready(void *arg)
{
	T_TRUE(arg == &loop);
	dv_strbuf_add(&heard, "ready ");
}

static void on_data(void *arg, bool is_err, const void *p, size_t n)
{
	T_TRUE(arg == &loop && n > 0);
	dv_strbuf_add(&heard, is_err ? "err:" : "out:");
	dv_strbuf_add_n(&heard, p, n);
	if (pauses_at_data)
		client_attach_pause(a);
	if (closes_at_data)
		a = client_attach_close(a);
}

static void on_writable(void *arg)
{
	T_TRUE(arg == &loop);
	n_writable++;
}

static void on_closed(void *arg, struct dv_err *take_e)
{
	T_TRUE(arg == &loop);
	T_INT(++n_closed, ==, 1);
	failure = take_e;
}

static struct dv_err *open_client(bool has_stdin)
{
	struct client_attach_opts opts = { .bundle = bundle,
					   .is_waited_for = true,
					   .has_stdin = has_stdin,
					   .ready = on_ready,
					   .data = on_data,
					   .writable = on_writable,
					   .closed = on_closed,
					   .arg = &loop };

	return client_attach_open(&loop, &opts, &a);
}

#define RUN_UNTIL(cond) \
	do { \
		while (!(cond)) \
			uv_run(&loop, UV_RUN_ONCE); \
	} while (0)

/* ---- the shim ----------------------------------------------------------------------------------- */

static void shim_listen(void)
{
	DV_CLEANUP(sys_closep) int dir_fd = sys_openat(AT_FDCWD, bundle, O_PATH | O_DIRECTORY, 0);
	DV_CLEANUP(dv_freep) char *name = dv_printf("/proc/self/fd/%d/" DV_ATTACH_SOCKET, dir_fd);

	listener = sys_unix_socket();
	T_INT(sys_unix_bind(listener, name, 0600), ==, 0);
	T_INT(sys_listen(listener, 1), ==, 0);
}

static void shim_says(const char *bytes, size_t n)
{
	T_INT(sys_write_all(sock, bytes, n), ==, 0);
}

#define SHIM_SAYS(literal) shim_says((literal), sizeof(literal) - 1)

static void start(bool has_stdin)
{
	char hello[6];

	shim_listen();
	T_NULL(open_client(has_stdin));
	sock = sys_accept(listener);
	T_INT(sys_read(sock, hello, sizeof(hello)), ==, 6);
	T_INT(memcmp(hello, has_stdin ? "\0\0\0\0\1\3" : "\0\0\0\0\1\1", 6), ==, 0);
	SHIM_SAYS("\0\0\0\0\0");
	RUN_UNTIL(heard.len);
	T_STR(heard.data, "ready ");
	dv_strbuf_clear(&heard);
}

/* ---- tests -------------------------------------------------------------------------------------- */

Test(attach, output_to_the_end)
{
	start(false);
	SHIM_SAYS("\1\0\0\0\3one\2\0\0\0\3two\1\0\0\0\0\3\0\0\0\0");
	RUN_UNTIL(n_closed);
	T_STR(heard.data, "out:oneerr:two");
	T_NULL(failure);
	T_INT(uv_run(&loop, UV_RUN_NOWAIT), ==, 0);
}

Test(attach, frames_in_pieces)
{
	start(false);
	SHIM_SAYS("\1\0\0");
	uv_run(&loop, UV_RUN_NOWAIT);
	SHIM_SAYS("\0\3o");
	RUN_UNTIL(heard.len);
	SHIM_SAYS("ne\3\0\0\0");
	RUN_UNTIL(heard.len > 5);
	T_STR(heard.data, "out:oout:ne");
	T_INT(n_closed, ==, 0);
	SHIM_SAYS("\0");
	RUN_UNTIL(n_closed);
	T_NULL(failure);
}

static void check_failure(enum dv_code code, const char *text)
{
	RUN_UNTIL(n_closed);
	T_NOT_NULL(failure);
	T_INT(dv_err_code(failure), ==, code);
	cr_expect(strstr(dv_err_message(failure), text), "%s", dv_err_message(failure));
	cr_expect(strstr(dv_err_message(failure), path), "%s", dv_err_message(failure));
}

Test(attach, cut_off)
{
	start(false);
	SHIM_SAYS("\1\0\0\0\3one\1\0\0\0\3t");
	sock = sys_close(sock);
	check_failure(DV_UNAVAILABLE, "ended before the output did");
	T_STR(heard.data, "out:oneout:t");
}

Test(attach, lost_with_input_unread)
{
	start(true);
	T_TRUE(client_attach_send(a, "unread", 6));
	sock = sys_close(sock);
	check_failure(DV_UNAVAILABLE, "connection");
	T_TRUE(client_attach_send(a, "too late", 8));
	client_attach_end_input(a);
}

Test(attach, end_with_input_unread)
{
	start(true);
	T_TRUE(client_attach_send(a, "unread", 6));
	SHIM_SAYS("\1\0\0\0\3one\3\0\0\0\0");
	sock = sys_close(sock);
	RUN_UNTIL(n_closed);
	T_NULL(failure);
	T_STR(heard.data, "out:one");
}

Test(attach, unknown_frame)
{
	start(false);
	SHIM_SAYS("\7\0\0\0\0");
	check_failure(DV_INTERNAL, "unknown frame 7");
}

Test(attach, frame_too_long)
{
	start(false);
	SHIM_SAYS("\1\0\1\0\1");
	check_failure(DV_INTERNAL, "too long");
}

Test(attach, input)
{
	char buf[100];

	start(true);
	T_TRUE(client_attach_send(a, "one", 3));
	T_TRUE(client_attach_send(a, "", 0));
	client_attach_end_input(a);
	client_attach_end_input(a);
	T_INT(sys_read(sock, buf, sizeof(buf)), ==, 13);
	T_INT(memcmp(buf, "\1\0\0\0\3one\2\0\0\0\0", 13), ==, 0);
}

Test(attach, input_waits_for_room)
{
	DV_CLEANUP(dv_freep) char *big = dv_alloc(BIG);
	static uint8_t buf[256 * 1024];
	struct dv_attach_reader reader = { 0 };
	struct dv_attach_piece piece = { 0 };
	size_t n = 0;

	start(true);
	memset(big, 'x', BIG);
	T_FALSE(client_attach_send(a, big, BIG));
	client_attach_end_input(a);
	while (piece.type != DV_ATTACH_STDIN_END) {
		ssize_t r = sys_read(sock, buf, sizeof(buf));
		const uint8_t *p = buf;
		size_t left = r > 0 ? (size_t)r : 0;

		while (dv_attach_read(&reader, &p, &left, &piece) == DV_ATTACH_PIECE)
			n += piece.n;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	T_INT(n, ==, BIG);
	RUN_UNTIL(n_writable);
	T_INT(n_writable, ==, 1);
}

Test(attach, pause)
{
	start(false);
	pauses_at_data = true;
	SHIM_SAYS("\1\0\0\0\3one");
	RUN_UNTIL(heard.len);
	SHIM_SAYS("\1\0\0\0\3two\3\0\0\0\0");
	uv_run(&loop, UV_RUN_NOWAIT);
	T_STR(heard.data, "out:one");
	client_attach_resume(a);
	RUN_UNTIL(n_closed);
	T_STR(heard.data, "out:oneout:two");
}

Test(attach, closed_from_a_callback)
{
	start(false);
	closes_at_data = true;
	SHIM_SAYS("\1\0\0\0\3one\1\0\0\0\3two\3\0\0\0\0");
	RUN_UNTIL(heard.len);
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	T_STR(heard.data, "out:one");
	T_INT(n_closed, ==, 0);
}

static void check_open_fails(enum dv_code code)
{
	struct dv_err *e = open_client(false);

	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, code);
	cr_expect(strstr(dv_err_message(e), path), "%s", dv_err_message(e));
	dv_err_free(e);
}

Test(attach, nobody_is_there)
{
	int others[8], n = 0;

	check_open_fails(DV_NOT_FOUND);
	shim_listen();
	while ((others[n] = sys_unix_connect_nonblock(path)) >= 0)
		n++;
	T_INT(others[n], ==, -EAGAIN);
	check_open_fails(DV_UNAVAILABLE);
	while (n > 0)
		sys_close(others[--n]);
	listener = sys_close(listener);
	check_open_fails(DV_UNAVAILABLE);
}
