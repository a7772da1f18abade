/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The spool: a queue of records in a file, which a process killed at any byte of any write
 * leaves readable. Layout, numbers little-endian:
 *
 *	8 bytes   "dvspool1"
 *	8 bytes   offset of the first record that is still wanted
 *	records   length u32, CRC-32 of the payload u32, payload
 *
 * A record counts when all of it is there and its sum is right; a torn one can only be the
 * last, and is cut off when the file is opened. An empty queue is an empty file. The file is
 * locked while it is open, so that it has one user.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/macros.h"

#define SPOOL_MAX	 ((size_t)16 << 20) /* of the file */
#define SPOOL_RECORD_MAX ((size_t)1 << 20)

struct spool {
	char *path;
	int fd; /* -1: not open */
	uint64_t head, tail; /* offsets; equal when empty */
	size_t n_records;
};

/* Opens nothing. */
void spool_init(struct spool *s, const char *path);
/* Removes the file when it is empty and ours. */
void spool_fini(struct spool *s);

/*
 * Opens what is there, or makes it (@is_made). Not there: success, s->fd stays -1.
 * DV_UNAVAILABLE: another process has it. DV_PRECONDITION: not a file of ours; it is left alone.
 * A file that is not a spool is emptied: *ret_is_damaged.
 */
struct dv_err *spool_open(struct spool *s, bool is_made, bool *ret_is_damaged) DV_CHECK;

/* DV_EXHAUSTED: no room within SPOOL_MAX, or the record is too long. The queue is unchanged then. */
struct dv_err *spool_append(struct spool *s, const void *p, size_t n) DV_CHECK;

/* The first record; heap. DV_NOT_FOUND: empty. DV_DATA_LOSS: damaged since it was opened. */
struct dv_err *spool_first(struct spool *s, void **ret, size_t *ret_n) DV_CHECK;
/* Takes it off. */
struct dv_err *spool_drop(struct spool *s) DV_CHECK;

/* The length of the record at @p, with its head; 0: none, or not all of it. For fuzzing, too. */
size_t spool_record(const void *p, size_t n);
uint32_t spool_crc(const void *p, size_t n);
