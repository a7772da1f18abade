/* SPDX-License-Identifier: Apache-2.0 */
/* How far long work has come. See progress.h. */

#include "progress.h"

#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "human.h"
#include "sys/file.h"

/* Terminals are written to at most ten times a second. */
#define INTERVAL_NS 100000000LL

enum { BAR_WIDTH = 30, WIDTH_MAX = 512, WIDTH_DEFAULT = 80 };

struct cli_progress {
	bool is_quiet, is_terminal;
	bool has_line; /* one that will be written over */
	struct timespec last;
};

struct cli_progress *cli_progress_new(bool is_quiet)
{
	struct cli_progress *p = dv_new(struct cli_progress);

	p->is_quiet = is_quiet;
	p->is_terminal = isatty(STDERR_FILENO);
	return p;
}

static void put(const struct dv_strbuf *text)
{
	(void)sys_write_all(STDERR_FILENO, text->data, text->len);
}

static void clear_line(struct cli_progress *p, struct dv_strbuf *out)
{
	if (p->has_line)
		dv_strbuf_add(out, "\r\033[K");
	p->has_line = false;
}

struct cli_progress *cli_progress_free(struct cli_progress *p)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	if (!p)
		return NULL;
	clear_line(p, &out);
	put(&out);
	free(p);
	return NULL;
}

static bool is_due(struct cli_progress *p)
{
	struct timespec now = { 0 };
	long long ns;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (now.tv_sec - p->last.tv_sec) * 1000000000LL + now.tv_nsec - p->last.tv_nsec;
	if (p->has_line && ns < INTERVAL_NS)
		return false;
	p->last = now;
	return true;
}

static size_t terminal_width(void)
{
	struct winsize ws = { 0 };

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col == 0)
		return WIDTH_DEFAULT;
	return DV_MIN((size_t)ws.ws_col, (size_t)WIDTH_MAX);
}

/* "[=====>    ]" */
static void add_bar(struct dv_strbuf *out, uint64_t done, uint64_t total)
{
	size_t full = (size_t)((double)DV_MIN(done, total) / (double)total * BAR_WIDTH);

	dv_strbuf_add(out, " [");
	for (size_t i = 0; i < BAR_WIDTH; i++)
		dv_strbuf_addc(out, i < full ? '=' : i == full ? '>' : ' ');
	dv_strbuf_addc(out, ']');
}

static void show_line(struct cli_progress *p, const char *line)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf safe = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;

	clear_line(p, &out);
	cli_human_safe(line, &safe);
	cli_human_cut(safe.data, terminal_width() - 1, &out);
	put(&out);
	p->has_line = true;
}

void cli_progress_bytes(struct cli_progress *p, const char *what, uint64_t done, uint64_t total)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;

	if (p->is_quiet || !p->is_terminal || !is_due(p))
		return;
	dv_strbuf_add(&line, what);
	if (total > 0)
		add_bar(&line, done, total);
	dv_strbuf_addc(&line, ' ');
	cli_human_size((int64_t)done, &line);
	if (total > 0) {
		dv_strbuf_add(&line, " / ");
		cli_human_size((int64_t)total, &line);
	}
	show_line(p, line.data);
}

void cli_progress_step(struct cli_progress *p, const char *what, const char *object, bool is_done)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf line = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf out = DV_STRBUF_INIT;
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf safe = DV_STRBUF_INIT;

	if (p->is_quiet)
		return;
	dv_strbuf_addf(&line, "%s %s", what, object);
	if (is_done) {
		cli_human_safe(line.data, &safe);
		clear_line(p, &out);
		dv_strbuf_addf(&out, "%s\n", safe.data);
		put(&out);
	} else if (p->is_terminal && is_due(p)) {
		show_line(p, line.data);
	}
}
