/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A log in docker's form, {"log":...,"stream":...,"time":...} a line, with older parts in PATH.1, PATH.2.
 * It grows and is rotated while it is read. What a container wrote is in it: nothing is trusted.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/macros.h"

struct log_reader_opts {
	const char *path;
	uint64_t tail; /* lines of the end to begin with; UINT64_MAX: all */
	struct timespec since, until; /* 0: no limit; since is included, until is not */
	bool has_times, has_details;
	int out[2]; /* descriptors for what went to standard output and error */
};

struct log_reader;

/* No such file: nothing has been written yet. Strings are borrowed. */
struct dv_err *log_reader_new(const struct log_reader_opts *opts, struct log_reader **ret) DV_CHECK;
/* Accepts NULL; always returns NULL. */
struct log_reader *log_reader_free(struct log_reader *r);
DV_DEFINE_CLEANUP(struct log_reader *, log_reader_free);

/* Shows everything that is there by now and was not shown yet. Lines that are no records are left out. */
struct dv_err *log_reader_run(struct log_reader *r) DV_CHECK;
