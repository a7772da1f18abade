/* SPDX-License-Identifier: Apache-2.0 */
/* davit stats: what containers use, again every second. */

#include <stddef.h>
#include <unistd.h>

#include "containers.h"
#include "human.h"
#include "list.h"
#include "usage.h"

enum { PERIOD_MS = 1000 };

struct stats_opts {
	bool is_all, has_no_stream, is_long;
	const char *format;
};

static const struct dv_opt options[] = {
	{ .name = "all",
	  .letter = 'a',
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct stats_opts, is_all),
	  .help = "also containers that do not run" },
	CLI_OPT_FORMAT(offsetof(struct stats_opts, format)),
	{ .name = "no-stream",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct stats_opts, has_no_stream),
	  .help = "once" },
	{ .name = "no-trunc",
	  .type = DV_OPT_FLAG,
	  .offset = offsetof(struct stats_opts, is_long),
	  .help = "ids in full" },
	DV_OPT_END,
};

static const struct cli_heading headings[] = {
	{ "ID", "CONTAINER ID" },
	{ "Container", "CONTAINER" },
	{ "Name", "NAME" },
	{ "CPUPerc", "CPU %" },
	{ "MemUsage", "MEM USAGE / LIMIT" },
	{ "MemPerc", "MEM %" },
	{ "BlockIO", "BLOCK I/O" },
	{ "PIDs", "PIDS" },
	{ NULL, NULL },
};

/* One look at everything. */
struct sample {
	struct dv_arena arena;
	struct client_record *records; /* those that are shown */
	size_t n_records;
	struct usage *usages;
	size_t n_usages;
};

static void sample_fini(struct sample *s)
{
	dv_arena_fini(&s->arena);
	*s = (struct sample){ 0 };
}

static bool is_running(const struct client_record *r)
{
	return r->state == CLIENT_RUNNING || r->state == CLIENT_PAUSED;
}

/* @args: names, or none for all. */
static struct dv_err *find(struct cli *cli, const struct stats_opts *o, char **args,
			   struct sample *s)
{
	struct dv_err *e = NULL;
	size_t n = 0, kept = 0;

	if (!*args) {
		e = client_record_list(cli->client, NULL, 0, &s->arena, &s->records, &n);
		for (size_t i = 0; i < n && !e; i++) {
			if (o->is_all || is_running(&s->records[i]))
				s->records[kept++] = s->records[i];
		}
		s->n_records = kept;
		return e;
	}
	while (args[n])
		n++;
	s->records = dv_arena_new_n(&s->arena, struct client_record, n);
	for (size_t i = 0; i < n && !e; i++)
		e = client_record_find(cli->client, args[i], &s->arena, &s->records[i]);
	s->n_records = n;
	return e;
}

static struct dv_err *measure(struct cli *cli, const struct stats_opts *o, char **args,
			      struct sample *s)
{
	const char **ids;
	struct dv_err *e;
	size_t n = 0;

	dv_arena_init(&s->arena);
	e = find(cli, o, args, s);
	if (e)
		return e;
	ids = dv_arena_new_n(&s->arena, const char *, s->n_records);
	for (size_t i = 0; i < s->n_records; i++) {
		if (is_running(&s->records[i]))
			ids[n++] = s->records[i].container->id;
	}
	if (n == 0)
		return NULL;
	return usage_measure(cli->client, ids, n, &s->arena, &s->usages, &s->n_usages);
}

static const struct usage *usage_of(const struct sample *s, const char *id)
{
	for (size_t i = 0; i < s->n_usages; i++) {
		if (dv_streq(s->usages[i].id, id))
			return &s->usages[i];
	}
	return NULL;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

/* Of one processor, so more than 100 is possible. */
static double cpu_percent(const struct usage *before, const struct usage *now)
{
	if (!before || now->at_ns <= before->at_ns || now->cpu_ns < before->cpu_ns)
		return 0;
	return 100.0 * (double)(now->cpu_ns - before->cpu_ns) /
	       (double)(now->at_ns - before->at_ns);
}

/* Without a limit of its own the machine's memory is the limit. */
static uint64_t memory_limit(const struct usage *u)
{
	uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	return u->memory_limit == 0 || u->memory_limit > all ? all : u->memory_limit;
}

static void add_usage(struct cli_list *l, const struct usage *before, const struct usage *now)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf memory = DV_STRBUF_INIT, io = DV_STRBUF_INIT;
	uint64_t limit = memory_limit(now);

	cli_list_addf(l, "CPUPerc", "%.2f%%", cpu_percent(before, now));
	cli_human_size_binary((int64_t)now->memory, &memory);
	dv_strbuf_add(&memory, " / ");
	cli_human_size_binary((int64_t)limit, &memory);
	cli_list_add(l, "MemUsage", memory.data);
	cli_list_addf(l, "MemPerc", "%.2f%%", 100.0 * (double)now->memory / (double)limit);
	cli_human_size((int64_t)now->read, &io);
	dv_strbuf_add(&io, " / ");
	cli_human_size((int64_t)now->written, &io);
	cli_list_add(l, "BlockIO", io.data);
	cli_list_addf(l, "PIDs", "%llu", (unsigned long long)now->pids);
}

static struct dv_err *add_row(struct cli_list *l, const struct stats_opts *o,
			      const struct client_record *r, const struct sample *before,
			      const struct sample *now)
{
	static const struct usage nothing;
	const char *id = r->container->id;
	const struct usage *u = usage_of(now, id);

	cli_list_row(l);
	cli_list_addf(l, "ID", o->is_long ? "%s" : "%.12s", id);
	cli_list_addf(l, "Container", o->is_long ? "%s" : "%.12s", id);
	cli_list_add(l, "Name", r->name);
	add_usage(l, u ? usage_of(before, id) : NULL, u ? u : &nothing);
	return cli_list_row_end(l);
}

static struct dv_err *show(struct cli *cli, struct cli_list *l, const struct stats_opts *o,
			   const struct sample *before, const struct sample *now)
{
	struct dv_strbuf clear = DV_STRBUF_INIT;
	struct dv_err *e = NULL;

	if (cli->is_terminal && !o->has_no_stream) {
		dv_strbuf_add(&clear, "\033[H\033[J");
		e = cli_print(&clear);
		dv_strbuf_fini(&clear);
	}
	for (size_t i = 0; i < now->n_records && !e; i++)
		e = add_row(l, o, &now->records[i], before, now);
	return e ? e : cli_list_print(l);
}

/* ---- time ------------------------------------------------------------------------------------------- */

static void on_period(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

static void pause_for_a_period(struct cli *cli)
{
	uv_loop_t *loop = client_loop(cli->client);
	bool is_over = false;
	uv_timer_t t;

	(void)uv_timer_init(loop, &t);
	t.data = &is_over;
	(void)uv_timer_start(&t, on_period, PERIOD_MS, 0);
	while (!is_over)
		(void)uv_run(loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&t, NULL);
	(void)uv_run(loop, UV_RUN_NOWAIT);
}

static struct dv_err *watch(struct cli *cli, struct cli_list *l, const struct stats_opts *o,
			    char **args)
{
	struct sample before = { 0 }, now = { 0 };
	struct dv_err *e = measure(cli, o, args, &before);

	while (!e) {
		pause_for_a_period(cli);
		e = measure(cli, o, args, &now);
		if (!e)
			e = show(cli, l, o, &before, &now);
		sample_fini(&before);
		before = now;
		now = (struct sample){ 0 };
		if (o->has_no_stream)
			break;
	}
	sample_fini(&before);
	return e;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	DV_CLEANUP(cli_list_freep) struct cli_list *l = NULL;
	const struct stats_opts *o = opts;
	struct cli *cli = program;
	struct cli_list_opts how = {
		.cli = cli,
		.format = o->format,
		.table = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t"
			 "{{.BlockIO}}\t{{.PIDs}}",
		.headings = headings
	};
	struct client *client = NULL;
	struct dv_err *e;

	(void)ret_status;
	e = cli_list_new(&how, &l);
	if (!e)
		e = cli_client(cli, &client);
	if (!e)
		e = watch(cli, l, o, args);
	return dv_err_wrap(e, "cannot show what containers use");
}

const struct dv_opt_verb cli_verb_stats = {
	.name = "stats",
	.aliases = "container stats",
	.args = "[CONTAINER...]",
	.summary = "Show what running containers use of the machine, every second",
	.opts = options,
	.max_args = -1,
	.stop_after = -1,
	.opts_size = sizeof(struct stats_opts),
	.run = run,
};
