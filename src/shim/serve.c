/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/serve.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "env.h"
#include "events.h"
#include "sandbox.h"
#include "service.h"
#include "start-private.h"
#include "start.h"
#include "sys/file.h"

enum {
	FLUSH_MS = 5000, /* for the last events, which tell the daemon of deletions */
	TRIM_MS = 500,
	UNUSED_MS = 2000, /* between two looks whether anybody still wants us */
	SPOOL_AGE_S = 3600,
};

struct serve {
	const struct shim_serve_opts *opts;
	uv_loop_t loop;
	struct shim_env env;
	struct shim_events *events;
	struct ttrpc_server *server;
	struct shim_service *service;
	uv_signal_t signals[3];
	uv_timer_t trim;
	uv_prepare_t before_wait;
	int listen_fd; /* the server's */
	bool is_ending, is_trimmed, is_swept;
};

/* ---- the end ---------------------------------------------------------------------------------------- */

static void events_flushed(void *arg, bool is_empty)
{
	struct serve *s = arg;

	if (!is_empty)
		dv_log(s->env.log, DV_WARN,
		       "the daemon did not take the last events; they stay in the spool");
	uv_stop(&s->loop);
}

static void server_closed(void *arg)
{
	struct serve *s = arg;

	s->server = NULL;
	shim_events_flush(s->events, &(struct shim_events_flush){ .timeout_ms = FLUSH_MS,
								  .done = events_flushed,
								  .arg = s });
}

/* First of all: who comes now starts a shim of his own. */
static void retire(void *arg)
{
	struct serve *s = arg;

	shim_start_retire(s->listen_fd);
}

static void end(void *arg)
{
	struct serve *s = arg;

	if (s->is_ending)
		return;
	s->is_ending = true;
	retire(s);
	ttrpc_server_close(s->server, server_closed, s);
}

static void on_signal(uv_signal_t *signal, int signo)
{
	struct serve *s = signal->data;

	if (signo == SIGUSR1)
		shim_service_dump(s->service);
	else
		shim_service_end_if_unused(s->service);
}

/* ---- memory ------------------------------------------------------------------------------------------ */

static void sweep_spools(struct serve *s)
{
	DV_CLEANUP(dv_freep) char *path = shim_start_socket(s->listen_fd);

	s->is_swept = true;
	if (*path == '/')
		shim_spool_sweep(path, SPOOL_AGE_S);
}

/*
 * Our working directory is the bundle that we were started for. A daemon that was killed between
 * that and the first request may have removed it with its next start, while we were being started:
 * then nobody knows of us.
 */
static bool is_bundle_gone(void)
{
	struct stat st;

	return sys_fstatat(AT_FDCWD, ".", &st, 0) == 0 && st.st_nlink == 0;
}

/*
 * What a request needed is given back once it has been quiet for a moment: a shim lives as long
 * as its containers, and does nothing for most of that time.
 */
static void on_trim(uv_timer_t *timer)
{
	struct serve *s = timer->data;

	if (!s->is_swept)
		sweep_spools(s);
	(void)malloc_trim(0);
	s->is_trimmed = true;
	if (!shim_service_is_unused(s->service))
		return;
	if (is_bundle_gone())
		shim_service_end_if_unused(s->service);
	else
		(void)uv_timer_start(timer, on_trim, UNUSED_MS, 0);
}

/* Before the loop waits. Something was done, unless that was the trimming: time starts anew. */
static void on_before_wait(uv_prepare_t *prepare)
{
	struct serve *s = prepare->data;

	if (!s->is_trimmed)
		(void)uv_timer_start(&s->trim, on_trim, TRIM_MS, 0);
	s->is_trimmed = false;
	/* Nothing that a request has begun is in the air here. */
	shim_service_end_if_left(s->service);
}

static void watch_memory(struct serve *s)
{
	(void)uv_timer_init(&s->loop, &s->trim);
	(void)uv_prepare_init(&s->loop, &s->before_wait);
	s->trim.data = s->before_wait.data = s;
	(void)uv_prepare_start(&s->before_wait, on_before_wait);
}

/* ---- the beginning ------------------------------------------------------------------------------------- */

static void watch_signals(struct serve *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGUSR1 };

	for (size_t i = 0; i < DV_ARRAY_SIZE(numbers); i++) {
		(void)uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		(void)uv_signal_start(&s->signals[i], on_signal, numbers[i]);
	}
	(void)signal(SIGHUP, SIG_IGN);
}

static struct dv_err *begin(struct serve *s)
{
	const struct shim_serve_opts *opts = s->opts;
	DV_CLEANUP(dv_freep) char *spool = NULL;
	struct dv_err *e;

	s->env.ns = opts->ns;
	s->env.path = opts->search_path;
	s->env.envp = opts->envp;
	e = io_orphans_new(&s->loop, true, &s->env.orphans);
	if (e)
		return e;
	/* What the spool is called follows from the socket, which has no name before that. */
	e = opts->socket && *opts->socket ? shim_start_listen(opts->socket, &s->listen_fd)
					  : shim_start_adopt(&s->listen_fd);
	if (e)
		return e;
	spool = shim_start_spool(s->listen_fd);
	s->events =
		shim_events_new(&(struct shim_events_opts){ .loop = &s->loop,
							    .ns = opts->ns,
							    .ttrpc_address = opts->ttrpc_address,
							    .publish_binary = opts->publish_binary,
							    .grpc_address = opts->grpc_address,
							    .envp = opts->envp,
							    .spool = spool,
							    .log = opts->log });
	e = ttrpc_server_new(&(struct ttrpc_server_opts){ .loop = &s->loop,
							  .listen_fd = s->listen_fd,
							  .uid = geteuid(),
							  .log = opts->log },
			     &s->server);
	if (e)
		return e;
	s->service = shim_service_new(&(struct shim_service_opts){ .env = &s->env,
								   .events = s->events,
								   .server = s->server,
								   .program = opts->program,
								   .on_retire = retire,
								   .on_shutdown = end,
								   .arg = s });
	watch_signals(s);
	watch_memory(s);
	return NULL;
}

static void close_any(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

struct dv_err *shim_serve(const struct shim_serve_opts *opts)
{
	struct serve *s = dv_new(struct serve);
	struct dv_err *e;

	s->opts = opts;
	if (uv_loop_init(&s->loop) != 0) {
		free(s);
		return dv_err_new(DV_INTERNAL, "make an event loop");
	}
	shim_env_init(&s->env, &s->loop, opts->log);
	e = begin(s);
	if (!e)
		(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	shim_service_free(s->service);
	shim_events_free(s->events);
	shim_env_fini(&s->env);
	/* The process ends with this: handles of ours are closed, and nobody waits for theirs. */
	uv_walk(&s->loop, close_any, NULL);
	(void)uv_run(&s->loop, UV_RUN_NOWAIT);
	(void)uv_loop_close(&s->loop);
	free(s);
	return e;
}

int shim_pause(void)
{
	return sandbox_pause();
}
