/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What test-exeseal.c runs: seals itself, then says what it runs from. Arguments are echoed.
 * PROBE_FD names a descriptor that must still be open.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/exeseal.h"

int main(int argc, char **argv)
{
	struct dv_log log = { .fd = STDERR_FILENO, .format = DV_LOG_TEXT, .level = DV_DEBUG };
	const char *fd = getenv("PROBE_FD");
	char link[4096], comm[32] = "";
	struct dv_err *e;
	FILE *f;
	ssize_t n;
	int w;

	e = rt_exe_seal(argv, &log);
	if (e) {
		printf("error %s\n", dv_err_message(e));
		return 2;
	}
	n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	link[n < 0 ? 0 : n] = '\0';
	f = fopen("/proc/self/comm", "re");
	if (f && fgets(comm, sizeof(comm), f))
		comm[strcspn(comm, "\n")] = '\0';
	if (f)
		fclose(f);
	w = open("/proc/self/exe", O_WRONLY | O_CLOEXEC);
	printf("exe %s\ncomm %s\nwrite %s\n", link, comm, w < 0 ? strerrorname_np(errno) : "works");
	if (fd)
		printf("fd %s\n",
		       fcntl((int)strtol(fd, NULL, 10), F_GETFD) >= 0 ? "open" : "closed");
	for (int i = 0; i < argc; i++)
		printf("arg %s\n", argv[i]);
	for (int i = 3; i < 64; i++) {
		if (fcntl(i, F_GETFD) >= 0 && i != w && (!fd || i != (int)strtol(fd, NULL, 10)))
			printf("leak %d\n", i);
	}
	return 0;
}
