/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each stream is made of:
 *
 *	             pipe or fifo handed to the process     with a terminal
 *	stdin fifo   the fifo; we hold a writing end        relay fifo -> master
 *	fifo         the fifo; we hold both ends            relay master -> fifo
 *	log, file    a pipe that a log_pump reads           log_pump reads the master
 *	logger       a pipe that the logger reads           relay master -> that pipe
 *	attach: in   a pipe that the attached write to      they write to the master
 *	attach: out  as for a log, without one
 *	nothing      /dev/null                              relay master -> nowhere
 *
 * What goes to a log goes to those who are attached, too, if there may be any.
 *
 * A slave of the terminal is held until the process has ended: a container that has closed its
 * terminal for a moment is not one that has hung up.
 *
 * The timer makes the callbacks: that it was opened (stdio-open.c), then whether it is drained.
 */

#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/mem.h"
#include "io/copy.h"
#include "stdio-private.h"
#include "sys/file.h"
#include "sys/tty.h"

enum {
	DRAIN_MS = 10 * 1000,
	DRAIN_AT_MOST_MS = 60 * 1000,
	LAST_DELAY_MS = 32,
};

/* ---- while it runs ----------------------------------------------------------------------- */

const int *shim_stdio_child_fds(const struct shim_stdio *s)
{
	return s->child_fds;
}

void shim_stdio_started(struct shim_stdio *s)
{
	for (int i = 0; i < 3; i++)
		s->child_fds[i] = sys_close(s->child_fds[i]);
}

static void set_size(struct shim_stdio *s)
{
	if (s->console >= 0 && (s->width || s->height))
		(void)sys_tty_set_size(s->console, s->height, s->width);
}

struct dv_err *shim_stdio_resize(struct shim_stdio *s, uint16_t width, uint16_t height)
{
	int r;

	if (!s->is_terminal)
		return dv_err_new(DV_PRECONDITION, "the process has no terminal");
	s->width = width;
	s->height = height;
	if (s->console < 0)
		return NULL;
	r = sys_tty_set_size(s->console, height, width);
	return r < 0 ? dv_err_sys(r, "resize the terminal") : NULL;
}

static void on_input_ended(void *arg, int neg_errno)
{
	struct shim_stdio *s = arg;

	if (neg_errno < 0 && neg_errno != -EIO)
		dv_log(s->env->log, DV_WARN, "stdio: input of a terminal: %s",
		       dv_errno_text(-neg_errno));
	s->to_console = io_copy_free(s->to_console);
}

static void on_output_ended(void *arg, int neg_errno)
{
	struct shim_stdio *s = arg;

	if (neg_errno < 0)
		dv_log(s->env->log, DV_WARN, "stdio: output of a terminal: %s",
		       dv_errno_text(-neg_errno));
	s->from_console = io_copy_free(s->from_console);
	if (s->outputs[STDIO_OUT].fifo)
		stdio_fifo_release(s->outputs[STDIO_OUT].fifo);
}

/* Where the output of a terminal goes to; -1: nowhere. */
static int console_sink(struct shim_stdio *s)
{
	DV_CLEANUP(sys_closep) int writer = -1;

	if (s->outputs[STDIO_OUT].fifo)
		return stdio_fifo_writer(s->outputs[STDIO_OUT].fifo, O_NONBLOCK);
	if (!s->logger)
		return -1;
	writer = stdio_logger_take_writer(s->logger, STDIO_OUT);
	return stdio_reopen_fd(writer, O_WRONLY | O_NONBLOCK);
}

static struct dv_err *relay_output(struct shim_stdio *s)
{
	struct io_copy_opts opts = { .scratch = s->env->scratch,
				     .ended = on_output_ended,
				     .arg = s };
	int fd = sys_dup_cloexec(s->console, 3);

	if (fd < 0)
		return dv_err_sys(fd, "stdio: relay a terminal");
	if (s->outputs[STDIO_OUT].has_pump)
		return stdio_start_pump(s, STDIO_OUT, fd);
	opts.take_from = fd;
	opts.take_to = console_sink(s);
	return io_copy_new(s->env->loop, &opts, &s->from_console);
}

static struct dv_err *relay_input(struct shim_stdio *s)
{
	struct io_copy_opts opts = { .scratch = s->env->scratch,
				     .ended = on_input_ended,
				     .arg = s };

	if (s->attach) {
		int fd = sys_dup_cloexec(s->console, 3);

		return fd < 0 ? dv_err_sys(fd, "stdio: input of a terminal")
			      : stdio_attach_set_console(s->attach, fd);
	}
	if (s->stdin_reader < 0)
		return NULL;
	opts.take_from = dv_steal_fd(&s->stdin_reader);
	opts.take_to = sys_dup_cloexec(s->console, 3);
	return io_copy_new(s->env->loop, &opts, &s->to_console);
}

void shim_stdio_set_console(struct shim_stdio *s, int take_master)
{
	struct dv_err *e;

	dv_assert(s->is_terminal && s->console < 0);
	s->console = take_master;
	s->slave = s->has_exited ? -1 : sys_tty_peer(take_master);
	set_size(s);
	e = relay_output(s);
	if (!e)
		e = relay_input(s);
	if (e)
		dv_log(s->env->log, DV_ERROR, "%s", dv_err_message(e));
	dv_err_free(e);
}

void shim_stdio_close_stdin(struct shim_stdio *s)
{
	s->stdin_writer = sys_close(s->stdin_writer);
	if (s->attach)
		stdio_attach_close_input(s->attach);
}

struct dv_err *shim_stdio_reopen(struct shim_stdio *s)
{
	struct log_file *out = s->outputs[STDIO_OUT].file, *err = s->outputs[STDIO_ERR].file;
	struct dv_err *e;

	if (!out && !err)
		return dv_err_new(DV_PRECONDITION, "no stream of the process is a log");
	e = out ? log_file_reopen(out) : NULL;
	return e || !err || err == out ? e : log_file_reopen(err);
}

/* ---- the end ----------------------------------------------------------------------------- */

static bool is_drained(struct shim_stdio *s)
{
	bool is_all = true;

	for (int i = 0; i < STDIO__OUTPUTS; i++) {
		if (s->outputs[i].pump)
			is_all = log_pump_flush(s->outputs[i].pump) && is_all;
	}
	if (s->from_console)
		is_all = io_copy_flush(s->from_console) && is_all;
	if (s->logger)
		is_all = stdio_logger_is_drained(s->logger) && is_all;
	/* Behind what was read just now. */
	if (s->attach)
		is_all = stdio_attach_is_drained(s->attach) && is_all;
	return is_all;
}

/* Those who take what they get, however slowly, hold it up a little longer than one who does not. */
static bool is_time_up(struct shim_stdio *s)
{
	uint64_t now = uv_now(s->env->loop);

	if (s->attach && stdio_attach_is_full(s->attach))
		s->drain_until = DV_MIN(now + DRAIN_MS, s->drain_until_at_most);
	return now >= s->drain_until;
}

static void on_draining(uv_timer_t *timer)
{
	struct shim_stdio *s = dv_container_of(timer, struct shim_stdio, timer);
	void (*drained)(void *arg) = s->drained;

	if (!is_drained(s) && !is_time_up(s)) {
		(void)uv_timer_start(timer, on_draining, s->delay_ms, 0);
		s->delay_ms = DV_MIN(s->delay_ms * 2, (unsigned)LAST_DELAY_MS);
		return;
	}
	s->drained = NULL;
	if (drained)
		drained(s->arg); /* may free */
}

void shim_stdio_exited(struct shim_stdio *s, void (*drained)(void *arg), void *arg)
{
	if (drained) {
		s->drained = drained;
		s->arg = arg;
	}
	if (!s->has_exited) {
		s->has_exited = true;
		shim_stdio_started(s);
		shim_stdio_close_stdin(s);
		s->slave = sys_close(s->slave);
		for (int i = 0; i < STDIO__OUTPUTS; i++) {
			/* That of a terminal follows what is still in there. */
			if (s->outputs[i].fifo && !s->from_console)
				stdio_fifo_release(s->outputs[i].fifo);
		}
		if (s->attach)
			stdio_attach_exited(s->attach);
		s->drain_until = uv_now(s->env->loop) + DRAIN_MS;
		s->drain_until_at_most = uv_now(s->env->loop) + DRAIN_AT_MOST_MS;
	}
	s->delay_ms = 1;
	(void)uv_timer_start(&s->timer, on_draining, 0, 0);
}

static void on_closed(uv_handle_t *handle)
{
	free(dv_container_of((uv_timer_t *)(void *)handle, struct shim_stdio, timer));
}

struct shim_stdio *shim_stdio_free(struct shim_stdio *s)
{
	if (!s)
		return NULL;
	shim_stdio_started(s);
	shim_stdio_close_stdin(s);
	s->stdin_reader = sys_close(s->stdin_reader);
	s->slave = sys_close(s->slave);
	s->to_console = io_copy_free(s->to_console);
	if (s->from_console)
		(void)io_copy_flush(s->from_console);
	s->from_console = io_copy_free(s->from_console);
	for (int i = 0; i < STDIO__OUTPUTS; i++) {
		struct stdio_output *o = &s->outputs[i];

		o->pump = log_pump_free(o->pump);
		o->file = log_file_unref(o->file);
		o->fifo = stdio_fifo_free(o->fifo);
		log_opts_fini(&o->log_opts);
	}
	s->attach = stdio_attach_free(s->attach);
	s->logger = stdio_logger_free(s->logger);
	s->console = sys_close(s->console);
	dv_err_free(s->failure);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	return NULL;
}
