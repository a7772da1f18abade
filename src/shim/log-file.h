/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The file of a log: whole records are appended, it is renamed when it would become too large,
 * and opened anew on request. Failing to write stops nothing: what was not written is counted.
 * Shared by the streams that go there.
 */

#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/log.h"
#include "base/macros.h"
#include "log-frame.h"
#include "stdio-uri.h"

struct log_opts {
	enum log_format format;
	char *path;
	char *stream; /* NULL: the one that it is */
	char *attrs; /* see log_framer; never NULL */
	size_t max_line;
	uint64_t max_size; /* 0: no limit */
	unsigned max_file;
	bool is_attachable; /* others may have what is written to it, too */
	bool is_existing; /* neither the file nor its directory is made */
};

/* STDIO_FILE, _PATH, _CRI or _JSON. DV_INVALID: no such option, or a value that cannot be. */
struct dv_err *log_opts_parse(const struct stdio_uri *uri, struct log_opts *ret) DV_CHECK;
void log_opts_fini(struct log_opts *opts);
/* Do both describe one log? (What is of one stream alone may differ.) */
bool log_opts_equal(const struct log_opts *a, const struct log_opts *b);

struct log_file;

/* @opts is copied. DV_INVALID: it is no regular file. */
struct dv_err *log_file_open(const struct log_opts *opts, const struct dv_log *log,
			     struct log_file **ret) DV_CHECK;
struct log_file *log_file_ref(struct log_file *f);
struct log_file *log_file_unref(struct log_file *f); /* accepts NULL; returns NULL */

/* What a batch needs: bytes that fit in, writing, a new file. @arg is the log_file. */
uint64_t log_file_room(const struct log_file *f);
void log_file_write(void *arg, const struct iovec *iov, size_t n_iov, size_t n);
uint64_t log_file_rotate(void *arg);

/* After a failure the old file stays in use. */
struct dv_err *log_file_reopen(struct log_file *f) DV_CHECK;

const struct log_opts *log_file_opts(const struct log_file *f);
/* Bytes of records that could not be written so far. */
uint64_t log_file_lost(const struct log_file *f);
