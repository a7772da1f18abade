/* SPDX-License-Identifier: Apache-2.0 */
/* The relay: every byte, in order, whatever the chunks; ends; back-pressure. */

#include "io/copy.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/tty.h"
#include "test-io.h"

enum kind { PIPE, SOCKET };

struct rig {
	uv_loop_t loop;
	struct io_scratch *scratch;
	struct io_copy *copy;
	int in, out; /* our ends */
	int n_ended, result, n_idle;
};

static void on_ended(void *arg, int r)
{
	struct rig *rig = arg;

	rig->n_ended++;
	rig->result = r;
	rig->copy = io_copy_free(rig->copy);
}

static void on_idle(void *arg)
{
	((struct rig *)arg)->n_idle++;
}

static void make_pair(enum kind kind, int fds[2])
{
	int r = kind == PIPE ? sys_pipe(fds)
			     : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, (fds));

	cr_assert_eq(r, 0);
	if (kind == SOCKET) {
		int t = fds[0];

		fds[0] = fds[1];
		fds[1] = t;
	}
}

static void rig_start(struct rig *rig, int from, int to)
{
	struct io_copy_opts opts = {
		.take_from = from, .take_to = to, .ended = on_ended, .idle = on_idle, .arg = rig
	};
	struct dv_err *e;

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&rig->loop);
	rig->scratch = io_scratch_new(&rig->loop, 64 * 1024);
	opts.scratch = rig->scratch;
	e = io_copy_new(&rig->loop, &opts, &rig->copy);
	cr_assert(e == NULL, "%s", dv_err_message(e));
}

static void rig_init(struct rig *rig, enum kind from, enum kind to)
{
	int a[2], b[2];

	*rig = (struct rig){ 0 };
	make_pair(from, a);
	make_pair(to, b);
	rig->in = a[1];
	rig->out = b[0];
	cr_assert_eq(sys_set_nonblock(rig->in, true), 0);
	cr_assert_eq(sys_set_nonblock(rig->out, true), 0);
	rig_start(rig, a[0], b[1]);
}

static void rig_fini(struct rig *rig)
{
	rig->copy = io_copy_free(rig->copy);
	rig->scratch = io_scratch_free(rig->scratch);
	rig->in = sys_close(rig->in);
	rig->out = sys_close(rig->out);
	loop_fini(&rig->loop);
}

static unsigned char nth(size_t i)
{
	return (unsigned char)(i * 2654435761u >> 13);
}

/* Writes and reads in chunks of any size, until all has come through. */
static void stream(struct rig *rig, size_t total)
{
	unsigned char buf[20000];
	size_t sent = 0, got = 0;

	srand(1);
	while (got < total || rig->in >= 0) {
		size_t chunk = (size_t)rand() % sizeof(buf) + 1, n = DV_MIN(chunk, total - sent);
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			buf[i] = nth(sent + i);
		r = n ? sys_write(rig->in, buf, n) : 0;
		sent += r > 0 ? (size_t)r : 0;
		if (sent == total)
			rig->in = sys_close(rig->in);
		uv_run(&rig->loop, UV_RUN_NOWAIT);
		if (rand() % 3 == 0)
			continue;
		r = sys_read(rig->out, buf, (size_t)rand() % sizeof(buf) + 1);
		for (ssize_t i = 0; i < r; i++, got++) {
			/* Criterion's checks cost too much for each byte. */
			if (buf[i] != nth(got))
				cr_assert_fail("byte %zu", got);
		}
		cr_assert_neq(r, 0);
	}
	RUN_UNTIL(&rig->loop, rig->n_ended);
	T_INT(got, ==, total);
	T_INT(sys_read(rig->out, buf, 1), ==, 0);
	T_INT(rig->n_ended, ==, 1);
	T_INT(rig->result, ==, 0);
}

Test(copy, every_byte_in_order)
{
	static const enum kind kinds[][2] = {
		{ PIPE, PIPE }, { PIPE, SOCKET }, { SOCKET, PIPE }, { SOCKET, SOCKET }
	};
	int before = count_fds();

	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		struct rig rig;

		rig_init(&rig, kinds[i][0], kinds[i][1]);
		stream(&rig, 3000000);
		T_INT(rig.n_idle, >, 0);
		rig_fini(&rig);
	}
	T_INT(count_fds(), ==, before);
}

Test(copy, a_reader_that_goes_away_is_an_error)
{
	static const enum kind kinds[] = { PIPE, SOCKET };

	for (size_t i = 0; i < DV_ARRAY_SIZE(kinds); i++) {
		struct rig rig;

		rig_init(&rig, kinds[i], PIPE);
		rig.out = sys_close(rig.out);
		T_INT(sys_write(rig.in, "x", 1), ==, 1);
		RUN_UNTIL(&rig.loop, rig.n_ended);
		T_INT(rig.result, ==, -EPIPE);
		rig_fini(&rig);
	}
}

/* Nothing is read that cannot be written, up to one chunk. */
Test(copy, back_pressure)
{
	struct rig rig;
	char *block = dv_alloc(65536);
	size_t sent = 0;
	ssize_t n;

	rig_init(&rig, SOCKET, PIPE);
	for (int i = 0; i < 1000; i++) {
		n = sys_write(rig.in, block, 65536);
		sent += n > 0 ? (size_t)n : 0;
		uv_run(&rig.loop, UV_RUN_NOWAIT);
	}
	T_INT(sent, <, 2000000);
	T_FALSE(io_copy_flush(rig.copy));
	while ((n = sys_read(rig.out, block, 65536)) > 0 || sent > 0) {
		sent -= n > 0 ? (size_t)n : 0;
		uv_run(&rig.loop, UV_RUN_NOWAIT);
	}
	T_TRUE(io_copy_flush(rig.copy));
	T_INT(rig.n_ended, ==, 0);
	free(block);
	rig_fini(&rig);
}

Test(copy, flush_moves_what_is_there_and_calls_nobody)
{
	struct rig rig;
	char text[8] = "";

	rig_init(&rig, PIPE, PIPE);
	T_TRUE(io_copy_flush(rig.copy));
	T_INT(sys_write(rig.in, "abc", 3), ==, 3);
	T_TRUE(io_copy_flush(rig.copy));
	T_INT(sys_read(rig.out, text, sizeof(text)), ==, 3);
	T_STR(text, "abc");
	rig.in = sys_close(rig.in);
	(void)io_copy_flush(rig.copy);
	T_INT(rig.n_ended + rig.n_idle, ==, 0);
	RUN_UNTIL(&rig.loop, rig.n_ended);
	T_INT(rig.result, ==, 0);
	rig_fini(&rig);
}

Test(copy, into_nothing)
{
	struct rig rig = { .out = -1 };
	int a[2];

	cr_assert_eq(sys_pipe(a), 0);
	rig.in = a[1];
	rig_start(&rig, a[0], -1);
	T_INT(sys_write(rig.in, "abc", 3), ==, 3);
	RUN_UNTIL(&rig.loop, rig.n_idle);
	rig.in = sys_close(rig.in);
	RUN_UNTIL(&rig.loop, rig.n_ended);
	T_INT(rig.result, ==, 0);
	rig_fini(&rig);
}

Test(copy, into_a_file)
{
	char path[] = "/tmp/test-copy-XXXXXX", text[8] = "";
	int fd = mkstemp(path), a[2];
	struct rig rig = { .out = -1 };

	cr_assert(fd >= 0);
	cr_assert_eq(sys_pipe(a), 0);
	rig.in = a[1];
	rig_start(&rig, a[0], fd);
	T_INT(sys_write(rig.in, "abc", 3), ==, 3);
	rig.in = sys_close(rig.in);
	RUN_UNTIL(&rig.loop, rig.n_ended);
	T_INT(rig.result, ==, 0);
	T_INT(sys_read_file_at(AT_FDCWD, path, text, sizeof(text)), ==, 3);
	unlink(path);
	rig_fini(&rig);
}

/* EIO: the other side has closed its terminal. That is an end like any other. */
Test(copy, a_terminal_that_is_closed)
{
	int master = sys_openat(AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY, 0), slave, b[2];
	struct termios raw;
	struct rig rig = { 0 };
	char text[8] = "";

	cr_assert(master >= 0);
	cr_assert_eq(sys_tty_unlock(master), 0);
	slave = sys_tty_peer(master);
	cr_assert(slave >= 0);
	cr_assert_eq(sys_tty_get_attr(slave, &raw), 0);
	cfmakeraw(&raw);
	cr_assert_eq(sys_tty_set_attr(slave, &raw), 0);
	cr_assert_eq(sys_pipe(b), 0);
	rig.in = slave;
	rig.out = b[0];
	rig_start(&rig, master, b[1]);
	T_INT(sys_write(rig.in, "abc", 3), ==, 3);
	T_TRUE(io_copy_flush(rig.copy));
	T_INT(sys_read(rig.out, text, sizeof(text)), ==, 3);
	T_INT(sys_write(rig.in, "def", 3), ==, 3);
	rig.in = sys_close(rig.in);
	RUN_UNTIL(&rig.loop, rig.n_ended);
	T_INT(rig.result, ==, 0);
	T_INT(sys_read(rig.out, text, sizeof(text)), ==, 3);
	T_STR(text, "def");
	rig_fini(&rig);
}

Test(copy, a_file_cannot_be_waited_for)
{
	int fd = sys_openat(AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	struct io_copy *copy = NULL;
	struct io_copy_opts opts = { .take_from = fd, .take_to = -1 };
	int before = count_fds();
	struct dv_err *e;
	uv_loop_t loop;

	uv_loop_init(&loop);
	e = io_copy_new(&loop, &opts, &copy);
	cr_assert(e != NULL);
	T_INT(dv_err_code(e), ==, DV_INVALID);
	dv_err_free(e);
	T_NULL(copy);
	loop_fini(&loop);
	T_INT(count_fds(), ==, before - 1);
}

Test(scratch, is_given_back)
{
	struct io_scratch *s;
	uv_loop_t loop;
	uv_timer_t keep;
	char *p;

	uv_loop_init(&loop);
	uv_timer_init(&loop, &keep);
	s = io_scratch_new(&loop, 1 << 20);
	p = io_scratch_get(s);
	T_INT(io_scratch_size(s), ==, 1 << 20);
	memset(p, 1, 1 << 20);
	T_TRUE(io_scratch_get(s) == p);
	/* Its timer keeps no loop running. */
	T_INT(uv_run(&loop, UV_RUN_DEFAULT), ==, 0);
	uv_close((uv_handle_t *)&keep, NULL);
	io_scratch_free(s);
	loop_fini(&loop);
}
