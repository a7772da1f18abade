/* SPDX-License-Identifier: Apache-2.0 */
/* davit logs: what the shim has written down, in docker's form (src/shim/README.md). */

#include <stddef.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/container.h"
#include "client/task.h"
#include "containers.h"
#include "log-reader.h"

struct logs_opts {
	bool is_following, has_times, has_details;
	const char *tail, *since, *until;
};

static const struct dv_opt options[] = {
	{ .name = "details",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct logs_opts, has_details),
	  .help = "with the attributes that lines have" },
	{ .name = "follow",
	  .letter = 'f',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct logs_opts, is_following),
	  .help = "go on until the container ends" },
	{ .name = "since",
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct logs_opts, since),
	  .arg = "time",
	  .help = "lines since then: 2026-01-02T15:04:05Z, 10m (ago)" },
	{ .name = "tail",
	  .letter = 'n',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct logs_opts, tail),
	  .arg = "number",
	  .help = "so many lines of the end",
	  .preset = "all" },
	{ .name = "timestamps",
	  .letter = 't',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct logs_opts, has_times),
	  .help = "with the time of each line" },
	{ .name = "until",
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct logs_opts, until),
	  .arg = "time",
	  .help = "lines before then" },
	DV_OPT_END,
};

/* ---- what was asked for ------------------------------------------------------------------------- */

/* "10m" is ten minutes ago; seconds since 1970 and RFC 3339 are points in time. */
static struct dv_err *parse_time(const char *option, const char *text, struct timespec *ret)
{
	struct timespec now = cli_now();
	int64_t ns = 0, seconds = 0;

	if (!text || dv_clock_parse(text, ret))
		return NULL;
	if (dv_parse_i64(text, &seconds)) {
		*ret = (struct timespec){ .tv_sec = seconds };
		return NULL;
	}
	if (!dv_parse_duration(text, &ns))
		return dv_err_new(DV_INVALID,
				  "--%s %s: neither a time (2026-01-02T15:04:05Z) nor a "
				  "duration (10m)",
				  option, text);
	ns = now.tv_sec * 1000000000LL + now.tv_nsec - ns;
	*ret = (struct timespec){ .tv_sec = ns / 1000000000LL, .tv_nsec = ns % 1000000000LL };
	return NULL;
}

static struct dv_err *parse_opts(const struct logs_opts *o, struct log_reader_opts *ret)
{
	uint64_t tail = 0;
	struct dv_err *e;

	ret->tail = UINT64_MAX;
	if (o->tail && !dv_streq(o->tail, "all") && !dv_streq(o->tail, "-1")) {
		if (!dv_parse_u64(o->tail, &tail))
			return dv_err_new(DV_INVALID, "--tail %s: not a number of lines", o->tail);
		ret->tail = tail;
	}
	ret->has_times = o->has_times;
	ret->has_details = o->has_details;
	e = parse_time("since", o->since, &ret->since);
	return e ? e : parse_time("until", o->until, &ret->until);
}

/* ---- following --------------------------------------------------------------------------------------- */

static void on_change(uv_fs_event_t *h, const char *name, int events, int status)
{
	(void)h; /* the loop has turned, that is all */
	(void)name;
	(void)events;
	(void)status;
}

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

enum { TICK_MS = 50, LAST_TICKS = 100 };

/* The task is gone once the shim has written down everything. */
static struct dv_err *look(struct cli *cli, const char *id, bool *ret_has_task)
{
	struct client_record r;
	struct dv_err *e = client_record_find(cli->client, id, &cli->arena, &r);

	*ret_has_task = !e && r.has_task && r.is_managed;
	if (e && dv_err_code(e) == DV_NOT_FOUND)
		e = dv_err_free(e); /* removed */
	return e;
}

/* Whatever happens turns the loop: a change in the directory, the end of the container. */
static struct dv_err *read_to_the_end(struct cli *cli, struct log_reader *reader, const char *id,
				      uv_timer_t *tick)
{
	DV_CLEANUP(client_pending_freep)
	struct client_pending *wait = client_task_wait_start(cli->client, id, NULL, NULL, NULL);
	uv_loop_t *loop = client_loop(cli->client);
	bool has_task = true;
	struct dv_err *e;

	e = log_reader_run(reader);
	while (!e && !client_pending_is_done(wait)) {
		(void)uv_run(loop, UV_RUN_ONCE);
		e = log_reader_run(reader);
	}
	(void)uv_timer_start(tick, on_tick, TICK_MS, TICK_MS);
	for (int i = 0; !e && has_task && i < LAST_TICKS; i++) {
		(void)uv_run(loop, UV_RUN_ONCE);
		e = look(cli, id, &has_task);
	}
	return e ? e : log_reader_run(reader);
}

static struct dv_err *follow(struct cli *cli, struct log_reader *reader, const char *dir,
			     const char *id)
{
	uv_loop_t *loop = client_loop(cli->client);
	struct dv_err *e = NULL;
	uv_fs_event_t changes;
	uv_timer_t tick;
	int r;

	(void)uv_fs_event_init(loop, &changes);
	(void)uv_timer_init(loop, &tick);
	r = uv_fs_event_start(&changes, on_change, dir, 0);
	if (r < 0)
		e = dv_err_sys(r, "watch %s", dir);
	if (!e)
		e = read_to_the_end(cli, reader, id, &tick);
	uv_close((uv_handle_t *)&changes, NULL);
	uv_close((uv_handle_t *)&tick, NULL);
	(void)uv_run(loop, UV_RUN_NOWAIT);
	return e;
}

/* ---- the verb ------------------------------------------------------------------------------------------- */

static struct dv_err *show(struct cli *cli, const struct client_record *record,
			   const struct logs_opts *o, struct log_reader_opts *how)
{
	DV_CLEANUP(log_reader_freep) struct log_reader *reader = NULL;
	const char *root = NULL, *state = NULL, *dir;
	struct dv_err *e;

	e = cli_dirs(cli, &root, &state);
	if (e)
		return e;
	dir = client_data_dir(cli->client, root, record->container->id, &cli->arena);
	how->path = dv_arena_printf(&cli->arena, "%s/log.json", dir);
	e = log_reader_new(how, &reader);
	if (e)
		return e;
	if (o->is_following && (record->state == CLIENT_RUNNING || record->state == CLIENT_PAUSED))
		return follow(cli, reader, dir, record->container->id);
	return log_reader_run(reader);
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	struct log_reader_opts how = { .out = { STDOUT_FILENO, STDERR_FILENO } };
	const struct logs_opts *o = opts;
	struct client_record record;
	struct cli *cli = program;
	const char *log;
	struct dv_err *e;

	(void)ret_status;
	e = parse_opts(o, &how);
	if (!e)
		e = cli_container(cli, args[0], &record);
	if (e)
		return dv_err_wrap(e, "cannot read the log of %s", args[0]);
	log = client_record_label(&record, CLIENT_LABEL_LOG);
	if (!record.is_managed || (log && dv_streq(log, "none")))
		e = dv_err_new(DV_PRECONDITION, "it has none: %s",
			       record.is_managed ? "it was made so, or its shim writes none"
						 : "another client has made it");
	else
		e = show(cli, &record, o, &how);
	return dv_err_wrap(e, "cannot read the log of %s", args[0]);
}

const struct dv_opt_verb cli_verb_logs = {
	.name = "logs",
	.aliases = "container logs",
	.args = "CONTAINER",
	.summary = "Show what a container has written",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.opts_size = sizeof(struct logs_opts),
	.run = run,
};
