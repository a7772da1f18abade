/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fifos, or a connection to the shim, between a process and our own streams. Our ends of fifos are open
 * before the process is made, so nothing is missed; a reader of a fifo hears of the end only after there
 * was a writer. See client/streams.h.
 */

#include "client/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"
#include "client/attach.h"
#include "client/pump.h"
#include "detach.h"
#include "sys/file.h"

enum { IN, OUT, ERR, N_STREAMS };

/* One of the output streams. */
struct output {
	struct client_streams *st;
	struct client_source *source; /* NULL: attached */
	struct client_sink *sink; /* NULL: not joined */
	bool is_ended;
};

struct client_streams {
	struct client *client;
	struct client_streams_opts opts;
	char *dir;
	char *paths[N_STREAMS]; /* NULL: not joined */
	int fds[N_STREAMS]; /* our ends */
	struct output outputs[N_STREAMS];
	struct client_attach *attach; /* NULL: fifos */
	struct dv_err *attach_error;
	bool is_attached;
	struct client_source *in_source;
	struct client_sink *in_sink; /* a fifo's */
	struct detach detach;
	bool is_in_ended, is_detached;
};

static const char *const names[N_STREAMS] = { "stdin", "stdout", "stderr" };

/* ---- output ------------------------------------------------------------------------- */

static void pass_output(struct client_streams *st, int i, const void *p, size_t n)
{
	struct output *o = &st->outputs[i];

	if (!o->sink)
		return;
	client_sink_write(o->sink, p, n);
	if (!client_sink_is_full(o->sink))
		return;
	if (st->attach)
		client_attach_pause(st->attach);
	else
		client_source_pause(o->source);
}

static void on_output(void *arg, const void *p, size_t n)
{
	struct output *o = arg;

	if (n == 0)
		o->is_ended = true;
	else
		pass_output(o->st, (int)(o - o->st->outputs), p, n);
}

/* One connection for both streams waits for both. */
static void on_output_written(void *arg)
{
	struct output *o = arg;
	const struct client_sink *other = o->st->outputs[OUT + ERR - (o - o->st->outputs)].sink;

	if (o->source)
		client_source_resume(o->source);
	else if (o->st->attach && !(other && client_sink_is_full(other)))
		client_attach_resume(o->st->attach);
}

static void open_output(struct client_streams *st, int i, int to)
{
	struct output *o = &st->outputs[i];
	uv_loop_t *loop = client_loop(st->client);

	*o = (struct output){ .st = st, .is_ended = to < 0 };
	if (o->is_ended)
		return;
	o->sink = client_sink_new(loop, to);
	client_sink_on_empty(o->sink, on_output_written, o);
	if (st->fds[i] >= 0)
		o->source = client_source_new(loop, st->fds[i], on_output, o);
}

/* ---- input -------------------------------------------------------------------------- */

/*
 * A fifo tells the process once nobody has it open for writing; the shim may have, hence the callback.
 * Attached, the end comes behind the bytes by itself.
 */
static void end_input(struct client_streams *st)
{
	if (st->is_in_ended)
		return;
	st->is_in_ended = true;
	st->in_sink = client_sink_free(st->in_sink);
	st->fds[IN] = sys_close(st->fds[IN]);
	if (st->attach)
		client_attach_end_input(st->attach);
	else if (st->opts.on_in_end)
		st->opts.on_in_end(st->opts.arg);
}

/* False: it has to wait for on_input_written(). */
static bool send_input(struct client_streams *st, const struct dv_strbuf *pass)
{
	if (pass->len == 0)
		return true;
	if (st->attach)
		return client_attach_send(st->attach, pass->data, pass->len);
	client_sink_write(st->in_sink, pass->data, pass->len);
	return client_sink_is_empty(st->in_sink);
}

static void on_input(void *arg, const void *p, size_t n)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf pass = DV_STRBUF_INIT;
	struct client_streams *st = arg;

	if (n == 0) {
		end_input(st);
		return;
	}
	st->is_detached = detach_filter(&st->detach, p, n, &pass) || st->is_detached;
	if (!send_input(st, &pass) || st->is_detached)
		client_source_pause(st->in_source);
}

static void on_input_written(void *arg)
{
	struct client_streams *st = arg;

	if (!st->is_detached && st->in_source)
		client_source_resume(st->in_source);
}

void client_streams_begin(struct client_streams *st)
{
	uv_loop_t *loop = client_loop(st->client);

	if (st->opts.in < 0 || st->in_source)
		return;
	if (!st->attach) {
		st->in_sink = client_sink_new(loop, st->fds[IN]);
		client_sink_on_empty(st->in_sink, on_input_written, st);
	}
	st->in_source = client_source_new(loop, st->opts.in, on_input, st);
}

/* ---- fifos -------------------------------------------------------------------------- */

/*
 * Of stdin we hold both ends: there is no need to wait for the reader, and what is written before it
 * comes is kept.
 */
static struct dv_err *make_fifo(struct client_streams *st, int i)
{
	int flags = (i == IN ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOFOLLOW;
	char *path = dv_printf("%s/%s", st->dir, names[i]);
	int r = sys_mknodat(AT_FDCWD, path, S_IFIFO | 0600, 0);

	st->paths[i] = path;
	if (r < 0)
		return dv_err_sys(r, "make the fifo %s", path);
	r = sys_openat(AT_FDCWD, path, flags, 0);
	if (r < 0)
		return dv_err_sys(r, "open the fifo %s", path);
	st->fds[i] = r;
	return NULL;
}

static struct dv_err *make_fifos(struct client_streams *st, const char *parent)
{
	const int joined[N_STREAMS] = { st->opts.in, st->opts.out, st->opts.err };
	char *dir = dv_printf("%s/davit-io-XXXXXX", parent);
	struct dv_err *e = NULL;

	if (!mkdtemp(dir)) {
		int r = -errno;

		free(dir);
		return dv_err_sys(r, "make a directory for fifos in %s", parent);
	}
	st->dir = dir;
	for (int i = 0; !e && i < N_STREAMS; i++) {
		if (joined[i] >= 0)
			e = make_fifo(st, i);
	}
	return e;
}

static struct client_streams *streams_new(struct client *c, const struct client_streams_opts *opts)
{
	struct client_streams *st = dv_new(struct client_streams);

	*st = (struct client_streams){ .client = c, .opts = *opts, .fds = { -1, -1, -1 } };
	if (opts->has_terminal)
		st->opts.err = -1;
	st->detach = (struct detach){ st->opts.detach_keys, st->opts.n_detach_keys, 0 };
	return st;
}

struct dv_err *client_streams_new(struct client *c, const char *parent,
				  const struct client_streams_opts *opts,
				  struct client_task_io *ret_io, struct client_streams **ret)
{
	struct client_streams *st = streams_new(c, opts);
	struct dv_err *e;

	e = make_fifos(st, parent);
	if (e) {
		client_streams_free(st);
		return e;
	}
	open_output(st, OUT, st->opts.out);
	open_output(st, ERR, st->opts.err);
	*ret_io = (struct client_task_io){ .in = st->paths[IN],
					   .out = st->paths[OUT],
					   .err = st->paths[ERR],
					   .has_terminal = opts->has_terminal };
	*ret = st;
	return NULL;
}

/* ---- attaching ---------------------------------------------------------------------- */

static void on_attached(void *arg)
{
	struct client_streams *st = arg;

	st->is_attached = true;
}

static void on_attach_data(void *arg, bool is_err, const void *p, size_t n)
{
	pass_output(arg, is_err ? ERR : OUT, p, n);
}

static void on_attach_closed(void *arg, struct dv_err *take_e)
{
	struct client_streams *st = arg;

	st->attach_error = take_e;
	st->outputs[OUT].is_ended = st->outputs[ERR].is_ended = true;
}

struct dv_err *client_streams_attach(struct client *c, const char *bundle,
				     const struct client_streams_opts *opts,
				     struct client_streams **ret)
{
	struct client_streams *st = streams_new(c, opts);
	const struct client_attach_opts attach = {
		.bundle = bundle,
		.is_waited_for = true,
		.has_stdin = opts->in >= 0,
		.ready = on_attached,
		.data = on_attach_data,
		.writable = on_input_written,
		.closed = on_attach_closed,
		.arg = st,
	};
	struct dv_err *e;

	open_output(st, OUT, st->opts.out);
	open_output(st, ERR, st->opts.err);
	st->outputs[OUT].is_ended = st->outputs[ERR].is_ended = false;
	e = client_attach_open(client_loop(c), &attach, &st->attach);
	while (!e && !st->is_attached && !st->outputs[OUT].is_ended)
		(void)uv_run(client_loop(c), UV_RUN_ONCE);
	if (!e)
		e = dv_steal(&st->attach_error);
	if (e)
		client_streams_free(st);
	else
		*ret = st;
	return e;
}

/* ---- both --------------------------------------------------------------------------- */

struct client_streams *client_streams_free(struct client_streams *st)
{
	if (!st)
		return NULL;
	client_attach_close(st->attach);
	dv_err_free(st->attach_error);
	client_source_free(st->in_source);
	client_sink_free(st->in_sink);
	for (int i = 0; i < N_STREAMS; i++) {
		client_source_free(st->outputs[i].source);
		client_sink_free(st->outputs[i].sink);
		sys_close(st->fds[i]);
		if (st->paths[i])
			(void)sys_unlinkat(AT_FDCWD, st->paths[i], 0);
		free(st->paths[i]);
	}
	if (st->dir)
		(void)sys_unlinkat(AT_FDCWD, st->dir, AT_REMOVEDIR);
	free(st->dir);
	free(st);
	return NULL;
}

static bool is_output_done(const struct output *o)
{
	return o->is_ended && (!o->sink || client_sink_is_empty(o->sink));
}

bool client_streams_is_ended(const struct client_streams *st)
{
	return is_output_done(&st->outputs[OUT]) && is_output_done(&st->outputs[ERR]);
}

bool client_streams_is_detached(const struct client_streams *st)
{
	return st->is_detached;
}

struct dv_err *client_streams_take_loss(struct client_streams *st)
{
	return dv_steal(&st->attach_error);
}

int client_streams_error(const struct client_streams *st)
{
	for (int i = OUT; i < N_STREAMS; i++) {
		if (st->outputs[i].sink && client_sink_error(st->outputs[i].sink))
			return client_sink_error(st->outputs[i].sink);
	}
	return 0;
}
