/* SPDX-License-Identifier: Apache-2.0 */
/* Serving: the loop, signals, systemd, and memory that is given back when it is quiet. */

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

#include "base/mem.h"
#include "cli.h"
#include "daemon/config-file.h"
#include "daemon/daemon.h"
#include "notify.h"
#include "sys/file.h"

enum { TRIM_MS = 500 };

struct serve {
	struct cli *cli;
	uv_loop_t loop;
	struct daemon *daemon;
	uv_signal_t signals[4];
	uv_timer_t trim;
	uv_prepare_t before_wait;
	bool is_trimmed, is_ending;
};

static void on_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void stopped(void *arg)
{
	struct serve *s = arg;

	s->daemon = NULL;
	for (size_t i = 0; i < DV_ARRAY_SIZE(s->signals); i++)
		uv_close((uv_handle_t *)&s->signals[i], on_closed);
	uv_close((uv_handle_t *)&s->trim, on_closed);
	uv_close((uv_handle_t *)&s->before_wait, on_closed);
}

/* ---- reloading ------------------------------------------------------------------------------- */

struct changes {
	struct dv_strbuf live, later; /* names */
};

static void note_change(void *arg, const char *name, bool is_live)
{
	struct changes *c = arg;
	struct dv_strbuf *list = is_live ? &c->live : &c->later;

	dv_strbuf_addf(list, "%s%s", list->len ? ", " : "", name);
}

/* No file or a bad one: everything stays as it is. */
static void reload(struct serve *s)
{
	struct changes changes = { DV_STRBUF_INIT, DV_STRBUF_INIT };
	struct dv_log *log = &s->cli->log;
	struct daemon_config config;
	struct dv_arena arena;
	struct dv_err *e;

	notify_reloading();
	dv_arena_init(&arena);
	e = cli_load(s->cli, &arena, &config);
	if (e) {
		dv_log(log, DV_ERROR, "the configuration stays as it is: %s", dv_err_message(e));
	} else {
		daemon_config_compare(&s->cli->config, &config, note_change, &changes);
		daemon_config_adopt(&s->cli->config, &config);
		__atomic_store_n(&log->level, config.log_level, __ATOMIC_RELAXED);
		__atomic_store_n(&log->format, config.log_format, __ATOMIC_RELAXED);
		dv_log(log, DV_INFO, "the configuration was read again; changed: %s",
		       changes.live.len ? changes.live.data : "nothing");
		if (changes.later.len)
			dv_log(log, DV_WARN, "a restart is needed for changes of %s",
			       changes.later.data);
	}
	dv_err_free(e);
	dv_strbuf_fini(&changes.live);
	dv_strbuf_fini(&changes.later);
	dv_arena_fini(&arena);
	notify("READY=1");
}

static void on_signal(uv_signal_t *signal, int signo)
{
	struct serve *s = signal->data;

	if (signo == SIGUSR1) {
		daemon_dump(s->daemon);
		return;
	}
	if (s->is_ending)
		return;
	if (signo == SIGHUP) {
		reload(s);
		return;
	}
	s->is_ending = true;
	dv_log(&s->cli->log, DV_INFO, "stopping; containers go on running");
	notify("STOPPING=1");
	daemon_stop(s->daemon, stopped, s);
}

/* ---- memory --------------------------------------------------------------------------------- */

static void on_trim(uv_timer_t *timer)
{
	struct serve *s = timer->data;

	(void)malloc_trim(0);
	s->is_trimmed = true;
}

/* Before the loop waits. Something was done, unless that was the trimming: time starts anew. */
static void on_before_wait(uv_prepare_t *prepare)
{
	struct serve *s = prepare->data;

	if (!s->is_trimmed)
		(void)uv_timer_start(&s->trim, on_trim, TRIM_MS, 0);
	s->is_trimmed = false;
}

static void watch_memory(struct serve *s)
{
	/* Two arenas are enough for a loop and its workers; each costs memory that never goes. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
	(void)uv_timer_init(&s->loop, &s->trim);
	(void)uv_prepare_init(&s->loop, &s->before_wait);
	s->trim.data = s->before_wait.data = s;
	(void)uv_prepare_start(&s->before_wait, on_before_wait);
	uv_unref((uv_handle_t *)&s->before_wait);
}

static void watch_signals(struct serve *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGUSR1, SIGHUP };

	_Static_assert(DV_ARRAY_SIZE(numbers) == DV_ARRAY_SIZE(s->signals), "one for each");

	for (size_t i = 0; i < DV_ARRAY_SIZE(numbers); i++) {
		(void)uv_signal_init(&s->loop, &s->signals[i]);
		s->signals[i].data = s;
		(void)uv_signal_start(&s->signals[i], on_signal, numbers[i]);
	}
	(void)signal(SIGPIPE, SIG_IGN);
}

/* As many descriptors as there may be: containers and clients cost some each. */
static void raise_limits(const struct cli *cli)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		dv_log(&cli->log, DV_WARN, "the limit of open files stays as it is");
}

static void set_oom_score(const struct cli *cli)
{
	DV_CLEANUP(sys_closep) int fd = -1;
	char text[16];
	int n, r;

	if (cli->config.oom_score == 0)
		return;
	n = snprintf(text, sizeof(text), "%d", cli->config.oom_score);
	fd = sys_openat(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY, 0);
	r = fd < 0 ? fd : sys_write_all(fd, text, (size_t)n);
	if (r < 0)
		dv_log(&cli->log, DV_WARN, "oom_score stays as it is: %s", dv_errno_text(-r));
}

struct dv_err *cli_serve(struct cli *cli)
{
	struct serve s = { .cli = cli };
	struct daemon_opts opts = { .loop = &s.loop,
				    .log = &cli->log,
				    .config = &cli->config,
				    .program_dir = cli->dir,
				    .envp = cli->envp };
	struct dv_err *e;
	int r;

	e = cli_configure(cli);
	if (e)
		return e;
	r = uv_loop_init(&s.loop);
	if (r < 0)
		return dv_err_sys(r, "make an event loop");
	raise_limits(cli);
	set_oom_score(cli);
	watch_memory(&s);
	watch_signals(&s);
	e = daemon_new(&opts, &s.daemon);
	if (e) {
		stopped(&s);
	} else {
		dv_log(&cli->log, DV_INFO, "serving on %s", cli->config.address);
		notify("READY=1");
	}
	uv_run(&s.loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&s.loop);
	return e;
}
