/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps: the processes of a container, as ps(1) shows them or as numbers. ps(1) is asked for
 * all processes, and the lines of others are dropped.
 */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "capture.h"
#include "cli.h"
#include "verbs.h"

struct ps_opts {
	const char *format;
};

struct pids {
	pid_t *items;
	size_t n_items;
};

static bool pids_contain(const struct pids *pids, uint32_t pid)
{
	for (size_t i = 0; i < pids->n_items; i++) {
		if ((uint32_t)pids->items[i] == pid)
			return true;
	}
	return false;
}

static void format_json(const struct pids *pids, struct dv_strbuf *out)
{
	for (size_t i = 0; i < pids->n_items; i++)
		dv_strbuf_addf(out, "%c%d", i ? ',' : '[', (int)pids->items[i]);
	dv_strbuf_add(out, pids->n_items ? "]\n" : "null\n");
}

/* The word number @n of @line, which is cut behind it; NULL when there are fewer. */
static char *find_word(char *line, size_t n)
{
	static const char space[] = " \t";
	char *p = line;

	for (size_t i = 0;; i++) {
		p += strspn(p, space);
		if (!*p)
			return NULL;
		if (i == n) {
			p[strcspn(p, space)] = '\0';
			return p;
		}
		p += strcspn(p, space);
	}
}

/* Number of the column that is called PID. */
static bool find_pid_column(const char *title, size_t *ret)
{
	for (size_t n = 0;; n++) {
		DV_CLEANUP(dv_freep) char *copy = dv_strdup(title);
		const char *word = find_word(copy, n);

		if (!word)
			return false;
		if (dv_streq(word, "PID")) {
			*ret = n;
			return true;
		}
	}
}

static struct dv_err *filter_line(const char *line, size_t column, const struct pids *pids,
				  struct dv_strbuf *out)
{
	DV_CLEANUP(dv_freep) char *copy = dv_strdup(line);
	const char *word = find_word(copy, column);
	uint32_t pid;

	if (!word || !dv_parse_u32(word, &pid))
		return dv_err_new(DV_INTERNAL, "unable to parse pid: \"%s\"", line);
	if (pids_contain(pids, pid))
		dv_strbuf_addf(out, "%s\n", line);
	return NULL;
}

/* @text, what ps(1) printed, is cut into its lines. */
static struct dv_err *filter(char *text, const struct pids *pids, struct dv_strbuf *out)
{
	size_t column;
	char *rest = text, *line = strsep(&rest, "\n");
	struct dv_err *e;

	if (!find_pid_column(line, &column))
		return dv_err_new(DV_INTERNAL, "couldn't find PID field in ps output");
	dv_strbuf_addf(out, "%s\n", line);
	while ((line = strsep(&rest, "\n"))) {
		if (!*line)
			continue;
		e = filter_line(line, column, pids, out);
		if (e)
			return e;
	}
	return NULL;
}

static struct dv_err *format_table(char **ps_args, const struct pids *pids, struct dv_strbuf *out)
{
	static char name[] = "ps", all[] = "-ef";
	char *usual[] = { name, all, NULL };
	DV_CLEANUP(dv_freep) char *text = NULL;
	char **argv = usual;
	struct dv_err *e;

	/* The container's id stands where argv[0] belongs. */
	if (ps_args[1]) {
		argv = ps_args;
		argv[0] = name;
	}
	e = capture_run(argv, &text);
	return e ? e : filter(text, pids, out);
}

static struct dv_err *print(const struct ps_opts *o, char **args, const struct pids *pids)
{
	struct dv_strbuf out = DV_STRBUF_INIT;
	struct dv_err *e = NULL;

	if (dv_streq(o->format, "json"))
		format_json(pids, &out);
	else if (dv_streq(o->format, "table"))
		e = format_table(args, pids, &out);
	else
		e = dv_err_new(DV_INVALID, "invalid format option");
	if (!e)
		e = cli_print(&out);
	dv_strbuf_fini(&out);
	return e;
}

static struct dv_err *run(void *program, const void *opts, char **args, int *ret_status)
{
	const struct cli *cli = program;
	struct pids pids = { 0 };
	struct dv_err *e;

	(void)ret_status;
	e = cli_hint_cgroup(cli, "ps", rt_pids(&cli->ctx, args[0], &pids.items, &pids.n_items));
	if (e)
		return e;
	e = print(opts, args, &pids);
	free(pids.items);
	return e;
}

static const struct dv_opt options[] = {
	{ .name = "format",
	  .letter = 'f',
	  .type = DV_OPT_STRING,
	  .offset = offsetof(struct ps_opts, format),
	  .arg = "format",
	  .help = "table or json",
	  .preset = "table" },
	DV_OPT_END,
};

const struct dv_opt_verb verb_ps = {
	.name = "ps",
	.args = "<container-id> [ps options]",
	.args_text = "All that follows <container-id> is for ps(1); without it, \"-ef\".",
	.summary = "list the processes of a container",
	.text = "Runs ps(1) and prints the lines whose column PID has a process of the container. With\n"
		"--format json, prints their process ids as an array. Process ids are those of the\n"
		"caller's pid namespace.",
	.example = "    # $0 ps c1 -e -o pid,ppid,rss,args",
	.opts = options,
	.min_args = 1,
	.max_args = -1,
	.stop_after = 1,
	.opts_size = sizeof(struct ps_opts),
	.run = run,
};
