/* SPDX-License-Identifier: Apache-2.0 */
/* events: statistics every now and then, and a line when the kernel kills for memory. */

#include <limits.h>
#include <time.h>

#include "base/mem.h"
#include "cli.h"
#include "event-format.h"
#include "host/cgroup-stats.h"
#include "sys/process.h"
#include "verbs.h"

enum { NS_PER_MS = 1000000 };

struct events_opts {
	int64_t interval;
	bool stats;
};

/* Reads the counters and adds them to @out as a line. */
static struct dv_err *read_stats(const struct rt_container *c, struct dv_strbuf *out)
{
	struct host_cgroup_stats stats;
	struct dv_arena arena;
	struct dv_err *e;

	dv_arena_init(&arena);
	e = host_cgroup_stats_read(c->cgroup, &arena, &stats);
	if (!e)
		event_format_stats(c->id, &stats, out);
	dv_arena_fini(&arena);
	return e;
}

static struct dv_err *print_stats(const struct rt_container *c)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e = read_stats(c, &out);

	if (!e)
		e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

/* The same in a loop: counters that cannot be read now are reported, and tried again later. */
static struct dv_err *try_stats(const struct cli *cli, const struct rt_container *c,
				bool *ret_is_gone)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e = read_stats(c, &out);

	*ret_is_gone = e && dv_err_code(e) == DV_NOT_FOUND;
	if (*ret_is_gone)
		e = dv_err_free(e);
	else if (e)
		cli_report(cli, dv_steal(&e));
	else
		e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

static struct dv_err *print_oom(const struct rt_container *c)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e;

	event_format_oom(c->id, &out);
	e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* Waits for the kernel until @deadline. *ret: @fd has something to read. */
static struct dv_err *wait_until(int fd, int64_t deadline, bool *ret)
{
	int64_t left = deadline - now_ns(), ms = left <= 0 ? 0 : left / NS_PER_MS + 1;
	int r = sys_poll_in(fd, (int)DV_MIN(ms, (int64_t)INT_MAX));

	if (r < 0)
		return dv_err_sys(r, "wait for events");
	*ret = r > 0;
	return NULL;
}

static struct dv_err *handle_oom(const struct rt_container *c, struct host_cgroup_oom *oom,
				 bool *ret_is_gone)
{
	enum host_cgroup_oom_event event = HOST_CGROUP_OOM_NONE;
	struct dv_err *e;

	e = host_cgroup_oom_read(oom, &event);
	if (e)
		return e;
	*ret_is_gone = event == HOST_CGROUP_OOM_GONE;
	return event == HOST_CGROUP_OOM_KILLED ? print_oom(c) : NULL;
}

/* Returns when the cgroup is gone. */
static struct dv_err *follow(const struct cli *cli, const struct rt_container *c,
			     struct host_cgroup_oom *oom, int64_t interval)
{
	int64_t deadline = now_ns() + interval;
	bool is_gone = false;
	struct dv_err *e;

	while (!is_gone) {
		bool is_readable = false;

		e = wait_until(oom->fd, deadline, &is_readable);
		if (!e && is_readable)
			e = handle_oom(c, oom, &is_gone);
		if (e)
			return e;
		if (is_gone || now_ns() < deadline)
			continue;
		/* A tick that was slept through is not made up for. */
		deadline = DV_MAX(deadline, now_ns() - interval) + interval;
		e = try_stats(cli, c, &is_gone);
		if (e)
			return e;
	}
	return NULL;
}

static struct dv_err *events(const struct cli *cli, const struct events_opts *o,
			     const struct rt_container *c)
{
	struct host_cgroup_oom oom;
	struct dv_err *e;

	if (c->status == RT_STOPPED)
		return dv_err_new(DV_PRECONDITION, "container with id %s is not running", c->id);
	if (!c->cgroup)
		return dv_err_new(DV_PRECONDITION, "container %s has no cgroup", c->id);
	if (o->stats)
		return print_stats(c);
	e = host_cgroup_oom_open(c->cgroup, &oom);
	if (e)
		return e;
	e = follow(cli, c, &oom, DV_MIN(o->interval, INT64_MAX / 2));
	host_cgroup_oom_close(&oom);
	return e;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	const struct events_opts *o = opts;
	const struct cli *cli = program;
	struct dv_err *e;

	(void)ret_status;
	e = rt_load(&cli->ctx, args[0], &c);
	if (e)
		return e;
	if (o->interval <= 0)
		return dv_err_new(DV_INVALID, "duration interval must be greater than 0");
	return events(cli, o, c);
}

static const struct dv_opt options[] = {
	{ .name = "interval",
	  .type = DV_OPT_DURATION,
	  .offset = offsetof(struct events_opts, interval),
	  .arg = "duration",
	  .help = "time between two statistics: \"500ms\", \"1m30s\"",
	  .preset = "5s" },
	{ .name = "stats",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct events_opts, stats),
	  .help = "print the statistics once and exit" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_events = {
	.name = "events",
	.args = "<container-id>",
	.summary = "print statistics and out-of-memory events of a container",
	.text = "Each line is a JSON object with the members type and id. For \"stats\", data has the\n"
		"use of CPU, memory, block I/O, processes and huge pages by the container's cgroup;\n"
		"\"oom\" tells that the kernel killed a process for lack of memory. Ends when the\n"
		"container is gone.",
	.opts = options,
	.min_args = 1,
	.max_args = 1,
	.stop_after = -1,
	.opts_size = sizeof(struct events_opts),
	.run = run,
};
