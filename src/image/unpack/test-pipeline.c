/* SPDX-License-Identifier: Apache-2.0 */
/* The archive's bytes, as the thread hands them on. */

#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"
#include "sys/file.h"
#include "unpack-private.h"

TestSuite(pipeline, .timeout = 60);

enum { BIG = 5 << 20 };

static int archive_of(size_t n)
{
	DV_CLEANUP(dv_freep) char *bytes = dv_alloc(n);
	int fd = sys_memfd("archive", 0);

	memset(bytes, 'x', n);
	T_INT(sys_write_all(fd, bytes, n), ==, 0);
	T_INT(lseek(fd, 0, SEEK_SET), ==, 0);
	return fd;
}

/* The system calls of its thread are not restricted before that. */
Test(pipeline, reads_nothing_before_it_begins)
{
	DV_CLEANUP(sys_closep) int fd = archive_of(1000);
	struct pipeline *p;

	T_NULL(pipeline_new(fd, BIG, true, &p));
	pipeline_free(p);
	T_INT(lseek(fd, 0, SEEK_CUR), ==, 0);
}

Test(pipeline, all_of_it)
{
	DV_CLEANUP(sys_closep) int fd = archive_of(BIG);
	DV_CLEANUP(pipeline_freep) struct pipeline *p = NULL;
	struct dv_digest digest;
	const void *piece;
	int64_t size = 0;
	size_t n, sum = 0;

	T_NULL(pipeline_new(fd, BIG, true, &p));
	pipeline_begin(p);
	while ((n = pipeline_next(p, &piece)) > 0) {
		T_INT(((const char *)piece)[n - 1], ==, 'x');
		sum += n;
	}
	T_INT(sum, ==, BIG);
	T_NULL(pipeline_finish(p, &size, &digest));
	T_INT(size, ==, BIG);
}

Test(pipeline, too_much)
{
	DV_CLEANUP(sys_closep) int fd = archive_of(BIG);
	DV_CLEANUP(pipeline_freep) struct pipeline *p = NULL;
	DV_CLEANUP(dv_err_freep) struct dv_err *e = NULL;

	T_NULL(pipeline_new(fd, BIG - 1, true, &p));
	pipeline_begin(p);
	e = pipeline_finish(p, NULL, NULL);
	T_NOT_NULL(e);
	T_INT(dv_err_code(e), ==, DV_EXHAUSTED);
}

/* Nobody takes what is there. */
Test(pipeline, freed_in_the_middle)
{
	DV_CLEANUP(sys_closep) int fd = archive_of(BIG);
	struct pipeline *p;
	const void *piece;

	T_NULL(pipeline_new(fd, BIG, false, &p));
	pipeline_begin(p);
	T_INT(pipeline_next(p, &piece), >, 0);
	pipeline_free(p);
}
