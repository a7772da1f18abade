/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the tests of io share: a loop that is run until something is true, and counting. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/test.h"

/* Criterion ends a test that hangs. */
#define RUN_UNTIL(loop, cond) \
	do { \
		while (!(cond)) \
			uv_run((loop), UV_RUN_ONCE); \
	} while (0)

/* Lets the loop close what was freed; nothing may be left in it. */
static inline void loop_fini(uv_loop_t *loop)
{
	while (uv_run(loop, UV_RUN_NOWAIT))
		;
	T_INT(uv_loop_close(loop), ==, 0);
}

static inline int count_fds(void)
{
	uv_loop_t loop;
	DIR *dir;
	int n = 0;

	/* The first loop of a process makes a pipe for signals that stays. */
	uv_loop_init(&loop);
	uv_loop_close(&loop);
	dir = opendir("/proc/self/fd");
	cr_assert(dir != NULL);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", "..", and the directory */
}

/* At most @n more descriptors than there are now. */
static inline void limit_fds(int n)
{
	int fd = dup(0);
	struct rlimit limit = { .rlim_cur = (rlim_t)(fd + n), .rlim_max = 4096 };

	cr_assert(fd >= 0);
	close(fd);
	cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static inline void unlimit_fds(void)
{
	struct rlimit limit = { .rlim_cur = 1024, .rlim_max = 4096 };

	cr_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}
