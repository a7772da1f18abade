/* SPDX-License-Identifier: Apache-2.0 */
/* See foreground.h. */

#include "foreground.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/task.h"
#include "sys/process.h"
#include "sys/tty.h"

/* Those that mean something to us alone are not among them. */
static const int proxied[] = {
	SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
	SIGCONT, SIGALRM, SIGPWR,  SIGTSTP, SIGTTIN, SIGTTOU,
};

/* Where they are not passed on, these end us, and not the process: what we made is tidied up. */
static const int leaving[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

enum { N_PROXIED = DV_ARRAY_SIZE(proxied), MAX_PENDING = 16, STATUS_SIGNAL = 128 };

struct signal_handle {
	uv_signal_t uv;
	struct foreground *f;
};

struct foreground {
	struct cli *cli;
	struct client *client;
	struct foreground_opts opts;
	struct client_streams_opts streams_opts;
	struct client_streams *streams; /* while it runs */
	const char *id, *exec_id;
	bool has_exited;
	int tty; /* ours, -1: none */
	bool is_raw;
	struct termios before;
	struct signal_handle winch, signals[N_PROXIED];
	size_t n_signals; /* handles that are open */
	uint64_t early; /* bit n: signal n came before there was a process */
	int left_by; /* one of leaving[], 0: none */
	bool has_winch;
	/* Calls whose answers nobody waits for, in a ring. */
	struct client_pending *calls[MAX_PENDING];
	size_t n_calls;
};

/* ---- calls on the side -------------------------------------------------------------- */

static void add_call(struct foreground *f, struct client_pending *take)
{
	size_t at = f->n_calls++ % MAX_PENDING;

	/* One of sixteen calls ago: it has an answer, or is of no use any more. */
	client_pending_free(f->calls[at]);
	f->calls[at] = take;
}

static void on_in_end(void *arg)
{
	struct foreground *f = arg;

	/* Before the start there is nobody to be told; then it is said in foreground_run(). */
	if (f->id && f->streams)
		add_call(f, client_task_close_stdin(f->client, f->id, f->exec_id));
}

/* ---- the terminal ------------------------------------------------------------------- */

bool foreground_size(const struct foreground *f, uint16_t *ret_rows, uint16_t *ret_columns)
{
	return f->tty >= 0 && sys_tty_get_size(f->tty, ret_rows, ret_columns) >= 0 &&
	       *ret_rows > 0 && *ret_columns > 0;
}

static void resize(struct foreground *f)
{
	uint16_t rows, columns;

	if (foreground_size(f, &rows, &columns))
		add_call(f, client_task_resize(f->client, f->id, f->exec_id, rows, columns));
}

static void on_winch(uv_signal_t *uv, int signo)
{
	(void)signo;
	resize(dv_container_of(uv, struct signal_handle, uv)->f);
}

static void make_raw(struct foreground *f)
{
	struct termios raw;

	if (f->tty < 0 || !f->opts.has_stdin || sys_tty_get_attr(f->tty, &f->before) < 0)
		return;
	raw = f->before;
	cfmakeraw(&raw);
	f->is_raw = sys_tty_set_attr(f->tty, &raw) >= 0;
}

static void make_cooked(struct foreground *f)
{
	if (f->is_raw)
		(void)sys_tty_set_attr(f->tty, &f->before);
	f->is_raw = false;
}

/* ---- signals ------------------------------------------------------------------------ */

static void on_signal(uv_signal_t *uv, int signo)
{
	struct foreground *f = dv_container_of(uv, struct signal_handle, uv)->f;

	if (f->id) {
		add_call(f, client_task_kill_start(f->client, f->id, f->exec_id, signo));
	} else if (f->early & UINT64_C(1) << signo) {
		(void)uv_signal_stop(uv); /* as below */
		(void)sys_kill(getpid(), signo);
	} else {
		f->early |= UINT64_C(1) << signo;
	}
}

static void send_early(struct foreground *f)
{
	for (int signo = 1; signo < 64; signo++) {
		if (f->early & UINT64_C(1) << signo)
			add_call(f, client_task_kill_start(f->client, f->id, f->exec_id, signo));
	}
}

static void on_leave(uv_signal_t *uv, int signo)
{
	struct foreground *f = dv_container_of(uv, struct signal_handle, uv)->f;

	if (f->left_by && !f->id) {
		/* Somebody does not want to wait for what does not start. */
		(void)uv_signal_stop(uv);
		(void)sys_kill(getpid(), signo);
	}
	f->left_by = signo;
}

/* With a terminal the keys go to the process, which makes its own signals of them. */
void foreground_watch_signals(struct foreground *f)
{
	bool is_proxied = f->opts.has_sig_proxy && !f->opts.has_tty;
	const int *signals = is_proxied ? proxied : leaving;

	if (f->n_signals > 0)
		return;
	f->n_signals = is_proxied ? N_PROXIED : DV_ARRAY_SIZE(leaving);
	for (size_t i = 0; i < f->n_signals; i++) {
		f->signals[i].f = f;
		(void)uv_signal_init(client_loop(f->client), &f->signals[i].uv);
		(void)uv_signal_start(&f->signals[i].uv, is_proxied ? on_signal : on_leave,
				      signals[i]);
	}
}

static void watch_size(struct foreground *f)
{
	if (f->tty < 0)
		return;
	f->winch.f = f;
	(void)uv_signal_init(client_loop(f->client), &f->winch.uv);
	(void)uv_signal_start(&f->winch.uv, on_winch, SIGWINCH);
	f->has_winch = true;
	resize(f);
}

/* The loop has to turn until they are closed: they are part of @f. */
static void forget_signals(struct foreground *f)
{
	if (f->has_winch)
		uv_close((uv_handle_t *)&f->winch.uv, NULL);
	for (size_t i = 0; i < f->n_signals; i++)
		uv_close((uv_handle_t *)&f->signals[i].uv, NULL);
	if (f->has_winch || f->n_signals > 0)
		(void)uv_run(client_loop(f->client), UV_RUN_NOWAIT);
	f->has_winch = false;
	f->n_signals = 0;
}

/* ---- the whole ---------------------------------------------------------------------- */

static struct dv_err *look_at_streams(struct foreground *f)
{
	const char *keys = f->opts.detach_keys ? f->opts.detach_keys : "ctrl-p,ctrl-q";
	struct client_streams_opts *s = &f->streams_opts;

	*s = (struct client_streams_opts){
		.in = f->opts.has_stdin ? STDIN_FILENO : -1,
		.out = f->opts.has_no_output ? -1 : STDOUT_FILENO,
		.err = f->opts.has_no_output ? -1 : STDERR_FILENO,
		.has_terminal = f->opts.has_tty,
		.on_in_end = on_in_end,
		.arg = f,
	};
	if (!f->opts.has_tty)
		return NULL;
	if (f->opts.has_stdin && !isatty(STDIN_FILENO))
		return dv_err_new(DV_INVALID, "the input is not a terminal, which --tty needs");
	if (isatty(STDIN_FILENO))
		f->tty = STDIN_FILENO;
	else if (isatty(STDOUT_FILENO))
		f->tty = STDOUT_FILENO;
	if (!client_detach_keys_parse(keys, s->detach_keys, &s->n_detach_keys))
		return dv_err_new(DV_INVALID, "--detach-keys \"%.50s\" is not like ctrl-p,ctrl-q",
				  keys);
	return NULL;
}

struct dv_err *foreground_new(struct cli *cli, const struct foreground_opts *opts,
			      struct foreground **ret)
{
	struct foreground *f = dv_new(struct foreground);
	struct dv_err *e;

	f->cli = cli;
	f->opts = *opts;
	f->tty = -1;
	(void)signal(SIGPIPE, SIG_IGN); /* output that nobody reads is an error like others */
	e = look_at_streams(f);
	if (!e)
		e = cli_client(cli, &f->client);
	if (e)
		foreground_free(f);
	else
		*ret = f;
	return e;
}

struct foreground *foreground_free(struct foreground *f)
{
	if (!f)
		return NULL;
	make_cooked(f);
	forget_signals(f);
	for (size_t i = 0; i < MAX_PENDING; i++)
		client_pending_free(f->calls[i]);
	free(f);
	return NULL;
}

const struct client_streams_opts *foreground_streams(const struct foreground *f)
{
	return &f->streams_opts;
}

void foreground_on_exit(void *arg)
{
	struct foreground *f = arg;

	f->has_exited = true;
}

static bool is_over(const struct foreground *f)
{
	return f->left_by || client_streams_is_detached(f->streams) ||
	       client_streams_error(f->streams) ||
	       (f->has_exited && client_streams_is_ended(f->streams));
}

static struct dv_err *finish(struct foreground *f, struct client_started *started, int *ret_status)
{
	struct dv_err *e = client_streams_take_loss(f->streams);
	uint32_t status = 0;

	if (e)
		return dv_err_wrap(e, "read the output");
	e = client_task_wait_finish(dv_steal(&started->wait), &status);
	if (!e)
		*ret_status = (int)status;
	return e;
}

struct dv_err *foreground_run(struct foreground *f, const char *id, const char *exec_id,
			      struct client_started *started, int *ret_status, bool *ret_is_left)
{
	struct dv_err *e = NULL;

	f->id = id;
	f->exec_id = exec_id;
	f->streams = started->streams;
	make_raw(f);
	foreground_watch_signals(f);
	send_early(f);
	watch_size(f);
	client_streams_begin(f->streams);
	while (!is_over(f))
		(void)uv_run(client_loop(f->client), UV_RUN_ONCE);
	make_cooked(f);
	*ret_is_left = f->left_by || client_streams_is_detached(f->streams);
	*ret_status = f->left_by ? STATUS_SIGNAL + f->left_by : 0;
	if (client_streams_error(f->streams))
		*ret_status = STATUS_SIGNAL + SIGPIPE; /* as if that had killed us */
	else if (!*ret_is_left)
		e = finish(f, started, ret_status);
	f->streams = NULL;
	client_started_fini(started);
	forget_signals(f);
	return e;
}

int foreground_failure_status(const struct dv_err *e)
{
	static const char *const absent[] = { "no such file or directory",
					      "executable file not found", "not found in $PATH" };
	static const char *const forbidden[] = { "permission denied", "exec format error",
						 "is a directory" };
	const char *text = dv_err_message(e);

	for (size_t i = 0; i < DV_ARRAY_SIZE(absent); i++) {
		if (strstr(text, absent[i]))
			return 127;
	}
	for (size_t i = 0; i < DV_ARRAY_SIZE(forbidden); i++) {
		if (strstr(text, forbidden[i]))
			return 126;
	}
	return 125;
}
