/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of a foreground process. See terminal-private.h.
 *
 * Each direction has one buffer: it is filled when it is empty and emptied as far as the other
 * side takes it, so neither side can be overrun. The container's terminal is ours alone and
 * not blocking; standard input and output are shared with others, whose mode must stay, so they
 * are only touched when poll says so, and written in pieces that a pipe which has room at all
 * has room for.
 *
 * When nobody holds the other end of the container's terminal any more, reading it fails with
 * EIO: the end of output.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/sock.h"
#include "sys/tty.h"
#include "terminal-private.h"

enum { BUFFER = 8192, PIECE = PIPE_BUF };

/* One direction. */
struct stream {
	char data[BUFFER];
	size_t start, len;
	bool is_open; /* the source may have more */
};

struct rt_terminal {
	struct rt_launch *l;
	int sock; /* our end of the console socket */
	int master; /* of the container's terminal */
	int own; /* a standard stream that is a terminal; -1 */
	bool is_raw;
	struct termios before, raw;
	struct stream in, out;
};

struct dv_err *rt_terminal_new(struct rt_launch *l, struct rt_terminal **ret)
{
	struct rt_terminal *t;
	int fds[2], r;

	r = sys_socketpair_seqpacket(fds);
	if (r < 0)
		return dv_err_sys(r, "make a console socket");
	t = dv_new(struct rt_terminal);
	t->l = l;
	t->sock = fds[0];
	t->master = t->own = -1;
	l->console_sock = fds[1];
	for (int fd = 0; fd < 3 && t->own < 0; fd++) {
		if (isatty(fd))
			t->own = fd;
	}
	*ret = t;
	return NULL;
}

struct rt_terminal *rt_terminal_free(struct rt_terminal *t)
{
	if (!t)
		return NULL;
	rt_terminal_restore(t);
	sys_close(t->sock);
	sys_close(t->master);
	free(t);
	return NULL;
}

/* ---- modes and size --------------------------------------------------------------------------- */

/*
 * Keys go to the container as they are pressed. Output keeps its processing, as runc has it: the
 * container's LF becomes CR LF here, at the last terminal, and stays LF in a pipe.
 */
static void make_raw(struct rt_terminal *t)
{
	if (!isatty(STDIN_FILENO) || sys_tty_get_attr(STDIN_FILENO, &t->before) < 0)
		return;
	t->raw = t->before;
	cfmakeraw(&t->raw);
	t->raw.c_oflag |= t->before.c_oflag & OPOST;
	t->is_raw = sys_tty_set_attr(STDIN_FILENO, &t->raw) == 0;
}

void rt_terminal_restore(struct rt_terminal *t)
{
	if (t->is_raw)
		(void)sys_tty_set_attr(STDIN_FILENO, &t->before);
	t->is_raw = false;
}

void rt_terminal_resize(struct rt_terminal *t)
{
	uint16_t rows, cols;

	/* Our terminal may be gone, or have no size: then the container's stays as it is. */
	if (t->own < 0 || sys_tty_get_size(t->own, &rows, &cols) < 0 || rows == 0 || cols == 0)
		return;
	(void)sys_tty_set_size(t->master, rows, cols);
}

static int prepare_master(int master)
{
	struct termios attr;
	int r;

	r = sys_tty_get_attr(master, &attr);
	if (r < 0)
		return r;
	attr.c_oflag &= ~(tcflag_t)ONLCR;
	r = sys_tty_set_attr(master, &attr);
	return r < 0 ? r : sys_set_nonblock(master, true);
}

struct dv_err *rt_terminal_start(struct rt_terminal *t)
{
	char name[PATH_MAX];
	ssize_t n;
	int r;

	/* The child's end, so that its death would be the end of file here. */
	t->l->console_sock = sys_close(t->l->console_sock);
	n = sys_recv_fd(t->sock, name, sizeof(name), &t->master);
	if (n < 0)
		return dv_err_sys((int)n, "receive the container's terminal");
	if (t->master < 0)
		return dv_err_new(DV_ABORTED, "the container sent no terminal");
	t->sock = sys_close(t->sock);
	r = prepare_master(t->master);
	if (r < 0)
		return dv_err_sys(r, "set up the container's terminal");
	t->in.is_open = t->out.is_open = true;
	make_raw(t);
	rt_terminal_resize(t);
	return NULL;
}

/* ---- copying ------------------------------------------------------------------------------- */

static void fill(struct stream *s, int fd)
{
	ssize_t n = sys_read(fd, s->data, sizeof(s->data));

	s->start = 0;
	s->len = n > 0 ? (size_t)n : 0;
	if (n <= 0 && n != -EAGAIN)
		s->is_open = false;
}

static void empty(struct stream *s, int fd)
{
	ssize_t n = sys_write(fd, s->data + s->start, DV_MIN(s->len, (size_t)PIECE));

	if (n == -EAGAIN)
		return;
	if (n < 0) {
		s->len = 0; /* nobody reads: the writer shall not wait for that */
		return;
	}
	s->start += (size_t)n;
	s->len -= (size_t)n;
}

enum { FD_IN, FD_MASTER, FD_OUT };
_Static_assert(FD_OUT + 1 == RT_TERMINAL_FDS, "struct pollfd of a terminal");

void rt_terminal_poll(const struct rt_terminal *t, struct pollfd p[RT_TERMINAL_FDS])
{
	short master = 0;

	if (t->in.len > 0)
		master |= POLLOUT;
	if (t->out.is_open && t->out.len == 0)
		master |= POLLIN;
	p[FD_IN] = (struct pollfd){
		.fd = t->in.is_open && t->in.len == 0 ? STDIN_FILENO : -1,
		.events = POLLIN,
	};
	/* At the end of output poll would say "hung up" for ever. */
	p[FD_MASTER] = (struct pollfd){
		.fd = master && t->out.is_open ? t->master : -1,
		.events = master,
	};
	p[FD_OUT] = (struct pollfd){
		.fd = t->out.len > 0 ? STDOUT_FILENO : -1,
		.events = POLLOUT,
	};
}

void rt_terminal_serve(struct rt_terminal *t, const struct pollfd p[RT_TERMINAL_FDS])
{
	if (p[FD_OUT].revents)
		empty(&t->out, STDOUT_FILENO);
	if (p[FD_MASTER].revents & ~POLLOUT && t->out.len == 0)
		fill(&t->out, t->master);
	if (p[FD_MASTER].revents & POLLOUT)
		empty(&t->in, t->master);
	if (p[FD_IN].revents) {
		fill(&t->in, STDIN_FILENO);
		if (t->in.len > 0)
			empty(&t->in, t->master);
	}
}

void rt_terminal_resume(struct rt_terminal *t)
{
	if (!t->is_raw)
		return;
	(void)sys_tty_set_attr(STDIN_FILENO, &t->raw);
	t->in.is_open = true;
	rt_terminal_resize(t);
}

bool rt_terminal_has_rest(struct rt_terminal *t)
{
	if (t->out.is_open && t->out.len == 0)
		fill(&t->out, t->master);
	return t->out.len > 0;
}

void rt_terminal_flush(struct rt_terminal *t)
{
	empty(&t->out, STDOUT_FILENO);
}
