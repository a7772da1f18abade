/* SPDX-License-Identifier: Apache-2.0 */
/* A spool of any bytes: it can be opened, and from then on it is a queue. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "events-private.h"
#include "sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(struct spool *s)
{
	while (s->n_records > 0) {
		DV_CLEANUP(dv_freep) void *p = NULL;
		size_t n = 0, before = s->n_records;

		dv_err_free(spool_first(s, &p, &n));
		dv_err_free(spool_drop(s));
		dv_assert(s->n_records < before);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("/dev/shm/davit-fuzz-spool-%d", getpid());
	bool is_damaged = false;
	struct spool s;
	size_t n;
	int fd;

	fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dv_assert(fd >= 0 && sys_write_all(fd, data, size) == 0);
	sys_close(fd);
	spool_init(&s, path);
	dv_err_free(spool_open(&s, false, &is_damaged));
	dv_assert(s.fd >= 0);
	n = s.n_records;
	dv_err_free(spool_append(&s, data, size));
	dv_assert(s.n_records >= n);
	drain(&s);
	spool_fini(&s);
	dv_assert(access(path, F_OK) != 0);
	return 0;
}
