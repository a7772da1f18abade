/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files are read from the oldest to the newest, and the newest by its descriptor: when the path has
 * another file, what is left of the old one is read, then the new one. See log-reader.h.
 */

#include "log-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/json.h"
#include "sys/file.h"

enum { PIECE = 64 << 10, LINE_MAX_BYTES = 2 << 20, FILES_MAX = 1000 };

struct log_reader {
	struct log_reader_opts opts;
	int fd; /* -1: there is no file yet */
	int n_older; /* files that come first, until the first run */
	uint64_t skip; /* lines of the oldest that is read */
	struct dv_strbuf line; /* the beginning of one */
	bool is_too_long; /* the line is passed over */
	struct dv_strbuf out; /* what is to be written, of one stream */
	int out_stream;
};

/* ---- writing -------------------------------------------------------------------------------------- */

static struct dv_err *write_out(struct log_reader *r)
{
	int err =
		r->out.len ? sys_write_all(r->opts.out[r->out_stream], r->out.data, r->out.len) : 0;

	dv_strbuf_clear(&r->out);
	return err < 0 ? dv_err_sys(err, "write the log") : NULL;
}

static struct dv_err *add_detail(void *arg, const char *key, const struct dv_json *v)
{
	const char *text = dv_json_string(v, NULL);
	struct dv_strbuf *out = arg;

	dv_strbuf_addf(out, "%s%s=%s", out->len ? "," : "", key, text ? text : "");
	return NULL;
}

/* "a=b,c=d " in front of the text. */
static struct dv_err *add_details(struct log_reader *r, const struct dv_json *attrs)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct dv_err *e = NULL;

	if (attrs && dv_json_type(attrs) == DV_JSON_OBJECT)
		e = dv_json_each(attrs, add_detail, &text);
	dv_strbuf_addf(&r->out, "%s ", text.data);
	return e;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

static bool is_wanted(const struct log_reader *r, const char *time)
{
	const struct log_reader_opts *o = &r->opts;
	struct timespec at;

	if (!o->since.tv_sec && !o->until.tv_sec)
		return true;
	if (!time || !dv_clock_parse(time, &at))
		return false;
	return !is_before(&at, &o->since) && (!o->until.tv_sec || is_before(&at, &o->until));
}

static struct dv_err *show(struct log_reader *r, const struct dv_json *doc)
{
	const char *stream = dv_json_string(dv_json_get(doc, "stream"), NULL);
	const char *time = dv_json_string(dv_json_get(doc, "time"), NULL);
	int which = stream && dv_streq(stream, "stderr");
	struct dv_err *e = NULL;
	const char *text;
	size_t n = 0;

	text = dv_json_string(dv_json_get(doc, "log"), &n);
	if (!text || !is_wanted(r, time))
		return NULL;
	if (which != r->out_stream || r->out.len > PIECE)
		e = write_out(r);
	r->out_stream = which;
	if (r->opts.has_times)
		dv_strbuf_addf(&r->out, "%s ", time ? time : "");
	if (!e && r->opts.has_details)
		e = add_details(r, dv_json_get(doc, "attrs"));
	dv_strbuf_add_n(&r->out, text, n);
	return e;
}

static struct dv_err *take_line(struct log_reader *r)
{
	DV_CLEANUP(dv_json_freep) struct dv_json *doc = NULL;
	struct dv_err *e;

	if (r->skip > 0) {
		r->skip--;
		return NULL;
	}
	e = dv_json_parse(r->line.data, r->line.len, &doc);
	if (!e)
		return show(r, doc);
	dv_err_free(e); /* half of a record, of a machine that went down */
	return NULL;
}

/* ---- reading -------------------------------------------------------------------------------------- */

static struct dv_err *take_bytes(struct log_reader *r, const char *p, size_t n)
{
	struct dv_err *e = NULL;

	while (n > 0 && !e) {
		const char *end = memchr(p, '\n', n);
		size_t piece = end ? (size_t)(end - p) : n;

		if (r->line.len + piece > LINE_MAX_BYTES)
			r->is_too_long = true;
		if (!r->is_too_long)
			dv_strbuf_add_n(&r->line, p, piece);
		if (end) {
			if (!r->is_too_long)
				e = take_line(r);
			dv_strbuf_clear(&r->line);
			r->is_too_long = false;
			piece++;
		}
		p += piece;
		n -= piece;
	}
	return e;
}

static struct dv_err *read_rest(struct log_reader *r, int fd)
{
	char *buf = dv_alloc(PIECE);
	struct dv_err *e = NULL;
	ssize_t n;

	do {
		n = sys_read(fd, buf, PIECE);
		if (n < 0)
			e = dv_err_sys((int)n, "read %s", r->opts.path);
		else
			e = take_bytes(r, buf, (size_t)n);
	} while (n > 0 && !e);
	free(buf);
	return e;
}

/* @number 0: the newest. -ENOENT: there is none. */
static int open_file(const struct log_reader *r, int number)
{
	DV_CLEANUP(dv_freep) char *path = number ? dv_printf("%s.%d", r->opts.path, number) : NULL;

	return sys_openat(AT_FDCWD, path ? path : r->opts.path, O_RDONLY, 0);
}

static struct dv_err *read_older(struct log_reader *r)
{
	struct dv_err *e = NULL;

	for (; r->n_older > 0 && !e; r->n_older--) {
		DV_CLEANUP(sys_closep) int fd = open_file(r, r->n_older);

		if (fd >= 0)
			e = read_rest(r, fd);
	}
	return e;
}

/* Has the path another file than the one that we read? */
static bool is_rotated(const struct log_reader *r)
{
	struct stat now, ours;

	return sys_fstatat(AT_FDCWD, r->opts.path, &now, 0) == 0 && sys_fstat(r->fd, &ours) == 0 &&
	       (now.st_ino != ours.st_ino || now.st_dev != ours.st_dev);
}

struct dv_err *log_reader_run(struct log_reader *r)
{
	struct dv_err *e = read_older(r);
	bool is_last = false;

	while (!e && !is_last) {
		if (r->fd < 0)
			r->fd = open_file(r, 0);
		if (r->fd < 0)
			break; /* nothing yet */
		is_last = !is_rotated(r);
		e = read_rest(r, r->fd);
		if (!is_last)
			r->fd = sys_close(r->fd);
	}
	return e ? e : write_out(r);
}

/* ---- the tail ---------------------------------------------------------------------------------------- */

static struct dv_err *count_lines(const char *path, int fd, uint64_t *io_n)
{
	char *buf = dv_alloc(PIECE);
	ssize_t n;

	while ((n = sys_read(fd, buf, PIECE)) > 0) {
		for (const char *p = buf; (p = memchr(p, '\n', (size_t)(buf + n - p))); p++)
			++*io_n;
	}
	free(buf);
	return n < 0 ? dv_err_sys((int)n, "read %s", path) : NULL;
}

/* From the newest file back, until there are enough lines. */
static struct dv_err *find_begin(struct log_reader *r)
{
	uint64_t total = 0;
	int i;

	for (i = 0; i < FILES_MAX && (i == 0 || total < r->opts.tail); i++) {
		DV_CLEANUP(sys_closep) int fd = open_file(r, i);
		struct dv_err *e;

		if (fd == -ENOENT && i > 0)
			break;
		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return dv_err_sys(fd, "open %s", r->opts.path);
		e = r->opts.tail == UINT64_MAX ? NULL : count_lines(r->opts.path, fd, &total);
		if (e)
			return e;
	}
	r->n_older = i - 1;
	if (r->opts.tail != UINT64_MAX && total > r->opts.tail)
		r->skip = total - r->opts.tail;
	return NULL;
}

struct dv_err *log_reader_new(const struct log_reader_opts *opts, struct log_reader **ret)
{
	struct log_reader *r = dv_new(struct log_reader);
	struct dv_err *e;

	*r = (struct log_reader){
		.opts = *opts, .fd = -1, .line = DV_STRBUF_INIT, .out = DV_STRBUF_INIT
	};
	e = find_begin(r);
	if (e)
		log_reader_free(r);
	else
		*ret = r;
	return e;
}

struct log_reader *log_reader_free(struct log_reader *r)
{
	if (!r)
		return NULL;
	sys_closep(&r->fd);
	dv_strbuf_fini(&r->line);
	dv_strbuf_fini(&r->out);
	free(r);
	return NULL;
}
