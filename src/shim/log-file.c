/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every record ends with a newline and has no other, so that after a write that was cut short
 * (a full disk) the last whole record is found by looking for one; the rest of it is taken back.
 *
 *	fine --write fails: warned--> failing --note and records were written--> fine
 */

#include "log-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sys/file.h"

struct log_file {
	struct log_opts opts;
	const struct dv_log *log;
	int fd;
	uint64_t size, limit; /* limit: UINT64_MAX without rotation */
	bool is_failing, has_rotate_failed;
	uint64_t n_lost, n_lost_now; /* in all; since it fails */
	unsigned n_refs;
};

/* ---- opening ----------------------------------------------------------------------------- */

static int make_parents(const char *path)
{
	char dir[PATH_MAX];
	int r = 0;

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		r = sys_mkdirat(AT_FDCWD, dir, 0755);
		*p = '/';
	}
	return r == -EEXIST ? 0 : r;
}

/* O_NONBLOCK: something else than a file must not keep us waiting, before it is refused. */
static int open_at(const struct log_opts *o, struct stat *st)
{
	int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	mode_t mode = o->format == LOG_RAW ? 0644 : 0640;
	int fd, r;

	if (!o->is_existing)
		flags |= O_CREAT;
	fd = sys_openat(AT_FDCWD, o->path, flags, mode);
	if (fd == -ENOENT && !o->is_existing) {
		r = make_parents(o->path);
		if (r < 0)
			return r;
		fd = sys_openat(AT_FDCWD, o->path, flags, mode);
	}
	if (fd < 0)
		return fd;
	r = sys_fstat(fd, st);
	if (r < 0) {
		sys_close(fd);
		return r;
	}
	return fd;
}

/* Changes nothing when it fails. */
static struct dv_err *open_file(struct log_file *f, int *ret_fd)
{
	struct stat st;
	int fd = open_at(&f->opts, &st);

	if (fd < 0)
		return dv_err_sys(fd, "log: open %s", f->opts.path);
	if (!S_ISREG(st.st_mode)) {
		sys_close(fd);
		return dv_err_new(DV_INVALID, "log: %s is not a regular file", f->opts.path);
	}
	f->size = (uint64_t)st.st_size;
	f->limit = f->opts.max_size ? f->opts.max_size : UINT64_MAX;
	*ret_fd = fd;
	return NULL;
}

struct dv_err *log_file_open(const struct log_opts *opts, const struct dv_log *log,
			     struct log_file **ret)
{
	struct log_file *f = dv_new(struct log_file);
	struct dv_err *e;

	f->opts = *opts;
	f->opts.path = dv_strdup(opts->path);
	f->opts.stream = dv_strdup(opts->stream);
	f->opts.attrs = dv_strdup(opts->attrs);
	f->log = log;
	f->fd = -1;
	f->n_refs = 1;
	e = open_file(f, &f->fd);
	if (e)
		f = log_file_unref(f);
	else
		*ret = f;
	return e;
}

struct log_file *log_file_ref(struct log_file *f)
{
	f->n_refs++;
	return f;
}

struct log_file *log_file_unref(struct log_file *f)
{
	if (!f || --f->n_refs > 0)
		return NULL;
	sys_close(f->fd);
	log_opts_fini(&f->opts);
	free(f);
	return NULL;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Writes all of it; *ret_done is how much that was. 0 or -errno. */
static int write_vectors(int fd, const struct iovec *iov, size_t n_iov, size_t n, size_t *ret_done)
{
	size_t done = 0, at = 0, skip = 0;

	while (done < n) {
		/* The rest of a vector that was written in part, alone. */
		ssize_t r =
			skip ? write(fd, (char *)iov[at].iov_base + skip, iov[at].iov_len - skip)
			     : writev(fd, iov + at, (int)DV_MIN(n_iov - at, (size_t)IOV_MAX));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			*ret_done = done;
			return -errno;
		}
		done += (size_t)r;
		for (skip += (size_t)r; at < n_iov && skip >= iov[at].iov_len; at++)
			skip -= iov[at].iov_len;
	}
	*ret_done = done;
	return 0;
}

/* How many of the first @n bytes are whole records. */
static size_t whole_records(const struct iovec *iov, size_t n_iov, size_t n)
{
	size_t whole = 0, at = 0;

	for (size_t i = 0; i < n_iov && at < n; i++) {
		size_t part = DV_MIN(iov[i].iov_len, n - at);
		const char *end = memrchr(iov[i].iov_base, '\n', part);

		if (end)
			whole = at + (size_t)(end - (const char *)iov[i].iov_base) + 1;
		at += part;
	}
	return whole;
}

/* The last @n bytes of the file are half a record. */
static void take_back(struct log_file *f, size_t n)
{
	struct stat st;

	if (n == 0)
		return;
	if (sys_fstat(f->fd, &st) == 0 && st.st_size >= (off_t)n &&
	    sys_ftruncate(f->fd, st.st_size - (off_t)n) == 0)
		return;
	/* A line of its own is the best that can be had. */
	(void)sys_write(f->fd, "\n", 1);
	f->size++;
}

/* True: all of it is in the file. Counts, and notes how it went. */
static bool append(struct log_file *f, const struct iovec *iov, size_t n_iov, size_t n)
{
	size_t done, whole;
	int r = write_vectors(f->fd, iov, n_iov, n, &done);

	whole = done;
	if (r < 0 && f->opts.format != LOG_RAW) {
		whole = whole_records(iov, n_iov, done);
		take_back(f, done - whole);
	}
	f->size += whole;
	if (r == 0)
		return true;
	f->n_lost += n - whole;
	f->n_lost_now += n - whole;
	if (!f->is_failing)
		dv_log(f->log, DV_WARN, "log %s: write: %s: output is lost until that works again",
		       f->opts.path, dv_errno_text(-r));
	f->is_failing = true;
	return false;
}

/* Says in the log what is missing from it. False: there is no room for that either. */
static bool write_note(struct log_file *f)
{
	DV_CLEANUP(dv_freep)
	char *text = dv_printf("davit: %llu bytes of this log could not be written",
			       (unsigned long long)f->n_lost_now);
	DV_CLEANUP(dv_freep) char *record = NULL;
	char now[DV_CLOCK_SIZE];
	uint64_t before = f->n_lost, before_now = f->n_lost_now;
	struct timespec ts;
	struct iovec iov;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	dv_clock_format(&ts, DV_CLOCK_NANOS, now);
	record = log_format_record(f->opts.format, now, "stderr", f->opts.attrs, text);
	iov = (struct iovec){ record, strlen(record) };
	if (!append(f, &iov, 1, iov.iov_len)) {
		/* The note itself is no loss. */
		f->n_lost = before;
		f->n_lost_now = before_now;
		return false;
	}
	f->n_lost_now = 0;
	return true;
}

void log_file_write(void *arg, const struct iovec *iov, size_t n_iov, size_t n)
{
	struct log_file *f = arg;

	if (f->n_lost_now > 0 && !write_note(f)) {
		f->n_lost += n;
		f->n_lost_now += n;
		return;
	}
	/* Room for the note alone may be no more than the half record that was taken back. */
	if (append(f, iov, n_iov, n) && f->is_failing) {
		f->is_failing = false;
		dv_log(f->log, DV_INFO, "log %s: write works again", f->opts.path);
	}
}

/* ---- rotation ---------------------------------------------------------------------------- */

uint64_t log_file_room(const struct log_file *f)
{
	if (f->limit == UINT64_MAX)
		return UINT64_MAX;
	return f->limit > f->size ? f->limit - f->size : 0;
}

/* PATH.(n-2) becomes PATH.(n-1), ..., PATH becomes PATH.1. */
static int shift_names(const struct log_file *f)
{
	int r;

	for (unsigned i = f->opts.max_file - 1; i > 0; i--) {
		DV_CLEANUP(dv_freep) char *to = dv_printf("%s.%u", f->opts.path, i);
		DV_CLEANUP(dv_freep)
		char *from =
			i > 1 ? dv_printf("%s.%u", f->opts.path, i - 1) : dv_strdup(f->opts.path);

		r = sys_renameat(AT_FDCWD, from, AT_FDCWD, to);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	return 0;
}

static struct dv_err *rotate(struct log_file *f)
{
	DV_CLEANUP(dv_freep) char *first = dv_printf("%s.1", f->opts.path);
	struct dv_err *e;
	int fd, r;

	if (f->opts.max_file == 1) {
		r = sys_ftruncate(f->fd, 0);
		if (r < 0)
			return dv_err_sys(r, "log: truncate %s", f->opts.path);
		f->size = 0;
		f->limit = f->opts.max_size;
		return NULL;
	}
	r = shift_names(f);
	if (r < 0)
		return dv_err_sys(r, "log: rename %s", f->opts.path);
	e = open_file(f, &fd);
	if (e) {
		/* Goes on where it was, if that can be had. */
		(void)sys_renameat(AT_FDCWD, first, AT_FDCWD, f->opts.path);
		return e;
	}
	sys_close(f->fd);
	f->fd = fd;
	return NULL;
}

uint64_t log_file_rotate(void *arg)
{
	struct log_file *f = arg;
	struct stat st;
	struct dv_err *e;

	/* Somebody else may have truncated it. */
	if (sys_fstat(f->fd, &st) == 0)
		f->size = (uint64_t)st.st_size;
	/* A record that is larger than a log has one for itself. */
	if (f->size == 0)
		return log_file_room(f);
	e = rotate(f);
	if (e) {
		if (!f->has_rotate_failed)
			dv_log(f->log, DV_WARN, "%s", dv_err_message(e));
		f->has_rotate_failed = true;
		f->limit = f->size + f->opts.max_size; /* tried again then */
		dv_err_free(e);
	} else {
		f->has_rotate_failed = false;
	}
	return log_file_room(f);
}

struct dv_err *log_file_reopen(struct log_file *f)
{
	struct dv_err *e;
	int fd;

	e = open_file(f, &fd);
	if (e)
		return e;
	sys_close(f->fd);
	f->fd = fd;
	return NULL;
}

const struct log_opts *log_file_opts(const struct log_file *f)
{
	return &f->opts;
}

uint64_t log_file_lost(const struct log_file *f)
{
	return f->n_lost;
}
