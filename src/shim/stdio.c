/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each stream is made of:
 *
 *	             pipe or fifo handed to the process     with a terminal
 *	stdin fifo   the fifo; we hold a writing end        relay fifo -> master
 *	fifo         the fifo; we hold both ends            relay master -> fifo
 *	log, file    a pipe that a log_pump reads           log_pump reads the master
 *	logger       a pipe that the logger reads           relay master -> that pipe
 *	nothing      /dev/null                              relay master -> nowhere
 *
 * A slave of the terminal is held until the process has ended: a container that has closed its
 * terminal for a moment is not one that has hung up.
 *
 * The timer makes the callbacks: that it was opened, then whether it is drained.
 */

#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "io/copy.h"
#include "log-file.h"
#include "log-pump.h"
#include "stdio-private.h"
#include "sys/file.h"
#include "sys/tty.h"

enum {
	OUT,
	ERR,
	N_OUTPUTS,
	DRAIN_MS = 10 * 1000,
	LAST_DELAY_MS = 32,
	LOG_PIPE_SIZE = 1024 * 1024, /* fewer switches between a fast writer and us */
};

struct output {
	struct log_opts log_opts; /* .path NULL: no log */
	struct log_file *file;
	struct log_pump *pump;
	struct stdio_fifo *fifo;
	bool is_logged; /* by the logger */
};

struct shim_stdio {
	struct shim_env *env;
	uv_timer_t timer;
	bool is_terminal, has_exited;
	int child_fds[3]; /* -1: /dev/null, or closed */
	int stdin_reader; /* terminal, before the console is there */
	int stdin_writer;
	struct output outputs[N_OUTPUTS];
	struct stdio_logger *logger;
	/* Terminal */
	int console, slave; /* -1: not there */
	struct io_copy *to_console, *from_console;
	uint16_t width, height; /* 0, 0: not set */
	/* Opening, and draining */
	struct dv_err *failure;
	shim_stdio_opened_fn opened;
	void (*drained)(void *arg);
	void *arg;
	uint64_t drain_until; /* uv_now() */
	unsigned delay_ms;
};

/* ---- opening ----------------------------------------------------------------------------- */

static void on_opened(uv_timer_t *timer)
{
	struct shim_stdio *s = dv_container_of(timer, struct shim_stdio, timer);
	struct dv_err *e = s->failure;
	shim_stdio_opened_fn opened = s->opened;
	void *arg = s->arg;

	s->failure = NULL;
	s->opened = NULL;
	s->arg = NULL;
	if (e)
		s = shim_stdio_free(s);
	opened(arg, e, s);
}

/* Also when it comes twice, from a logger and from a stream that failed: the first counts. */
static void opened_later(struct shim_stdio *s, struct dv_err *take_e)
{
	if (s->failure)
		dv_err_free(take_e);
	else
		s->failure = take_e;
	(void)uv_timer_start(&s->timer, on_opened, 0, 0);
}

static void on_logger_ready(void *arg, struct dv_err *take_e)
{
	opened_later(arg, take_e);
}

static struct dv_err *open_stdin(struct shim_stdio *s, const struct stdio_uri *uri)
{
	DV_CLEANUP(sys_closep) int path_fd = -1;
	struct dv_err *e;
	bool is_fifo;
	int r;

	if (uri->scheme == STDIO_NULL)
		return NULL;
	if (uri->scheme != STDIO_PATH && uri->scheme != STDIO_FIFO)
		return dv_err_new(DV_INVALID, "stdin can only be a fifo");
	e = stdio_fifo_find(uri->path, &is_fifo, &path_fd);
	if (e)
		return e;
	if (!is_fifo)
		return dv_err_new(DV_INVALID, "stdio: %s is not a fifo", uri->path);
	/* In this order no open waits, or fails for want of the other end. */
	r = s->stdin_reader = stdio_reopen_fd(path_fd, O_RDONLY | O_NONBLOCK);
	if (r >= 0)
		r = s->stdin_writer = stdio_reopen_fd(path_fd, O_WRONLY | O_NONBLOCK);
	if (r >= 0 && !s->is_terminal) {
		r = s->child_fds[0] = stdio_reopen_fd(path_fd, O_RDONLY);
		s->stdin_reader = sys_close(s->stdin_reader);
	}
	return r < 0 ? dv_err_sys(r, "stdio: open fifo %s", uri->path) : NULL;
}

static struct dv_err *open_fifo(struct shim_stdio *s, int i, const char *path, int path_fd)
{
	struct dv_err *e = stdio_fifo_new(s->env, path_fd, &s->outputs[i].fifo);

	if (!e && !s->is_terminal) {
		s->child_fds[1 + i] = stdio_fifo_writer(s->outputs[i].fifo, 0);
		if (s->child_fds[1 + i] < 0)
			e = dv_err_sys(s->child_fds[1 + i], "stdio: open a fifo");
	}
	return dv_err_wrap(e, "%s", path);
}

/* The one that both write to, if it is one. */
static struct dv_err *open_log_file(struct shim_stdio *s, struct output *o)
{
	struct output *other = &s->outputs[OUT];

	if (o == other || !other->file || !dv_streq(other->log_opts.path, o->log_opts.path))
		return log_file_open(&o->log_opts, s->env->log, &o->file);
	if (!log_opts_equal(&other->log_opts, &o->log_opts))
		return dv_err_new(DV_INVALID, "log %s: stdout and stderr have other options",
				  o->log_opts.path);
	o->file = log_file_ref(other->file);
	return NULL;
}

static struct dv_err *start_pump(struct shim_stdio *s, int i, int take_fd)
{
	static const char *const names[] = { "stdout", "stderr" };
	struct output *o = &s->outputs[i];
	const char *stream = o->log_opts.stream ? o->log_opts.stream : names[i];

	return log_pump_new(s->env, take_fd, o->file, stream, NULL, NULL, &o->pump);
}

static struct dv_err *open_log(struct shim_stdio *s, int i, const struct stdio_uri *uri)
{
	struct output *o = &s->outputs[i];
	struct dv_err *e;
	int fds[2], r;

	e = log_opts_parse(uri, &o->log_opts);
	if (!e)
		e = open_log_file(s, o);
	if (e || s->is_terminal)
		return e;
	r = sys_pipe(fds);
	if (r < 0)
		return dv_err_sys(r, "log %s: make a pipe", uri->path);
	(void)sys_fcntl(fds[0], F_SETPIPE_SZ, LOG_PIPE_SIZE);
	s->child_fds[1 + i] = fds[1];
	return start_pump(s, i, fds[0]);
}

static struct dv_err *open_path(struct shim_stdio *s, int i, const struct stdio_uri *uri)
{
	DV_CLEANUP(sys_closep) int path_fd = -1;
	bool is_fifo;
	struct dv_err *e = stdio_fifo_find(uri->path, &is_fifo, &path_fd);

	if (e)
		return e;
	if (is_fifo)
		return open_fifo(s, i, uri->path, path_fd);
	if (uri->scheme == STDIO_FIFO)
		return dv_err_new(DV_INVALID, "stdio: %s is not a fifo", uri->path);
	return open_log(s, i, uri);
}

static struct dv_err *open_logger(struct shim_stdio *s, const struct stdio_uri *uri,
				  const struct shim_stdio_spec *spec)
{
	return stdio_logger_start(s->env, uri, spec->container_id, spec->ns, on_logger_ready, s,
				  &s->logger);
}

static struct dv_err *open_output(struct shim_stdio *s, int i, const struct stdio_uri *uri,
				  const struct shim_stdio_spec *spec)
{
	switch (uri->scheme) {
	case STDIO_NULL:
		return NULL;
	case STDIO_PATH:
	case STDIO_FIFO:
		return open_path(s, i, uri);
	case STDIO_BINARY:
	case STDIO_BINARY_V2:
		s->outputs[i].is_logged = true;
		if (i == OUT)
			return open_logger(s, uri, spec);
		return s->logger ? NULL
				 : dv_err_new(DV_INVALID, "a logger for stderr alone: it has to be "
							  "that of stdout");
	default:
		return open_log(s, i, uri);
	}
}

/* stderr of a logger's container goes to the logger, unless it says otherwise. */
static struct dv_err *open_outputs(struct shim_stdio *s, const struct shim_stdio_spec *spec)
{
	const char *const names[] = { spec->out, spec->err };

	for (int i = 0; i < (s->is_terminal ? 1 : N_OUTPUTS); i++) {
		struct stdio_uri uri;
		struct dv_err *e = stdio_uri_parse(names[i], &uri);

		if (e)
			return e;
		e = open_output(s, i, &uri, spec);
		if (i == ERR && uri.scheme == STDIO_NULL && s->logger)
			s->outputs[i].is_logged = true;
		stdio_uri_fini(&uri);
		if (e)
			return e;
		if (s->outputs[i].is_logged && !s->is_terminal)
			s->child_fds[1 + i] = stdio_logger_take_writer(s->logger, i);
	}
	/* The logger sees the end at once of what it will get nothing from. */
	if (s->logger && !s->outputs[ERR].is_logged)
		sys_close(stdio_logger_take_writer(s->logger, ERR));
	return NULL;
}

static struct dv_err *give_to_owner(struct shim_stdio *s, const struct shim_stdio_spec *spec)
{
	for (int i = 0; i < 3 && spec->has_owner; i++) {
		int r = s->child_fds[i] < 0 ? 0 : sys_fchown(s->child_fds[i], spec->uid, spec->gid);

		if (r < 0)
			return dv_err_sys(r, "stdio: give stream %d to %u:%u", i, spec->uid,
					  spec->gid);
	}
	return NULL;
}

void shim_stdio_open(struct shim_env *env, const struct shim_stdio_spec *spec,
		     shim_stdio_opened_fn opened, void *arg)
{
	struct shim_stdio *s = dv_new(struct shim_stdio);
	struct stdio_uri uri;
	struct dv_err *e;

	s->env = env;
	s->is_terminal = spec->is_terminal;
	s->opened = opened;
	s->arg = arg;
	s->stdin_reader = s->stdin_writer = s->console = s->slave = -1;
	for (int i = 0; i < 3; i++)
		s->child_fds[i] = -1;
	(void)uv_timer_init(env->loop, &s->timer);

	e = stdio_uri_parse(spec->in, &uri);
	if (!e) {
		e = open_stdin(s, &uri);
		stdio_uri_fini(&uri);
	}
	if (!e)
		e = open_outputs(s, spec);
	if (!e)
		e = give_to_owner(s, spec);
	/* A logger says when it is ready. */
	if (e || !s->logger)
		opened_later(s, e);
}

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
	if (s->outputs[OUT].fifo)
		stdio_fifo_release(s->outputs[OUT].fifo);
}

/* Where the output of a terminal goes to; -1: nowhere. */
static int console_sink(struct shim_stdio *s)
{
	DV_CLEANUP(sys_closep) int writer = -1;

	if (s->outputs[OUT].fifo)
		return stdio_fifo_writer(s->outputs[OUT].fifo, O_NONBLOCK);
	if (!s->logger)
		return -1;
	writer = stdio_logger_take_writer(s->logger, OUT);
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
	if (s->outputs[OUT].file)
		return start_pump(s, OUT, fd);
	opts.take_from = fd;
	opts.take_to = console_sink(s);
	return io_copy_new(s->env->loop, &opts, &s->from_console);
}

static struct dv_err *relay_input(struct shim_stdio *s)
{
	struct io_copy_opts opts = { .scratch = s->env->scratch,
				     .ended = on_input_ended,
				     .arg = s };

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
}

struct dv_err *shim_stdio_reopen(struct shim_stdio *s)
{
	struct log_file *out = s->outputs[OUT].file, *err = s->outputs[ERR].file;
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

	for (int i = 0; i < N_OUTPUTS; i++) {
		if (s->outputs[i].pump)
			is_all = log_pump_flush(s->outputs[i].pump) && is_all;
	}
	if (s->from_console)
		is_all = io_copy_flush(s->from_console) && is_all;
	if (s->logger)
		is_all = stdio_logger_is_drained(s->logger) && is_all;
	return is_all;
}

static void on_draining(uv_timer_t *timer)
{
	struct shim_stdio *s = dv_container_of(timer, struct shim_stdio, timer);
	void (*drained)(void *arg) = s->drained;

	if (!is_drained(s) && uv_now(s->env->loop) < s->drain_until) {
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
		for (int i = 0; i < N_OUTPUTS; i++) {
			/* That of a terminal follows what is still in there. */
			if (s->outputs[i].fifo && !s->from_console)
				stdio_fifo_release(s->outputs[i].fifo);
		}
		s->drain_until = uv_now(s->env->loop) + DRAIN_MS;
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
	for (int i = 0; i < N_OUTPUTS; i++) {
		struct output *o = &s->outputs[i];

		o->pump = log_pump_free(o->pump);
		o->file = log_file_unref(o->file);
		o->fifo = stdio_fifo_free(o->fifo);
		log_opts_fini(&o->log_opts);
	}
	s->logger = stdio_logger_free(s->logger);
	s->console = sys_close(s->console);
	dv_err_free(s->failure);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	return NULL;
}
