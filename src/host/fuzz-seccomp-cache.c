/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a cached program: it is used only if it is right. */

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/seccomp.h"
#include "sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	int dirfd;
	char name[32];
	char *file; /* what the cache wrote */
	size_t size;
	struct host_seccomp_program program;
} good;

static struct spec_seccomp *profile(void)
{
	static const char *names[] = { "read", "write", "kill" };
	static struct spec_seccomp_rule rule = { .names = names,
						 .n_names = 3,
						 .action = SPEC_ACT_ALLOW };
	static struct spec_seccomp p = {
		.default_action = SPEC_ACT_ERRNO,
		.rules = &rule,
		.n_rules = 1,
	};

	return &p;
}

static void prepare(void)
{
	static char dir[] = "/tmp/fuzz-seccomp-XXXXXX";
	struct dirent *entry;
	struct stat st;
	DIR *d;
	int fd;

	dv_assert(mkdtemp(dir));
	good.dirfd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	dv_assert(!host_seccomp_get(good.dirfd, profile(), NULL, &good.program));
	d = opendir(dir);
	while ((entry = readdir(d))) {
		if (entry->d_name[0] != '.')
			strncpy(good.name, entry->d_name, sizeof(good.name) - 1);
	}
	closedir(d);
	fd = sys_openat(good.dirfd, good.name, O_RDONLY, 0);
	dv_assert(sys_fstat(fd, &st) == 0);
	good.size = (size_t)st.st_size;
	good.file = dv_alloc(good.size);
	dv_assert(sys_read(fd, good.file, good.size) == (ssize_t)good.size);
	sys_close(fd);
}

/* The input replaces a part of the good file: its first two bytes say where. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_seccomp_program p;
	size_t at, len;
	char *file;
	int fd;

	if (!good.file)
		prepare();
	if (size < 2)
		return 0;
	at = (data[0] | (size_t)data[1] << 8) % (good.size + 1);
	len = DV_MAX(good.size, at + size - 2);
	file = dv_alloc(len);
	memcpy(file, good.file, good.size);
	memcpy(file + at, data + 2, size - 2);
	/* An odd size of the input cuts the file off behind it. */
	fd = sys_openat(good.dirfd, good.name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dv_assert(sys_write_all(fd, file, size & 1 ? at + size - 2 : len) == 0);
	sys_close(fd);
	free(file);

	dv_assert(!host_seccomp_get(good.dirfd, profile(), NULL, &p));
	dv_assert(p.n_insns == good.program.n_insns && p.load_flags == good.program.load_flags);
	dv_assert(memcmp(p.insns, good.program.insns, p.n_insns * sizeof(*p.insns)) == 0);
	host_seccomp_program_fini(&p);
	return 0;
}
