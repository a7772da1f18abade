/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From the bytes that a process writes to records of a log. No I/O: bytes go in, in chunks of any
 * size, and come out as vectors for writev. Whatever the chunks, the records are the same.
 *
 * A batch collects records and has them written when it is full, when the log would become too
 * large, and at its end. It points into the caller's bytes where they are long, and into its
 * own text where they are short.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/macros.h"

enum log_format {
	LOG_RAW, /* the bytes */
	LOG_CRI, /* "TIME STREAM F BYTES", or P when the line goes on in the next record */
	LOG_JSON, /* {"log":"BYTES\n","stream":...}; without "\n" when the line goes on */
};

enum {
	LOG_LINE_MAX = 256 * 1024, /* of log_framer.max_line */
	LOG_EXTRA_MAX = 16 * 1024, /* of log_framer.attrs */
	LOG_IOV = 1024,
};

struct log_batch {
	struct iovec *iov; /* LOG_IOV of them */
	size_t n_iov;
	char *text;
	size_t n_text, text_size;
	size_t n_bytes; /* of whole records, all in iov */
	uint64_t room; /* bytes that the log may still get; UINT64_MAX: any number */
	/* Writes @n bytes, all of iov; whether that worked is not the batch's affair. */
	void (*write)(void *arg, const struct iovec *iov, size_t n_iov, size_t n);
	/* Starts a new log; returns its room. */
	uint64_t (*rotate)(void *arg);
	void *arg;
	/* The record being made. */
	struct {
		size_t n_iov, n_text, iov_len; /* before it; the length of the vector before it */
		size_t n_bytes;
	} record;
};

/* The least @text_size for records of lines of up to @max_line bytes. */
size_t log_batch_text_size(size_t max_line);
/* Writes what it has. */
void log_batch_flush(struct log_batch *b);

struct log_framer {
	enum log_format format;
	const char *stream; /* "stdout" */
	const char *attrs; /* JSON: more members, each with a comma behind it; or "" */
	size_t max_line; /* longest piece of a line in one record */
	char *pending; /* an unfinished line; NULL: none */
	size_t n_pending, pending_size;
};

/* @time: of the records that are made now. */
void log_framer_add(struct log_framer *f, struct log_batch *b, const char *time, const char *p,
		    size_t n);
/* The output has ended: what is pending becomes a record. */
void log_framer_end(struct log_framer *f, struct log_batch *b, const char *time);
void log_framer_fini(struct log_framer *f);

/* One whole record, heap, of text that has no newline. */
char *log_format_record(enum log_format format, const char *time, const char *stream,
			const char *attrs, const char *text);
