/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening of what a client has named. stdio.c says what each stream is made of. The answer comes
 * from the timer, and what was opened before something failed is closed then.
 */

#include <fcntl.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/str.h"
#include "stdio-private.h"
#include "sys/file.h"

enum { LOG_PIPE_SIZE = 1024 * 1024 }; /* fewer switches between a fast writer and us */

/* ---- the answer -------------------------------------------------------------------------- */

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

/* ---- those who attach -------------------------------------------------------------------- */

static void attached_have_room(void *arg)
{
	struct shim_stdio *s = arg;

	for (int i = 0; i < STDIO__OUTPUTS; i++) {
		if (s->outputs[i].pump)
			log_pump_resume(s->outputs[i].pump);
	}
}

static struct dv_err *need_attach(struct shim_stdio *s, const struct shim_stdio_spec *spec)
{
	if (s->attach)
		return NULL;
	if (!spec->has_bundle)
		return dv_err_new(DV_INVALID, "stdio: attaching is possible to a container's "
					      "first process alone");
	return stdio_attach_new(s->env,
				&(struct stdio_attach_opts){ .dir_fd = spec->bundle_fd,
							     .has_room = attached_have_room,
							     .arg = s },
				&s->attach);
}

static struct dv_err *make_attachable(struct shim_stdio *s, int i,
				      const struct shim_stdio_spec *spec)
{
	struct dv_err *e = need_attach(s, spec);

	if (e)
		return e;
	s->outputs[i].is_attachable = true;
	stdio_attach_add_stream(s->attach);
	return NULL;
}

/* ---- input ------------------------------------------------------------------------------- */

static struct dv_err *parse_once(const struct stdio_uri *uri, bool *ret)
{
	*ret = false;
	for (size_t i = 0; i < uri->n_params; i++) {
		if (!dv_streq(uri->params[i].key, "once"))
			return dv_err_new(DV_INVALID, "stdin: no such option: %s",
					  uri->params[i].key);
		if (!dv_parse_bool(uri->params[i].value, ret))
			return dv_err_new(DV_INVALID, "stdin: once cannot be \"%s\"",
					  uri->params[i].value);
	}
	return NULL;
}

static struct dv_err *open_attached_stdin(struct shim_stdio *s, const struct stdio_uri *uri,
					  const struct shim_stdio_spec *spec)
{
	bool is_once;
	struct dv_err *e = parse_once(uri, &is_once);

	if (!e)
		e = need_attach(s, spec);
	if (e)
		return e;
	if (!s->is_terminal)
		return stdio_attach_open_input(s->attach, is_once, &s->child_fds[0]);
	stdio_attach_await_console(s->attach);
	return NULL;
}

static struct dv_err *open_stdin(struct shim_stdio *s, const struct stdio_uri *uri,
				 const struct shim_stdio_spec *spec)
{
	DV_CLEANUP(sys_closep) int path_fd = -1;
	struct dv_err *e;
	bool is_fifo;
	int r;

	if (uri->scheme == STDIO_NULL)
		return NULL;
	if (uri->scheme == STDIO_ATTACH)
		return open_attached_stdin(s, uri, spec);
	if (uri->scheme != STDIO_PATH && uri->scheme != STDIO_FIFO)
		return dv_err_new(DV_INVALID, "stdin can only be a fifo, or attach:");
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

/* ---- output ------------------------------------------------------------------------------ */

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
static struct dv_err *open_log_file(struct shim_stdio *s, struct stdio_output *o)
{
	struct stdio_output *other = &s->outputs[STDIO_OUT];

	if (o == other || !other->file || !dv_streq(other->log_opts.path, o->log_opts.path))
		return log_file_open(&o->log_opts, s->env->log, &o->file);
	if (!log_opts_equal(&other->log_opts, &o->log_opts))
		return dv_err_new(DV_INVALID, "log %s: stdout and stderr have other options",
				  o->log_opts.path);
	o->file = log_file_ref(other->file);
	return NULL;
}

static void hand_on(struct stdio_output *o, enum dv_attach_from_shim type, const void *p, size_t n)
{
	stdio_attach_write(o->stdio->attach, type, p, n);
}

static void hand_on_out(void *arg, const void *p, size_t n)
{
	hand_on(arg, DV_ATTACH_STDOUT, p, n);
}

static void hand_on_err(void *arg, const void *p, size_t n)
{
	hand_on(arg, DV_ATTACH_STDERR, p, n);
}

static bool is_held(void *arg)
{
	struct stdio_output *o = arg;

	return stdio_attach_is_full(o->stdio->attach);
}

static void on_pump_ended(void *arg)
{
	struct stdio_output *o = arg;

	if (o->is_attachable)
		stdio_attach_stream_ended(o->stdio->attach);
}

struct dv_err *stdio_start_pump(struct shim_stdio *s, int i, int take_fd)
{
	static const char *const names[] = { "stdout", "stderr" };
	struct stdio_output *o = &s->outputs[i];
	struct log_pump_opts opts = {
		.take_fd = take_fd,
		.file = o->file,
		.stream = o->log_opts.stream ? o->log_opts.stream : names[i],
		.ended = on_pump_ended,
		.arg = o,
	};

	if (o->is_attachable) {
		opts.tap = i == STDIO_OUT ? hand_on_out : hand_on_err;
		opts.is_held = is_held;
	}
	return log_pump_new(s->env, &opts, &o->pump);
}

/* The pipe whose other end is read; a terminal is read when it is there. */
static struct dv_err *open_pump(struct shim_stdio *s, int i)
{
	int fds[2], r;

	s->outputs[i].has_pump = true;
	if (s->is_terminal)
		return NULL;
	r = sys_pipe(fds);
	if (r < 0)
		return dv_err_sys(r, "stdio: make a pipe");
	(void)sys_fcntl(fds[0], F_SETPIPE_SZ, LOG_PIPE_SIZE);
	s->child_fds[1 + i] = fds[1];
	return stdio_start_pump(s, i, fds[0]);
}

static struct dv_err *open_log(struct shim_stdio *s, int i, const struct stdio_uri *uri,
			       const struct shim_stdio_spec *spec)
{
	struct stdio_output *o = &s->outputs[i];
	struct dv_err *e;

	e = log_opts_parse(uri, &o->log_opts);
	if (!e)
		e = open_log_file(s, o);
	if (!e && o->log_opts.is_attachable)
		e = make_attachable(s, i, spec);
	return e ? e : open_pump(s, i);
}

/* No log. */
static struct dv_err *open_attached(struct shim_stdio *s, int i, const struct stdio_uri *uri,
				    const struct shim_stdio_spec *spec)
{
	struct dv_err *e;

	if (uri->n_params)
		return dv_err_new(DV_INVALID, "stdio: attach: has no options for an output");
	e = make_attachable(s, i, spec);
	return e ? e : open_pump(s, i);
}

static struct dv_err *open_path(struct shim_stdio *s, int i, const struct stdio_uri *uri,
				const struct shim_stdio_spec *spec)
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
	return open_log(s, i, uri, spec);
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
		return open_path(s, i, uri, spec);
	case STDIO_BINARY:
	case STDIO_BINARY_V2:
		s->outputs[i].is_logged = true;
		if (i == STDIO_OUT)
			return open_logger(s, uri, spec);
		return s->logger ? NULL
				 : dv_err_new(DV_INVALID, "a logger for stderr alone: it has to be "
							  "that of stdout");
	case STDIO_ATTACH:
		return open_attached(s, i, uri, spec);
	default:
		return open_log(s, i, uri, spec);
	}
}

/* stderr of a logger's container goes to the logger, unless it says otherwise. */
static struct dv_err *open_outputs(struct shim_stdio *s, const struct shim_stdio_spec *spec)
{
	const char *const names[] = { spec->out, spec->err };

	for (int i = 0; i < (s->is_terminal ? 1 : STDIO__OUTPUTS); i++) {
		struct stdio_uri uri;
		struct dv_err *e = stdio_uri_parse(names[i], &uri);

		if (e)
			return e;
		e = open_output(s, i, &uri, spec);
		if (i == STDIO_ERR && uri.scheme == STDIO_NULL && s->logger)
			s->outputs[i].is_logged = true;
		stdio_uri_fini(&uri);
		if (e)
			return e;
		if (s->outputs[i].is_logged && !s->is_terminal)
			s->child_fds[1 + i] = stdio_logger_take_writer(s->logger, i);
	}
	/* The logger sees the end at once of what it will get nothing from. */
	if (s->logger && !s->outputs[STDIO_ERR].is_logged)
		sys_close(stdio_logger_take_writer(s->logger, STDIO_ERR));
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
	for (int i = 0; i < STDIO__OUTPUTS; i++)
		s->outputs[i].stdio = s;
	(void)uv_timer_init(env->loop, &s->timer);

	e = stdio_uri_parse(spec->in, &uri);
	if (!e) {
		e = open_stdin(s, &uri, spec);
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
